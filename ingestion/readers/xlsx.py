"""Workbooks through calamine: values as a person reads them in the sheet; formulas are never run, their stored results are read."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from io import BytesIO
from itertools import islice
from typing import Any

import pyarrow as pa
from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, PasswordError, SheetTypeEnum, SheetVisibleEnum

from ingestion.readers.model import Finding, OpenedFile, UnreadableFile, clean_header, text_schema
from ingestion.readers.source import Source
from ingestion.readers.text import value_text

ROWS = 50_000
FILE_LIMIT = 512 << 20
EXACT_INTEGER = 10**15


def open_workbook(source: Source, sheet: str | None = None, named: tuple[str, ...] = (), skip_rows: int = 0) -> OpenedFile:
    """Open one worksheet, the named one or the first visible one; behind `skip_rows` rows its first that is not empty is the header, unless the
    columns are `named`. Raises UnreadableFile."""
    table = _sheet(source, sheet)
    skipped = max(0, skip_rows - (table.start[0] if table.start else 0))  # rows are told from the first that is not empty
    rows = enumerate(table.iter_rows())
    first = next((i for i, row in rows if i >= skipped and any(cell != "" for cell in row)), None)
    if first is None:
        raise UnreadableFile("empty_file", "the worksheet is empty")
    header_row = first - 1 if named else first
    origin = (table.start[0] if table.start else 0, table.start[1] if table.start else 0)
    merges = [((r0 - origin[0], c0 - origin[1]), (r1 - origin[0], c1 - origin[1])) for (r0, c0), (r1, c1) in table.merged_cell_ranges or []]
    if not named and any(r0 <= header_row <= r1 and c1 > c0 for (r0, c0), (r1, c1) in merges):
        raise UnreadableFile("header", "the header has cells merged over several columns")
    header = named or next(islice(table.iter_rows(), header_row, None))
    columns = clean_header(cell_text(cell) or "" for cell in header)
    findings = [Finding("merged_cells", f"{len(merges)} merged ranges, read as the same value in each row")] if merges else []
    return OpenedFile(tuple(name for name in columns if name), None, lambda opened: _tables(opened, table, header_row, columns, merges), findings)


def _sheet(source: Source, name: str | None) -> CalamineSheet:
    if source.size > FILE_LIMIT:
        raise UnreadableFile("too_large", "workbooks are read up to 512 MB")
    try:
        with source.open() as stream:
            book = CalamineWorkbook.from_filelike(BytesIO(stream.read()))
        sheets = [s for s in book.sheets_metadata if s.typ == SheetTypeEnum.WorkSheet]
        if name is not None and name not in {s.name for s in sheets}:
            raise UnreadableFile("sheet_missing", f"no worksheet {name!r} among {len(sheets)}")
        visible = [s for s in sheets if s.visible == SheetVisibleEnum.Visible] or sheets
        if not visible:
            raise UnreadableFile("empty_file", "no worksheet")
        return book.get_sheet_by_name(name or visible[0].name)
    except PasswordError:
        raise UnreadableFile("password", "the workbook is encrypted") from None
    except (CalamineError, OSError, ValueError) as error:
        raise UnreadableFile("truncated", f"the workbook cannot be read ({type(error).__name__})") from None


def cell_text(cell: Any) -> str | None:
    """A cell as a person reads it: 65 and not 65.0, at most 15 digits as in a spreadsheet, dates in ISO form, empty cells as empty text."""
    match cell:
        case str():
            return cell
        case None:
            return ""
        case bool():
            return "TRUE" if cell else "FALSE"
        case float() if cell.is_integer() and abs(cell) < EXACT_INTEGER:
            return str(int(cell))
        case float():
            return format(Decimal(f"{cell:.15g}"), "f")
    return value_text(cell)


def _tables(opened: OpenedFile, sheet: CalamineSheet, header_row: int, columns: tuple[str, ...], merges: list) -> Iterator[pa.Table]:
    rows = islice(sheet.iter_rows(), header_row + 1, None)
    down, across = _fills(merges, header_row)
    width = len(columns)
    unnamed = [i for i, name in enumerate(columns) if not name]
    schema = text_schema(name for name in columns if name)
    long_numbers = 0
    number = 0
    above: dict[int, Any] = {}
    while block := list(islice(rows, ROWS)):
        kept, numbers = [], []
        for row in block:
            number += 1
            if down:
                row = _filled(row, number, down, above)
            if not any(cell != "" for cell in row):
                continue
            if number in across:
                opened.reject(number, "merged_cells", "\t".join(cell_text(cell) or "" for cell in row))
            elif any(row[i] != "" for i in unnamed) or any(cell != "" for cell in row[width:]):
                opened.reject(number, "unnamed_cell", "\t".join(cell_text(cell) or "" for cell in row))
            else:
                kept.append(row)
                numbers.append(number)
        if kept:
            values = [cells for i, cells in enumerate(zip(*kept, strict=True)) if i < width and columns[i]]
            long_numbers += sum(1 for cells in values for cell in cells if cell.__class__ is float and abs(cell) >= EXACT_INTEGER)
            arrays = [pa.array([c if c.__class__ is str else cell_text(c) for c in cells], pa.string()) for cells in values]
            yield opened.count(pa.Table.from_arrays([*arrays, pa.array(numbers, pa.int64())], schema=schema), number)
    if long_numbers:
        opened.findings.append(Finding("long_number", f"{long_numbers} cells hold numbers of more than 15 digits, which a spreadsheet rounds"))
    opened.last_row = number


def _fills(merges: list, header_row: int) -> tuple[dict[int, list[tuple[int, int]]], set[int]]:
    """Data row -> (column, first data row of its merge) to fill from above; data rows with cells merged across columns."""
    down: dict[int, list[tuple[int, int]]] = {}
    across: set[int] = set()
    for (r0, c0), (r1, c1) in merges:
        for row in range(max(r0, header_row + 1), r1 + 1):
            if c1 > c0:
                across.add(row - header_row)
            elif row > r0:
                down.setdefault(row - header_row, []).append((c0, r0 - header_row))
    return down, across


def _filled(row: list[Any], number: int, down: dict[int, list[tuple[int, int]]], above: dict[int, Any]) -> list[Any]:
    """Repeat the value of a cell merged over rows; `above` holds, per column, the last value seen."""
    row = list(row)
    for column, _ in down.get(number, ()):
        row[column] = above.get(column, "")
    above.update((i, cell) for i, cell in enumerate(row))
    return row
