"""Boards as one HTML page that needs nothing else: no script, no font, no network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2 import Environment, StrictUndefined

from results.leaderboard import Leaderboard
from results.tables.content import EMPTY, cells, columns, footnotes, note, reasons, title

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Leaderboards</title>
<style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 2rem auto; max-width: 90rem; padding: 0 1rem; }
section { margin-bottom: 3rem; overflow-x: auto; }
caption { text-align: left; font-weight: 600; font-size: 1.1rem; padding-bottom: .5rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .75rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #8886; }
thead th { border-bottom-color: currentColor; }
th:nth-child(2) { text-align: left; }
tbody th { font-weight: normal; }
p, ul { max-width: 50rem; color: color-mix(in srgb, currentColor 80%, transparent); }
</style>
</head>
<body>
<main>
<h1>Leaderboards</h1>
{%- for board in boards %}
<section>
<table>
<caption>{{ board.title }}</caption>
<thead>
<tr>{% for heading in board.headings %}<th scope="col">{{ heading.text }}</th>{% endfor %}</tr>
</thead>
<tbody>
{%- for row in board.rows %}
<tr>
{%- for cell in row %}
{%- set tag = "th" if cell.kind == "method" else "td" %}
<{{ tag }}{% if tag == "th" %} scope="row"{% endif %}>
{%- if cell.strong %}<strong>{{ cell.text }}</strong>{% else %}{{ cell.text }}{% endif -%}
</{{ tag }}>
{%- endfor %}
</tr>
{%- endfor %}
</tbody>
</table>
<p>{{ board.note }}</p>
{%- if board.lines %}
<ul>
{%- for line in board.lines %}
<li>{{ line }}</li>
{%- endfor %}
</ul>
{%- endif %}
</section>
{%- else %}
<p>{{ empty }}</p>
{%- endfor %}
</main>
</body>
</html>"""


def html(boards: Sequence[Leaderboard]) -> str:
    """The page, one section a board."""
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(_PAGE)
    return page.render(boards=[_content(board) for board in boards], empty=EMPTY)


def _content(board: Leaderboard) -> dict[str, Any]:
    return {
        "title": title(board),
        "note": note(board),
        "headings": columns(board),
        "rows": [cells(board, row) for row in board.rows],
        "lines": [*footnotes(board), *reasons(board)],
    }
