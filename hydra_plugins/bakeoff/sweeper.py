"""Our sweeper, as Hydra wants it. The work is done in `runners/sweep.py`."""

from __future__ import annotations

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class BakeoffSweeper(Sweeper):
    """Expands nested globs, drops impossible pairs, skips what the store has, and runs the rest.

    Args:
        params: values of a sweep by key, from an experiment's `hydra.sweeper.params`; the command line wins.
    """

    def __init__(self, params: dict[str, Any] | None = None) -> None:
        self.params = params or {}

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Remember what Hydra hands over before a multirun."""
        self.context = hydra_context
        self.task_function = task_function
        self.config = config

    def sweep(self, arguments: list[str]) -> Any:
        """Run the multirun; how its cells ended."""
        from runners.sweep import sweep  # imports plugins, which Hydra's scan of this folder must not

        assert self.config is not None  # Hydra calls setup first
        return sweep(arguments, self.params, self.config, self.context.config_loader, self.context)


ConfigStore.instance().store(
    group="hydra/sweeper",
    name="bakeoff",
    node={"_target_": "hydra_plugins.bakeoff.sweeper.BakeoffSweeper", "params": {}},
    provider="bakeoff",
)
