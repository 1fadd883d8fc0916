"""The verb `list`: what there is, and the BibTeX of what was compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

from results.store import Store
from results.tables.content import clean
from runners import catalog, plugins
from runners.errors import CommandError, one_line, suggestion
from runners.papers import Paper, papers
from runners.words import STORE, one_of, opened, split

_SPECIAL = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "{": r"\textbraceleft{}", "}": r"\textbraceright{}",
}  # fmt: skip
KINDS = tuple(kind for kind in catalog.KINDS if kind != "paper")


def listed(words: Sequence[str]) -> str:
    """What there is, as text.

    Raises:
        CommandError: the words cannot be understood, or the store cannot be read.
    """
    if "--bib" in words:
        values = split([word for word in words if word != "--bib"], STORE)[1]
        with opened(values) as store:
            return bibliography(store)
    plain, values = split(words, {"arena": "", "format": "text"})
    one_of(values["format"], ("text", "json"), "format")
    plural = {f"{kind}s" if kind != "hardware" else kind: kind for kind in (*KINDS, "plugin")}
    for word in plain:
        one_of(word, list(plural), "list")
    kinds = [plural[word] for word in plain] or ["method", "task", "plugin"]
    found = [entry for kind in kinds if kind != "plugin" for entry in catalog.entries(kind)]
    if values["arena"]:
        arenas = {entry.arena for entry in found}
        if values["arena"] not in arenas:
            raise CommandError(f"there is no arena called '{values['arena']}'{suggestion(values['arena'], arenas)}")
        found = [entry for entry in found if entry.arena == values["arena"]]
    rows = [_row(entry) for entry in found]
    if "plugin" in kinds and not values["arena"]:
        rows += [_plugin_row(plugin) for plugin in plugins.plugins()]
    if values["format"] == "json":
        return json.dumps(rows, indent=1)
    width = max((len(row["name"]) for row in rows), default=0)
    lines = (
        f"{row['kind']:10s} {row['name']:{width}s}  {clean(str(row.get('broken') or row.get('title') or ''))}"
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def _row(entry: catalog.Entry) -> dict[str, Any]:
    row = {"kind": entry.kind, "name": entry.name, "arena": entry.arena}
    if broken := broken_entry(entry):
        return row | {"broken": broken}
    return row | {
        key: entry.card[key] for key in ("title", "role", "paper", "fidelity", "version") if key in entry.card
    }


def broken_entry(entry: catalog.Entry) -> str | None:
    """Why something cannot be used; None if it can. Only modules of plugins are imported: tests see to our own."""
    if entry.broken:
        return entry.broken
    if entry.kind not in ("method", "task") or not any(entry.path.is_relative_to(one) for one in plugins.folders()):
        return None
    from runners.build import plugin_class  # takes a tenth of a second to import, for which nobody else here waits
    from tasks.base import NotApplicable

    try:
        plugin_class(entry.target, entry.name)
    except (CommandError, NotApplicable) as error:
        return one_line(error)
    return None


def _plugin_row(plugin: plugins.Plugin) -> dict[str, Any]:
    row = {"kind": "plugin", "name": plugin.name, "title": plugin.origin}
    if plugin.broken:
        return row | {"broken": plugin.broken}
    theirs = {kind: set(catalog.names(kind, [plugin.folder])) for kind in ("method", "task")}
    others = [root for root in catalog.config_roots() if root != plugin.folder]
    taken = [f"{kind} {name}" for kind in theirs for name in sorted(theirs[kind] & set(catalog.names(kind, others)))]
    if taken:
        return row | {"broken": f"it brings {', '.join(taken)}, which there is already"}
    counts = ", ".join(f"{len(found)} {kind}{'' if len(found) == 1 else 's'}" for kind, found in theirs.items())
    return row | {"title": f"{plugin.origin}: {counts}"}


def bibliography(store: Store) -> str:
    """BibTeX of the papers whose methods have attempts in a store, and the sources of baselines as comments.

    Raises:
        StoreError: the store cannot be read.
    """
    ran = set(store.names("method"))
    entries = [entry for entry in catalog.entries("method") if entry.name in ran and not entry.broken]
    named = sorted({str(entry.card["paper"]) for entry in entries if entry.card.get("paper")})
    sources = [f"% {entry.name}: {clean(str(entry.card['source']))}" for entry in entries if entry.card.get("source")]
    return "\n\n".join([*map(_bibtex, papers(named)), *(["\n".join(sources)] if sources else [])])


def _bibtex(paper: Paper) -> str:
    card = paper.card
    lines = [f"  title = {{{{{_latex(card.title)}}}}}"]
    lines += [f"  {key} = {{{text}}}" for key, text in _facts(paper)]
    kind = "inproceedings" if card.venue else "misc"
    return f"@{kind}{{{paper.name},\n" + ",\n".join(lines) + "\n}"


def _facts(paper: Paper) -> Iterator[tuple[str, str]]:
    card = paper.card
    if card.authors:
        yield "author", re.sub(r",? and |, ", " and ", _latex(card.authors))
    if card.venue:
        yield "booktitle", _latex(card.venue)
    if card.year:
        yield "year", str(card.year)
    if card.arxiv:
        yield "eprint", card.arxiv
        yield "archiveprefix", "arXiv"
    if card.code:
        yield "url", re.sub(r"[\s{}\\]", lambda found: quote(found[0]), card.code)


def _latex(text: str) -> str:
    """Text that LaTeX shows as it is; BibTeX sees no brace that does not close."""
    return re.sub(r"[&%$#_{}~^\\]", lambda found: _SPECIAL.get(found[0], f"\\{found[0]}"), clean(text))
