"""Helpers: reshape a small table by a mapping written in the test, and see its records as dictionaries."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa

from infra.settings import Settings
from ingestion import duck
from ingestion.mappings import Mapping
from ingestion.reshape import Reshaped, Reshaper

DAY = date(2024, 6, 30)


def mapping_of(feed: str, said: dict[str, Any], **more: Any) -> Mapping:
    """A mapping of organisation H9 with one feed (an entry of `feeds`), or with the feeds in `more["feeds"]` beside it."""
    others = more.pop("feeds", {})
    return Mapping.model_validate(
        {"organisation": "H9", "source": "hospital", "name_zh": "测试医院（合成）", "feeds": {feed: said, **others}, **more}
    )


def cells(*rows: dict[str, str | None]) -> pa.Table:
    """Rows as a reader gives them: every column text, numbered from 1."""
    names = list(dict.fromkeys(c for row in rows for c in row))
    table = pa.table([pa.array([row.get(c, "") for row in rows], pa.string()) for c in names], names=names)
    return table.append_column("_row", pa.array(range(1, len(rows) + 1), pa.int64()))


def reshaped(settings: Settings, mapping: Mapping, feed: str, table: pa.Table, on: date = DAY) -> Reshaped:
    """The records of one chunk; their columns are those announced."""
    reshaper = Reshaper(duck.connect(), settings, mapping, feed)
    announced = reshaper.columns(tuple(c for c in table.column_names if c != "_row"))
    made = reshaper.apply(table, on)
    assert tuple(made.table.column_names) == (*announced, "_row", "_part")
    return made


def records(made: Reshaped, *columns: str) -> list[tuple]:
    """Row, part, and these columns of each record."""
    return [(r["_row"], r["_part"], *(r[c] for c in columns)) for r in made.table.to_pylist()]
