"""What each verb of the command does: its words understood, and the module that does the work imported then."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from runners.errors import CommandError
from runners.words import STORE, one_of, only_keys, opened, split

OK, FAILED = 0, 1


def _verb(module: str, function: str) -> Callable[[Sequence[str]], int]:
    """A verb whose module is imported when it is typed."""

    def verb(words: Sequence[str]) -> int:
        return int(getattr(importlib.import_module(module), function)(words))

    return verb


def _list(words: Sequence[str]) -> int:
    from runners import listing

    print(listing.listed(words))
    return OK


def _info(words: Sequence[str]) -> int:
    from runners import info

    plain, values = split(words, {"format": "text"})
    if len(plain) != 1:
        raise CommandError("info takes one name, such as calibration/linc")
    print(info.describe(plain[0], one_of(values["format"], ("text", "json"), "format")))
    return OK


def _run(words: Sequence[str]) -> int:
    from runners import launch

    return launch.run(words)


def _leaderboard(words: Sequence[str]) -> int:
    from runners import boards

    values = boards.understood(words)
    with opened(values) as store:
        text = boards.leaderboard(store, values, _terminal_width(), styled=sys.stdout.isatty())
    if text is None:
        print(_nothing(boards.chosen(values), store.shown))
    elif text:
        print(text)
    return OK


def _compare(words: Sequence[str]) -> int:
    from runners import comparing

    print(comparing.compare(words))
    return OK


def _claims(words: Sequence[str]) -> int:
    from runners import claiming, filling

    known = {"paper": "", "arena": "", "format": "terminal", "run": "", "n_jobs": "", **STORE}
    values = only_keys("claims", words, known)
    one_of(values["format"], claiming.FORMATS, "format")
    one_of(values["run"] or "false", ("true", "false"), "run")
    if values["n_jobs"] and values["run"] != "true":
        raise CommandError("n_jobs: cells are only run with run=true")
    code = filling.run(values) if values["run"] == "true" else OK
    with opened(values) as store:
        asked = claiming.asked(store, paper=values["paper"], arena=values["arena"])
    print(claiming.claims(asked, values["format"], _terminal_width()))
    return code


def _papers(words: Sequence[str]) -> int:
    from runners import claiming

    values = only_keys("papers", words, {"arena": "", "format": "text", **STORE})
    one_of(values["format"], ("text", "json"), "format")
    with opened(values) as store:
        print(claiming.papers_text(claiming.asked(store, arena=values["arena"]), values["format"]))
    return OK


def _report(words: Sequence[str]) -> int:
    from runners import reporting

    if "--check" in words:
        return _check([word for word in words if word != "--check"])
    values = only_keys("report", words, {"out": "", "task": "", "arena": "", **STORE})
    if not values["out"]:
        raise CommandError("out is not given; name a folder with out=..")
    with opened(values) as store:
        print(reporting.report(store, Path(values["out"]), **{k: values[k] for k in ("task", "arena") if values[k]}))
    return OK


def _check(words: Sequence[str]) -> int:
    from results.publication import FOLDER
    from runners import publishing

    values = only_keys("report --check", words, {"folder": str(FOLDER)})
    faults, notes = publishing.check(Path(values["folder"]))
    for fault in faults:
        print(f"bakeoff: {fault}", file=sys.stderr)
    for note in notes:
        print(f"note: {note}")
    if not faults:
        print("the published boards are what their attempts say")
    return FAILED if faults else OK


def _publish(words: Sequence[str]) -> int:
    from results.publication import FOLDER
    from runners import publishing

    values = only_keys("publish", words, {"arena": "", "folder": str(FOLDER), **STORE})
    if not values["arena"]:
        raise CommandError("arena is not given; name one with arena=..")
    with opened(values) as store:
        print(publishing.publish(store, values["arena"], Path(values["folder"])))
    return OK


def _nothing(chosen: Mapping[str, str], store: str) -> str:
    about = " ".join(f"{key}={value}" for key, value in chosen.items())
    return f"the store has no attempts{' for ' + about if about else ''}: {store}"


def _terminal_width() -> int | None:
    try:
        return max(100, os.get_terminal_size(sys.stdout.fileno()).columns)
    except (OSError, ValueError):  # a pipe
        return None


def _show(words: Sequence[str]) -> int:
    from runners import info

    plain, values = split(words, {"format": "text", **STORE})
    if len(plain) != 1:
        raise CommandError("show takes the name of one attempt, or its beginning")
    form = one_of(values["format"], ("text", "json"), "format")
    with opened(values) as store:
        print(info.attempt(plain[0], store, form))
    return OK


def _explain(words: Sequence[str]) -> int:
    from runners import explain

    plain, values = split(words, {"format": "text", **STORE})
    if len(plain) not in (1, 2):
        raise CommandError("explain takes the name of one attempt or of two, or their beginnings")
    one_of(values["format"], ("text", "json"), "format")
    with opened(values) as store:
        print(explain.explain(plain, store, values["format"]))
    return OK


def _status(words: Sequence[str]) -> int:
    from runners import status

    values = only_keys("status", words, {"format": "text", **STORE})
    one_of(values["format"], ("text", "json"), "format")
    with opened(values) as store:
        print(status.report(store, values["format"]))
    return OK


def _import(words: Sequence[str]) -> int:
    from runners import exchange

    plain, values = split([word for word in words if not Path(word).exists()], STORE)
    paths = [Path(word) for word in words if word in plain or Path(word).exists()]
    if not paths:
        raise CommandError("import takes record files, folders of them, exports (.jsonl) or stores (.sqlite)")
    exchange.check(paths)
    with opened(values) as store:
        taken = exchange.take(paths, store, lambda sentence: print(f"bakeoff: {sentence}", file=sys.stderr))
    print(taken)
    return FAILED if taken.unreadable else OK


def _export(words: Sequence[str]) -> int:
    from runners import exchange

    values = only_keys("export", words, {"out": "", "task": "", "arena": "", "method": "", **STORE})
    if not values["out"]:
        raise CommandError("out is not given; name a file that ends in .jsonl or .parquet with out=..")
    chosen = {key: values[key] for key in ("task", "arena", "method") if values[key]}
    with opened(values) as store:
        count = exchange.give(store, Path(values["out"]), **chosen)
    if not count:
        print(_nothing(chosen, store.shown))
    print(f"exported {exchange.attempts(count)} to {values['out']}")
    return OK


VERBS: Mapping[str, Callable[[Sequence[str]], int]] = {
    "list": _list,
    "info": _info,
    "run": _run,
    "leaderboard": _leaderboard,
    "compare": _compare,
    "claims": _claims,
    "papers": _papers,
    "report": _report,
    "show": _show,
    "explain": _explain,
    "status": _status,
    "import": _import,
    "export": _export,
    "publish": _publish,
    "replay": _verb("runners.replaying", "command_replay"),
    "verify": _verb("runners.replaying", "command_verify"),
    "doctor": _verb("runners.doctor", "command"),
    "prepare": _verb("runners.prepare", "command"),
    "new": _verb("runners.scaffold", "command"),
    "check": _verb("runners.checking", "command"),
    "completion": _verb("runners.completion", "command"),
}
