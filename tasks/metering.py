"""What a method spends, counted where it is spent.

Everything that costs something in a problem (a gradient, a label, a generated token, an environment step) is an
`Oracle`. All oracles of one problem share its `Ledger`, an append-only account of named units with two accounts,
`solve` (while the method works) and `use` (while its answer is used). A budget is a limit on units of *work*; the
oracle that would cross it raises `BudgetSpent` before it answers.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Generic, TypeVar

import numpy as np

SOLVE = "solve"
USE = "use"
PRICED = "work"  # the unit of prices

Answer = TypeVar("Answer")


class BudgetSpent(Exception):
    """An oracle would cross a limit of the ledger. Nothing was charged and nothing was answered."""

    def __init__(self, account: str, unit: str, limit: float) -> None:
        super().__init__(account, unit, limit)
        self.account = account
        self.unit = unit
        self.limit = limit

    def __str__(self) -> str:
        return f"the {self.account} budget of {self.limit:g} {self.unit} is spent"


@dataclass(frozen=True)
class Limit:
    """At most `amount` of `unit` may be spent in `account`."""

    unit: str
    amount: float
    account: str = SOLVE

    def __post_init__(self) -> None:
        if not 0 <= self.amount < math.inf:
            raise ValueError(f"the limit on {self.unit} must be finite and not negative, got {self.amount}")


class Ledger:
    """Append-only account of named units.

    Totals only grow; there is no way to give units back. `account` says where new entries are booked: it starts as
    `solve`, and only the runner moves it.

    Args:
        limits: what may be spent.
        prices: where methods may trade one unit of work for another, the frozen price of each in `PRICED` units; those
            are booked along with it, and a limit on them is the common budget. A task keeps the prices in a field
            called `prices`, so that they are part of the cell.
    """

    def __init__(self, *limits: Limit, prices: Mapping[str, float] | None = None) -> None:
        self._limits = {(limit.account, limit.unit): limit.amount for limit in limits}
        self._prices = {unit: float(price) for unit, price in sorted((prices or {}).items())}
        if PRICED in self._prices or not all(0 <= price < math.inf for price in self._prices.values()):
            raise ValueError(f"prices must be finite, not negative, and not of {PRICED}; got {dict(prices or {})}")
        self._totals: dict[tuple[str, str], float] = {}
        self._account = SOLVE

    def spend(self, unit: str, amount: float = 1) -> None:
        """Book `amount` of `unit` in the current account.

        Raises:
            BudgetSpent: the limit would be crossed; nothing is booked then.
            ValueError: the amount is negative, infinite or not a number.
        """
        if not 0 <= amount < math.inf:
            raise ValueError(f"cannot spend {amount} of {unit}")
        booked = {unit: float(amount)}
        if unit in self._prices:
            booked[PRICED] = float(amount) * self._prices[unit]
        totals = {}
        for name, units in booked.items():
            key = (self._account, name)
            totals[key] = self._totals.get(key, 0.0) + units
            limit = self._limits.get(key)
            if limit is not None and totals[key] > limit:
                raise BudgetSpent(self._account, name, limit)
        self._totals |= totals

    def total(self, unit: str, account: str = SOLVE) -> float:
        """Units booked so far; 0 for a unit that was never spent."""
        return self._totals.get((account, unit), 0.0)

    def prices(self) -> dict[str, float]:
        """The price of each unit that has one."""
        return dict(self._prices)

    def left(self, unit: str) -> float | None:
        """Units left in the current account, or None where nothing limits them."""
        limit = self._limits.get((self._account, unit))
        return None if limit is None else limit - self.total(unit, self._account)

    def accounts(self) -> list[str]:
        """The accounts that anything was booked in."""
        return sorted({account for account, _ in self._totals})

    def totals(self, account: str = SOLVE) -> dict[str, float]:
        """Everything booked in one account, by unit."""
        return {unit: total for (name, unit), total in sorted(self._totals.items()) if name == account}

    def limits(self) -> dict[str, dict[str, float]]:
        """The limits by account and unit."""
        result: dict[str, dict[str, float]] = {}
        for (account, unit), amount in sorted(self._limits.items()):
            result.setdefault(account, {})[unit] = amount
        return result

    @contextmanager
    def booking(self, account: str) -> Iterator[None]:
        """Book into another account inside the block."""
        before, self._account = self._account, account
        try:
            yield
        finally:
            self._account = before


class Oracle(Generic[Answer]):
    """A function whose every call is charged to a ledger before it answers.

    Args:
        ledger: the problem's ledger.
        unit: name of the unit of work, plural ("gradients", "labels").
        function: answers the question. With `noise` it is also given a keyword argument `rng`.
        price: units a call, or a function of the same arguments that says so.
        noise: key of the oracle's randomness. The generator given to `function` depends on this key, on the question
            and on how often that question was asked, never on the order of calls: two methods that ask the same
            questions see the same noise, which is what pairs adaptive methods.
    """

    def __init__(
        self,
        ledger: Ledger,
        unit: str,
        function: Callable[..., Answer],
        *,
        price: float | Callable[..., float] = 1,
        noise: str | None = None,
    ) -> None:
        self._ledger = ledger
        self._unit = unit
        self._function = function
        self._price = price
        self._noise = noise
        self._asked: defaultdict[str, int] = defaultdict(int)

    def __call__(self, *question: Any, **named: Any) -> Answer:
        """Charge, then answer.

        Raises:
            BudgetSpent: a limit would be crossed.
        """
        price = self._price(*question, **named) if callable(self._price) else self._price
        digest = "" if self._noise is None else fingerprint([list(question), named])
        self._ledger.spend(self._unit, price)
        if self._noise is None:
            return self._function(*question, **named)
        count = self._asked[digest]
        self._asked[digest] += 1
        return self._function(*question, **named, rng=random_stream(self._noise, digest, count))


def random_stream(*key: object) -> np.random.Generator:
    """The generator that belongs to a key: the same on every machine, unrelated for different keys."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in key)
    digest = hashlib.blake2b(text.encode(), digest_size=32).digest()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(list(np.frombuffer(digest, dtype=np.uint32)))))


def fingerprint(value: Any) -> str:
    """Hash of a plain value by content: numbers, strings, arrays (dtype, shape and bytes), lists, tuples,
    mappings, and dataclasses of these.

    Raises:
        TypeError: the value holds something that has no content to hash.
    """
    digest = hashlib.blake2b(digest_size=16)
    _absorb(digest, value)
    return digest.hexdigest()


def _absorb(digest: Any, value: Any) -> None:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str | bytes):
        digest.update(f"{type(value).__name__}:{value!r};".encode())
    elif isinstance(value, np.ndarray):
        if value.dtype.hasobject:
            raise TypeError("an array of objects cannot be hashed by content")
        digest.update(f"array:{value.dtype.str}{value.shape};".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, Mapping):
        digest.update(f"mapping{len(value)};".encode())
        for key in sorted(value, key=lambda key: (type(key).__name__, str(key))):
            _absorb(digest, key)
            _absorb(digest, value[key])
    elif is_dataclass(value) and not isinstance(value, type):
        digest.update(f"record {type(value).__module__}.{type(value).__qualname__};".encode())
        _absorb(digest, {item.name: getattr(value, item.name) for item in fields(value)})
    elif isinstance(value, list | tuple):
        digest.update(f"sequence{len(value)};".encode())
        for item in value:
            _absorb(digest, item)
    else:
        raise TypeError(f"a {type(value).__name__} cannot be hashed by content")
