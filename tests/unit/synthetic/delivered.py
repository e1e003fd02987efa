"""Delivered files read the plain way, without the pipeline's readers, so that the generator is judged by what is in the bytes."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path

import pyarrow.parquet as pq
from python_calamine import CalamineWorkbook

from ingestion.contracts import Contract, contract
from ingestion.mappings import FeedMapping, load_mapping
from ingestion.synthetic.deliver import organisations
from ingestion.synthetic.dialects import date_pattern


@dataclass
class Delivered:
    """One delivered file; rows count from 1, as the truth counts them."""

    path: Path
    organisation: str
    feed: str
    delivered_on: date
    declared: bool = field(default=True)

    @property
    def key(self) -> tuple[str, str, date, str]:
        return self.organisation, self.feed, self.delivered_on, self.path.name

    @cached_property
    def described(self) -> FeedMapping:
        """What the mapping says of the feed, columns of other tables and made columns included."""
        return load_mapping(self.organisation).with_defaults(self.feed)

    @cached_property
    def mapping(self) -> FeedMapping:
        """What the mapping says of the fields that stand in this file, one record a row."""
        here = {name: column for name, column in self.described.columns.items() if column.source in self.columns}
        return self.described.model_copy(update={"columns": here})

    @property
    def contract(self) -> Contract:
        return contract(self.feed)

    @cached_property
    def _cells(self) -> list[list[str | None]]:
        content = self.path.read_bytes()
        match self.path.suffix:
            case ".parquet":
                table = pq.read_table(io.BytesIO(content))
                return [list(table.column_names), *(list(row.values()) for row in table.to_pylist())]
            case ".jsonl":
                found = [json.loads(line) for line in content.decode("utf-8").splitlines()]
                return [list(found[0]), *(list(row.values()) for row in found)]
            case ".xlsx":
                book = CalamineWorkbook.from_filelike(io.BytesIO(content))
                sheet = book.get_sheet_by_name(self.described.sheet) if self.described.sheet else book.get_sheet_by_index(0)
                return [[None if cell == "" else str(cell) for cell in row] for row in sheet.to_python(skip_empty_area=False)]
            case ".zip":
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    content = archive.read(archive.namelist()[0])
        encoding = self.described.encoding or "utf-8"
        try:
            text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
        except UnicodeDecodeError:
            self.declared = False
            text = content.decode("utf-8")
        return [[cell or None for cell in row] for row in csv.reader(io.StringIO(text), delimiter=self.described.delimiter)]

    @property
    def is_resent(self) -> bool:
        """An earlier file delivered again."""
        return re.search("_(resend|copy|bak)_", self.path.name) is not None

    @cached_property
    def columns(self) -> list[str]:
        return [str(cell) for cell in self._cells[0]]

    @cached_property
    def _position(self) -> dict[str, int]:
        return {name: self.columns.index(str(column.source)) for name, column in self.mapping.columns.items()}

    @cached_property
    def rows(self) -> list[list[str | None]]:
        return self._cells[1:]

    def value(self, row: int, name: str) -> str | None:
        """The delivered text of a canonical field."""
        return self.rows[row - 1][self._position[name]]

    def code(self, row: int, name: str) -> str | None:
        """The canonical code that the mapping gives to the delivered text."""
        text = self.value(row, name)
        return self.mapping.columns[name].codes.get(text, text) if text is not None else None

    def day(self, row: int, name: str) -> date | None:
        """The delivered date in the organisation's form. Raises ValueError where it is none."""
        text = self.value(row, name)
        return datetime.strptime(text, date_pattern(self.mapping, name)).date() if text else None


def _feeds_written_as(name: str, organisation: str, folder: str) -> list[str]:
    """The feed whose records a file holds row by row; none for a table that is only joined to others."""
    plan = organisations()[organisation]
    planned = {feed: spec for feed, spec in plan["feeds"].items() if feed not in plan.get("beside", ())}
    there = [feed for feed in load_mapping(organisation).feeds_in_folder(folder) if feed in planned]
    named = [feed for feed in there if name.startswith(planned[feed]["file"].partition("{date}")[0])]
    return there if len(there) == 1 else named[:1]


def delivered_files(landing: Path) -> Iterator[Delivered]:
    """Every file of a landing folder."""
    for path in sorted(p for p in landing.rglob("*") if p.is_file()):
        _, organisation, folder, day = path.relative_to(landing).parts[:4]
        for feed in _feeds_written_as(path.name, organisation, folder):
            yield Delivered(path, organisation, feed, date.fromisoformat(day))
