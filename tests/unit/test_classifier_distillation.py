"""The arena `classifier_distillation`: worlds, networks, the judge, the tasks, losses and rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import log_loss
from torch import nn

from methods.classifier_distillation._loop import UNKNOWN, Examples, taught
from methods.classifier_distillation._losses import of_labels
from methods.classifier_distillation._query import Pool, Rows, ask, at_random
from methods.classifier_distillation.cluster_margin import ClusterMargin
from methods.classifier_distillation.entropy import choose as by_entropy
from methods.classifier_distillation.g2sd import G2SD, First, Second
from methods.classifier_distillation.k_center import choose as by_distance
from methods.classifier_distillation.labels_only import LabelsOnly
from methods.classifier_distillation.margin import choose as by_margin
from methods.classifier_distillation.mcmi import MCMI, Centroids
from methods.classifier_distillation.talking_models import Talk, TalkingModels
from runners.hardware import Hardware
from runners.preparing import ensure
from runners.run import AttemptRun, Nobody
from tasks.base import Invalid, read_only
from tasks.classifier_distillation import (
    QUERIES,
    TEACHER_EXAMPLES,
    TEACHER_TRAINED_EXAMPLES,
    TRAINED_EXAMPLES,
    Solution,
)
from tasks.classifier_distillation.judging import (
    Constant,
    Notebook,
    calibration_error,
    check_solution,
    class_divergence,
    total_variation,
)
from tasks.classifier_distillation.labelled import LabelledDistillation
from tasks.classifier_distillation.masked import FewLabelsDistillation, MaskedTraining, regression, rendered
from tasks.classifier_distillation.masked_networks import Transformer, cut
from tasks.classifier_distillation.networks import FrozenTeacher, Kind, Network, logits_of, size
from tasks.classifier_distillation.queries import PaidDistillation
from tasks.classifier_distillation.teachers import TrainedTeacher
from tasks.classifier_distillation.worlds import Images, Mixture, Shift, posteriors, shifted
from tasks.images import ImageSet, Labelled, load
from tasks.metering import BudgetSpent, Ledger, Limit, random_stream
from tasks.training import Recipe

CPU = torch.device("cpu")
SHAPE = (1, 8, 8)
RECIPE = Recipe(steps=20, batch_size=16, lr=5e-3, weight_decay=0.0, clip=5.0, warmup=0.0, floor=0.0)
SMALL = Network(kind=Kind.PERCEPTRON, width=6, depth=2)
MIXTURE = Mixture(train=300, validation=100, test=400, dimension=4, spread=1.0)
LONGER = replace(RECIPE, steps=300)
TEACHER = TrainedTeacher(
    version=1, source=MIXTURE, rows=200, network=Network(kind=Kind.PERCEPTRON, width=16, depth=2), recipe=LONGER
)
TASK = LabelledDistillation(
    name="toy/mixture", version=1, teacher=TEACHER, student=SMALL, assistant=SMALL, share=0.5, omit=False, recipe=RECIPE
)
OMITTED = LabelledDistillation(
    name="toy/omitted", version=1, teacher=TEACHER, student=SMALL, assistant=SMALL, share=1.0, omit=True, recipe=RECIPE
)
PAID = PaidDistillation(
    name="toy/paid", version=1, teacher=TEACHER, student=SMALL, pool=60, labelled=30, budget=12, recipe=RECIPE
)


@pytest.fixture(autouse=True, scope="module")
def _teacher(cache: Path, one_core: Hardware) -> None:
    for seed in (0, 1):
        ensure(TEACHER, seed, one_core, Nobody())


@pytest.fixture
def make_run(one_core: Hardware, tmp_path: Path) -> Callable[[Ledger], AttemptRun]:
    def make(ledger: Ledger) -> AttemptRun:
        torch.manual_seed(0)
        return AttemptRun(random_stream("cell"), ledger, one_core, tmp_path)

    return make


# --- worlds ---


def test_posteriors_are_those_of_bayes_rule() -> None:
    rng = np.random.default_rng(0)
    means, points = rng.normal(size=(10, 3)), rng.normal(size=(5, 3)).astype(np.float32)
    densities = np.exp(-0.5 * ((points[:, None] - means) ** 2).sum(axis=2))
    assert posteriors(means, points) == pytest.approx(densities / densities.sum(axis=1, keepdims=True))


def test_a_mixture_is_drawn_by_its_seed_and_its_posteriors_fit_its_labels() -> None:
    world = Mixture(train=10, validation=10, test=20_000, dimension=4, spread=1.0).world(3)
    assert world.posteriors is not None
    classes = np.eye(10)[world.test.labels]
    assert world.posteriors.mean(axis=0) == pytest.approx(classes.mean(axis=0), abs=0.01)
    sure = world.posteriors.max(axis=1)
    right = world.posteriors.argmax(axis=1) == world.test.labels
    assert right.mean() == pytest.approx(sure.mean(), abs=0.01), "posteriors are calibrated"
    assert np.array_equal(MIXTURE.world(1).test.inputs, MIXTURE.world(1).test.inputs)
    assert not np.array_equal(MIXTURE.world(1).test.inputs, MIXTURE.world(2).test.inputs)


def test_images_are_averaged_over_squares_and_parts_share_no_row() -> None:
    fine, coarse = load(ImageSet.DIGITS, 1)[0], load(ImageSet.DIGITS, 2)[0]
    assert coarse.inputs[0, 0, 0, 0] == pytest.approx(fine.inputs[0, 0, :2, :2].mean())
    source = Images(train=600, validation=600, test=100, images=ImageSet.DIGITS, pool=1, shifts=())
    world = source.world(0)
    rows = {part.inputs[it].tobytes() for part in (world.train, world.validation) for it in range(len(part))}
    assert len(rows) == len({row.tobytes() for row in load(ImageSet.DIGITS, 1)[0].inputs})
    with pytest.raises(ValueError, match="but digits has 1200 for training and 597 for tests"):
        Images(train=900, validation=301, test=1, images=ImageSet.DIGITS, pool=1, shifts=()).world(0)


def test_images_behind_another_source_are_none_of_its_images() -> None:
    first = Images(train=500, validation=100, test=300, images=ImageSet.DIGITS, pool=1, shifts=())
    other = Images(train=400, validation=200, test=297, images=ImageSet.DIGITS, pool=1, shifts=("inverted",))
    one, two = first.world(0), other.behind(0, first)
    seen = {row.tobytes() for part in (one.train, one.validation, one.test) for row in part.inputs}
    rows = [row for part in (two.train, two.validation, two.test) for row in part.inputs]
    assert len(rows) == 897
    assert not {(1 - row).tobytes() for row in rows} & seen
    with pytest.raises(ValueError, match="but digits has 1200"):
        replace(other, validation=201).behind(0, first)
    with pytest.raises(ValueError, match="images of digits cannot lie behind those of mnist"):
        other.behind(0, replace(first, images=ImageSet.MNIST))


@pytest.mark.parametrize("pool", [0, 3])
def test_squares_that_do_not_fit_are_refused(pool: int) -> None:
    with pytest.raises(ValueError, match=f"images of width 8 cannot be averaged over squares of width {pool}"):
        load(ImageSet.DIGITS, pool)


def test_shifts_do_what_they_are_called() -> None:
    rng = np.random.default_rng(0)
    images = Labelled(read_only(rng.random((2, 1, 6, 6)), np.float32), read_only([0, 1]))
    left, inverted = shifted(images, (Shift.LEFT, Shift.INVERTED), rng).inputs
    assert np.array_equal(left[:, :, :4], images.inputs[0][:, :, 2:])
    assert inverted == pytest.approx(1 - images.inputs[1])
    twice = shifted(shifted(images, (Shift.MIRRORED,), rng), (Shift.MIRRORED,), rng)
    assert np.array_equal(twice.inputs, images.inputs)
    assert shifted(images, (Shift.BLURRED,), rng).inputs.mean() == pytest.approx(images.inputs.mean())
    with pytest.raises(ValueError, match="there is no shift 'sideways'; there are none, left"):
        Images(train=1, validation=1, test=1, images=ImageSet.DIGITS, pool=1, shifts=("sideways",))


# --- networks ---


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("stage", [0, 1, 2])
def test_a_network_goes_on_from_any_of_its_stages(kind: Kind, stage: int) -> None:
    network, inputs = Network(kind=kind, width=4, depth=3).build(SHAPE, 10), torch.rand(5, *SHAPE)
    features = network.features(inputs)
    later, logits = network.from_stage(stage, features[stage])
    assert torch.equal(logits, network(inputs))
    assert len(later) == 2 - stage
    assert all(torch.equal(one, other) for one, other in zip(later, features[stage + 1 :], strict=True))


def test_a_vision_transformer_goes_on_from_its_stages_and_sees_all_pixels() -> None:
    size_of = Transformer(width=8, depth=2, heads=2, decoder_width=8, decoder_depth=1, patch=4)
    network, images = size_of.build(SHAPE, 10), torch.rand(3, *SHAPE)
    assert torch.equal(network.from_stage(0, network.features(images)[0])[1], network(images))
    one, other = network.heads(network.features(images)[-1])
    assert torch.equal(network(images), (one + other) / 2)
    assert sorted(cut(images, 4)[0].flatten().tolist()) == sorted(images[0].flatten().tolist())
    assert torch.equal(cut(images, 4)[0, 1], images[0, 0, :4, 4:].flatten())


def test_an_autoencoder_sees_only_what_is_not_masked() -> None:
    size_of = Transformer(width=8, depth=1, heads=2, decoder_width=8, decoder_depth=1, patch=2)
    network = size_of.masked(SHAPE, 10).eval()
    noise, images = torch.rand(1, 16), torch.rand(1, *SHAPE)
    changed = images.clone()
    cells = changed.reshape(1, 1, 4, 2, 4, 2)
    hidden_patch, seen_patch = int(noise.argmax()), int(noise.argmin())
    cells[:, :, hidden_patch // 4, :, hidden_patch % 4] += 1
    before = network.hidden(images, noise, 0.75, 1)
    assert torch.equal(before, network.hidden(changed, noise, 0.75, 1))
    cells[:, :, seen_patch // 4, :, seen_patch % 4] += 1
    assert not torch.allclose(before, network.hidden(changed, noise, 0.75, 1))


def test_a_frozen_teacher_charges_and_lets_gradients_through_to_what_it_reads() -> None:
    ledger = Ledger()
    teacher = FrozenTeacher(SMALL.build((4,), 3), ledger, (4,))
    assert teacher.shapes == ((6,), (6,))
    hidden = torch.rand(5, 6, requires_grad=True)
    teacher.from_stage(0, hidden)[1].sum().backward()  # type: ignore[no-untyped-call]
    teacher.read(torch.rand(2, 4))
    assert ledger.total(TEACHER_EXAMPLES) == 7
    assert hidden.grad is not None


def test_no_unit_of_a_narrow_student_is_dead_from_the_start() -> None:
    torch.manual_seed(0)
    network = Network(kind=Kind.PERCEPTRON, width=6, depth=3).build((1, 14, 14), 4)
    inputs = (0.9 + 0.2 * torch.randn(50, 1, 14, 14)).requires_grad_()
    for layer in network.features(inputs):
        slopes = [torch.autograd.grad(unit.sum(), inputs, retain_graph=True)[0].abs().sum() for unit in layer.T]
        assert min(slopes) > 0


def test_sizes_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="width and a depth of at least 1"):
        Network(kind=Kind.PERCEPTRON, width=0, depth=1)
    with pytest.raises(ValueError, match="multiples of heads"):
        Transformer(width=5, depth=1, heads=2, decoder_width=4, decoder_depth=1, patch=2)
    with pytest.raises(ValueError, match="cannot be cut into squares of width 3"):
        Transformer(width=4, depth=1, heads=2, decoder_width=4, decoder_depth=1, patch=3).build(SHAPE, 2)


# --- the judge ---


def test_measures_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    labels = np.array([0, 1, 1, 1])
    assert calibration_error(probabilities, labels) == pytest.approx((abs(0.5 - 0.9) + abs(1 - 0.6)) / 2)
    logits = torch.from_numpy(np.log(probabilities))
    wanted = np.array([[0.5, 0.5]] * 4, np.float32)
    assert total_variation(logits, wanted) == pytest.approx((0.4 + 0.4 + 0.1 + 0.1) / 4)
    one, other = np.array([0.9, 0.1]), np.array([0.4, 0.6])
    mean = (one + 2 * other) / 3
    by_hand = (one * np.log(one / mean)).sum() + 2 * (other * np.log(other / mean)).sum()
    assert class_divergence(logits, labels) == pytest.approx(by_hand / 4), "class 0 has one row, which adds nothing"


@given(arrays(np.float64, (6, 3), elements=st.floats(-20, 20)))
def test_the_class_divergence_is_never_negative_and_at_most_the_log_of_the_rows(logits: np.ndarray[Any, Any]) -> None:
    value = class_divergence(torch.from_numpy(logits), np.zeros(6, np.int64))
    assert -1e-9 <= value <= np.log(3) + 1e-9


def test_scores_agree_with_scikit_learn(make_run: Callable[[Ledger], AttemptRun]) -> None:
    problem = TASK.problem(0)
    solution = LabelsOnly(smoothing=0.0).solve(problem, make_run(problem.ledger))
    metrics = TASK.evaluate(solution, 0, make_run(TASK.problem(0).ledger))
    test = MIXTURE.world(0).test
    law = logits_of(solution.network, test.inputs, CPU).double().softmax(dim=1).numpy()
    assert metrics["nll"] == pytest.approx(log_loss(test.labels, law, labels=range(10)), rel=1e-5)
    assert metrics["accuracy"] == (law.argmax(axis=1) == test.labels).mean()


class Batchwise(nn.Module):
    """An answer that looks at the inputs beside it."""

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return inputs.mean() + inputs[:, :1].repeat(1, 10)


@pytest.mark.parametrize(
    ("solution", "sentence"),
    [
        ("a text", "must be a Solution that holds a torch module, got str"),
        (Solution(nn.Linear(4, 400)), "has 2000 parameters, the student only"),
        (Solution(nn.Linear(4, 3)), r"logits of shape \(400, 10\) were expected, got \(400, 3\)"),
        (Solution(nn.Linear(5, 3)), "does not answer inputs with logits"),
        (Solution(Batchwise()), "depends on the inputs beside it"),
    ],
)
def test_what_is_no_answer_is_refused(solution: Any, sentence: str, make_run: Callable[[Ledger], AttemptRun]) -> None:
    with pytest.raises(Invalid, match=sentence):
        TASK.evaluate(solution, 0, make_run(TASK.problem(0).ledger))


def test_only_the_teacher_may_be_larger_than_the_student() -> None:
    judged = TASK.judged(0)
    check_solution(Solution(judged.teacher), judged.student, judged.teacher)
    other = TASK.judged(1).teacher
    with pytest.raises(Invalid, match=f"has {size(other)} parameters"):
        check_solution(Solution(other), judged.student, judged.teacher)


def test_the_dumb_answer_says_how_frequent_classes_are() -> None:
    law = Constant(np.array([0, 0, 1]), 2)(torch.zeros(2, 4)).exp()
    assert law.tolist() == [pytest.approx([3 / 5, 2 / 5])] * 2


# --- the tasks ---


def test_students_start_alike_and_see_the_share() -> None:
    one, again, other = TASK.problem(0), TASK.problem(0), TASK.problem(1)
    assert torch.equal(one.student().head.weight, again.student().head.weight)
    assert not torch.equal(one.student().head.weight, other.student().head.weight)
    assert len(one.inputs) == len(one.labels) == 100
    known = {row.tobytes() for row in one.teacher_inputs}
    assert all(row.tobytes() in known for row in one.inputs)


def test_the_omitted_class_is_missing_for_the_student_alone(make_run: Callable[[Ledger], AttemptRun]) -> None:
    problem, omitted = OMITTED.problem(0), OMITTED.judged(0).omitted
    assert omitted is not None
    assert omitted not in problem.labels
    assert omitted in problem.teacher_labels
    test = MIXTURE.world(0).test
    metrics = OMITTED.evaluate(OMITTED.best(0), 0, make_run(OMITTED.problem(0).ledger))
    right = logits_of(OMITTED.judged(0).teacher, test.inputs, CPU).argmax(dim=1).numpy() == test.labels
    assert metrics["omitted_class_accuracy"] == pytest.approx(right[test.labels == omitted].mean())
    assert "posterior_tv" in metrics


def test_queries_cost_and_the_judge_knows_which_were_wrong(make_run: Callable[[Ledger], AttemptRun]) -> None:
    problem = PAID.problem(0)
    assert len(problem.inputs) == 90
    law = problem.soft_labels(np.arange(40, 50))
    assert np.exp(law).sum(axis=1) == pytest.approx(np.ones(10), abs=1e-5)
    truth = MIXTURE.world(0).train.labels[-90:][40:50]
    with pytest.raises(BudgetSpent):
        problem.soft_labels(np.arange(3))
    assert problem.ledger.total(QUERIES) == 10
    metrics = PAID.evaluate(PAID.trivial(0), 0, make_run(problem.ledger))
    assert metrics["wrong_query_share"] == (law.argmax(axis=1) != truth).mean()
    assert set(problem.ledger.totals()) == {QUERIES}, "methods cannot read what the judge notes"
    assert "wrong_query_share" not in PAID.evaluate(PAID.trivial(0), 0, make_run(PAID.problem(0).ledger))


def test_values_that_make_no_task_are_refused() -> None:
    with pytest.raises(ValueError, match="share must be above 0"):
        replace(TASK, share=0.0)
    with pytest.raises(ValueError, match="budget must be 1 to 60"):
        replace(PAID, budget=61)
    with pytest.raises(ValueError, match="fewer examples than teacher, pool and labelled ones together"):
        replace(PAID, pool=80)
    with pytest.raises(ValueError, match="learns from 1 to 300 examples"):
        TrainedTeacher(version=1, source=MIXTURE, rows=301, network=SMALL, recipe=RECIPE)


def test_textures_can_be_told_apart_and_a_ridge_on_good_features_does() -> None:
    made = rendered((1, 12, 12), 600, np.random.default_rng(0), 0.2)
    assert set(made.labels) == set(range(10))
    spectra = np.abs(np.fft.fft2(made.inputs[:, 0])).reshape(600, -1).astype(np.float32)

    class Spectrum(nn.Module):
        def features(self, inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return (torch.fft.fft2(inputs[:, 0]).abs().flatten(1),)

    network: Any = Spectrum()
    assert regression(network, made, CPU) > 0.9
    assert spectra.shape == (600, 144)


PATCHES = Transformer(width=8, depth=1, heads=2, decoder_width=8, decoder_depth=1, patch=4)
SHORT = replace(RECIPE, steps=2, batch_size=8)
MASKED = FewLabelsDistillation(
    name="toy/masked",
    version=1,
    teacher=MaskedTraining(
        version=1,
        source=Images(train=40, validation=20, test=20, images=ImageSet.DIGITS, pool=1, shifts=()),
        textures=10,
        network=PATCHES,
        ratio=0.75,
        pretraining=SHORT,
        tuning=SHORT,
    ),
    student=PATCHES,
    assistant=PATCHES,
    labelled=0.5,
    generic_steps=3,
    on_top=True,
    transfer=40,
    recipe=replace(RECIPE, steps=5, batch_size=8),
)


@pytest.mark.parametrize(
    ("first", "on_top", "steps"), [("features", True, 8), ("features", False, 5), ("nothing", True, 5)]
)
def test_a_first_stage_is_charged_on_top_or_taken_from_the_steps(
    first: str, on_top: bool, steps: int, one_core: Hardware, make_run: Callable[[Ledger], AttemptRun]
) -> None:
    ensure(MASKED.teacher, 0, one_core, Nobody())
    problem = replace(MASKED, on_top=on_top).problem(0)
    method = G2SD(first=First(first), second=Second.TEACHER, ratio=0.75, stop=0.5, beta=2.0)
    method.solve(problem, make_run(problem.ledger))
    assert problem.ledger.total(TRAINED_EXAMPLES) == 8 * steps
    with pytest.raises(ValueError, match="fewer than all where they are taken from these"):
        replace(MASKED, on_top=False, generic_steps=5)


# --- methods ---


def test_the_teacher_is_read_once_and_every_student_example_is_booked(
    make_run: Callable[[Ledger], AttemptRun],
) -> None:
    problem = TASK.problem(0)
    run = make_run(problem.ledger)
    examples = taught(problem, run, features=True)
    assert problem.ledger.totals() == {TEACHER_EXAMPLES: 100}
    assert examples.logits is not None
    assert torch.allclose(examples.logits, TASK.judged(0).teacher(examples.inputs), atol=1e-6)
    LabelsOnly(smoothing=0.0).solve(problem, run)
    assert problem.ledger.total(TRAINED_EXAMPLES) == RECIPE.steps * RECIPE.batch_size


def test_unknown_labels_are_left_out() -> None:
    logits = torch.randn(4, 3)
    some = of_labels(logits, torch.tensor([1, UNKNOWN, 2, UNKNOWN]))
    assert torch.allclose(some, nn.functional.cross_entropy(logits[[0, 2]], torch.tensor([1, 2])))
    assert of_labels(logits, torch.full((4,), UNKNOWN)).item() == 0


@pytest.mark.parametrize("centroids", list(Centroids))
def test_tuning_raises_the_conditional_mutual_information_above_that_of_the_control(
    centroids: Centroids, make_run: Callable[[Ledger], AttemptRun]
) -> None:
    found, rises = [], []
    for weight in (0.0, 0.5):
        problem = TASK.problem(0)
        method = MCMI(weight=weight, passes=20, rate=0.5, centroids=centroids, temperature=4.0, distillation=0.9)
        run = make_run(problem.ledger)
        solution = method.solve(problem, run)
        metrics = TASK.evaluate(solution, 0, make_run(TASK.problem(0).ledger))
        found.append(metrics["teacher_cmi"])
        rises.append([point[-1] for point in run.logs["cmi_rise"]])
        assert [point[0] for point in run.logs["cmi"]] == [12 * (it + 1) for it in range(20)], "200 rows, 16 at a time"
        assert solution.teacher is not None
        logits = logits_of(solution.teacher, problem.teacher_inputs, CPU)
        before = logits_of(problem.teacher_copy(), problem.teacher_inputs, CPU)
        rise = class_divergence(logits, problem.teacher_labels) - class_divergence(before, problem.teacher_labels)
        assert rises[-1] == [pytest.approx(rise, abs=0.02)]
        assert problem.ledger.total(TEACHER_TRAINED_EXAMPLES) == 20 * 12 * 16
    assert found[1] > found[0] + 0.01
    assert rises[1][0] > rises[0][0] + 0.01


def test_a_student_learns_what_to_ask() -> None:
    """Gradients of the talk reach the student's lower layer through the frozen teacher, whose weights get none."""
    network, ledger = SMALL.build((4,), 3), Ledger()
    own = Network(kind=Kind.PERCEPTRON, width=5, depth=2).build((4,), 3)
    method = TalkingModels(width=7, exchanges=2, interaction=1.0, state=0.0, message=0.0)
    talk = Talk(method, ((5,), (5,)), FrozenTeacher(network, ledger, (4,)))
    inputs = torch.rand(6, 4)
    batch = Examples(inputs, torch.full((6,), UNKNOWN), None, network.features(inputs))
    features = own.features(inputs)
    kept = [it.detach() for it in features]
    lower = kept[0].clone().requires_grad_()
    talk.loss((lower, kept[1]), own.answer(kept[1]), batch).backward()  # type: ignore[no-untyped-call]
    assert lower.grad is not None
    assert lower.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in network.parameters())
    assert ledger.total(TEACHER_EXAMPLES) == 12, "six for each exchange"


def test_what_a_reply_is_compared_with_is_constant() -> None:
    """The student's upper layer gets no gradient from the talk, so that it cannot shrink to please it."""
    network, own = SMALL.build((4,), 3), Network(kind=Kind.PERCEPTRON, width=5, depth=2).build((4,), 3)
    method = TalkingModels(width=7, exchanges=1, interaction=1.0, state=0.0, message=0.0)
    talk = Talk(method, ((5,), (5,)), FrozenTeacher(network, Ledger(), (4,)))
    inputs = torch.rand(6, 4)
    lower, upper = (it.detach().requires_grad_() for it in own.features(inputs))
    batch = Examples(inputs, torch.full((6,), UNKNOWN), None, network.features(inputs))
    talk.loss((lower, upper), own.answer(upper.detach()), batch).backward()  # type: ignore[no-untyped-call]
    assert lower.grad is not None
    assert upper.grad is None or upper.grad.abs().sum() == 0


def pool(probabilities: list[list[float]], embeddings: list[list[float]], centres: list[list[float]]) -> Pool:
    known = [np.array(it, np.float32) for it in (probabilities, embeddings, centres)]
    return Pool(np.arange(len(probabilities)), known[0], known[1], known[2], 0.5, np.random.default_rng(0))


def test_margin_and_entropy_choose_differently() -> None:
    few = pool([[0.5, 0.5, 0.0], [0.4, 0.3, 0.3], [0.9, 0.1, 0.0]], [[0.0]] * 3, [[0.0]])
    assert by_margin(few, 1).tolist() == [0]
    assert by_entropy(few, 1).tolist() == [1]
    assert sorted(at_random(few, 3)) == [0, 1, 2]


def test_k_center_covers_and_never_repeats() -> None:
    few = pool([[1.0]] * 5, [[0.0], [1.0], [5.0], [9.0], [9.0]], [[0.0]])
    assert by_distance(few, 3).tolist() == [3, 2, 1]
    assert sorted(by_distance(few, 5)) == [0, 1, 2, 3, 4]


def test_cluster_margin_takes_from_every_cluster() -> None:
    embeddings = [[0.0], [0.1], [0.2], [9.0], [5.0], [100.0]]
    few = pool([[0.5, 0.5]] * 5 + [[1.0, 0.0]], embeddings, [[0.0]])
    chosen = ClusterMargin(rounds=1, ratio=5 / 3).choose(few, 3)
    assert {3, 4} < set(chosen), "each alone in its cluster; the last has too large a margin"
    assert len(set(chosen)) == 3


@pytest.mark.parametrize("rounds", [1, 5])
def test_the_whole_budget_is_spent_in_rounds(rounds: int, make_run: Callable[[Ledger], AttemptRun]) -> None:
    problem = PAID.problem(0)
    asked: list[int] = []

    def rule(pool: Pool, count: int) -> Rows:
        assert len(pool.centres) == 30 + len(asked)
        asked.extend(pool.rows[:count])
        return np.arange(count)

    ask(problem, make_run(problem.ledger), rule, rounds)
    assert problem.ledger.total(QUERIES) == 12
    assert len(set(asked)) == 12
    assert not set(asked) & set(problem.labelled)
    assert problem.ledger.total(TRAINED_EXAMPLES) == (rounds + 1) * RECIPE.steps * RECIPE.batch_size


def test_the_judges_notes_are_kept() -> None:
    notebook = Notebook(Limit(QUERIES, 5))
    assert notebook.wrong_share() is None
    notebook.note(np.array([True, False]))
    notebook.note(np.array([False, False]))
    assert notebook.wrong_share() == 0.25
