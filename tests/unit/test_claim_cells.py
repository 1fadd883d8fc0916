"""Which attempts a claim reads: overrides decide, and nothing is mixed that cannot be compared."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from results.claims.cells import Cells, Defaults, Setting
from results.claims.patterns import pattern, place
from results.claims.readings import Found, number, one_clock
from results.claims.relations import read
from results.record import Record, Status
from results.selection import Texts
from tests.examples import record

PLAIN: dict[tuple[str, str], dict[str, Any]] = {
    ("method", "toys/a"): {"lr": 0.1, "part.depth": 2},
    ("task", "toys/hill"): {"size": 3, "model": "small", "noise": "${task.size}"},
}
HILL = "toys/hill"


def plain(kind: str, name: str, scale: str) -> Defaults:
    values = PLAIN.get((kind, name), {})
    tier = {"size": 1} if scale == "tiny" and kind == "task" else {}
    return Defaults({**values, **tier}, frozenset(tier))


def cell(seed: int, value: float | None = 1.0, *, said: Sequence[str] = (), **changes: Any) -> Record:
    """An attempt of toys/a on the hill; `said` are the words of its command, put into its identity."""
    one = record(changes.pop("method", "toys/a"), seed, value)
    task, method = dict(one.identity["task"]), dict(one.identity["method"]) | {"part": {"depth": 2}}
    task |= {"size": 1 if changes.get("scale") == "tiny" else 3, "noise": 3, "model": {"_target_": "small"}}
    for word in said:
        key, _, text = word.partition("=")
        kind, _, name = key.partition(".")
        value_of = read(text)
        if name == "part.depth":
            method["part"] = {"depth": value_of}
        else:
            (task if kind == "task" else method)[name] = value_of
    hardware = changes.pop("hardware_identity", one.identity["hardware"])
    for kind in ("task", "method"):
        version = changes.get(f"{kind}_version")
        (task if kind == "task" else method).update({"version": version} if version else {})
    identity = {"method": method, "task": task, "hardware": hardware}
    made = replace(one, identity=identity, settings={"overrides": list(said)}, **changes)
    name = f"{made.method} {seed} {sorted(map(str, identity.items()))} {made.scale} {made.protocol}"
    return replace(made, id=f"{name} {changes.get('ended', '')} {value}", cell=name)


def seeds(records: Iterable[Record], side: str = "toys/a", task: str = HILL, **setting: str) -> dict[int, float]:
    return dict(found(records, side, task, **setting).values)


def found(records: Iterable[Record], side: str = "toys/a", task: str = HILL, metric: str = "", **setting: str) -> Found:
    cells = Cells(list(records), Texts(), plain)
    wanted = {"scale": "laptop", "protocol": "paper values"} | setting
    (chosen,) = [one for one in cells.settings([place(HILL)], wanted["scale"]) if one.protocol == wanted["protocol"]]
    return cells.find([pattern(side)], place(task), chosen, metric)[0]


def test_plain_means_the_values_of_the_yaml() -> None:
    records = [cell(0), cell(1, said=["method.lr=0.3"]), cell(2, said=["task.size=9"]), cell(3, said=["method.new=1"])]
    assert seeds(records) == {0: 1.0}


def test_values_in_brackets_mean_just_these() -> None:
    records = [
        cell(0),
        cell(1, said=["method.lr=0.3"]),
        cell(2, said=["method.lr=0.2"]),
        cell(3, said=["method.lr=0.3", "method.part.depth=5"]),
        cell(4, said=["method.lr=0.3", "task.size=9"]),
    ]
    assert seeds(records, "toys/a[lr=0.3]") == {1: 1.0}
    assert seeds(records, "toys/a[lr=0.3, part.depth=5]") == {3: 1.0}
    assert seeds(records, "toys/a[lr=0.3]", "toys/hill[size=9]") == {4: 1.0}
    assert seeds(records, "toys/a[lr=0.4]") == {}


def test_a_value_equal_to_that_of_the_yaml_is_the_plain_cell() -> None:
    records = [cell(0), cell(1, said=["task.size=9"])]
    assert seeds(records, "toys/a[lr=0.1]", "toys/hill[size=3]") == {0: 1.0}
    assert seeds(records, task="toys/hill[size=9]") == {1: 1.0}


def test_a_tier_has_its_own_values() -> None:
    """At the tier tiny the size is 1; a command that names the YAML's 3 changes nothing that it would write down."""
    named = cell(1, scale="tiny")
    named = replace(named, identity=named.identity | {"task": named.identity["task"] | {"size": 3}}, cell="other")
    records = [cell(0, scale="tiny"), named, cell(2, said=["task.size=1"], scale="tiny")]
    assert seeds(records, scale="tiny") == {0: 1.0, 2: 1.0}
    assert seeds(records, task="toys/hill[size=1]", scale="tiny") == {0: 1.0, 2: 1.0}
    assert seeds(records, task="toys/hill[size=3]", scale="tiny") == {1: 1.0}


def test_true_is_not_one() -> None:
    assert seeds([cell(0, said=["method.lr=1"])], "toys/a[lr=true]") == {}
    assert seeds([cell(0, said=["method.lr=1"])], "toys/a[lr=1]") == {0: 1.0}


def test_a_part_that_is_named_by_a_word() -> None:
    large = cell(1, said=["task.model=large"])
    large = replace(large, identity=large.identity | {"task": large.identity["task"] | {"model": {"_target_": "l"}}})
    assert seeds([cell(0), large], task="toys/hill[model=large]") == {1: 1.0}
    assert seeds([cell(0), large], task="toys/hill[model=small]") == {0: 1.0}
    assert seeds([cell(0), large]) == {0: 1.0}


def test_without_the_yaml_what_a_command_changed_is_never_plain() -> None:
    cells = Cells([cell(0), cell(1, said=["method.lr=0.3"])], Texts())
    (setting,) = cells.settings([place(HILL)], "laptop")
    assert set(cells.find([pattern("toys/a")], place(HILL), setting, "")[0].values) == {0}


def test_scales_protocols_and_hardware_are_never_mixed() -> None:
    cuda = {"accelerator": "cuda", "precision": "32-true"}
    records = [cell(0), cell(1, scale="tiny"), cell(2, protocol="tuned, 16 trials"), cell(3, hardware_identity=cuda)]
    cells = Cells(records, Texts(), plain)
    told = {str(one): set(cells.find([pattern("toys/a")], place(HILL), one, "")[0].values)
            for scale in ("laptop", "tiny") for one in cells.settings([place(HILL)], scale)}  # fmt: skip
    assert told == {
        "laptop, cpu-32-true, paper values": {0},
        "laptop, cpu-32-true, tuned, 16 trials": {2},
        "laptop, cuda-32-true, paper values": {3},
        "tiny, cpu-32-true, paper values": {1},
    }


def test_trials_of_a_search_never_count() -> None:
    cells = Cells([cell(0, protocol="tuning")], Texts(), plain)
    assert cells.settings([place(HILL)], "laptop") == []


def test_what_was_tuned_is_plain_but_for_what_was_said() -> None:
    changes: dict[str, Any] = {"protocol": "tuned, 16 trials"}
    tuned = cell(0, **changes)
    tuned = replace(tuned, identity=tuned.identity | {"method": tuned.identity["method"] | {"lr": 0.7}})
    fixed = cell(1, said=["method.part.depth=5"], **changes)
    assert seeds([tuned, fixed], protocol="tuned, 16 trials") == {0: 1.0}
    assert seeds([tuned, fixed], "toys/a[part.depth=5]", protocol="tuned, 16 trials") == {1: 1.0}
    assert seeds([tuned, fixed], "toys/a[lr=0.7]", protocol="tuned, 16 trials") == {}  # found, not asked for


@pytest.mark.parametrize("kind", ["task", "method"])
def test_older_versions_never_count_beside_newer_ones(kind: str) -> None:
    new: dict[str, Any] = {f"{kind}_version": 2}
    records = [cell(0), cell(1, **new), cell(2, said=["task.size=9"])]
    assert seeds(records) == {1: 1.0}
    assert seeds(records, task="toys/hill[size=9]") == {}  # an axis is not made of two versions


def test_both_sides_come_from_one_board() -> None:
    """The same task with other surroundings, as under another version of Python, is another board."""

    def elsewhere(one: Record) -> Record:
        task = one.identity["task"] | {"surroundings": {"library": "other"}}
        return replace(one, identity=one.identity | {"task": task}, id=f"{one.id}!", cell=f"{one.cell}!")

    ours = [cell(seed) for seed in range(3)]
    theirs = [cell(seed, method="toys/b") for seed in range(4)]
    records = [*ours, *map(elsewhere, ours[:2]), *map(elsewhere, theirs), *theirs[:1]]
    cells = Cells(records, Texts(), plain)
    (setting,) = cells.settings([place(HILL)], "laptop")
    left, right = cells.find([pattern("toys/a"), pattern("toys/b")], place(HILL), setting, "")
    assert (set(left.values), set(right.values)) == ({0, 1}, {0, 1, 2, 3})  # where they share two seeds and not one
    assert left.attempts[0].identity["task"]["surroundings"] == {"library": "other"}


def test_of_two_sets_of_values_of_a_changed_yaml_the_newer_counts() -> None:
    old = cell(0)
    old = replace(old, identity=old.identity | {"method": old.identity["method"] | {"lr": 0.05}}, cell="old", id="old")
    new = replace(cell(1), ended="2026-02-01T00:00:00.000+00:00")
    assert seeds([old, new]) == {1: 1.0}


def test_of_a_cell_the_newest_good_attempt_counts() -> None:
    records = [cell(0, 1.0, ended="2026-01-01"), cell(0, 2.0, ended="2026-01-03"), cell(0, None, ended="2026-01-04")]
    assert seeds(records) == {0: 2.0}
    assert found(records).failed == ()


def test_failures_are_kept_apart_and_what_was_not_measured_is_said() -> None:
    records = [cell(0), cell(1, None), cell(2, metrics={"slope": 2.0})]
    told = found(records)
    assert (set(told.values), [one.seed for one in told.failed]) == ({0}, [1])
    assert told.unread == "toys/a did not measure height"
    assert found([cell(0)]).unread == ""
    assert found([cell(0, None)]).unread == ""


def test_numbers_of_an_attempt() -> None:
    one = replace(record("toys/a", 2, 1.5), cost={"solve": {"steps": 3.0}, "use": {"steps": 2.0, "looks": 1.0}})
    assert number(one, "") == 1.5
    assert number(one, "slope") == 3.0
    assert number(one, "cost.steps") == 5.0
    assert number(one, "cost.other") == 0.0
    assert number(one, "seconds.solve") == 1.0
    assert number(one, "seconds.prepare") is None
    assert number(one, "memory") == 102.0
    assert number(one, "unseen") is None


def test_work_that_nobody_booked_is_no_cost_of_zero() -> None:
    free = replace(cell(0, method="toys/b"), cost={"solve": {}, "use": {}})
    assert found([cell(0), free], "toys/b", metric="cost.steps").values == {0: 0.0}
    told = found([cell(0), free], "toys/b", metric="cost.stepz")
    assert (told.values, told.unread) == ({}, "toys/b did not measure cost.stepz")


def timed(seed: int, processor: str) -> Record:
    return replace(record("toys/a", seed, 1.0), provenance={"processor": processor} if processor else {})


def side(*machines: str) -> Found:
    attempts = {seed: timed(seed, name) for seed, name in enumerate(machines)}
    return Found(dict.fromkeys(attempts, 1.0), attempts, ())


def test_clocks_are_read_on_the_machine_with_most_shared_seeds() -> None:
    left, right = one_clock([side("x", "x", "x", "x", "y", "y", "y"), side("y", "y", "x", "z", "y", "y", "y")])
    assert (set(left.values), set(right.values)) == ({4, 5, 6}, {0, 1, 4, 5, 6})
    assert set(left.attempts) == {4, 5, 6}
    assert "different machines" in left.unread
    alike = one_clock([side("x", "x"), side("x", "x")])
    assert [set(one.values) for one in alike] == [{0, 1}, {0, 1}]
    assert [one.unread for one in alike] == ["", ""]


def test_a_clock_of_an_unnamed_machine_is_not_read() -> None:
    left, right = one_clock([side("", ""), side("", "")])
    assert (left.values, right.values) == ({}, {})
    assert "not named" in left.unread
    assert one_clock([Found({}, {}, ()), side("x")])[0].unread == ""


def test_methods_by_glob() -> None:
    records = [
        *(cell(0, method=name) for name in ("toys/a", "toys/b", "other/c", "reference/best")),
        cell(0, None, method="toys/broken"),
        cell(0, method="toys/varied", said=["method.lr=0.3"]),
        cell(0, method="toys/elsewhere", protocol="tuned, 16 trials"),
        cell(0, method="toys/larger", said=["task.size=9"]),
    ]
    cells = Cells(records, Texts(), plain)
    setting = next(one for one in cells.settings([place(HILL)], "laptop") if not one.tuned)
    names, failing = cells.methods(["toys/*"], place(HILL), setting)
    assert names == ["toys/a", "toys/b"]
    assert [one.method for one in failing] == ["toys/broken"]
    assert cells.methods(["*"], place(HILL), setting)[0] == ["other/c", "toys/a", "toys/b"]
    assert cells.methods(["toys/?", "other/c"], place("toys/hill[size=9]"), setting)[0] == []


def test_the_setting_with_most_attempts_comes_first() -> None:
    records = [cell(0, protocol="tuned, 16 trials"), *(cell(seed) for seed in range(3))]
    told = Cells(records, Texts(), plain).settings([place(HILL)], "laptop")
    assert [(one.protocol, one.tuned) for one in told] == [("paper values", False), ("tuned, 16 trials", True)]
    assert all(isinstance(one, Setting) for one in told)
    assert all(one.status is Status.OK for one in records)
