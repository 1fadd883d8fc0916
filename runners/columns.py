"""Attempts as a table of columns, one row an attempt, for tools that read Parquet.

Nested fields become JSON text, from which a record can be rebuilt; their numbers get columns of their own besides.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from results.record import Record
from runners.errors import CommandError

_ROWS = 1000  # rows written at once
_FLAT = (("metric", "metrics"), ("cost", "cost"), ("seconds", "seconds"))  # prefix of a column, field of a record


def write_parquet(records: Callable[[], Iterator[Record]], path: Path) -> int:
    """Write a Parquet file; returns the number of rows.

    Args:
        records: gives all records, each time it is called: first for the columns, then for the rows.
        path: a file that is not there yet.

    Raises:
        CommandError: pyarrow is missing.
    """
    try:
        import pyarrow as arrow  # type: ignore[import-untyped]
        from pyarrow import parquet
    except ModuleNotFoundError as error:
        raise CommandError("out: Parquet needs pyarrow; pip install 'bakeoff[parquet]'") from error
    columns = {item.name: _type(str(item.type), arrow) for item in fields(Record)}
    columns |= dict.fromkeys(sorted({name for record in records() for name in _numbers(record)}), arrow.float64())
    schema, rows, count = arrow.schema(list(columns.items())), map(_row, records()), 0
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while batch := list(itertools.islice(rows, _ROWS)):
            writer.write_table(arrow.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    return count


def _type(annotation: str, arrow: Any) -> Any:
    types = {"bool": arrow.bool_, "int": arrow.int64, "float": arrow.float64}
    return types.get(annotation.partition(" ")[0], arrow.string)()


def _row(record: Record) -> dict[str, Any]:
    plain = vars(record) | {"status": record.status.value}
    nested = {name: json.dumps(value) for name, value in plain.items() if isinstance(value, dict | list)}
    return plain | nested | _numbers(record)


def _numbers(record: Record) -> dict[str, float]:
    """Metrics, costs and seconds by the names of their columns."""
    found: dict[str, float] = {}
    for prefix, name in _FLAT:
        for key, value in getattr(record, name).items():
            several = value if isinstance(value, dict) else {"": value}
            for unit, number in several.items():
                if isinstance(number, int | float):
                    found[".".join(filter(None, (prefix, key, unit)))] = float(number)
    return found
