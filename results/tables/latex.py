# ruff: noqa: RUF001  the letters that look like others are what is escaped here
"""Boards as LaTeX tables that plain pdflatex compiles."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from results.leaderboard import Leaderboard, Row
from results.tables.content import EMPTY, cells, columns, footnotes, main_unit, metrics, note, title, units

HEAD = r"% \usepackage{booktabs}; nothing else is needed, whatever the encoding of the document"
LONG_HEAD = r"% \usepackage{booktabs,longtable}; nothing else is needed, whatever the encoding of the document"
_LONG = 40  # rows from which a table goes over several pages, since a float cannot
_WIDTH = 90  # characters of footnote size in a line of an article; metrics beyond that are left out
_FLOATS = 10  # tables after which they are put out, since LaTeX can hold back only so many
_GREEK = r"alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi omega"
_SPECIAL: Mapping[str, str] = MappingProxyType(
    {one: f"\\{one}" for one in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}",
       ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\char34{}", "`": r"\char96{}"}
    | {"±": r"$\pm$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\rightarrow$", "←": r"$\leftarrow$",
       "≠": r"$\neq$", "†": r"$^{\dagger}$", "∞": r"$\infty$", "×": r"$\times$", "·": r"$\cdot$", "≤": r"$\leq$",
       "≥": r"$\geq$", "≈": r"$\approx$", "°": r"$^{\circ}$", "−": "$-$", "–": "--", "—": "---", "…": r"\ldots{}",
       "‘": "`", "’": "'", "“": "``", "”": "''", "µ": r"$\mu$", "ß": r"\ss{}", "ø": r"\o{}", "Ø": r"\O{}",
       "ł": r"\l{}", "Ł": r"\L{}", "æ": r"\ae{}", "Æ": r"\AE{}"}
    | {one: f"$\\{name}$" for one, name in zip("αβγδεζηθικλμνξπρστφχψω", _GREEK.split(), strict=True)}
)  # fmt: skip
_ACCENTS: Mapping[str, str] = MappingProxyType(
    {"\u0300": "`", "\u0301": "'", "\u0302": "^", "\u0303": "~", "\u0304": "=", "\u0306": "u", "\u0307": ".",
     "\u0308": '"', "\u030a": "r", "\u030b": "H", "\u030c": "v", "\u0327": "c"}
)  # fmt: skip
_DOTLESS: Mapping[str, str] = MappingProxyType({"i": r"\i", "j": r"\j"})  # under an accent
_MINUS = re.compile(r"(?<![\w-])-(?=\d)")  # before a number, unlike a hyphen
_HYPHENS = re.compile(r"(?<=-)(?=-)")  # between two, which would become a dash


def latex(boards: Sequence[Leaderboard]) -> str:
    """One table environment a board, or one longtable for many rows, to be read by `\\input`."""
    labels = _labels(boards)
    made = [_table(board, label) for board, label in zip(boards, labels, strict=True)]
    for place in range(_FLOATS, len(made), _FLOATS):
        made[place] = f"\\clearpage\n{made[place]}"
    head = LONG_HEAD if any(len(board.rows) >= _LONG for board in boards) else HEAD
    return "\n\n".join([head, *made] if made else [head, f"% {EMPTY}"])


def escaped(text: str) -> str:
    """Text that pdflatex sets as it is; characters that it lacks become their code point."""
    pieces = _HYPHENS.split(_MINUS.sub("−", text))
    return "{}".join("".join(map(_character, piece)) for piece in pieces)


def _character(one: str) -> str:
    if one in _SPECIAL:
        return _SPECIAL[one]
    if " " <= one <= "~":
        return one
    base, mark = unicodedata.normalize("NFD", one)[:1], unicodedata.normalize("NFD", one)[1:]
    if mark in _ACCENTS and base.isascii() and base.isalpha():
        return f"\\{_ACCENTS[mark]}{{{_DOTLESS.get(base, base)}}}"
    return f"[U+{ord(one):04X}]"


def _labels(boards: Sequence[Leaderboard]) -> list[str]:
    """A label for each board that tells it from the others and stays when boards come and go."""
    labels: list[str] = []
    for board in boards:
        slug = re.sub(r"[^a-z0-9]+", "-", title(board).lower()).strip("-")
        number = 1
        while (label := f"tab:{slug}" + (f"-{number}" if number > 1 else "")) in labels:
            number += 1
        labels.append(label)
    return labels


def _table(board: Leaderboard, label: str) -> str:
    kept, dropped = _chosen(board)
    headings = columns(board)
    head = " & ".join(escaped(_short(headings[index].text)) for index in kept) + r" \\"
    caption = f"\\caption[{{{escaped(title(board))}}}]{{{escaped(title(board))}. {escaped(note(board))}}}"
    form = f"{{@{{}}{''.join('l' if headings[index].kind == 'method' else 'r' for index in kept)}@{{}}}}"
    rows = [_line(board, row, kept) for row in board.rows]
    made = (_long if len(rows) >= _LONG else _float)(f"{caption}\\label{{{label}}}", form, head, rows, footnotes(board))
    left_out = ", ".join(escaped(heading) for heading in dropped)
    return "\n".join(([f"% too wide for paper: {left_out}"] if dropped else []) + made)


def _float(caption: str, form: str, head: str, rows: Sequence[str], notes: Sequence[str]) -> list[str]:
    return [
        r"\begin{table}[htbp]",
        r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
        caption,
        f"\\begin{{tabular}}{form}",
        *(r"\toprule", head, r"\midrule", *rows, r"\bottomrule"),
        r"\end{tabular}",
        *(f"\\par\\smallskip{{\\raggedright {escaped(line)}\\par}}" for line in notes),
        r"\end{table}",
    ]


def _long(caption: str, form: str, head: str, rows: Sequence[str], notes: Sequence[str]) -> list[str]:
    """Over several pages, with the heads on each."""
    return [
        r"{\footnotesize\setlength{\tabcolsep}{4pt}\setlength{\LTcapwidth}{\linewidth}",
        f"\\begin{{longtable}}{form}",
        f"{caption}\\\\",
        *(r"\toprule", head, r"\midrule", r"\endfirsthead", r"\toprule", head, r"\midrule", r"\endhead"),
        *(r"\bottomrule", r"\endfoot", *rows),
        r"\end{longtable}",
        *(f"{{\\raggedright {escaped(line)}\\par}}" for line in notes),
        "}",
    ]


def _line(board: Leaderboard, row: Row, kept: Sequence[int]) -> str:
    made = cells(board, row)
    texts = [f"\\textbf{{{escaped(made[i].text)}}}" if made[i].strong else escaped(made[i].text) for i in kept]
    return " & ".join(texts) + r" \\"


def _chosen(board: Leaderboard) -> tuple[list[int], list[str]]:
    """Columns for the width of paper, and the metrics that did not fit: rank, method, the rank metric, the gap, n,
    failures, the main cost and the clock always stay."""
    headings = [heading.text for heading in columns(board)]
    texts = [[cell.text for cell in cells(board, row)] for row in board.rows]
    widths = [max(len(_short(line[index])) for line in [headings, *texts]) + 2 for index in range(len(headings))]
    first = len(metrics(board)) + 2  # of the columns behind the metrics
    work = [first + 3 + units(board).index(unit) for unit in [main_unit(board)] if unit is not None]
    fixed = [0, 1, 2, first, first + 1, first + 2, *work, first + 3 + len(units(board))]
    room = _WIDTH - sum(widths[index] for index in fixed)
    kept: list[int] = []
    dropped: list[int] = []
    for index in range(3, first):
        room -= widths[index]
        (kept if room >= 0 else dropped).append(index)
    return sorted([*fixed, *kept]), [headings[index] for index in dropped]


def _short(heading: str) -> str:
    return "failures" if heading == "other endings" else heading
