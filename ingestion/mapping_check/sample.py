"""A sample of a delivered file, read with the readers of the load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from python_calamine import CalamineWorkbook

from ingestion.readers import UnreadableFile, open_file
from ingestion.readers.model import ROW, text_schema

ROWS = 200_000
DELIMITERS = (",", "\t", "|", ";", "^", "\x01")


@dataclass(frozen=True)
class Sample:
    """The first rows of a file.

    table        text columns and `_row`
    is_complete  nothing of the file was left unread
    broken       how many rows could not be cut into cells, by reason
    findings     codes of what the reader noticed, with its words
    """

    path: Path
    columns: tuple[str, ...]
    table: pa.Table
    is_complete: bool
    encoding: str | None
    delimiter: str
    sheet: str | None
    broken: dict[str, int]
    findings: tuple[tuple[str, str], ...]

    @property
    def rows(self) -> int:
        return len(self.table) + sum(self.broken.values())


def read_sample(path: Path, rows: int = ROWS, **reading: Any) -> Sample:
    """The first `rows` rows of a file; `reading` are arguments of `open_file`. Raises UnreadableFile."""
    opened = open_file(path, **reading)
    held: list[pa.Table] = []
    size, is_complete = 0, True
    for batch in opened.batches():
        if size >= rows:
            is_complete = False
            break
        held.append(batch.slice(0, rows - size))
        is_complete = len(batch) <= rows - size
        size += len(held[-1])
        if not is_complete:
            break
    table = pa.concat_tables(held) if held else text_schema(opened.columns).empty_table()
    broken: dict[str, int] = {}
    for row in opened.broken:
        broken[row.code] = broken.get(row.code, 0) + 1
    findings = tuple((f.code, f.detail) for f in opened.findings)
    columns = tuple(c for c in table.column_names if c != ROW)
    delimiter, sheet = reading.get("delimiter", ","), reading.get("sheet")
    return Sample(path, columns, table, is_complete, opened.encoding, delimiter, sheet, broken, findings)


def sniffed(path: Path, sheet: str | None = None, rows: int = ROWS) -> Sample:
    """The same of a file nobody has described: the delimiter that cuts its header into the most columns. Raises UnreadableFile."""
    best: Sample | None = None
    problem: UnreadableFile | None = None
    for delimiter in DELIMITERS:
        try:
            header = open_file(path, delimiter=delimiter, sheet=sheet)
        except UnreadableFile as error:
            problem = problem or error
            if error.code not in {"delimiter", "header", "duplicate_header", "not_csv"}:
                break
            continue
        if best is None or len(header.columns) > len(best.columns):
            try:
                best = read_sample(path, rows, delimiter=delimiter, sheet=sheet)
            except UnreadableFile as error:
                problem = error
    if best is None:
        raise problem or UnreadableFile("unsupported")
    return best


def sheets(path: Path) -> list[str]:
    """Names of the worksheets of a workbook, none for another file."""
    with path.open("rb") as file:
        head = file.read(8)
    if not head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return []
    try:
        return list(CalamineWorkbook.from_path(str(path)).sheet_names)
    except Exception:  # a zip of text files, or what the reader will name
        return []
