"""The command `bakeoff`. Every verb takes Hydra-style key=value; nothing slow is imported before it is needed."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from runners.errors import CommandError, one_line, suggestion

OK, FAILED, NOT_UNDERSTOOD, STOPPED = 0, 1, 2, 130

HELP = """\
bakeoff: runs methods from papers against each other on equal terms.

  bakeoff list [methods|tasks|hardware|experiments] [arena=..] [format=json]
      what there is
  bakeoff info calibration/linc
      one method or task: its card, its values, whom it can be paired with
  bakeoff run method=calibration/linc task=calibration/docstring_topics seed=3 method.lr=0.1
      one cell
  bakeoff run -m 'method=glob(calibration/*)' task=calibration/docstring_topics 'seed=range(0,5)'
      a sweep; cells that the store has are skipped, force=true runs them again
  bakeoff run -m experiment=quick
      a named sweep
  bakeoff leaderboard [task=..|arena=..] [format=terminal|md|csv|json] [out=FILE]
      what the store says
  bakeoff show ATTEMPT
      one attempt: configuration, result, provenance, traceback

Common keys: scale=tiny|laptop|paper, hardware=cpu|cuda|auto, store=URL (or BAKEOFF_STORE), outputs=FOLDER.
Exit code: 0 all well, 1 some cell failed, 2 the command cannot be understood."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    # torch's threads wait by spinning; on cores that others use too, long spins make them ten times slower
    os.environ.setdefault("GOMP_SPINCOUNT", "500")
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ("-h", "--help", "help"):
        print(HELP)
        return OK if words else NOT_UNDERSTOOD
    verb, rest = words[0], words[1:]
    try:
        if verb not in VERBS:
            raise CommandError(f"there is no command '{verb}'{suggestion(verb, VERBS)}")
        return VERBS[verb](rest)
    except CommandError as error:
        print(f"bakeoff: {one_line(error)}", file=sys.stderr)
        return NOT_UNDERSTOOD
    except KeyboardInterrupt:
        print("bakeoff: stopped; the same command typed again continues", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:  # the reader of a pipe, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _pairs(words: Sequence[str], known: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Split words into plain ones and key=value ones; `known` maps each key that the verb has to its default."""
    plain = [word for word in words if "=" not in word]
    values = dict(known)
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            continue
        if key not in known:
            raise CommandError(f"{key}: this command has no such key{suggestion(key, known) or _choices(known)}")
        values[key] = value
    return plain, values


def _choices(known: Mapping[str, str]) -> str:
    return f"; it has {', '.join(known)}" if known else ""


def _one_of(value: str, choices: Sequence[str], key: str) -> str:
    if value not in choices:
        raise CommandError(f"{key}: '{value}' is none of {', '.join(choices)}")
    return value


def _list(words: Sequence[str]) -> int:
    from runners import catalog

    plain, values = _pairs(words, {"arena": "", "format": "text"})
    _one_of(values["format"], ("text", "json"), "format")
    plural = {f"{kind}s" if kind != "hardware" else kind: kind for kind in catalog.KINDS}
    for word in plain:
        _one_of(word, list(plural), "list")
    kinds = [plural[word] for word in plain] or ["method", "task"]
    found = [entry for kind in kinds for entry in catalog.entries(kind)]
    if values["arena"]:
        arenas = {entry.arena for entry in found}
        if values["arena"] not in arenas:
            raise CommandError(f"there is no arena called '{values['arena']}'{suggestion(values['arena'], arenas)}")
        found = [entry for entry in found if entry.arena == values["arena"]]
    rows = [_listed(entry) for entry in found]
    if values["format"] == "json":
        print(json.dumps(rows, indent=1))
    else:
        width = max((len(row["name"]) for row in rows), default=0)
        for row in rows:
            print(f"{row['kind']:10s} {row['name']:{width}s}  {row.get('broken') or row.get('title') or ''}".rstrip())
    return OK


def _listed(entry: Any) -> dict[str, Any]:
    row = {"kind": entry.kind, "name": entry.name, "arena": entry.arena}
    if entry.broken:
        return row | {"broken": entry.broken}
    return row | {
        key: entry.card[key] for key in ("title", "role", "paper", "fidelity", "version") if key in entry.card
    }


def _info(words: Sequence[str]) -> int:
    from runners import info

    plain, values = _pairs(words, {"format": "text"})
    if len(plain) != 1:
        raise CommandError("info takes one name, such as calibration/linc")
    print(info.describe(plain[0], _one_of(values["format"], ("text", "json"), "format")))
    return OK


def _run(words: Sequence[str]) -> int:
    from runners.launch import run

    return run(words)


def _leaderboard(words: Sequence[str]) -> int:
    from results.leaderboard import leaderboards
    from results.record import write_text
    from results.store import StoreError
    from results.tables import FORMATS, render
    from runners.session import open_store

    keys = {"task": "", "arena": "", "format": "terminal", "out": "", "store": "", "outputs": "outputs"}
    plain, values = _pairs(words, keys)
    if plain:
        raise CommandError(f"leaderboard: '{plain[0]}' is not key=value{_choices(keys)}")
    form = _one_of(values["format"], FORMATS, "format")
    chosen = {key: values[key] for key in ("task", "arena") if values[key]}
    store = open_store(values["store"] or None, Path(values["outputs"]))
    try:
        boards = leaderboards(store.records(**chosen))
    except StoreError as error:
        raise CommandError(str(error)) from error
    finally:
        store.close()
    if not boards and form == "terminal":
        about = " ".join(f"{key}={value}" for key, value in chosen.items())
        print(f"the store has no attempts{' for ' + about if about else ''}: {store.shown}")
        return OK
    text = render(boards, form, _terminal_width())
    if values["out"]:
        try:
            write_text(Path(values["out"]), text + "\n")
        except OSError as error:
            raise CommandError(f"out: {one_line(error)}") from error
    else:
        print(text)
    return OK


def _terminal_width() -> int | None:
    try:
        return max(100, os.get_terminal_size(sys.stdout.fileno()).columns)
    except (OSError, ValueError):  # a pipe
        return None


def _show(words: Sequence[str]) -> int:
    from runners import info

    plain, values = _pairs(words, {"format": "text", "store": "", "outputs": "outputs"})
    if len(plain) != 1:
        raise CommandError("show takes the name of one attempt, or its beginning")
    form = _one_of(values["format"], ("text", "json"), "format")
    print(info.attempt(plain[0], values["store"] or None, Path(values["outputs"]), form))
    return OK


VERBS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "list": _list,
    "info": _info,
    "run": _run,
    "leaderboard": _leaderboard,
    "show": _show,
}

if __name__ == "__main__":
    sys.exit(main())
