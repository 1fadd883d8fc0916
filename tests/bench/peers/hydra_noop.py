"""A program for Hydra in which nothing takes any time, so that what is left is Hydra's own."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path=None, config_name=None)
def main(config: DictConfig) -> float:
    return float(config.number)


if __name__ == "__main__":
    main()
