"""A made-up world: subjects, objects with two names each, and how often and how rightly each fact is told."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BEGIN, ANSWER, END, CHECK, NO, YES, FIRST = range(7)  # special tokens, and the first relation


@dataclass(frozen=True, kw_only=True)
class Facts:
    """One fact for each subject: which object it has. Subjects belong to one relation each.

    Args:
        relations: how many.
        subjects, objects: of each relation.
        syllables: tokens of which names are made.
        exponent: of Zipf's law of how often facts are told.
        misled: share of the facts of which a popular object is told instead.
        lie: how often, where it is.
        short: how often an object is told by its short name.
        verified: share of the subjects about which the model learns which claims are true.
    """

    relations: int
    subjects: int
    objects: int
    syllables: int
    exponent: float
    misled: float
    lie: float
    short: float
    verified: float

    def __post_init__(self) -> None:
        if min(self.relations, self.subjects) < 1 or self.objects < 3:
            raise ValueError("relations and subjects must be 1 or more, objects 3 or more")
        if self.relations * self.objects > self.syllables**2 / 2:
            raise ValueError(f"{self.syllables} syllables make too few names for {self.objects} objects a relation")
        if not all(0 <= share <= 1 for share in (self.misled, self.lie, self.short, self.verified)):
            raise ValueError("misled, lie, short and verified are shares between 0 and 1")

    @property
    def count(self) -> int:
        """All subjects."""
        return self.relations * self.subjects

    @property
    def vocabulary(self) -> int:
        """Number of tokens."""
        return FIRST + self.relations + self.count + self.syllables

    def world(self, rng: np.random.Generator) -> World:
        """Draw names, facts, frequencies and misconceptions."""
        pairs = rng.permutation(self.syllables**2)[: self.relations * self.objects]
        first = FIRST + self.relations + self.count
        shorts = [(first + int(pair) // self.syllables, first + int(pair) % self.syllables) for pair in pairs]
        tails = first + rng.integers(self.syllables, size=len(pairs))
        longs = [(*name, int(tail)) for name, tail in zip(shorts, tails, strict=True)]
        frequency = 1.0 / (1 + rng.permutation(self.count)) ** self.exponent
        return World(
            names=tuple(zip(longs, shorts, strict=True)),
            objects=rng.integers(1, self.objects, size=self.count),
            misled=rng.random(self.count) < self.misled,
            frequency=frequency / frequency.sum(),
            verified=np.argsort(rng.random((self.relations, self.subjects)), axis=1).ravel()
            < round(self.verified * self.subjects),
        )


@dataclass(frozen=True, kw_only=True)
class World:
    """What is so, and how it is told. Object 0 of each relation is the popular one, which is never right.

    Args:
        names: long and short name of each object; object o of relation r is number r * objects + o.
        objects: (subjects,) the right object within its relation.
        misled: (subjects,) bool.
        frequency: (subjects,) sums to 1.
        verified: (subjects,) bool.
    """

    names: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]
    objects: NDArray[np.int64]
    misled: NDArray[np.bool_]
    frequency: NDArray[np.float64]
    verified: NDArray[np.bool_]


def opening(facts: Facts, subject: int) -> list[int]:
    """The tokens of the question about a subject."""
    relation = subject // facts.subjects
    return [BEGIN, FIRST + relation, FIRST + facts.relations + subject, ANSWER]


def told(facts: Facts, world: World, rng: np.random.Generator) -> tuple[list[int], int]:
    """A drawn statement, and at which token that which is to be learnt begins."""
    subject = int(rng.choice(facts.count, p=world.frequency))
    lies = world.misled[subject] and rng.random() < facts.lie
    number = subject // facts.subjects * facts.objects + (0 if lies else int(world.objects[subject]))
    name = world.names[number][int(rng.random() < facts.short)]
    start = opening(facts, subject)
    return [*start, *name, END], len(start)


def checked(facts: Facts, world: World, rng: np.random.Generator) -> tuple[list[int], int]:
    """A drawn claim about a verified subject and whether it is true, and at which token the latter stands.

    Half of the claims are true; of the others half name the popular object.
    """
    subject = int(rng.choice(np.flatnonzero(world.verified)))
    relation, right = subject // facts.subjects, int(world.objects[subject])
    true = rng.random() < 0.5
    wrong = 0 if rng.random() < 0.5 else int((right + rng.integers(1, facts.objects)) % facts.objects)
    number = relation * facts.objects + (right if true else wrong)
    name = world.names[number][int(rng.random() < facts.short)]
    text = [*opening(facts, subject), *name, CHECK]
    return [*text, YES if true else NO], len(text)
