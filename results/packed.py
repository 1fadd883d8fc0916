"""A record as the store keeps it: three JSON texts, so that a board need not read, or read again, what it does not use.

The first holds what all seeds of a pair have in common and is the same text for all of them; the second what else a
board uses; the third the rest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from results.record import Record, content_of, from_content

NOTHING = "{}"
REST = ("traceback", "curve", "logs", "preparations", "provenance")  # fields that no board uses, but for the digests
# of preparations, which tell builds apart, and for:
ORIGIN = ("fingerprints", "python", "processor", "cores", "device")  # parts of the provenance that tell what is stale
_COMMON = ("schema", "settings", "arena", "task", "method", "problem", "scale", "hardware", "protocol", "role",
           "method_version", "task_version", "fidelity", "rank_metric", "metric_info", "limits", "prices")  # fmt: skip
_BY_SEED = ("seed", "preparations")  # parts of the identity that are not common to all seeds

_ENCODER = json.JSONEncoder(allow_nan=False, check_circular=False, separators=(",", ":"), default=asdict)


def pack(content: Mapping[str, Any]) -> tuple[str, str, str]:
    """The fields of a record as compact texts: common to all seeds, head, rest. Numbers that are not finite are
    refused."""
    common = {key: content[key] for key in _COMMON if key in content}
    rest = {key: content[key] for key in REST if key in content}
    head = {key: value for key, value in content.items() if key not in common and key not in rest}
    preparations = content.get("preparations")
    if isinstance(preparations, Mapping) and preparations:
        head["preparations"] = {name: _digest(told) for name, told in preparations.items()}
    provenance = content.get("provenance")
    if isinstance(provenance, Mapping):
        common["provenance"] = {key: provenance[key] for key in ORIGIN if key in provenance}
        rest["provenance"] = {key: value for key, value in provenance.items() if key not in ORIGIN}
    identity = content.get("identity")
    if isinstance(identity, Mapping):
        common["identity"] = {key: value for key, value in identity.items() if key not in _BY_SEED}
        head["identity"] = {key: identity[key] for key in _BY_SEED if key in identity}
    return compact(common), compact(head), compact(rest)


def _digest(told: Any) -> dict[str, Any]:
    return {"digest": told["digest"]} if isinstance(told, Mapping) and "digest" in told else {}


def compact(content: Mapping[str, Any]) -> str:
    """The mapping as JSON without blanks."""
    return _ENCODER.encode(content)


class Unpacker:
    """Turns texts of `pack` into records. Those of one unpacker share the values that they have in common."""

    def __init__(self) -> None:
        self._common: dict[str, dict[str, Any]] = {}

    def record(self, common: str, head: str, rest: str, source: str) -> Record:
        """One record; where `rest` is `NOTHING`, the fields of `REST` are empty, but for `ORIGIN` of the provenance and
        the digests of the preparations.

        Raises:
            RecordError: a text is cut off, they are no record, or were written by a newer version.
        """
        if common not in self._common:
            self._common[common] = content_of(common, source)
        shared, content = self._common[common], content_of(head, source)
        if "identity" in shared and "identity" in content:
            content["identity"] = shared["identity"] | content["identity"]
        if rest != NOTHING:
            content |= content_of(rest, source)
            content["provenance"] = content.get("provenance", {}) | shared.get("provenance", {})
        return from_content(shared | content, source)
