"""Delimited text: pyarrow's parser on chunks of whole records, two chunks ahead of the caller."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from ingestion import timing
from ingestion.readers.encoding import Encoding, find_encoding
from ingestion.readers.lines import Marks, pieces
from ingestion.readers.model import ROW, OpenedFile, UnreadableFile, clean_header, text_schema
from ingestion.readers.records import RECORD_LIMIT, Dialect, chunks
from ingestion.readers.source import Source

AHEAD = 2
COLUMN_LIMIT = 5_000
LINE_END = re.compile(rb"\r\n|\n|\r")
MARKED_LINE = re.compile(rb"\x00\d+\x00")
OTHER_DELIMITERS = "\t;|,"


def open_csv(
    source: Source, encoding: str | None = None, delimiter: str = ",", quote: str = '"', named: tuple[str, ...] = (), skip_lines: int = 0
) -> OpenedFile:
    """Open delimited text; its first record behind `skip_lines` lines is the header, unless the columns are `named`. Raises UnreadableFile."""
    dialect = Dialect(delimiter, quote)
    how = find_encoding(source, encoding)
    header, length = _header(source, how, dialect, named, skip_lines)
    columns = clean_header(header)
    if len(columns) > COLUMN_LIMIT:
        raise UnreadableFile("not_csv", f"the header has {len(columns)} columns")
    return OpenedFile(
        columns=tuple(name for name in columns if name),
        encoding=how.codec,
        stream=lambda opened: _tables(opened, source, how, dialect, columns, length),
        findings=list(how.findings),
    )


def _header(source: Source, encoding: Encoding, dialect: Dialect, named: tuple[str, ...], skip_lines: int) -> tuple[list[str], int]:
    """Names of the columns, and how many bytes of UTF-8 stand before the data: skipped lines, blank lines, the header record."""
    marks = Marks()
    first = next(pieces(source, encoding, marks), b"")
    skipped = _lines_end(first, skip_lines)
    if named:
        return list(named), skipped
    start = len(first) - len(first[skipped:].lstrip(b" \t\r\n"))
    if start == len(first):
        raise UnreadableFile("empty_file", "nothing but blanks")
    start = max(first.rfind(b"\n", skipped, start), first.rfind(b"\r", skipped, start), skipped - 1) + 1
    found = dialect.record().match(first, start, start + RECORD_LIMIT)
    if not found or found.end() - start >= RECORD_LIMIT:
        raise UnreadableFile("header", "the quotes of the first line are not balanced, or it is longer than 1 MB")
    text = found[0].decode("utf-8").rstrip("\r\n")
    if taken := marks.find(text):
        raise UnreadableFile("header", f"the first line cannot be read: {taken[0]}")
    if any(ord(c) < 32 and c not in "\t\r\n" for c in text):
        raise UnreadableFile("not_csv", "the first line has control characters")
    quoting = csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE
    try:
        names = next(csv.reader([text], delimiter=dialect.delimiter, quotechar=dialect.quote or None, quoting=quoting))
    except csv.Error as error:
        raise UnreadableFile("header", str(error)) from None
    if len(names) == 1 and (other := next((d for d in OTHER_DELIMITERS if d != dialect.delimiter and d in names[0]), None)):
        raise UnreadableFile("delimiter", f"one column only with {dialect.delimiter!r}; the first line has {other!r}")
    return names, found.end()


def _lines_end(text: bytes, lines: int) -> int:
    """Where the first lines end. Raises UnreadableFile when there are no more than these."""
    end = 0
    for _ in range(lines):
        found = LINE_END.search(text, end)
        if not found:
            raise UnreadableFile("empty_file", f"nothing behind the {lines} lines to be skipped")
        end = found.end()
    return end


def _tables(opened: OpenedFile, source: Source, encoding: Encoding, dialect: Dialect, columns: tuple[str, ...], header: int) -> Iterator[pa.Table]:
    marks = Marks()
    parts = pieces(source, encoding, marks)
    body = chain([next(parts)[header:]], parts)
    waiting: deque[Future[tuple[pa.Table, list[tuple[int, str]]]]] = deque()
    with ThreadPoolExecutor(AHEAD, thread_name_prefix="csv") as pool:
        for chunk in chunks(body, dialect, len(columns), marks):
            if chunk:
                waiting.append(pool.submit(_parse, chunk, dialect, len(columns)))
            if len(waiting) > AHEAD:
                yield _numbered(opened, *waiting.popleft().result(), columns, dialect, marks)
        while waiting:
            yield _numbered(opened, *waiting.popleft().result(), columns, dialect, marks)


def _parse(chunk: bytes, dialect: Dialect, columns: int) -> tuple[pa.Table, list[tuple[int, str]]]:
    """Parse a chunk of whole records; in one thread, as only then pyarrow tells the number of a row with too few or too many fields."""
    with timing.beside("read"):
        return _parsed(chunk, dialect, columns)


def _parsed(chunk: bytes, dialect: Dialect, columns: int) -> tuple[pa.Table, list[tuple[int, str]]]:
    broken: list[tuple[int, str]] = []
    if columns == 1:
        chunk = MARKED_LINE.sub(lambda mark: mark[0] + dialect.delimiter.encode(), chunk)

    def note(row: pacsv.InvalidRow) -> str:
        broken.append((row.number, row.text))
        return "skip"

    names = [str(position) for position in range(columns)]
    table = pacsv.read_csv(
        pa.BufferReader(chunk),
        read_options=pacsv.ReadOptions(column_names=names, use_threads=False, block_size=len(chunk) + 1),
        parse_options=pacsv.ParseOptions(
            delimiter=dialect.delimiter,
            quote_char=dialect.quote or False,
            newlines_in_values=bool(dialect.quote) and dialect.quote.encode() in chunk,
            invalid_row_handler=note,
        ),
        convert_options=pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False),
    )
    return table, broken


def _numbered(
    opened: OpenedFile, table: pa.Table, broken: list[tuple[int, str]], columns: tuple[str, ...], dialect: Dialect, marks: Marks
) -> pa.Table:
    """Give the rows of a chunk their numbers in the file, note the broken ones, and leave out columns without a name."""
    before, total = opened.last_row, table.num_rows + len(broken)
    numbers = np.arange(before + 1, before + total + 1)
    if broken:
        numbers = np.delete(numbers, [row - 1 for row, _ in broken])
    rejected = [(before + row, *(marks.find(text) or ("column_count", text))) for row, text in broken]
    table = table.rename_columns([name or f"\0{position}" for position, name in enumerate(columns)]).append_column(ROW, pa.array(numbers, pa.int64()))
    unnamed = [name for name in table.column_names if name.startswith("\0")]
    if unnamed:
        table, more = _without_unnamed(table, unnamed, dialect)
        rejected += more
    for row in sorted(rejected):
        opened.reject(*row)
    return opened.count(table.cast(text_schema(name for name in columns if name)), before + total)


def _without_unnamed(table: pa.Table, unnamed: list[str], dialect: Dialect) -> tuple[pa.Table, list[tuple[int, str, str]]]:
    filled = pc.fill_null(pc.not_equal(table[unnamed[0]], ""), False)
    for name in unnamed[1:]:
        filled = pc.or_(filled, pc.not_equal(table[name], ""))
    odd = table.filter(filled).to_pylist() if pc.any(filled).as_py() else []
    rejected = [(row.pop(ROW), "unnamed_cell", dialect.delimiter.join(row.values())) for row in odd]
    return (table.filter(pc.invert(filled)) if odd else table).drop_columns(unnamed), rejected
