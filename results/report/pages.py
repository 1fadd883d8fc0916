"""Pages from templates: everything that comes from records is escaped."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from results.report import places, wording
from results.tables import numbers


@dataclass(frozen=True)
class Pages:
    """Writes pages below a folder.

    Args:
        folder: top of the site.
        site: what all pages say, as the `site` of the templates.
    """

    folder: Path
    site: Mapping[str, Any]

    def write(self, template: str, path: str, **content: Any) -> None:
        """Write one page."""
        found = _templates().get_template(template)
        text = found.render(site=self.site, up=places.up(path), here=path, **content)
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode("utf-8", "backslashreplace"))  # names may hold halves of characters


@functools.cache
def _templates() -> jinja2.Environment:
    """The templates, compiled once in each process."""
    loader = jinja2.PackageLoader("results.report")
    made = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters |= {"number": numbers.number, "count": wording.count, "ticked": wording.ticked}
    return made
