"""Times a training step of our GKD and KD beside TRL's GKD trainer, and our sampler beside `generate` of transformers,
on the same models and batches, in turns. Run it with `make bench-methods`.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # as a script this file sees only its own folder

import numpy as np
import torch
from torch import Tensor

from methods.distillation._loop import distil
from methods.distillation._losses import ForwardKL, JensenShannon
from methods.distillation._regimes import OnPolicy, References
from runners.hardware import Hardware
from runners.run import AttemptRun, Nobody, Offers
from tasks.base import read_only
from tasks.distillation import TEACHER_GENERATED_TOKENS, TEACHER_TOKENS, LanguageDistillation, TokenData
from tasks.distillation.measures import batch_of
from tasks.distillation.sampling import Sampler
from tasks.language_models import Architecture, train_tokenizer
from tasks.metering import Ledger, Oracle, random_stream
from tasks.training import Recipe

VOCABULARY, END, PAD, PROMPT, RESPONSE, BATCH = 1024, 0, 1, 24, 32, 32  # as in the task distillation/docstrings
WARM = 2  # steps that are not counted

Sides = tuple[Callable[[], list[float]], Callable[[], list[float]]]  # each gives the seconds of steps or of calls


@dataclass
class Steps(Nobody):
    """Notes when each step has ended."""

    times: list[float] = field(default_factory=list)

    def progress(self, done: float, total: float) -> None:
        self.times.append(time.perf_counter())


def networks() -> tuple[Any, Any]:
    """A teacher and a student with fresh weights, of which the student ends about every sixteenth token."""
    torch.manual_seed(0)
    teacher = Architecture(width=96, layers=2, heads=4, context=64).network(VOCABULARY, END, PAD).eval()
    student: Any = Architecture(width=32, layers=2, heads=2, context=64).network(VOCABULARY, END, PAD).eval()
    with torch.no_grad():
        shift = torch.linspace(-1, 1, 32)
        student.transformer.ln_f.bias += shift
        student.get_input_embeddings().weight[END] += np.log(VOCABULARY / 16) * shift / shift.square().sum()
    return teacher, student


def sequences(count: int) -> TokenData:
    """Random prompts and responses of unlike lengths."""
    rng = np.random.default_rng(0)
    prompt, response = rng.integers(8, PROMPT + 1, count), rng.integers(8, RESPONSE + 1, count)
    tokens = rng.integers(2, VOCABULARY, (count, PROMPT + RESPONSE))
    tokens[np.arange(PROMPT + RESPONSE) >= (prompt + response - 1)[:, None]] = END
    return TokenData(read_only(tokens), read_only(prompt), read_only(prompt + response))


def hardware() -> Hardware:
    """One core."""
    limits = {"time_limit": None, "memory_limit": None, "device_memory_limit": None}
    return Hardware(accelerator="cpu", devices=1, precision="32-true", threads=1, deterministic=False, **limits)


def ours(on_policy: bool, steps: int) -> list[float]:
    """Seconds of our steps."""
    teacher, student = networks()
    ledger, data = Ledger(), sequences(steps * BATCH)

    @torch.no_grad()
    def read(tokens: Tensor, real: Tensor) -> Tensor:
        logits: Tensor = teacher(tokens).logits
        return logits

    def nothing() -> TokenData:
        return data

    problem = LanguageDistillation(
        ledger=ledger,
        vocabulary_size=VOCABULARY,
        end=END,
        train=data,
        validation=data.take(slice(0, 2)),
        teacher=Oracle(ledger, TEACHER_TOKENS, read, price=lambda tokens, real: int(real.sum())),
        student=lambda: copy.deepcopy(student),
        sample=Sampler(RESPONSE, END, ledger),
        teacher_corpus=Oracle(ledger, TEACHER_GENERATED_TOKENS, nothing),
        recipe=Recipe(steps=steps, batch_size=BATCH, lr=1e-4, weight_decay=0.0, clip=1.0, warmup=0.0, floor=0.0),
        validate_every=2 * steps,
    )
    watcher = Steps()
    with tempfile.TemporaryDirectory() as folder:
        run = AttemptRun(random_stream("bench"), ledger, hardware(), Path(folder), watcher=watcher, offers=Offers())
        if on_policy:
            distil(problem, run, JensenShannon(beta=0.5), OnPolicy(share=1.0))
        else:
            distil(problem, run, ForwardKL(), References())
    return between(watcher.times)


def between(times: list[float]) -> list[float]:
    """Seconds from the end of each step to that of the next, without the first ones."""
    return [late - early for early, late in zip(times[WARM - 1 :], times[WARM:], strict=False)]


def batches(steps: int) -> list[dict[str, Tensor]]:
    """The same batches as TRL wants them; its prompts are padded on the left."""
    data, rows = sequences(steps * BATCH), []
    for step in range(steps):
        part = data.take(slice(step * BATCH, (step + 1) * BATCH))
        batch = batch_of(part, torch.device("cpu"))
        scored = torch.cat([torch.zeros(BATCH, 1, dtype=torch.bool), batch.scored], dim=1)
        prompts, real = left_padded(part)
        rows.append(
            {
                "input_ids": batch.tokens,
                "attention_mask": batch.real.long(),
                "labels": torch.where(scored, batch.tokens, -100),
                "prompts": prompts,
                "prompt_attention_mask": real.long(),
            }
        )
    return rows


def left_padded(data: TokenData) -> tuple[Tensor, Tensor]:
    """Prompts (B, P) and where they are real."""
    width = int(data.prompt_length.max())
    places = np.arange(width) - (width - data.prompt_length[:, None])
    tokens = np.where(places >= 0, np.take_along_axis(data.tokens, np.maximum(places, 0), axis=1), PAD)
    return torch.from_numpy(tokens), torch.from_numpy(places >= 0)


def trl_steps(on_policy: bool, steps: int) -> list[float]:
    """Seconds of the steps of TRL's trainer.

    Raises:
        ImportError: TRL is not installed.
    """
    from datasets import Dataset
    from transformers import TrainerCallback
    from trl.experimental.gkd import GKDConfig, GKDTrainer

    class Clock(TrainerCallback):
        """Notes when each step has ended."""

        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.append(time.perf_counter())

    times: list[float] = []
    teacher, student = networks()
    held = batches(steps)
    with tempfile.TemporaryDirectory() as folder:
        values = GKDConfig(
            output_dir=folder, per_device_train_batch_size=1, max_steps=steps, use_cpu=True, bf16=False, fp16=False,
            gradient_checkpointing=False, report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
            learning_rate=1e-4, lr_scheduler_type="cosine", max_grad_norm=1.0, optim="adamw_torch", temperature=1.0,
            lmbda=1.0 if on_policy else 0.0, beta=0.5 if on_policy else 0.0, max_new_tokens=RESPONSE,
            dataloader_pin_memory=False,
        )  # fmt: skip
        trainer = GKDTrainer(
            model=student,
            teacher_model=teacher,
            args=values,
            data_collator=lambda rows: dict(held[rows[0]["number"]]),
            train_dataset=Dataset.from_dict({"number": list(range(steps))}),
            processing_class=train_tokenizer(["a"], 300),
            callbacks=[Clock()],
        )
        with contextlib.redirect_stdout(io.StringIO()):  # it prints a summary
            trainer.train()
    return between(times)


def sampler_calls(calls: int) -> list[float]:
    """Seconds a token of our sampler, of some calls."""
    _, student = networks()
    data, sample, found = sequences(BATCH), Sampler(RESPONSE, END), []
    for call in range(calls + WARM):
        start = time.perf_counter()
        drawn = sample(student, data, np.random.default_rng(call)).sequences
        found.append((time.perf_counter() - start) / (drawn.length - drawn.prompt_length).sum())
    return found[WARM:]


def generate_calls(calls: int) -> list[float]:
    """Seconds a token of `generate`, of some calls; what it draws behind an end does not count."""
    from transformers import GenerationConfig

    student: Any = networks()[1]
    prompts, real = left_padded(sequences(BATCH))
    values = {"max_new_tokens": RESPONSE, "do_sample": True, "top_k": 0, "top_p": 1.0}
    settings = GenerationConfig(**values, eos_token_id=END, pad_token_id=PAD)
    found = []
    for call in range(calls + WARM):
        torch.manual_seed(call)
        start = time.perf_counter()
        drawn = student.generate(inputs=prompts, attention_mask=real.long(), generation_config=settings)
        found.append((time.perf_counter() - start) / int((drawn[:, prompts.shape[1] :] != PAD).sum()))
    return found[WARM:]


def compared(sides: Sides, rounds: int) -> tuple[list[float], list[float], list[float]]:
    """Medians of both sides in each round, and their ratios; who begins changes from round to round."""
    left, right = [], []
    for number in range(rounds):
        order = (0, 1) if number % 2 == 0 else (1, 0)
        medians = {side: float(np.median(sides[side]())) for side in order}
        left.append(medians[0])
        right.append(medians[1])
    return left, right, [one / other for one, other in zip(left, right, strict=True)]


def comparisons(steps: int) -> Iterator[tuple[str, Sides]]:
    """What is measured: a name, ours, theirs."""
    yield "GKD, a step (lambda 1, beta 0.5)", (lambda: ours(True, steps), lambda: trl_steps(True, steps))
    yield "KD, a step (lambda 0, beta 0)", (lambda: ours(False, steps), lambda: trl_steps(False, steps))
    yield "sampling, a token", (lambda: sampler_calls(steps), lambda: generate_calls(steps))


def main() -> int:
    """Print the table; the exit code says whether ours took no longer anywhere."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often the two sides take turns")
    parser.add_argument("--steps", type=int, default=12, help="steps or calls of a side in a round")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    kept = True
    print(f"{'':34s} {'ours, ms':>9s} {'theirs':>9s} {'ratio':>7s} {'least':>7s} {'most':>7s}")
    for name, sides in comparisons(given.steps):
        try:
            left, right, ratios = compared(sides, given.rounds)
        except ImportError as error:
            print(f"{name:34s} not measured: TRL or a package that it needs is not installed ({error})")
            continue
        ratio = float(np.median(ratios))
        kept &= ratio <= 1
        numbers = f"{1e3 * np.median(left):9.3f} {1e3 * np.median(right):9.3f} {ratio:7.3f}"
        print(f"{name:34s} {numbers} {min(ratios):7.3f} {max(ratios):7.3f}", flush=True)
        if name.startswith("sampling"):
            print(f"  tokens a second: ours {1 / np.median(left):.0f}, generate {1 / np.median(right):.0f}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
