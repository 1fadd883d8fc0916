"""The report: a static site in one folder, which opens from disk; a pure function of the store and the catalogue."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from results.leaderboard import Leaderboard
from results.record import Record, Status
from results.report import answers, attempts, boards, figures, groups, methods, overview, places
from results.report.curves import Curves
from results.report.facts import Catalogue
from results.report.hands import Hands, cores
from results.report.pages import Pages
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
    """

    heads: Sequence[Record]
    each: Callable[[], Iterator[Record]]
    made: Sequence[Leaderboard]
    catalogue: Catalogue


def digest(heads: Iterable[Record]) -> str:
    """A short name for a set of attempts; records never change, so their names do."""
    found = hashlib.sha256()
    for name in sorted(record.id for record in heads):
        found.update(f"{name}\n".encode("utf-8", "surrogatepass"))
    return found.hexdigest()[:16]


def write(source: Source, out: Path) -> None:
    """Write the site to a folder, which is there whole or as it was before.

    Raises:
        ReportError: the folder holds something else.
        OSError: it cannot be written.
    """
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
        self._rows = {
            name: (board, row) for board in source.made for row in board.rows for name in (*row.attempts, *row.others)
        }
        self._curves: defaultdict[str, Curves] = defaultdict(Curves)
        arenas = sorted({record.arena for record in source.heads} | set(source.catalogue.arenas))
        about = {
            "version": source.catalogue.version,
            "digest": digest(source.heads),
            "newest": max((record.ended for record in source.heads), default=""),
            "attempts": len(source.heads),
            "arenas": [(arena, places.arena(arena)) for arena in arenas],
        }
        self._pages = Pages(folder, about)

    def write(self) -> None:
        """Write all of it."""
        self._assets()
        self._attempts()
        made = {places.board(board): board for board in self._source.made}
        views = {name: self._board(name, board) for name, board in made.items()}
        standing_views = [self._standing(standing) for standing in standings(made.values())]
        found, write = self._source, self._pages.write
        write("index.html", "index.html", **overview.front(found.heads, found.made, found.catalogue))
        write("endings.html", "endings.html", **overview.endings(found.heads, self._rows))
        write("reading.html", "reading.html", **overview.reading())
        for path, content in overview.arenas(found.made, views, standing_views, found.catalogue):
            write("arena.html", path, **content)
        for path, content in overview.tasks(found.made, views, found.catalogue):
            write("task.html", path, **content)
        for path, content in methods.pages(found.heads, found.made, found.catalogue):
            write("method.html", path, **content)
        self._hands.finish()

    def _assets(self) -> None:
        folder = self._folder / "assets"
        folder.mkdir()
        for name in _ASSETS:
            (folder / name).write_bytes(resources.files("results.report").joinpath("assets", name).read_bytes())
        library = resources.files("plotly").joinpath("package_data", "plotly.min.js")
        (folder / "plotly.min.js").write_bytes(library.read_bytes())
        (self._folder / MARK).write_text(f"{json.dumps(self._pages.site, indent=1)}\n", encoding="utf-8")

    def _attempts(self) -> None:
        """The page of every attempt; their curves are kept, thinned."""
        for some in _pieces(self._source.each(), PIECE):
            work = []
            for record in some:
                board, row = self._rows.get(record.id, (None, None))
                page = places.task(record.task)
                if board is not None and row is not None:
                    page += f"#{places.board(board)}"
                    if record.status is Status.OK:
                        self._curves[places.board(board)].add(row.key, record)
                work.append((record, board is not None, page))
            self._hands.do(attempts.write, self._pages, work)

    def _board(self, name: str, board: Leaderboard) -> dict[str, Any]:
        """Write what the figures of a board are drawn from, and its figures for papers; returns what templates show."""
        curves = self._curves.pop(name, Curves())
        data = boards.chart(board, {row.key: curves.of(row.key) for row in board.rows})
        self._data(name, data)
        kinds = figures.of_board(data)
        if kinds:
            self._hands.do(figures.draw_board, data, kinds, self._folder / "figures" / name)
        view = boards.view(board, _paths(name, kinds, ("scores", "cost", "curves")))
        return view | {"answers": answers.answers(board), "command": answers.command(board)}

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
