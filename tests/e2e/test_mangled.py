"""Words and files that went wrong in thousands of ways: a clear line each time, and never a wrong run."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

Bakeoff = Callable[..., Any]
GROUPS = 8
OVERRIDES, CARDS = 2000 // GROUPS, 500 // GROUPS + 1
PLAIN = ("run", "-m", "method=urns/mean", "task=urns/draws", "n_jobs=0", "plan=true")
ALPHABET = string.ascii_letters + string.digits + "=.,:;[]{}()<>'\"\\/$*?!@~+-_ |&%\n\té√\U0001f40d"

# keys of the config with values that are right and that are wrong
RIGHT: dict[str, tuple[str, ...]] = {
    "seed": ("0", "7", "range(0,3)", "1,2"),
    "scale": ("tiny", "laptop"),
    "hardware": ("cpu", "auto"),
    "method.lr": ("0.5", "1e-3", "2", "-1.5", "0.1,0.2"),
    "method.draws": ("1", "20", "range(1,4)"),
    "task.spread": ("2.0", "3"),
    "task.budget": ("5",),
    "hardware.threads": ("1", "null"),
    "hardware.time_limit": ("null", "60.0", "5"),
    "force": ("true", "false"),
    "outputs": ("outputs", "some/where"),
}
WRONG: dict[str, tuple[str, ...]] = {
    "seed": ("-1", "1.5", "x", "null", "true", "[]", "99999999999999999999", "{a: 1}", "range(0)", ""),
    "scale": ("huge", "null", "1", "Tiny"),
    "hardware": ("gpu", "../cpu", "null"),
    "method": ("urns/men", "urns", "nan", "../x", "urns/mean/mean"),
    "task": ("urns/draw", "/etc/passwd", "urns"),
    "method.lr": ("fast", "null", "[1]", "{a: 1}", "true"),
    "method.draws": ("1.5", "ten", "null", "[1,2]", "true"),
    "method.nothing": ("1",),
    "method._target_": ("os.system", "methods.urns.mean.Gone"),
    "method.card.version": ("9",),
    "task.spread": ("wide", "null", "[]"),
    "task.colour": ("red",),
    "task.card.rank": ("guess",),
    "hardware.threads": ("0", "-2", "many", "4096"),
    "hardware.precision": ("[1]",),
    "n_jobs": ("-7", "many", "1.5"),
    "jobs": ("0", "x"),
    "force": ("maybe", "2", "null"),
    "prepare": ("later",),
    "protocol": ("tuned well",),
    "store": ("nonsense://x/y",),
    "tracker": ("abacus",),
    "nonsense": ("1",),
    "++nonsense": ("1",),
    "+method.more": ("1",),
    "experiment": ("nowhere",),
    "hydra.searchpath": ("[pkg://nowhere.configs]",),
}


def clear(said: Any, words: object) -> None:
    """One line that names what is wrong, or a plan."""
    assert said.code in (0, 2), words
    assert "Traceback" not in said.err + said.out, words
    if said.code == 2:
        assert said.err.startswith("bakeoff: "), words
        assert said.err.count("\n") == 1, (words, said.err)
        assert len(said.err) < 2000, words


@pytest.mark.parametrize("group", range(GROUPS))
def test_overrides_are_planned_if_they_are_right_and_refused_in_a_line_if_not(bakeoff: Bakeoff, group: int) -> None:
    rng = np.random.default_rng([1, group])
    for number in range(OVERRIDES):
        kind = number % 4
        if kind == 0:  # right: a plan
            keys = rng.permutation(sorted(RIGHT))[: rng.integers(1, 4)]
            words = [f"{key}={rng.choice(RIGHT[key])}" for key in keys]
            said = bakeoff(*PLAIN, *words)
            assert said.code == 0, (words, said.err)
        elif kind == 1:  # wrong: refused
            key = rng.choice(sorted(WRONG))
            words = [f"{key}={rng.choice(WRONG[key])}"]
            base = [word for word in PLAIN if not word.startswith(f"{key}=")]
            said = bakeoff(*base, *words)
            assert said.code == 2, (words, said.out)
        elif kind == 2:  # right but for a letter or two
            key = rng.choice(sorted(RIGHT))
            words = [_mutated(f"{key}={rng.choice(RIGHT[key])}", rng)]
            said = bakeoff(*PLAIN, *words)
        else:  # anything
            words = ["".join(rng.choice(list(ALPHABET), size=rng.integers(1, 30)))]
            said = bakeoff(*PLAIN, *words)
        clear(said, words)
    assert not Path("outputs").exists() or not list(Path("outputs").rglob("record.json")), "nothing was run"


def _mutated(text: str, rng: np.random.Generator) -> str:
    letters = list(text)
    for _ in range(rng.integers(1, 3)):
        place = int(rng.integers(len(letters))) if letters else 0
        action = rng.integers(3)
        if action == 0 and letters:
            del letters[place]
        elif action == 1:
            letters.insert(place, str(rng.choice(list(ALPHABET))))
        elif letters:
            letters[place] = str(rng.choice(list(ALPHABET)))
    return "".join(letters)


@pytest.mark.parametrize("group", range(GROUPS))
def test_a_mangled_file_is_used_as_it_is_meant_or_named_in_a_line(bakeoff: Bakeoff, arena: Path, group: int) -> None:
    rng = np.random.default_rng([2, group])
    files = {kind: arena / f"configs/{kind}/urns/{name}.yaml" for kind, name in (("method", "mean"), ("task", "draws"))}
    texts = {kind: path.read_text() for kind, path in files.items()}
    for number in range(CARDS):
        kind = ("method", "task")[number % 2]
        text = _mangled(texts[kind], rng)
        files[kind].write_text(text)
        listed = bakeoff("list", "arena=urns")
        assert listed.code == 0, text
        name = "urns/mean" if kind == "method" else "urns/draws"
        for words in (("info", name), (*PLAIN, "scale=tiny")):
            clear(bakeoff(*words), text)
        said = bakeoff("run", "method=urns/mean", "task=urns/draws", "scale=tiny", "n_jobs=0", f"outputs=out{number}")
        assert said.code in (0, 1, 2), text
        assert "Traceback" not in said.err, text
        if said.code == 2:
            assert said.err.count("\n") == 1, (text, said.err)
        else:  # what ran is what the file says
            assert _same_values(text, texts[kind]) or said.code == 1 or "_target_" in text, text
        files[kind].write_text(texts[kind])


def _mangled(text: str, rng: np.random.Generator) -> str:
    lines = text.strip().splitlines()
    action = rng.integers(6)
    place = int(rng.integers(len(lines)))
    if action == 0:
        del lines[place]
    elif action == 1:
        lines.insert(place, lines[int(rng.integers(len(lines)))])
    elif action == 2:
        key = lines[place].partition(":")[0]
        lines[place] = f"{key}: {rng.choice(['null', '[]', '{}', 'x', '-1', '1e400', '.nan', 'true', '${seed}', '*a'])}"
    elif action == 3:
        lines[place] = _mutated(lines[place], rng)
    elif action == 4:
        lines = lines[: place + 1]
    else:
        lines[place] = lines[place].replace("version: 1", "version: one").replace("rank: error", "rank: nothing")
    return "\n".join(lines) + "\n"


def _same_values(text: str, original: str) -> bool:
    """Whether a mangled file still holds a mapping that names a class."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError:
        return False
    return isinstance(content, dict) and content.get("_target_") == yaml.safe_load(original)["_target_"]
