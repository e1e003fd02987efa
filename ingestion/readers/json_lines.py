"""JSON lines, one object a line: keys united over the file, nested objects flat as `outer.inner`, numbers with the digits as written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from ingestion.readers.encoding import Encoding, find_encoding
from ingestion.readers.lines import Marks, pieces
from ingestion.readers.model import OpenedFile, UnreadableFile, clean_header, text_schema
from ingestion.readers.source import Source
from ingestion.readers.text import value_text

ROWS = 20_000
COLUMN_LIMIT = 5_000


class _Broken(ValueError):
    """A line that is not one JSON object."""


def open_json_lines(source: Source, encoding: str | None = None) -> OpenedFile:
    """Open JSON lines. The file is read once to learn its keys, in the order in which they first occur. Raises UnreadableFile."""
    how = find_encoding(source, encoding)
    columns: dict[str, None] = {}
    shapes: set[tuple[str, ...]] = set()
    for line in _lines(source, how, Marks()):
        try:
            shape = tuple(read_object(line))
        except _Broken:
            continue
        if shape not in shapes:
            shapes.add(shape) if len(shapes) < 10_000 else None
            columns.update(dict.fromkeys(shape))
            if len(columns) > COLUMN_LIMIT:
                raise UnreadableFile("unsupported", f"more than {COLUMN_LIMIT} different keys")
    if not columns:
        raise UnreadableFile("empty_file" if source.size < 3 else "unsupported", "no line holds a JSON object")
    names = clean_header(columns)
    if "" in names:
        raise UnreadableFile("header", "a key is blank")
    return OpenedFile(names, how.codec, lambda opened: _tables(opened, source, how, tuple(columns)), list(how.findings))


def _lines(source: Source, encoding: Encoding, marks: Marks) -> Iterator[str]:
    for piece in pieces(source, encoding, marks):
        for line in piece.decode("utf-8").replace("\r", "\n").split("\n"):
            if line and not line.isspace():
                yield line


def _no_constant(name: str) -> Any:
    raise _Broken(name)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Broken("a key occurs twice")
    return found


_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_no_constant, object_pairs_hook=_pairs)


def read_object(line: str) -> dict[str, str | None]:
    """One line's object, flat and as text. Raises ValueError for anything else."""
    try:
        found = _DECODER.decode(line)
        if not isinstance(found, dict):
            raise _Broken("not an object")
        flat: dict[str, str | None] = {}
        _flatten(found, "", flat)
        return flat
    except (ValueError, RecursionError) as error:
        raise _Broken(type(error).__name__) from None


def _flatten(found: dict[str, Any], prefix: str, into: dict[str, str | None]) -> None:
    for key, value in found.items():
        name = prefix + key
        kind = value.__class__
        if kind is dict and value:
            _flatten(value, name + ".", into)
            continue
        if name in into:
            raise _Broken("a key occurs twice")
        into[name] = value if kind is str or value is None else value_text(value)


def _tables(opened: OpenedFile, source: Source, encoding: Encoding, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    marks = Marks()
    rows: list[dict[str, str | None]] = []
    numbers: list[int] = []
    for number, line in enumerate(_lines(source, encoding, marks), 1):
        if taken := marks.find(line):
            opened.reject(number, *taken)
            continue
        try:
            row = read_object(line)
            if "\\u" in line:
                _storable(row)
        except _Broken as error:
            opened.reject(number, "nul_byte" if str(error) == "NUL" else "json_line", line)
            continue
        rows.append(row)
        numbers.append(number)
        if len(rows) == ROWS:
            yield opened.count(_table(rows, numbers, columns), number)
            rows, numbers = [], []
    if rows:
        yield opened.count(_table(rows, numbers, columns), numbers[-1])


def _storable(row: dict[str, str | None]) -> None:
    """Escapes can spell characters that no text column can hold."""
    for value in row.values():
        if value and "\0" in value:
            raise _Broken("NUL")
        if value and any("\ud800" <= c <= "\udfff" for c in value):
            raise _Broken("half a surrogate pair")


def _table(rows: list[dict[str, str | None]], numbers: list[int], columns: tuple[str, ...]) -> pa.Table:
    arrays = [pa.array([row.get(name) for row in rows], pa.string()) for name in columns]
    return pa.Table.from_arrays([*arrays, pa.array(numbers, pa.int64())], schema=text_schema(clean_header(columns)))
