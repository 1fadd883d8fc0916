"""A made-up corpus that several tests of prompted models read."""

from __future__ import annotations

from tasks.calibration.corpora import Example, LabelledTexts, Pools

EXAMPLES = tuple(Example(f"{name} number {count}", label) for count in range(30) for label, name in enumerate("ab"))


class Toy(LabelledTexts):
    """Sixty texts of two classes."""

    def pools(self) -> Pools:
        return Pools(EXAMPLES[:20], EXAMPLES[20:40], EXAMPLES[40:])

    def check(self) -> None:
        pass

    def surroundings(self) -> dict[str, str]:
        return {}


CORPUS = Toy(classes=("a", "b"), longest=None)
