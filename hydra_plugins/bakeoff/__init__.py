"""Thin adapters between Hydra and `runners/`. Hydra imports this folder at every start: keep it light."""
