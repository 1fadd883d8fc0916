"""Imported by the process that workers are forked from: what plugins need, whatever they do while they are imported."""

from __future__ import annotations

import importlib
import os

from runners.places import PRELOAD

for _name in os.environ.get(PRELOAD, "").split(","):
    try:
        importlib.import_module(_name or "runners.worker")
    except BaseException:  # noqa: BLE001, S112 (whoever wants the plugin will be told in a line)
        continue
