"""The arena `distillation`: data, sampling, measures, the task and the shared loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import GenerationConfig

from methods.distillation._buffer import Buffer
from methods.distillation._loop import distil
from methods.distillation._losses import ForwardKL, SkewReverseKL
from methods.distillation._regimes import AdaptiveOffPolicy, OnPolicy, References, Regime, Replay, Rollouts, TeacherText
from methods.distillation.minillm import PolicyGradient
from methods.distillation.sft import SFT
from results.record import Record, Status
from runners.hardware import Hardware
from runners.preparing import ensure
from runners.run import AttemptRun, Nobody, Offers
from tasks.base import Diverged, Invalid, NotApplicable, read_only
from tasks.distillation import ARENA, LanguageDistillation, TokenData
from tasks.distillation.corpora import Example, PromptedTexts, first_sentence
from tasks.distillation.encoding import Limits, encoded
from tasks.distillation.measures import batch_of, cross_entropy, divergence, pieces, response_logits, rouge_l
from tasks.distillation.models import FineTuned, Fresh, TeacherCorpus, Vocabulary
from tasks.distillation.prompted import PromptedDistillation
from tasks.distillation.sampling import Sampler, generate, sampling
from tasks.language_models import Architecture, LanguageModel
from tasks.metering import BudgetSpent, Ledger, Limit, Oracle, random_stream
from tasks.training import Recipe

CPU = torch.device("cpu")
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True, kw_only=True)
class Sums(PromptedTexts):
    """Sums of two digits in words; some prompts have two references."""

    def examples(self) -> tuple[Example, ...]:
        rows = [(left, right) for left in range(10) for right in range(10)]
        plain = [Example(f"{a} + {b}\n", f"The sum of {NUMBERS[a]} and {NUMBERS[b]} is {a + b}.") for a, b in rows]
        return (*plain, *(Example(f"{a} + {b}\n", f"It is {a + b}, from {a} and {b}.") for a, b in rows[::7]))

    def second(self) -> tuple[Example, ...]:
        return tuple(Example(f"10 + {b}\n", f"The sum of ten and {NUMBERS[b]} is {10 + b}.") for b in range(10))

    def final_answer(self, response: str) -> str:
        return "".join(letter for letter in response.partition(" is ")[2] if letter.isdigit())

    def surroundings(self) -> dict[str, str]:
        return {}


CORPUS = Sums(validation_share=0.2, test_share=0.2)
LIMITS = Limits(prompt=8, response=24)
RECIPE = Recipe(steps=12, batch_size=8, lr=3e-3, weight_decay=0.01, clip=1.0, warmup=0.0, floor=0.1)
VOCABULARY = Vocabulary(version=1, corpus=CORPUS, size=300)


def fine_tuned(width: int, steps: int) -> FineTuned:
    architecture = Architecture(width=width, layers=1, heads=2, context=32)
    start = Fresh(version=1, vocabulary=VOCABULARY, architecture=architecture)
    return FineTuned(version=1, start=start, corpus=CORPUS, limits=LIMITS, recipe=replace(RECIPE, steps=steps))


TEACHER = fine_tuned(32, 60)
TASK = PromptedDistillation(
    name="toy/sums", version=1, teacher=TEACHER, student=fine_tuned(16, 10), corpus=CORPUS, limits=LIMITS,
    teacher_corpus=TeacherCorpus(version=1, teacher=TEACHER, corpus=CORPUS, limits=LIMITS), recipe=RECIPE,
    validate_every=4, validation=10, test=8, draws=2,
)  # fmt: skip
OFTEN = AdaptiveOffPolicy(phi=0.7, rise=0.1, tolerance=0.0, buffer=16)
PHASES = Rollouts(sequences=20, passes=2, teacher_share=0.2)
POLICY = PolicyGradient(teacher_share=0.2, scale=0.5, limit=100.0, discount=0.95, clip=0.2)


@pytest.fixture(scope="module")
def task(cache: Path, one_core: Hardware) -> PromptedDistillation:
    """The task, with teacher and student trained."""
    for part in TASK.preparations().values():
        ensure(part, 0, one_core, Nobody())
    return TASK


@pytest.fixture
def make_run(one_core: Hardware, tmp_path: Path) -> Callable[[Ledger], AttemptRun]:
    """A new run of the same cell each time."""

    def make(ledger: Ledger) -> AttemptRun:
        file = tmp_path / "checkpoint.pt"
        return AttemptRun(random_stream("cell"), ledger, one_core, tmp_path, checkpoint_file=file, offers=Offers())

    return make


def token_data(*rows: tuple[list[int], list[int]], fill: int = 0) -> TokenData:
    length = [len(prompt) + len(response) for prompt, response in rows]
    tokens = np.full((len(rows), max(length)), fill)
    for row, (prompt, response) in enumerate(rows):
        tokens[row, : length[row]] = prompt + response
    return TokenData(read_only(tokens), read_only([len(prompt) for prompt, _ in rows]), read_only(length))


UNLIKE = token_data(*(([2, 3], [row, 5, row, 0]) for row in range(7, 60)))  # what no teacher says


class Fixed(nn.Module):
    """The same next-token law everywhere."""

    def __init__(self, *law: float) -> None:
        super().__init__()
        self.law = nn.Parameter(torch.tensor(law).log())

    def forward(self, tokens: Tensor) -> Any:
        return SimpleNamespace(logits=torch.Tensor.expand(self.law, *tokens.shape, -1))


# --- data ---


@pytest.mark.parametrize(
    ("paragraph", "sentence"),
    [
        ("Open a file. Appending is not allowed.", "Open a file."),
        ("Use e.g. this one, i.e. the first. Not that.", "Use e.g. this one, i.e. the first."),
        ("Return version 3.11 of x.y", "Return version 3.11 of x.y"),
        ("Is it? 'Yes'.", "Is it?"),
    ],
)
def test_first_sentence(paragraph: str, sentence: str) -> None:
    assert first_sentence(paragraph) == sentence


def test_splits_share_no_prompt_and_lose_no_example() -> None:
    splits = CORPUS.splits()
    sets = [{example.prompt for example in part} for part in (splits.train, splits.validation, splits.test)]
    assert sum(len(part) for part in sets) == 100
    assert len(set.union(*sets)) == 100
    assert len(splits.train) + len(splits.validation) + len(splits.test) == 115
    assert [len(part) for part in sets] == pytest.approx([60, 20, 20], abs=9)


def test_examples_become_prompt_response_and_end(task: PromptedDistillation) -> None:
    tokenizer = task.teacher.tokenizer()
    examples = (Example("1 + 2\n", "It is 3."), Example("1 + 2\n" * 9, "Too long."), Example("3\n", "x " * 30))
    data, kept = encoded(examples, tokenizer, LIMITS)
    assert kept == examples[:1]
    assert tokenizer.decode(data.tokens[0, : data.prompt_length[0]]) == "1 + 2\n"
    assert tokenizer.decode(data.tokens[0, data.prompt_length[0] :]) == "It is 3." + tokenizer.eos_token
    assert data.length[0] == data.tokens.shape[1]


def test_the_scored_places_are_those_that_predict_a_response_token() -> None:
    batch = batch_of(token_data(([5, 6], [7, 1]), ([5], [8, 9, 1]), ([4], [1])), CPU)
    assert batch.scored.tolist() == [[False, True, True], [True, True, True], [True, False, False]]
    assert batch.real.sum().item() == 10
    assert batch.targets.tolist() == [7, 1, 8, 9, 1, 1]


def test_response_logits_stand_beside_their_targets() -> None:
    """Logits that say the number of the next token."""
    batch = batch_of(token_data(([5, 6], [7, 1]), ([5], [8, 9, 1])), CPU)
    following = torch.cat([batch.tokens[:, 1:], torch.zeros(2, 1, dtype=torch.long)], dim=1)
    rows = response_logits(nn.functional.one_hot(following, 10), batch)
    assert rows.argmax(dim=-1).tolist() == batch.targets.tolist()


# --- generation ---


def left_padded(task: PromptedDistillation) -> tuple[Tensor, Tensor]:
    rows = task.teacher.tokenizer()(["1 + 2\n", "3\n", "4 + 5 + 6\n"], add_special_tokens=False)["input_ids"]
    width = max(map(len, rows))
    tokens = torch.tensor([[1] * (width - len(row)) + row for row in rows])
    return tokens, torch.tensor([[False] * (width - len(row)) + [True] * len(row) for row in rows])


def test_greedy_decoding_is_that_of_transformers(task: PromptedDistillation) -> None:
    network, (tokens, real) = task.teacher.network(), left_padded(task)
    drawn = generate(network, tokens, real, lambda law, *_: law.argmax(dim=-1), longest=20, end=0, pad=1)
    settings = GenerationConfig(max_new_tokens=20, do_sample=False, eos_token_id=0, pad_token_id=1)
    expected = cast(Any, network).generate(inputs=tokens, attention_mask=real.long(), generation_config=settings)
    assert drawn.tokens.tolist() == expected[:, tokens.shape[1] :].tolist()


def test_log_probabilities_of_what_was_drawn_are_those_of_a_whole_pass(task: PromptedDistillation) -> None:
    problem = task.problem(0)
    network = task.student.network()
    drawn = problem.sample(network, problem.train.take(slice(0, 6)), np.random.default_rng(0))
    batch = batch_of(drawn.sequences, CPU)
    with torch.no_grad():
        laws = response_logits(network(batch.tokens).logits, batch).log_softmax(dim=-1)
    whole = laws.gather(1, batch.targets[:, None])[:, 0]
    step_by_step = drawn.log_probability[drawn.log_probability != 0]
    assert step_by_step.tolist() == pytest.approx(whole.tolist(), abs=2e-5)
    asked = int(drawn.sequences.prompt_length.sum())
    assert problem.ledger.totals() == {"prompt_tokens": asked, "generated_tokens": len(whole)}


def uneven(task: PromptedDistillation, count: int) -> TokenData:
    """Prompts of unlike lengths."""
    data = task.problem(0).train.take(slice(0, count))
    prompt_length = read_only([1 + row % int(data.prompt_length.min()) for row in range(count)])
    return TokenData(data.tokens, prompt_length, data.length)


def test_short_prompts_beside_long_ones_and_dropped_sequences_have_the_law_of_a_whole_pass(
    task: PromptedDistillation,
) -> None:
    """Sequences end at unlike places, and so are dropped at some of them."""
    prompts, network, teacher = uneven(task, 24), task.student.network(), cast("nn.Module", task.teacher.network())
    with torch.no_grad():  # an end token with a chance of about a tenth, so that many sequences end early
        embedding = cast(Any, network).get_input_embeddings().weight
        shift = torch.linspace(-1, 1, embedding.shape[1])
        cast(Any, network).transformer.ln_f.bias += shift
        embedding[0] = 4 * shift / shift.square().sum()
    drawn = Sampler(longest=20, end=0, teacher=teacher)(
        network, prompts, np.random.default_rng(0), teacher_share=0.3
    )  # fmt: skip
    length = drawn.sequences.length - prompts.prompt_length
    assert length.min() < 5
    assert length.max() == 20
    batch = batch_of(drawn.sequences, CPU)
    assert drawn.teacher_log_probability is not None
    for model, found in ((network, drawn.log_probability), (teacher, drawn.teacher_log_probability)):
        with torch.no_grad():
            laws = response_logits(model(batch.tokens).logits, batch).log_softmax(dim=-1)
        whole = laws.gather(1, batch.targets[:, None])[:, 0]
        step_by_step = np.concatenate([row[:count] for row, count in zip(found, length, strict=True)])
        assert step_by_step.tolist() == pytest.approx(whole.tolist(), abs=5e-5)
        assert all((row[count:] == 0).all() for row, count in zip(found, length, strict=True))


def test_a_guide_takes_its_share_of_the_law(task: PromptedDistillation) -> None:
    """First tokens after one prompt, 4,000 times, against (1 - a) q + a p."""
    student, teacher = task.student.network(), cast("nn.Module", task.teacher.network())
    one = task.problem(0).train.take(slice(0, 1))
    prompts = one.take(np.zeros(4000, dtype=np.int64))
    sample = Sampler(longest=1, end=0, teacher=teacher)
    drawn = sample(student, prompts, np.random.default_rng(0), teacher_share=0.4).sequences
    first = int(one.prompt_length[0])
    counts = np.bincount(drawn.tokens[:, first], minlength=task.problem(0).vocabulary_size) / 4000
    with torch.no_grad():
        start = torch.tensor(one.tokens[:, :first])
        q, p = (cast(Any, model)(start).logits[0, -1].softmax(dim=-1).numpy() for model in (student, teacher))
    assert counts == pytest.approx(0.6 * q + 0.4 * p, abs=0.03)
    assert np.abs(counts - q).sum() > 2 * np.abs(counts - 0.6 * q - 0.4 * p).sum()


def test_a_guide_is_charged_for_what_it_reads(task: PromptedDistillation) -> None:
    problem = task.problem(0)
    prompts = problem.train.take(slice(0, 5))
    drawn = problem.sample(task.student.network(), prompts, np.random.default_rng(0), teacher_share=0.2).sequences
    generated = int((drawn.length - drawn.prompt_length).sum())
    read = int(drawn.length.sum()) - 5  # nobody reads the last token of a sequence
    asked = int(drawn.prompt_length.sum())
    assert problem.ledger.totals() == {"prompt_tokens": asked, "generated_tokens": generated, "teacher_tokens": read}


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_of_the_teacher_that_is_none_is_refused(task: PromptedDistillation, share: float) -> None:
    problem = task.problem(0)
    with pytest.raises(ValueError, match="teacher_share must be in"):
        problem.sample(task.student.network(), problem.train, np.random.default_rng(0), teacher_share=share)


def test_tokens_are_drawn_with_their_probabilities() -> None:
    law = torch.tensor([0.5, 0.2, 0.0, 0.3])
    choose = sampling(np.random.default_rng(0), 20_000, 1)
    drawn = choose(law.log().expand(20_000, -1), 0, torch.arange(20_000))
    assert (torch.bincount(drawn, minlength=4) / 20_000).tolist() == pytest.approx(law.tolist(), abs=0.012)
    assert torch.bincount(drawn, minlength=4)[2] == 0


def test_what_is_drawn_for_a_prompt_does_not_depend_on_the_prompts_beside_it(task: PromptedDistillation) -> None:
    prompts, network = task.problem(0).train.take(slice(0, 5)), task.student.network()
    sample = Sampler(longest=12, end=0)
    together = sample(network, prompts, np.random.default_rng(0)).sequences
    alone = sample(network, prompts.take(slice(0, 1)), np.random.default_rng(0)).sequences
    assert alone.tokens[0].tolist() == together.tokens[0, : alone.length[0]].tolist()
    for row in range(5):
        start = prompts.prompt_length[row]
        assert together.tokens[row, :start].tolist() == prompts.tokens[row, :start].tolist()


def test_the_next_token_is_charged_before_it_is_drawn(task: PromptedDistillation) -> None:
    ledger = Ledger(Limit("generated_tokens", 9))
    sample = Sampler(longest=12, end=0, ledger=ledger)
    with pytest.raises(BudgetSpent):
        sample(task.student.network(), task.problem(0).train.take(slice(0, 4)), np.random.default_rng(0))
    assert ledger.total("generated_tokens") == 8


# --- measures ---


def test_cross_entropy_and_divergence_of_known_laws() -> None:
    data = token_data(([3], [1, 1, 0]), ([3, 3], [2]))
    one, other = Fixed(0.5, 0.25, 0.125, 0.125), Fixed(0.25, 0.25, 0.25, 0.25)
    # tokens 1, 1, 0 and 2, with 2, 2, 1 and 3 bits
    assert cross_entropy(one, pieces(data), CPU) == pytest.approx(2 * math.log(2), rel=1e-6)
    assert cross_entropy(other, pieces(data, 1), CPU) == pytest.approx(math.log(4), rel=1e-6)
    # 2 bits minus the entropy of 1.75 bits
    assert divergence(one, other, pieces(data), CPU) == pytest.approx(0.25 * math.log(2), rel=1e-5)


def test_rouge_l_by_hand() -> None:
    """Common subsequence of 2 words; 2 of 3 and 2 of 4 words: F = 4/7. Stemming, and the better of two references."""
    assert rouge_l(["the cat sat"], [["the dog sat down"]]) == pytest.approx(100 * 4 / 7)
    assert rouge_l(["returns files"], [["nothing here", "return file"]]) == pytest.approx(100)
    assert rouge_l(["", "same words"], [["a b"], ["same words"]]) == pytest.approx(50)


# --- the task ---


def test_a_seed_draws_the_order_and_the_prompts_but_not_the_split(task: PromptedDistillation) -> None:
    one, other = task.problem(0), task.problem(1)
    assert not np.array_equal(one.train.tokens, other.train.tokens)
    assert not np.array_equal(one.validation.tokens, other.validation.tokens)
    rows = [sorted(map(tuple, problem.train.tokens.tolist())) for problem in (one, other)]
    assert rows[0] == rows[1]
    weights = [dict(problem.student().named_parameters()) for problem in (one, other)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_the_teacher_is_charged_for_real_tokens_and_gives_no_gradient(task: PromptedDistillation) -> None:
    problem = task.problem(0)
    batch = batch_of(problem.train.take(slice(0, 3)), CPU)
    logits = problem.teacher(batch.tokens, batch.real)
    assert logits.shape == (*batch.tokens.shape, problem.vocabulary_size)
    assert not logits.requires_grad
    assert problem.ledger.totals() == {"teacher_tokens": int(problem.train.length[:3].sum())}


def test_the_teacher_corpus_answers_the_training_prompts_and_is_paid_for_once(task: PromptedDistillation) -> None:
    problem = task.problem(3)
    corpus = problem.teacher_corpus()
    assert len(corpus) == len(problem.train)
    for row in range(len(corpus)):
        first = problem.train.prompt_length[row]
        assert corpus.prompt_length[row] == first
        assert corpus.tokens[row, :first].tolist() == problem.train.tokens[row, :first].tolist()
    paid = int((corpus.length - corpus.prompt_length).sum())
    price = {"teacher_tokens": int(corpus.prompt_length.sum()), "teacher_generated_tokens": paid}
    assert problem.ledger.totals() == price
    problem.teacher_corpus()
    assert problem.ledger.totals() == price
    nats = [cross_entropy(cast("nn.Module", task.teacher.network()), pieces(data), CPU) for data in (corpus, UNLIKE)]
    assert nats[0] < nats[1]


def score(task: PromptedDistillation, solution: Any, make_run: Callable[[Ledger], AttemptRun]) -> Mapping[str, float]:
    run = make_run(task.problem(0).ledger)
    with run.ledger.booking("use"):
        return task.evaluate(solution, 0, run)


def test_the_teacher_scores_better_than_the_start(
    task: PromptedDistillation, make_run: Callable[[Ledger], AttemptRun]
) -> None:
    floor, ceiling = (score(task, answer(0), make_run) for answer in (task.trivial, task.best))
    assert set(floor) == {metric.name for metric in ARENA.boards[0].metrics}
    assert ceiling["kl_to_teacher"] == ceiling["kl_from_teacher"] == 0
    assert floor["kl_to_teacher"] > 0.1
    assert ceiling["validation_cross_entropy"] < floor["validation_cross_entropy"]
    assert ceiling["rouge_l"] > floor["rouge_l"]


def test_validation_asks_the_validation_prompts_and_moves_no_score(
    task: PromptedDistillation, make_run: Callable[[Ledger], AttemptRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = score(task, task.best(0), make_run)
    asked: list[TokenData] = []
    answers = PromptedDistillation._answers

    def watched(self: PromptedDistillation, solution: nn.Module, prompts: TokenData, run: Any) -> Any:
        asked.append(prompts)
        return answers(self, solution, prompts, run)

    monkeypatch.setattr(PromptedDistillation, "_answers", watched)
    floor, ceiling = (task.validate(answer(0), 0, make_run(Ledger())) for answer in (task.trivial, task.best))
    assert set(floor) == {"rouge_l", "answer_accuracy", "validation_cross_entropy"}
    assert ceiling["rouge_l"] > floor["rouge_l"]
    assert ceiling["validation_cross_entropy"] == before["validation_cross_entropy"]
    splits, tokenizer = CORPUS.splits(), task.teacher.tokenizer()
    spans = [row[:length] for row, length in zip(asked[0].tokens, asked[0].prompt_length, strict=True)]
    texts = set(tokenizer.batch_decode(spans))
    assert texts <= {example.prompt for example in splits.validation}
    assert texts & {example.prompt for example in splits.test} == set()
    with pytest.raises(Invalid, match="must be a torch module"):
        task.validate(cast("nn.Module", "a model"), 0, make_run(Ledger()))
    monkeypatch.undo()
    assert score(task, task.best(0), make_run) == before


def test_answers_that_break_the_rules_are_invalid(
    task: PromptedDistillation, make_run: Callable[[Ledger], AttemptRun]
) -> None:
    changed = task.teacher.network()
    with torch.no_grad():
        next(changed.parameters()).add_(0.1)
    small = Architecture(width=2, layers=1, heads=1, context=32).network(50, 0, 1)
    for wrong, why in (
        (changed, "parameters, the student only"),
        (small, "logits of shape"),
        (nn.Linear(2, 2), "does not answer token ids"),
        ("a model", "must be a torch module"),
    ):
        with pytest.raises(Invalid, match=why):
            score(task, wrong, make_run)


def test_a_student_whose_weights_are_no_numbers_has_diverged(
    task: PromptedDistillation, make_run: Callable[[Ledger], AttemptRun]
) -> None:
    student = task.student.network()
    with torch.no_grad():
        next(student.parameters()).fill_(math.nan)
    with pytest.raises(Diverged, match="cross-entropy"):
        score(task, student, make_run)


def test_models_can_be_named(task: PromptedDistillation, make_run: Callable[[Ledger], AttemptRun]) -> None:
    """A folder in the hub's format, as a plain string, in place of a part."""
    teacher, student = LanguageModel.named(task.teacher.place()), LanguageModel.named(task.student.place())
    named = replace(task, teacher=teacher, student=student)
    assert set(named.preparations()) == {"teacher_corpus"}
    assert score(named, named.trivial(0), make_run) == score(task, task.trivial(0), make_run)


def test_a_model_that_is_not_there_is_not_applicable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(NotApplicable, match="no folder here"):
        LanguageModel.named("nobody/nothing").network()


def test_unlike_vocabularies_are_not_applicable(task: PromptedDistillation, tmp_path: Path) -> None:
    Architecture(width=2, layers=1, heads=1, context=32).network(50, 0, 1).save_pretrained(tmp_path)
    with pytest.raises(NotApplicable, match="tokens of the teacher"):
        replace(task, student=LanguageModel.named(str(tmp_path))).problem(0)


# --- the loop ---


def weights(student: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach() for name, parameter in student.named_parameters()}


def same(one: nn.Module, other: nn.Module) -> bool:
    left, right = weights(one), weights(other)
    return all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize(
    ("regime", "calls_before"),
    [(References(), 10), (OFTEN, 10), (Replay(share=0.5, buffer=16), 10), (TeacherText(), 10), (PHASES, 20)],
)
def test_a_cell_that_was_cut_off_ends_bit_for_bit_like_one_that_was_not(
    task: PromptedDistillation, make_run: Callable[[Ledger], AttemptRun], regime: Regime, calls_before: int
) -> None:
    phases = isinstance(regime, Rollouts)
    objective = POLICY if phases else SkewReverseKL(skew=0.1)

    def solve(problem: LanguageDistillation) -> tuple[nn.Module, AttemptRun]:
        run = make_run(problem.ledger)
        return distil(problem, run, objective, regime, ForwardKL() if phases else None), run

    whole_problem = task.problem(0)
    whole, whole_run = solve(whole_problem)
    assert whole_run.checkpoint_file is not None
    whole_run.checkpoint_file.unlink()
    broken = task.problem(0)
    calls = 0

    def failing(*question: Any) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == calls_before:  # in the second step after the checkpoint at 8
            raise KeyboardInterrupt
        return task_teacher(*question)

    task_teacher = broken.teacher
    with pytest.raises(KeyboardInterrupt):
        solve(replace(broken, teacher=cast("Oracle[Tensor]", failing)))
    problem = task.problem(0)
    continued, run = solve(problem)
    assert same(continued, whole)
    assert problem.ledger.totals() == whole_problem.ledger.totals()
    after = {name: [point[::2] for point in points if point[0] > 8] for name, points in whole_run.logs.items()}
    assert {name: [point[::2] for point in points] for name, points in run.logs.items()} | {"loss": 0} == after | {
        "loss": 0
    }


def test_old_responses_are_used_again_and_cost_nothing(
    task: PromptedDistillation, make_run: Callable[[Ledger], AttemptRun]
) -> None:
    problem = task.problem(0)
    run = make_run(problem.ledger)
    distil(problem, run, ForwardKL(), OFTEN)
    fresh, old = (run.logs[name][-1][2] for name in ("fresh_steps", "buffer_steps"))
    assert fresh >= 2
    assert old >= 1
    assert fresh + old < RECIPE.steps
    assert problem.ledger.total("generated_tokens") <= fresh * RECIPE.batch_size * LIMITS.response
    assert run.logs["schedule_acted"][-1][2] == 1
    assert problem.ledger.total("trained_tokens") == problem.ledger.total("teacher_tokens")


def test_a_schedule_that_never_acted_says_so_and_is_the_data_set_regime(
    task: PromptedDistillation, make_run: Callable[[Ledger], AttemptRun]
) -> None:
    never = AdaptiveOffPolicy(phi=0.0, rise=0.1, tolerance=9.0, buffer=16)
    students = []
    for regime in (never, References()):
        problem = task.problem(0)
        run = make_run(problem.ledger)
        students.append(distil(problem, run, ForwardKL(), regime))
        assert run.checkpoint_file is not None
        run.checkpoint_file.unlink()
        assert run.logs.get("schedule_acted", [[0, 0, 0]])[-1][2] == 0
        assert "generated_tokens" not in problem.ledger.totals()
    assert same(*students)


def test_a_replayed_step_trains_on_what_the_buffer_gives(
    task: PromptedDistillation, make_run: Callable[[Ledger], AttemptRun]
) -> None:
    """Every step draws a batch, and after the first ones most sequences of a batch are older."""
    problem = task.problem(0)
    run = make_run(problem.ledger)
    distil(problem, run, ForwardKL(), Replay(share=1.0, buffer=64))
    assert run.logs["fresh_steps"][-1][2] == RECIPE.steps
    assert run.logs["schedule_acted"][-1][2] == 1
    other = task.problem(0)
    assert run.checkpoint_file is not None
    run.checkpoint_file.unlink()
    distil(other, make_run(other.ledger), ForwardKL(), OnPolicy(share=1.0))
    assert problem.ledger.totals() != other.ledger.totals()


def test_rollouts_are_drawn_once_a_phase_and_charged_beside_the_references(
    task: PromptedDistillation, make_run: Callable[[Ledger], AttemptRun]
) -> None:
    """20 sequences in batches of 8, 8 and 4; twice: 6 steps a phase, and 12 steps."""
    problem = task.problem(0)
    run = make_run(problem.ledger)
    asked: list[TokenData] = []
    sample = problem.sample

    def watched(model: nn.Module, prompts: TokenData, rng: np.random.Generator, *, teacher_share: float) -> Any:
        asked.append(prompts)
        return sample(model, prompts, rng, teacher_share=teacher_share)

    student = distil(replace(problem, sample=cast(Any, watched)), run, POLICY, PHASES, ForwardKL())
    assert [len(prompts) for prompts in asked] == [20, 20]
    assert asked[0].tokens.tolist() == problem.train.take(slice(0, 20)).tokens.tolist()
    assert [run.logs[name][-1][2] for name in ("fresh_steps", "buffer_steps")] == [2, 10]
    totals = problem.ledger.totals()
    assert totals["generated_tokens"] <= 40 * LIMITS.response
    assert totals["teacher_tokens"] > totals["trained_tokens"]  # it also read along while they were drawn
    assert not same(student, problem.student())


def test_the_law_that_drew_a_sequence_stands_beside_its_tokens(task: PromptedDistillation) -> None:
    problem, student = task.problem(0), task.student.network()
    buffer = Buffer(12, problem.end)
    prompts = uneven(task, 12)
    buffer.fill(problem.sample(student, prompts, np.random.default_rng(0), teacher_share=0.2))
    rng = np.random.default_rng(1)
    seen = 0
    for count in (5, 5, 2):
        drawn = buffer.next(5, rng)
        batch = batch_of(drawn.data, CPU)
        assert drawn.recorded is not None
        assert len(drawn.data) == count
        with torch.no_grad():
            laws = [
                response_logits(cast(Any, model)(batch.tokens).logits, batch).log_softmax(dim=-1)
                for model in (student, task.teacher.network())
            ]
        for law, recorded in zip(laws, torch.from_numpy(drawn.recorded), strict=True):
            whole = law.gather(1, batch.targets[:, None])[:, 0]
            assert recorded[batch.scored].tolist() == pytest.approx(whole.tolist(), abs=5e-5)
            assert (recorded[~batch.scored] == 0).all()
        seen += count
    assert seen == 12
    assert buffer.left == 0


def test_every_training_prompt_is_seen_once_a_pass(
    task: PromptedDistillation, make_run: Callable[[Ledger], AttemptRun]
) -> None:
    seen: list[tuple[int, ...]] = []
    problem = task.problem(0)
    teacher = problem.teacher

    def watched(tokens: Tensor, real: Tensor) -> Tensor:
        seen.extend(tuple(row[mask].tolist()) for row, mask in zip(tokens, real, strict=True))
        return teacher(tokens, real)

    distil(
        replace(problem, teacher=cast("Oracle[Tensor]", watched)), make_run(problem.ledger), ForwardKL(), References()
    )
    rows = [
        tuple(row[:length].tolist()) for row, length in zip(problem.train.tokens, problem.train.length, strict=True)
    ]
    count = len(rows)
    assert len(seen) == RECIPE.steps * RECIPE.batch_size > count
    assert seen[:count] == rows
    assert len(set(seen[count:])) == len(seen) - count


def test_at_a_limit_the_last_validated_student_is_the_answer(
    task: PromptedDistillation, make_run: Callable[[Ledger], AttemptRun]
) -> None:
    problem = task.problem(0)
    ledger = Ledger(Limit("trained_tokens", 1500))
    run = make_run(ledger)
    with pytest.raises(BudgetSpent):
        distil(replace(problem, ledger=ledger), run, ForwardKL(), References())
    assert run.offers is not None
    assert run.offers.last is not None
    assert 0 < run.offers.last.cost["trained_tokens"] <= 1500
    assert not same(run.offers.last.solution, problem.student())


def test_a_cell_runs_through_the_real_attempt(task: PromptedDistillation, execute: Callable[..., Record]) -> None:
    record = execute(SFT(), task, ARENA.boards[0])
    assert record.status is Status.OK, record.reason + record.traceback
    assert [point["metrics"].keys() for point in record.curve] == [{"validation_cross_entropy"}] * 4
    assert record.cost["use"] == {}
    size = sum(parameter.numel() for parameter in task.student.network().parameters())
    assert record.metrics["compute"] == pytest.approx(6 * size * record.cost["solve"]["trained_tokens"] / 1e9)


def test_an_answer_is_not_changed_by_scoring(
    task: PromptedDistillation, make_run: Callable[[Ledger], AttemptRun]
) -> None:
    student = task.student.network()
    before = copy.deepcopy(student)
    assert score(task, student, make_run) == score(task, student, make_run)
    assert same(student, before)


def test_a_task_without_draws_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        replace(TASK, draws=0)
