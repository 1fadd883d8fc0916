"""The report: a static site in one folder, which opens from disk; a pure function of the store and the catalogue."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from results.leaderboard import Leaderboard
from results.record import Record
from results.report import answers, attempts, boards, commands, figures, groups, methods, overview, papers, places
from results.report.curves import SEEDS, Curves
from results.report.facts import Catalogue
from results.report.hands import Hands, cores
from results.report.pages import Pages
from results.report.papers import PaperFacts
from results.selection import machine
from results.standing import Standing, standings

MARK = "bakeoff-report.txt"  # a folder with this file may be replaced by a newer report
PIECE = 200  # attempts whose pages are written at once
MANY = 1000  # attempts from which other processes are worth their start
_ASSETS = ("site.css", "theme.js", "tables.js", "charts.js")


class ReportError(Exception):
    """The report cannot be written; the message says why."""


@dataclass(frozen=True)
class Source:
    """What a report is made from.

    Args:
        heads: the attempts, without what boards do not use.
        each: gives the same attempts whole, one after the other.
        made: their boards.
        catalogue: what is known of methods and tasks.
        papers: what is known of papers, with the verdicts on their claims.
    """

    heads: Sequence[Record]
    each: Callable[[], Iterator[Record]]
    made: Sequence[Leaderboard]
    catalogue: Catalogue
    papers: Sequence[PaperFacts] = ()


def digest(heads: Iterable[Record]) -> str:
    """A short name for a set of attempts; records never change, so their names do."""
    found = hashlib.sha256()
    for name in sorted(record.id for record in heads):
        found.update(f"{name}\n".encode("utf-8", "surrogatepass"))
    return found.hexdigest()[:16]


def write(source: Source, out: Path) -> None:
    """Write the site to a folder, or to the one that a link leads to. It is there whole or as it was before.

    Raises:
        ReportError: the folder holds something else, or this process works in it.
        OSError: it cannot be written.
    """
    out = Path(os.path.realpath(out))
    if Path.cwd().is_relative_to(out):
        raise ReportError(f"{out} is where this command runs, and a report replaces its whole folder; name another one")
    if out.exists() and not (out.is_dir() and ((out / MARK).is_file() or not any(out.iterdir()))):
        raise ReportError(f"{out} holds something that is no report; name another folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    fresh = out.with_name(f".{out.name}-{uuid.uuid4().hex}")
    try:
        fresh.mkdir()
        with Hands(cores() if cores() > 1 and len(source.heads) >= MANY else 0) as hands:
            Site(source, fresh, hands).write()
        _replace(out, fresh)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _replace(out: Path, fresh: Path) -> None:
    old = out.with_name(f".{out.name}-{uuid.uuid4().hex}")
    if out.exists():
        out.rename(old)
    fresh.rename(out)
    shutil.rmtree(old, ignore_errors=True)


class Site:
    """One report in the making. Pages of attempts and figures are made in other processes where there are cores."""

    def __init__(self, source: Source, folder: Path, hands: Hands) -> None:
        self._source, self._folder, self._hands = source, folder, hands
        made, known = source.made, source.catalogue
        self._rows = {
            name: (board, row) for board in made for row in board.rows for name in (*row.attempts, *row.others)
        }
        self._left_out = {name: (board, why) for board in made for name, why in board.left_out.items()}
        self._drawn = {name for board in made for row in board.rows for name in row.attempts[:SEEDS]}
        self._curves: defaultdict[str, Curves] = defaultdict(Curves)
        arenas = {name: places.arena(name) for name in overview.arena_names(made, known)}
        self._written = frozenset(
            [*arenas.values(), *map(places.task, overview.task_names(made, known)),
             *map(places.method, methods.names(made, known))]
        )  # fmt: skip
        about = {
            "version": source.catalogue.version,
            "digest": digest(source.heads),
            "newest": max((record.ended for record in source.heads), default=""),
            "attempts": len(source.heads),
            "arenas": list(arenas.items()),
            "papers": {one.name: places.paper(one.name) for one in source.papers},
        }
        self._pages = Pages(folder, about)

    def write(self) -> None:
        """Write all of it."""
        self._assets()
        self._attempts()
        found, write = self._source, self._pages.write
        made = {places.board(board): board for board in found.made}
        if len(made) < len(found.made):
            raise ReportError("two boards have the same key, so that one would stand in the place of the other")
        records = {record.id: record for record in found.heads}
        views = {name: self._board(name, board, records) for name, board in made.items()}
        standing_views = [self._standing(standing) for standing in standings(found.made)]
        front = overview.front(found.heads, found.made, found.catalogue)
        write("index.html", "index.html", verdicts=papers.verdicts(found.papers), **front)
        write("endings.html", "endings.html", **overview.endings(found.heads, self._rows))
        write("reading.html", "reading.html", **overview.reading())
        for path, content in overview.arenas(found.made, views, standing_views, found.catalogue):
            own = [one for one in found.papers if one.arena == content["name"]]
            write("arena.html", path, claims=papers.board(own), **content)
        for path, content in overview.tasks(found.made, views, found.catalogue):
            write("task.html", path, **content)
        for path, content in methods.pages(found.heads, found.made, found.catalogue):
            write("method.html", path, **content)
        self._papers()
        self._hands.finish()

    def _papers(self) -> None:
        """Every claim, every paper, and a page for each."""
        found, write = self._source, self._pages.write
        if not found.papers:
            return
        write("claims.html", "claims.html", **papers.board(found.papers))
        write("papers.html", "papers.html", **papers.coverage(found.papers))
        known = {name: places.method(name) for name in methods.names(found.made, found.catalogue)}
        for path, content in papers.pages(found.papers, known, frozenset(record.id for record in found.heads)):
            write("paper.html", path, **content)

    def _assets(self) -> None:
        folder = self._folder / "assets"
        folder.mkdir()
        for name in _ASSETS:
            (folder / name).write_bytes(resources.files("results.report").joinpath("assets", name).read_bytes())
        library = resources.files("plotly").joinpath("package_data", "plotly.min.js")
        (folder / "plotly.min.js").write_bytes(library.read_bytes())
        told = {key: value for key, value in self._pages.site.items() if key != "papers"}
        (self._folder / MARK).write_text(f"{json.dumps(told, indent=1)}\n", encoding="utf-8")

    def _attempts(self) -> None:
        """The page of every attempt; the curves that boards show are kept, thinned."""
        for some in _pieces(self._source.each(), PIECE):
            for record in some:
                if record.id in self._drawn:
                    board, row = self._rows[record.id]
                    kept = self._curves[places.board(board)]
                    kept.add(row.key, record, clock=machine(record) == board.machine)
            self._hands.do(attempts.write, self._pages, [(record, self._around(record)) for record in some])

    def _around(self, record: Record) -> attempts.Around:
        board, why = self._left_out.get(record.id, (None, ""))
        left_out = f"It does not count: it was {why}." if why else ""
        if record.id in self._rows:
            board, left_out = self._rows[record.id][0], ""
        elif not why:
            left_out = "It does not count: another attempt at the same cell does."
        task, method, arena = places.task(record.task), places.method(record.method), places.arena(record.arena)
        return attempts.Around(
            left_out=left_out,
            arena=arena if arena in self._written else "",
            task=boards.link(board) if board is not None else task if task in self._written else "",
            method=method if method in self._written else "",
            repeat=commands.repeat(record, self._source.catalogue.hardware),
        )

    def _board(self, name: str, board: Leaderboard, records: Mapping[str, Record]) -> dict[str, Any]:
        """Write what the figures of a board are drawn from, and its figures for papers; returns what templates show."""
        curves = self._curves.pop(name, Curves())
        data = boards.chart(board, {row.key: curves.of(row.key) for row in board.rows})
        self._data(name, data)
        kinds = figures.of_board(data)
        if kinds:
            self._hands.do(figures.draw_board, data, kinds, self._folder / "figures" / name)
        view = boards.view(board, _paths(name, kinds, ("scores", "cost", "curves")))
        command = commands.again(board, records, self._source.catalogue.hardware)
        return view | {"answers": answers.answers(board), "command": command}

    def _standing(self, standing: Standing) -> dict[str, Any]:
        name = groups.name(standing)
        self._data(name, groups.chart(standing))
        kinds = figures.of_standing(standing)
        self._hands.do(figures.draw_standing, standing, kinds, self._folder / "figures" / name)
        return groups.view(standing, _paths(name, kinds, ("profile", "ranks")))

    def _data(self, name: str, data: Mapping[str, Any]) -> None:
        """A script, since a page opened from disk may not read other files."""
        folder = self._folder / "data"
        folder.mkdir(exist_ok=True)
        text = f"bakeoffData({attempts.script_text(name)}, {attempts.script_text(data)});\n"
        (folder / f"{name}.js").write_text(text, encoding="utf-8")


def _paths(name: str, drawn: Sequence[str], kinds: Sequence[str]) -> dict[str, str]:
    return {kind: f"figures/{name}/{kind}" if kind in drawn else "" for kind in kinds}


def _pieces(records: Iterator[Record], size: int) -> Iterator[list[Record]]:
    while some := list(itertools.islice(records, size)):
        yield some
