"""One attempt: prepare, pose, solve, evaluate, and a record whatever happens."""

from __future__ import annotations

import shutil
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from methods.base import Reference
from results.record import Record, Status, finite
from runners.errors import one_line
from runners.hardware import PeakMemory, seed_everything
from runners.moments import now
from runners.pair import Pair
from runners.places import attempt_name, checkpoint_file, scratch_folder
from runners.preparing import ensure
from runners.provenance import code_fingerprint, device, environment
from runners.run import AttemptRun, Clock, Nobody, Offer, Offers, Watcher
from runners.scoring import declared, score_offers
from tasks.base import Board, Diverged, Invalid, NotApplicable, Problem
from tasks.metering import SOLVE, USE, BudgetSpent, Ledger, random_stream

_ENDINGS: tuple[tuple[type[BaseException], Status], ...] = (
    (NotApplicable, Status.SKIPPED),
    (Invalid, Status.INVALID),
    (Diverged, Status.DIVERGED),
    (KeyboardInterrupt, Status.INTERRUPTED),
    (MemoryError, Status.MEMORY),
    (Exception, Status.FAILED),
)


@dataclass
class Attempt:
    """One execution of a cell. `execute` never raises: what happened is in the record.

    Args:
        pair, seed: the cell.
        board: how the arena measures such problems.
        settings: what cannot move a number, for the record.
        outputs: folder below which unfinished cells keep their state.
        watcher: who is told how far it is.
        name: of the attempt; by default one is drawn.
        open: whether the plugin's code runs just now, so that an exception raised from outside would reach it.
        asked: whether it was asked to stop; what a plugin makes of that is no answer.
    """

    pair: Pair
    seed: int
    board: Board
    settings: Mapping[str, Any]
    outputs: Path
    watcher: Watcher = field(default_factory=Nobody)
    name: str = ""
    open: bool = False
    asked: bool = False
    phase: str = "prepare"
    status: Status = Status.OK
    reason: str = ""
    trace: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    curve: list[dict[str, Any]] = field(default_factory=list)
    preparations: dict[str, Any] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    logs: dict[str, list[list[float]]] = field(default_factory=dict)
    peak: float | None = None
    preemptions: int = 0

    def execute(self) -> Record:
        """Run the cell and write down what happened."""
        started = now()
        cell = self.pair.cell(self.seed)
        self.name = self.name or attempt_name(cell)
        scratch = scratch_folder(self.name)
        checkpoint = checkpoint_file(self.outputs, cell)
        try:
            with self.pair.hardware.applied():
                self.open = True
                self._phases(scratch, checkpoint)
        except BaseException as error:  # noqa: BLE001 (every ending is a row, Ctrl-C too)
            self.open = False
            self._end(KeyboardInterrupt("asked to stop") if self.asked else error)
        finally:
            self.open = False
            if scratch.exists():
                shutil.rmtree(scratch, ignore_errors=True)
        if self.status is not Status.INTERRUPTED:
            checkpoint.unlink(missing_ok=True)
        return self._record(cell, started)

    def cut_off(self, status: Status, reason: str, phase: str, started: str, trace: str = "") -> Record:
        """The record of an attempt that could not write its own, since its process died or never began."""
        self.status, self.reason, self.phase, self.trace = status, reason, phase, trace
        return self._record(self.pair.cell(self.seed), started)

    def _phases(self, scratch: Path, checkpoint: Path) -> None:
        pair, seed = self.pair, self.seed
        key = (pair.task.name, pair.task.version, seed)
        self._timed("prepare", self._prepare)
        problem: Problem = self._timed("problem", lambda: pair.task.problem(seed))
        self.ledger = problem.ledger
        if self.ledger.prices() != getattr(pair.task, "prices", {}):
            raise ValueError("the prices of the ledger are not those of the task's field 'prices'")
        memory = PeakMemory()
        try:
            solving = AttemptRun(
                random_stream("method", *key, pair.choice.method, pair.method_card.version),
                self.ledger,
                pair.hardware,
                scratch / "solve",
                self.watcher,
                checkpoint_file=checkpoint,
                offers=Offers(pair.task.offers_scored),
                logs=self.logs,
            )
            try:
                solution = self._solve(problem, solving)
            finally:
                self.preemptions = solving.preemptions
            use = "validate" if pair.trial else "use"  # a trial draws nothing that a scored attempt draws
            using = AttemptRun(random_stream(use, *key), self.ledger, pair.hardware, scratch / "use", self.watcher)
            with self.ledger.booking(USE):
                self.metrics = self._timed("evaluate", lambda: self._score(solution, using))
        finally:
            self.peak = memory.mib()
        assert solving.offers is not None
        if not pair.trial:
            self._score_curve(solving.offers.curve(), scratch)

    def _prepare(self) -> None:
        for name, part in self.pair.preparations().items():
            self.preparations[name] = ensure(part, self.seed, self.pair.hardware, self.watcher)

    def _solve(self, problem: Problem, run: AttemptRun) -> Any:
        method = self.pair.method
        if isinstance(method, Reference):
            return self._timed("solve", lambda: method.answer(self.pair.task, self.seed))
        seed_everything(run.rng)
        try:
            return self._timed("solve", lambda: method.solve(problem, run), run.clock)
        except BudgetSpent as spent:
            assert run.offers is not None
            if run.offers.last is None:
                raise RuntimeError(f"{spent}, and the method had offered no answer") from spent
            self.reason = f"{spent}; the last offer counts"
            return run.offers.last.solution

    def _score(self, solution: Any, run: AttemptRun) -> dict[str, float]:
        seed_everything(random_stream("use globals", self.pair.task.name, self.pair.task.version, self.seed))
        score = self.pair.task.validate if self.pair.trial else self.pair.task.evaluate
        metrics, lost = finite(declared(self.board, score(solution, self.seed, run)))
        if lost:
            self.reason = f"not finite: {', '.join(lost)}"
        rank = self.pair.task_card.rank
        if rank in lost:
            self.status = Status.DIVERGED
        elif rank not in metrics:
            raise ValueError(f"the task returned no {rank}, by which it ranks")
        return metrics

    def _score_curve(self, offers: Sequence[Offer], scratch: Path) -> None:
        """Score what was offered on the way, and the curve as a whole, whose last point is the answer."""
        if offers:
            score = partial(score_offers, self.pair, self.seed, self.ledger, offers, scratch)
            self._timed("offers", lambda: self.curve.extend(score()))
            self.phase = "evaluate"  # where an answer that diverged was found out
        answer = {"seconds": self.seconds["solve"], "cost": self.ledger.totals(SOLVE), "metrics": self.metrics}
        further = self.pair.task.score_curve([*self.curve, answer])
        self.metrics = self.metrics | finite(declared(self.board, further))[0]

    def _timed(self, phase: str, work: Callable[[], Any], clock: Clock | None = None) -> Any:
        self.phase = phase
        if phase != "prepare":
            self.watcher.phase(phase)
        clock = clock or Clock()
        try:
            result = work()
        finally:
            self.seconds[phase] = clock.seconds()
        if self.asked:  # and the plugin made light of it
            raise KeyboardInterrupt("asked to stop")
        return result

    def _end(self, error: BaseException) -> None:
        if isinstance(error, BudgetSpent) and self.phase == "evaluate":
            error = Invalid(str(error))  # the answer may not cost more than this in use
        self.status = next((status for kind, status in _ENDINGS if isinstance(error, kind)), Status.KILLED)
        if type(error).__name__ == "OutOfMemoryError":  # torch's, for a device
            self.status = Status.MEMORY
        self.reason = one_line(error) if str(error) else type(error).__name__
        if self.status in (Status.FAILED, Status.KILLED, Status.MEMORY):
            self.reason = f"{type(error).__name__}: {one_line(error)}"
            self.trace = "".join(traceback.format_exception(error))

    def _record(self, cell: str, started: str) -> Record:
        pair = self.pair
        code = {"method": code_fingerprint(pair.method), "task": code_fingerprint(pair.task)}
        return Record(
            id=self.name or attempt_name(cell),
            cell=cell,
            identity=pair.identity(self.seed),
            settings=dict(self.settings)
            | ({"tuning": dict(pair.tuning)} if pair.tuning else {})
            | {"threads": pair.hardware.threads, "profile": asdict(pair.declared), "overrides": list(pair.overrides)},
            arena=pair.arena,
            task=pair.choice.task,
            method=pair.choice.method,
            problem=pair.problem,
            scale=pair.choice.scale,
            hardware=pair.choice.hardware,
            protocol=pair.protocol,
            seed=self.seed,
            method_version=pair.method_card.version,
            task_version=pair.task_card.version,
            role=pair.method_card.role,
            fidelity=pair.method_card.fidelity,
            status=self.status,
            reason=self.reason,
            phase=self.phase if self.status is not Status.OK else "",
            traceback=self.trace,
            rank_metric=pair.task_card.rank,
            started=started,
            ended=now(),
            metrics=self.metrics,
            metric_info={m.name: {"unit": m.unit, "direction": m.direction.value} for m in self.board.metrics},
            cost={
                account: self.ledger.totals(account) for account in dict.fromkeys((SOLVE, USE, *self.ledger.accounts()))
            },
            limits=self.ledger.limits(),
            prices=self.ledger.prices(),
            preemptions=self.preemptions,
            seconds=self.seconds,
            peak_memory_mib=self.peak,
            curve=self.curve,
            logs=self.logs,
            preparations=self.preparations,
            provenance=environment() | {"fingerprints": code} | device(),
        )
