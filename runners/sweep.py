"""Running a plan: on this machine, or on others through one of Hydra's launchers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from results.leases import Leases
from results.record import Status
from results.store import Store, StoreError
from runners import catalog, tracker
from runners.budget import Budget, budget_of
from runners.crew import Crew
from runners.errors import CommandError, one_line
from runners.forecast import forecast, forecast_tuned
from runners.hardware import cores
from runners.inside import Inside
from runners.keeper import Keeper
from runners.planning import Plan, expand, plan
from runners.prepare import prepared
from runners.progress import Display
from runners.session import BAD, Session, command_line, open_cells, open_store
from runners.supervised import Cell, warm
from runners.trials import run_trials, searches, without_search
from runners.waiting import take_in

PATIENCE = 5.0  # seconds to wait for a locked store before records are kept back


def workers_of(config: DictConfig, *, elsewhere: bool = False) -> int:
    """How many attempts run at a time on a machine; 0 means inside this process, -1 one a core of another machine.

    Raises:
        CommandError: more than the cores can carry, or a setting of the command has no meaning.
    """
    if isinstance(config.jobs, bool) or not isinstance(config.jobs, int) or config.jobs < 1:
        raise CommandError(f"jobs: expected how many jobs the cells are packed into, got {config.jobs!r}")
    for key in ("plan", "prepare", "force"):
        if not isinstance(config.get(key, False), bool):
            raise CommandError(f"{key}: expected true or false, got {config[key]!r}")
    given, available = config.n_jobs, cores()
    if isinstance(given, bool) or not isinstance(given, int) or given < -1:
        raise CommandError(f"n_jobs: expected a number of workers, 0 (this process) or -1 (one a core), got {given!r}")
    if elsewhere:
        return given
    if given > available:
        raise CommandError(f"n_jobs: {given} workers would disturb each other on {available} cores")
    return available if given == -1 else given


def outputs_of(config: DictConfig) -> Path:
    """The folder for records, made if it is not there.

    Raises:
        CommandError: it cannot be made.
    """
    outputs = Path(config.outputs)
    try:
        outputs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"outputs: {one_line(error)}") from error
    return outputs


def warm_up(methods: Sequence[str], tasks: Sequence[str]) -> None:
    """Let the process that workers come from import the plugins while this one plans."""
    modules = []
    for kind, names in (("method", methods), ("task", tasks)):
        for name in names:
            with suppress(CommandError):  # planning says so, in its own words
                modules.append(catalog.find(kind, name).target.rpartition(".")[0])
    warm(sorted(set(modules)))


def run_plan(work: Plan, config: DictConfig) -> list[Status]:
    """Run what a plan holds and the store has not, with bars and one line for each cell; how the cells ended."""
    outputs = outputs_of(config)
    tracker.check(config.tracker)
    store = open_store(config.store, outputs, PATIENCE)
    try:
        if config.plan:
            print(forecast(work, store, force=bool(config.force), workers=max(1, workers_of(config))))  # noqa: T201
            return []
        with Display() as display:
            cells = look(work, store, outputs, display, force=bool(config.force))
            return _run_here(cells, config, store, outputs, display) if cells else []
    finally:
        store.close()


def look(work: Plan, store: Store, outputs: Path, display: Display, *, force: bool) -> list[Cell]:
    """Take in what waits, and say what is left out; the cells that are to be run."""
    for sentence in [*take_in(store, outputs), *work.reasons()]:
        display.say(sentence)
    cells = open_cells(store, work.pairs, force=force)
    if len(cells) < work.cells():
        trials = all(pair.trial for pair, _ in work.pairs)
        kind, again = ("trials", "") if trials else ("cells", " (force=true runs them again)")
        display.say(f"skipped {work.cells() - len(cells)} of {work.cells()} {kind}: the store has them already{again}")
    display.begin(len(cells))
    return cells


def _run_here(cells: Sequence[Cell], config: DictConfig, store: Store, outputs: Path, display: Display) -> list[Status]:
    """Run cells on this machine."""
    size = workers_of(config)
    settings = settings_of(config, "local" if size else "none", size)
    threads = max(cell.pair.hardware.threads or 1 for cell in cells)
    crew = Crew(size, threads, outputs, settings, display) if size else Inside(outputs, settings, display)
    sweep, share = begin(store, outputs, len(cells)), not config.force
    with crew:
        keeper = Keeper(
            store, outputs, config.tracker, crew.bell, display.say, lambda: session.progress(), sweep, share=share
        )
        session = Session(crew, keeper, display)
        keeper.start()
        try:
            session.run(cells)
        finally:
            keeper.finish()
    return session.ended


def begin(store: Store, outputs: Path, total: int) -> str:
    """Register a sweep with the store.

    Raises:
        CommandError: the store does not take it.
    """
    try:
        return Leases(store).begin(command=command_line(), outputs=str(outputs.absolute()), total=total)
    except StoreError as error:
        raise CommandError(str(error)) from error


def settings_of(config: DictConfig, launcher: str, workers: int) -> dict[str, Any]:
    """What cannot move a number, for the records. Seconds taken beside other cells are marked as such."""
    return {
        "outputs": str(config.outputs),
        "launcher": launcher,
        "tracker": config.tracker,
        "workers": max(1, workers),
        "alone": workers <= 1,
    }


def sweep(
    arguments: Sequence[str], params: Mapping[str, Any], config: DictConfig, loader: ConfigLoader, context: Any
) -> list[Status]:
    """One multirun: expand, plan, run.

    Raises:
        CommandError: the command cannot be understood, or leaves nothing to run.
        SystemExit: some cell did not end well; the code is 1.
    """
    launcher = str(config.hydra.launcher.get("_target_", ""))
    here = launcher.endswith("BasicLauncher")
    workers = workers_of(config, elsewhere=not here)
    values = expand([text for text in arguments if not text.startswith("experiment=")], params)
    for group in ("method", "task"):
        if group not in values:
            raise CommandError(f"{group} is not given; name one or more with {group}=..")
    if here and workers and not config.plan:
        warm_up(values["method"], values["task"])
    budget = budget_of(values, config)
    fixed = [text for text in arguments if text.startswith("experiment=")]
    work = plan(
        values,
        lambda texts: loader.load_sweep_config(config, fixed + texts),
        config.seed,
        max(1, workers),
        elsewhere=not here,
        tuned=budget is not None,
    )

    if config.get("prepare"):
        for sentence in prepared(work, budget):
            print(sentence, flush=True)  # noqa: T201
        return []

    def go(some: Plan) -> list[Status]:
        if here or config.plan:
            return run_plan(some, config)
        from runners.shards import run_elsewhere

        return run_elsewhere(some, config, context)

    ended, all_well = (go(work), True) if budget is None else run_tuned(work, budget, config, go)
    if not all_well or any(status in BAD for status in ended):
        raise SystemExit(1)
    return ended


def run_tuned(
    work: Plan, budget: Budget, config: DictConfig, go: Callable[[Plan], list[Status]]
) -> tuple[list[Status], bool]:
    """Run the trials of a plan, choose, and run the scored cells; how these ended, and whether every method has any.

    Args:
        work: with the values of the YAML files.
        budget: the same for every method.
        config: of the command.
        go: runs a plan.

    Raises:
        CommandError: a method's domains do not fit it, or the store cannot be used.
    """
    tried, outputs, force = searches(work, budget), outputs_of(config), bool(config.force)
    store = open_store(config.store, outputs, PATIENCE)
    try:
        if config.plan:
            found = run_trials(tried, store, lambda some: None, force=False)
            print(forecast_tuned(work, tried, found, store, force=force, workers=max(1, workers_of(config))))  # noqa: T201
            return [], True
        say = Display().say
        for sentence in [*take_in(store, outputs), *work.reasons(), *without_search(tried)]:
            say(sentence)
        found = run_trials(tried, store, go, force=force)
    finally:
        store.close()
    scored, all_well = Plan(), True
    for search in tried:
        pair, sentence = search.scored(found)
        if sentence:
            say(sentence)
        if pair is not None:
            scored.pairs.append((pair, list(search.seeds)))
        all_well = all_well and pair is not None
    return go(scored) if scored.pairs else [], all_well
