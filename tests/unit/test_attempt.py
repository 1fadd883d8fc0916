"""One attempt: whatever happens, there is a record that says so."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from methods.base import Method
from methods.reference.best import Best
from methods.reference.trivial import Trivial
from results.protocols import TUNING
from results.record import Record, Status, from_json
from runners.attempt import Attempt
from runners.pair import Pair
from runners.run import Nobody
from tasks.base import Board, Direction, Diverged, Invalid, Metric, NotApplicable, Problem, Run, Task
from tasks.metering import Ledger, Limit, Oracle
from tasks.preparation import Preparation

Execute = Callable[..., Record]


@dataclass(frozen=True, kw_only=True)
class Guess(Problem):
    """Guess a number; each question costs a hint."""

    hint: Oracle[float]


BOARD = Board(
    Guess,
    "a number",
    (
        Metric("error", "units", Direction.LOWER, "distance to the number"),
        Metric("square", "units", Direction.LOWER, "its square"),
        Metric("drawn", "", Direction.NONE, "what evaluate drew"),
    ),
)


@dataclass(frozen=True, kw_only=True)
class Guessing(Task):
    hints: int = 10
    extra: float | None = None  # returned as the metric `square`
    names: tuple[str, ...] = ("error", "square", "drawn")

    def problem(self, seed: int) -> Guess:
        ledger = Ledger(Limit("hints", self.hints))
        return Guess(hint=Oracle(ledger, "hints", lambda: self._number(seed)), ledger=ledger)

    def evaluate(self, solution: Any, seed: int, run: Run) -> dict[str, float]:
        if isinstance(solution, Exception):
            raise solution
        run.ledger.spend("looks", 2)
        error = abs(solution - self._number(seed))
        values = [error, error**2 if self.extra is None else self.extra, run.rng.random()]
        return dict(zip(self.names, values, strict=False))

    def trivial(self, seed: int) -> float:
        return 0.0

    def _number(self, seed: int) -> float:
        return float(self.stream(seed).random()) + 1


@dataclass(frozen=True, kw_only=True)
class Does(Method):
    """Does what a test tells it to; the deeds are named, so that they are part of the record."""

    deed: str
    deeds: ClassVar[dict[str, Callable[[Guess, Run], Any]]] = {}

    def solve(self, problem: Guess, run: Run) -> Any:
        return self.deeds[self.deed](problem, run)


@pytest.fixture
def does(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[Guess, Run], Any]], Does]:
    def make(deed: Callable[[Guess, Run], Any]) -> Does:
        monkeypatch.setitem(Does.deeds, "deed", deed)
        return Does(deed="deed")

    return make


TASK = Guessing(name="toy/guessing", version=2)


def raising(error: BaseException) -> Callable[[Guess, Run], Any]:
    def deed(problem: Guess, run: Run) -> Any:
        raise error

    return deed


# --- how it may end ---


def test_a_good_answer_is_ok(execute: Execute, does: Callable[..., Does]) -> None:
    record = execute(does(lambda problem, run: problem.hint()), TASK, BOARD, seed=3)
    assert (record.status, record.reason, record.phase, record.traceback) == (Status.OK, "", "", "")
    assert record.metrics["error"] == 0
    assert record.cost == {"solve": {"hints": 1}, "use": {"looks": 2}}
    assert record.limits == {"solve": {"hints": 10}}
    assert set(record.seconds) == {"prepare", "problem", "solve", "evaluate"}
    assert record.metric_info["error"] == {"unit": "units", "direction": "lower"}
    assert (record.seed, record.task, record.method, record.arena) == (3, "toy/guessing", "toy/method", "toy")
    assert (record.task_version, record.method_version, record.rank_metric) == (2, 1, "error")
    assert record.id.startswith(record.cell[:10])
    assert record.started <= record.ended
    assert from_json(record.to_json(), "here") == record


@pytest.mark.parametrize(
    ("error", "status", "reason", "traced"),
    [
        (NotApplicable("two classes only"), Status.SKIPPED, "two classes only", False),
        (Diverged("loss is nan at step 3"), Status.DIVERGED, "loss is nan at step 3", False),
        (ZeroDivisionError("by\nzero"), Status.FAILED, "ZeroDivisionError: by zero", True),
        (ValueError(), Status.FAILED, "ValueError: ValueError", True),
        (MemoryError("big"), Status.MEMORY, "MemoryError: big", True),
        (KeyboardInterrupt(), Status.INTERRUPTED, "KeyboardInterrupt", False),
        (SystemExit(3), Status.KILLED, "SystemExit: 3", True),
    ],
)
def test_what_leaves_solve_is_the_reason(
    execute: Execute, does: Callable[..., Does], error: BaseException, status: Status, reason: str, traced: bool
) -> None:
    record = execute(does(raising(error)), TASK, BOARD)
    assert (record.status, record.reason, record.phase) == (status, reason, "solve")
    assert record.metrics == {}
    assert bool(record.traceback) == traced
    assert not traced or type(error).__name__ in record.traceback
    assert "evaluate" not in record.seconds
    assert record.seconds["solve"] >= 0


@pytest.mark.parametrize(
    ("error", "status"),
    [(Invalid("breaks a rule"), Status.INVALID), (RuntimeError("breaks a rule"), Status.FAILED)],
)
def test_what_leaves_evaluate_is_the_reason(
    execute: Execute, does: Callable[..., Does], error: Exception, status: Status
) -> None:
    record = execute(does(lambda problem, run: error), TASK, BOARD)
    assert (record.status, record.phase) == (status, "evaluate")
    assert record.reason.endswith("breaks a rule")
    assert record.metrics == {}


def test_an_answer_that_cannot_be_scored_is_a_failure_with_a_traceback(
    execute: Execute, does: Callable[..., Does]
) -> None:
    record = execute(does(lambda problem, run: "seven"), TASK, BOARD)
    assert (record.status, record.phase) == (Status.FAILED, "evaluate")
    assert "TypeError" in record.reason
    assert "in evaluate" in record.traceback


def test_a_rank_metric_that_is_not_finite_means_diverged(execute: Execute, does: Callable[..., Does]) -> None:
    record = execute(does(lambda problem, run: float("nan")), TASK, BOARD)
    assert (record.status, record.reason) == (Status.DIVERGED, "not finite: error, square")
    assert set(record.metrics) == {"drawn"}


def test_another_metric_that_is_not_finite_is_missing_and_named(execute: Execute, does: Callable[..., Does]) -> None:
    task = Guessing(name="toy/guessing", version=2, extra=float("inf"))
    record = execute(does(lambda problem, run: 1.0), task, BOARD)
    assert (record.status, record.reason) == (Status.OK, "not finite: square")
    assert set(record.metrics) == {"error", "drawn"}


def test_a_metric_that_no_board_declares_is_refused(execute: Execute) -> None:
    task = Guessing(name="toy/guessing", version=2, names=("error", "colour", "smell"))
    record = execute(Trivial(), task, BOARD)
    assert record.status is Status.FAILED
    assert record.reason == "ValueError: the board declares no metric called colour, smell"


def test_a_task_that_forgets_its_rank_metric_has_failed(execute: Execute) -> None:
    task = Guessing(name="toy/guessing", version=2, names=("square",))
    record = execute(Trivial(), task, BOARD)
    assert record.reason == "ValueError: the task returned no error, by which it ranks"
    assert record.status is Status.FAILED


def test_a_problem_that_cannot_be_posed_is_named(execute: Execute, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Guessing, seed: int) -> Guess:
        raise RuntimeError("no numbers left")

    monkeypatch.setattr(Guessing, "problem", fail)
    record = execute(Trivial(), TASK, BOARD)
    assert (record.status, record.phase) == (Status.FAILED, "problem")
    assert record.cost == {"solve": {}, "use": {}}


# --- references ---


def test_the_dumb_answer_is_scored_and_costs_nothing(execute: Execute) -> None:
    record = execute(Trivial(), TASK, BOARD)
    assert record.status is Status.OK
    assert record.metrics["error"] > 1
    assert record.cost["solve"] == {}


def test_a_task_that_knows_no_best_answer_skips_it(execute: Execute) -> None:
    record = execute(Best(), TASK, BOARD)
    assert (record.status, record.reason) == (Status.SKIPPED, "toy/guessing knows no best answer")


# --- budgets and offers ---


def spend(offers: list[float]) -> Callable[[Guess, Run], Any]:
    def deed(problem: Guess, run: Run) -> Any:
        for value in offers:
            problem.hint()
            run.offer(value)
        while True:
            problem.hint()

    return deed


def test_a_spent_budget_takes_the_last_offer(execute: Execute, does: Callable[..., Does]) -> None:
    record = execute(does(spend([9.0, 5.0])), TASK, BOARD)
    assert record.status is Status.OK
    assert record.reason == "the solve budget of 10 hints is spent; the last offer counts"
    assert record.metrics["error"] == record.curve[-1]["metrics"]["error"] < record.curve[0]["metrics"]["error"]
    assert [point["cost"] for point in record.curve] == [{"hints": 1}, {"hints": 2}]
    assert record.cost["solve"] == {"hints": 10}


def test_a_spent_budget_without_an_offer_is_a_failure(execute: Execute, does: Callable[..., Does]) -> None:
    record = execute(does(spend([])), TASK, BOARD)
    assert (record.status, record.phase) == (Status.FAILED, "solve")
    assert "the solve budget of 10 hints is spent, and the method had offered no answer" in record.reason


def test_scoring_offers_costs_nothing(execute: Execute, does: Callable[..., Does]) -> None:
    def deed(problem: Guess, run: Run) -> float:
        for value in range(50):
            run.offer(float(value))
        return 1.0

    record = execute(does(deed), TASK, BOARD)
    assert record.cost == {"solve": {}, "use": {"looks": 2}}
    assert 4 <= len(record.curve) <= 13
    errors = [point["metrics"]["error"] for point in record.curve]
    assert errors[-1] > 40


def test_offers_are_scored_with_the_random_numbers_of_the_answer(execute: Execute, does: Callable[..., Does]) -> None:
    def deed(problem: Guess, run: Run) -> float:
        run.offer(1.0)
        return 1.0

    record = execute(does(deed), TASK, BOARD)
    assert record.curve[0]["metrics"] == record.metrics


# --- random streams and surroundings ---


def test_a_method_has_its_own_stream_and_evaluate_another(execute: Execute, does: Callable[..., Does]) -> None:
    method = does(lambda problem, run: float(run.rng.random()))
    record = execute(method, TASK, BOARD)
    assert execute(method, TASK, BOARD).metrics == record.metrics
    renamed = execute(method, TASK, BOARD, name="toy/other")
    assert renamed.metrics["error"] != record.metrics["error"]
    assert renamed.metrics["drawn"] == record.metrics["drawn"], "what evaluate draws is the same for every method"
    assert execute(method, TASK, BOARD, seed=1).metrics["drawn"] != record.metrics["drawn"]


def test_the_global_generators_are_seeded_for_library_code(execute: Execute, does: Callable[..., Does]) -> None:
    method = does(lambda problem, run: float(np.random.rand()))  # noqa: NPY002 (the legacy global is the point)
    assert execute(method, TASK, BOARD).metrics == execute(method, TASK, BOARD).metrics


def test_files_of_an_attempt_are_gone_after_it(execute: Execute, does: Callable[..., Does]) -> None:
    places: list[Path] = []

    def deed(problem: Guess, run: Run) -> float:
        (run.folder / "file").write_text("a")
        places.append(run.folder)
        return 1.0

    assert execute(does(deed), TASK, BOARD).status is Status.OK
    assert not places[0].exists()
    assert not places[0].parent.exists()


def test_what_a_method_logs_is_in_the_record(execute: Execute, does: Callable[..., Does]) -> None:
    record = execute(does(lambda problem, run: run.log("loss", 2.5, step=1) or 1.0), TASK, BOARD)
    assert [(step, value) for step, _, value in record.logs["loss"]] == [(1, 2.5)]


def test_the_watcher_hears_of_every_phase(
    make_pair: Callable[..., Pair], does: Callable[..., Does], tmp_path: Path
) -> None:
    heard: list[Any] = []

    class Watcher(Nobody):
        def phase(self, text: str) -> None:
            heard.append(text)

        def progress(self, done: float, total: float) -> None:
            heard.append((done, total))

    pair = make_pair(does(lambda problem, run: run.progress(1, 2) or 1.0), TASK, "error")
    Attempt(pair, 0, BOARD, {"launcher": "serial"}, tmp_path, Watcher()).execute()
    assert heard == ["problem", "solve", (1, 2), "evaluate"]


# --- interruption and continuation ---


def test_an_interrupted_attempt_goes_on_where_it_was(
    execute: Execute, does: Callable[..., Does], tmp_path: Path
) -> None:
    draws: list[float] = []

    def deed(problem: Guess, run: Run) -> float:
        start = (run.restore() or {"step": 0})["step"]
        for step in range(start, 4):
            problem.hint()
            draws.append(run.rng.random())
            run.checkpoint({"step": step + 1})
            if step == 1 and start == 0:
                signal.raise_signal(signal.SIGINT)
        return 1.0

    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    first = execute(does(deed), TASK, BOARD)
    assert (first.status, first.phase, first.cost["solve"]) == (Status.INTERRUPTED, "solve", {"hints": 2})
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [f"{first.cell}.pt"]
    second = execute(does(deed), TASK, BOARD)
    assert (second.status, second.cell) == (Status.OK, first.cell)
    assert second.cost["solve"] == {"hints": 4}
    assert second.seconds["solve"] > 0
    assert list((tmp_path / "checkpoints").iterdir()) == []
    interrupted, draws[:] = list(draws), []

    def straight(problem: Guess, run: Run) -> float:
        draws.extend(float(run.rng.random()) for _ in range(4))
        return 1.0

    execute(does(straight), TASK, BOARD)
    assert interrupted == draws, "the random stream went on as if nothing had happened"


def test_a_failure_leaves_no_checkpoint(execute: Execute, does: Callable[..., Does], tmp_path: Path) -> None:
    def deed(problem: Guess, run: Run) -> float:
        run.checkpoint({"step": 1})
        raise RuntimeError("broken")

    assert execute(does(deed), TASK, BOARD).status is Status.FAILED
    assert list((tmp_path / "checkpoints").iterdir()) == []


# --- preparations ---


@dataclass(frozen=True, kw_only=True)
class Table(Preparation):
    fails: bool

    def build(self, seed: int, run: Run) -> None:
        if self.fails:
            raise RuntimeError("no wood")
        (run.folder / "table").write_text("table")

    def load(self, folder: Path) -> str:
        return (folder / "table").read_text()


@dataclass(frozen=True, kw_only=True)
class Prepared(Guessing):
    table: Table

    def evaluate(self, solution: Any, seed: int, run: Run) -> dict[str, float]:
        return {"error": float(len(self.table.artefact(seed)))}


def test_preparations_are_made_before_and_are_in_the_record(execute: Execute) -> None:
    table = Table(version=1, fails=False)
    record = execute(Trivial(), Prepared(name="toy/prepared", version=1, table=table), BOARD)
    assert record.metrics == {"error": 5}
    assert record.preparations["table"]["key"] == table.key(0) == record.identity["preparations"]["table"]


def test_a_preparation_that_fails_is_named(execute: Execute) -> None:
    task = Prepared(name="toy/prepared", version=1, table=Table(version=1, fails=True))
    record = execute(Trivial(), task, BOARD)
    assert (record.status, record.phase, record.reason) == (Status.FAILED, "prepare", "RuntimeError: no wood")


def test_offers_are_scored_as_use_and_one_that_cannot_be_scored_says_why(
    execute: Execute, does: Callable[..., Does]
) -> None:
    def deed(problem: Guess, run: Run) -> float:
        for offer in (1.0, Invalid("too early"), 2.0):
            run.offer(offer)
        return 1.0

    record = execute(does(deed), TASK, BOARD)
    assert record.status is Status.OK
    assert ["error" in point["metrics"] for point in record.curve] == [True, False, True]
    assert record.curve[1]["reason"] == "Invalid: too early"
    assert record.cost["use"] == {"looks": 2.0}, "scoring offers is nobody's cost"


def test_what_is_booked_elsewhere_is_in_the_record_too(execute: Execute, does: Callable[..., Does]) -> None:
    def deed(problem: Guess, run: Run) -> float:
        with run.ledger.booking("elsewhere"):
            return problem.hint()

    assert execute(does(deed), TASK, BOARD).cost["elsewhere"] == {"hints": 1.0}


def test_a_trial_is_scored_by_validation_alone(
    does: Callable[..., Does], make_pair: Callable[..., Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offering(problem: Guess, run: Run) -> float:
        run.offer(1.0)
        return 2.0

    def refuse(*_: Any) -> dict[str, float]:
        raise AssertionError("a trial must not be tested")

    def validate(self: Guessing, solution: float, seed: int, run: Run) -> dict[str, float]:
        run.ledger.spend("looks")
        return {"error": solution, "drawn": float(run.rng.random())}

    pair = make_pair(does(offering), Guessing(name="toy/guess", version=1), "error")
    skipped = Attempt(replace(pair, protocol=TUNING), -1, BOARD, {}, tmp_path).execute()
    assert (skipped.status, skipped.phase) == (Status.SKIPPED, "evaluate")
    assert skipped.reason == "toy/guess provides no validation data, so nothing can be tuned on it"
    tested = Attempt(pair, -1, BOARD, {}, tmp_path).execute()
    for verb in ("evaluate", "score_offer"):
        monkeypatch.setattr(Guessing, verb, refuse)
    monkeypatch.setattr(Guessing, "validate", validate)
    tuning = {"trial": 3, "values": {"lr": 0.5}}
    record = Attempt(replace(pair, protocol=TUNING, tuning=tuning), -1, BOARD, {"outputs": "x"}, tmp_path).execute()
    assert (record.status, record.reason) == (Status.OK, "")
    assert (record.protocol, record.identity["protocol"], record.seed) == ("tuning", "tuning", -1)
    assert (record.settings["tuning"], record.settings["outputs"]) == (tuning, "x")
    assert (record.metrics["error"], record.curve, record.cost["use"]) == (2.0, [], {"looks": 1.0})
    assert record.metrics["drawn"] != tested.metrics["drawn"], "a stream of its own"
    assert "tuning" not in tested.settings
