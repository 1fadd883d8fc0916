"""The pages of papers and claims."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING

from results.claims.cells import Cells
from results.claims.findings import Claim, Finding
from results.claims.grammar import parse
from results.claims.verdicts import find
from results.report.papers import PaperFacts
from results.report.site import write
from results.selection import Texts

if TYPE_CHECKING:
    from tests.examples import HOSTILE, attempts, source
else:
    from examples import HOSTILE, attempts, source

RELATION = "toys/a above reference/trivial @ toys/hill, toys/dale"


def finding(relation: str, hostile: str = "") -> Finding:
    claim = Claim("one", "higher", f"It climbs higher. {hostile}", parse(relation), relation, f"twice {hostile}", 4)
    return find(claim, Cells(attempts(), Texts()), lambda task, axis: [], lambda record, name: True)


def papers(hostile: str = "") -> list[PaperFacts]:
    shown = PaperFacts(
        name="one",
        title=f"A paper {hostile}",
        arena="toys",
        run="plugin",
        claim=f"It climbs. {hostile}",
        authors=f"One {hostile}",
        venue="Venue",
        year=2024,
        arxiv="2401.00001",
        code=f"https://example.org/{hostile}",
        smallest=f"A hill. {hostile}",
        baselines=(f"walking {hostile}",),
        methods=("toys/a", "toys/absent"),
        findings=(
            finding(RELATION, hostile),
            Finding(Claim("one", f"x{hostile}", "No relation."), finding(RELATION).verdict),
        ),
    )
    survey = PaperFacts("two", "A survey", "none", "reference", "It reviews.", why=f"Nothing {hostile}")
    return [shown, survey]


def made(folder: Path, hostile: str = "") -> Path:
    records = attempts()
    write(replace(source(records), papers=papers(hostile)), folder / "site")
    return folder / "site"


def test_each_claim_leads_to_its_evidence_and_that_to_its_attempts(tmp_path: Path) -> None:
    site = made(tmp_path)
    board = (site / "claims.html").read_text("utf-8")
    (link,) = re.findall(r'href="(papers/one.html#claim-higher)"', board)
    page = (site / link.partition("#")[0]).read_text("utf-8")
    assert 'id="claim-higher"' in page
    assert RELATION in unescape(page)
    behind = re.findall(r'href="\.\./(attempts/[^"]+)"', page)
    assert len(set(behind)) == 16, "4 seeds on 2 tasks, of both sides"
    assert all((site / name).is_file() for name in behind)
    assert "toys/hill alone" in page
    assert "toys/dale alone" in page
    assert 'href="../methods/toys/a.html"' in page
    assert "methods/toys/absent" not in page, "what has no page is not linked"
    assert 'href="https://arxiv.org/abs/2401.00001"' in page
    assert "Nothing is run: Nothing" in (site / "papers/two.html").read_text("utf-8")
    front = (site / "index.html").read_text("utf-8")
    assert 'href="claims.html"' in front
    assert 'href="papers.html"' in front
    assert "It climbs higher." in (site / "arenas/toys.html").read_text("utf-8")


def test_every_link_of_the_paper_pages_leads_somewhere(tmp_path: Path) -> None:
    site = made(tmp_path, HOSTILE)
    for page in [site / "claims.html", site / "papers.html", *site.glob("papers/*.html")]:
        for target in re.findall(r'href="([^"#]+)[^"]*"', page.read_text("utf-8")):
            if not target.startswith(("https:", "data:")):
                assert (page.parent / unescape(target)).is_file(), f"{page.name}: {target}"


def test_what_a_card_says_is_shown_as_text(tmp_path: Path) -> None:
    site = made(tmp_path, HOSTILE)
    for name in ("claims.html", "papers.html", "papers/one.html", "papers/two.html"):
        text = (site / name).read_text("utf-8")
        assert "<script>alert" not in text
        assert HOSTILE in unescape(text), name


def test_a_report_without_papers_has_no_pages_of_them(tmp_path: Path) -> None:
    write(source(attempts()), tmp_path / "site")
    assert not (tmp_path / "site/claims.html").exists()
    assert "claims.html" not in (tmp_path / "site/index.html").read_text("utf-8")
