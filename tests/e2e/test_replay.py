"""The verbs `replay` and `verify`: an attempt is run again from its record, and its numbers come out again or not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from results import publication
from results.record import Record, Status
from results.store import Store

Bakeoff = Callable[..., Any]
SWEEP = ("run", "-m", "method=urns/mean,urns/broken", "task=urns/draws", "seed=range(0,4)", "n_jobs=0")


def attempts(method: str = "urns/mean") -> list[Record]:
    store = Store("outputs/store.sqlite")
    try:
        return sorted(store.records(method=method), key=lambda one: one.seed)
    finally:
        store.close()


def tampered(record: Record, shift: float) -> Record:
    """The same attempt under another name, with another error."""
    metrics = record.metrics | {"error": record.metrics["error"] + shift}
    changed = replace(record, id=f"tampered-{record.id}", metrics=metrics)
    store = Store("outputs/store.sqlite")
    store.add([changed])
    store.close()
    return changed


def test_an_attempt_comes_out_again_bit_by_bit(bakeoff: Bakeoff) -> None:
    bakeoff(*SWEEP)
    for record in attempts():
        said = bakeoff("replay", record.id)
        assert said.code == 0, said.out + said.err
        assert said.out.splitlines()[:2] == [
            f"{record.id}  urns/mean on urns/draws, seed {record.seed}",
            "bitwise equal",
        ]
    assert len(attempts()) == 4, "a replay leaves nothing in the store"


def test_values_come_from_the_record_and_not_from_the_command(bakeoff: Bakeoff) -> None:
    bakeoff("run", "method=urns/mean", "task=urns/draws", "method.draws=3", "task.spread=2.0", "scale=tiny")
    (record,) = attempts()
    assert bakeoff("replay", record.id[:12]).out.splitlines()[1] == "bitwise equal"


def test_a_failure_fails_again(bakeoff: Bakeoff) -> None:
    bakeoff(*SWEEP)
    record = attempts("urns/broken")[0]
    assert record.status is Status.FAILED
    said = bakeoff("replay", record.id)
    assert (said.code, said.out.splitlines()[1]) == (0, "bitwise equal")


def test_another_number_is_told_from_noise_by_the_spread_over_seeds(bakeoff: Bakeoff) -> None:
    bakeoff(*SWEEP)
    records = attempts()
    said = bakeoff("replay", tampered(records[0], 1e-4).id)
    assert said.code == 0
    assert re.fullmatch(r"within noise: error moved by 0\.\d+ of the spread over seeds", said.out.splitlines()[1])
    far = tampered(records[1], 50.0)
    said = bakeoff("replay", far.id, "format=json")
    told = json.loads(said.out)
    assert said.code == 1
    assert (told["outcome"], told["attempt"]) == ("different", far.id)
    assert told["metrics"]["error"] == [far.metrics["error"], records[1].metrics["error"]]


def test_two_seeds_tell_no_noise(bakeoff: Bakeoff) -> None:
    bakeoff("run", "-m", "method=urns/mean", "task=urns/draws", "seed=0,1", "n_jobs=0")
    record = tampered(attempts()[0], 1e-4)
    assert bakeoff("replay", record.id).code == 1


def test_what_was_different_is_listed(bakeoff: Bakeoff, arena: Path) -> None:
    bakeoff(*SWEEP)
    record = attempts()[0]
    store = Store("outputs/store.sqlite")
    old = record.provenance | {"python": "3.10.1", "packages": record.provenance["packages"] | {"numpy": "1.0"}}
    store.add([replace(record, id="old-1", provenance=old)])
    store.close()
    said = bakeoff("replay", "old-1")
    assert said.code == 0
    assert "  python: 3.10.1 | " in said.out
    assert "  packages.numpy: 1.0 | " in said.out


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        (
            "method/urns/mean.yaml",
            "version: 1",
            "version: 2",
            "method urns/mean is now version 2; the attempt was made by 1",
        ),
        (
            "task/urns/draws.yaml",
            "version: 1",
            "version: 3",
            "task urns/draws is now version 3; the attempt was made by 1",
        ),
    ],
)
def test_what_cannot_be_replayed_says_why(
    bakeoff: Bakeoff, arena: Path, file: str, old: str, new: str, sentence: str
) -> None:
    bakeoff(*SWEEP)
    path = arena / "configs" / file
    path.write_text(path.read_text().replace(old, new))
    said = bakeoff("replay", attempts()[0].id)
    assert (said.code, said.out.splitlines()[1]) == (1, f"cannot be replayed: {sentence}")


def test_a_record_whose_identity_was_changed_cannot_be_replayed(bakeoff: Bakeoff) -> None:
    bakeoff(*SWEEP)
    record = attempts()[0]
    identity = json.loads(json.dumps(record.identity))
    identity["method"]["draws"] = 3
    store = Store("outputs/store.sqlite")
    store.add([replace(record, id="changed-1", identity=identity)])
    store.close()
    said = bakeoff("replay", "changed-1")
    assert said.code == 1
    assert "cannot be replayed: it would be another cell" in said.out


def test_a_tuned_attempt_and_a_trial_come_out_again(bakeoff: Bakeoff, arena: Path) -> None:
    path = arena / "configs/method/urns/mean.yaml"
    path.write_text(path.read_text().replace("title: the mean", "title: the mean, search: {draws: [2, 9]}"))
    said = bakeoff(
        "run", "-m", "method=urns/mean", "task=urns/draws", "protocol=tuned", "trials=3", "seed=0,1", "n_jobs=0"
    )
    assert said.code == 0, said.err
    kinds = {record.protocol: record for record in attempts()}
    assert len(kinds) == 2
    for record in kinds.values():
        said = bakeoff("replay", record.id)
        assert said.out.splitlines()[1] == "bitwise equal", said.out


def test_verify_samples_published_rows_and_finds_the_one_that_was_changed(bakeoff: Bakeoff) -> None:
    bakeoff(*SWEEP)
    bakeoff("publish", "arena=urns", "folder=results")
    said = bakeoff("verify", "folder=results")
    assert said.code == 0, said.out + said.err
    assert [line.split("  ")[0] for line in said.out.splitlines()] == ["bitwise equal"]
    again = bakeoff("verify", "folder=results")
    assert again.out == said.out, "the sample is drawn by a key"
    records = publication.read(Path("results"), "urns")
    changed = [replace(one, metrics={name: value + 9 for name, value in one.metrics.items()}) for one in records]
    publication.write(Path("results"), "urns", changed)
    said = bakeoff("verify", "folder=results", "arena=urns", "rows=1")
    assert said.code == 1
    assert said.out.startswith("different")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("replay",), "replay takes the name of one attempt"),
        (("replay", "zzz"), "no attempt begins with 'zzz'"),
        (("verify", "rows=many"), "rows: 'many' is no whole number"),
        (("verify", "folder=nowhere"), "there are no published results in nowhere"),
        (("verify", "arena=urn"), "arena: 'urn' is none of"),
    ],
)
def test_a_wrong_question_gets_one_clear_line(bakeoff: Bakeoff, words: tuple[str, ...], sentence: str) -> None:
    said = bakeoff(*words)
    assert said.code == 2
    assert sentence in said.err
    assert said.err.count("\n") == 1
