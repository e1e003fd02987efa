"""From delivered rows to records: one row is one record, unless the mapping says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa

from infra.settings import Settings
from ingestion.mappings import Mapping


@dataclass(frozen=True)
class Reshaped:
    """Records made of delivered rows.

    table           text columns, `_row`, and `_part`: which record of the row, from 0
    without_record  rows of which no record was made, by reason
    """

    table: pa.Table
    without_record: dict[str, int]


class Reshaper:
    """Makes the records of one feed of an organisation."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, settings: Settings, mapping: Mapping, feed: str):
        self.connection, self.settings, self.mapping, self.feed = connection, settings, mapping, feed

    def columns(self, delivered: tuple[str, ...]) -> tuple[str, ...]:
        """The columns the check sees."""
        return delivered

    def apply(self, batch: pa.Table, delivered_on: date) -> Reshaped:
        """Records of the rows, in file order."""
        return Reshaped(batch.append_column("_part", pa.repeat(pa.scalar(0, pa.int32()), len(batch))), {})
