"""JSON lines, one object a line: keys united over the file, nested objects flat as `outer.inner`, numbers with the digits as written.

Pieces of plain objects go through pyarrow, with numbers put in quotes so that it leaves their digits alone. A quote put into a text by
mistake makes the piece invalid, so such a piece, like any with nested, damaged or unusual lines, is read line by line instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json as pajson

from ingestion.readers.encoding import find_encoding
from ingestion.readers.lines import Marks, pieces
from ingestion.readers.model import ROW, OpenedFile, UnreadableFile, clean_header, text_schema
from ingestion.readers.source import Source
from ingestion.readers.text import value_text

COLUMN_LIMIT = 5_000
NUMBER = re.compile(rb'":( ?+)(-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?+[0-9]++)?+|true|false)(?=[,} \t])')


class _Broken(ValueError):
    """A line that is not one JSON object, or one whose text no column can hold; its argument is the reason's code."""


def open_json_lines(source: Source, encoding: str | None = None) -> OpenedFile:
    """Open JSON lines. The file is read once to learn its keys, in the order in which they first occur. Raises UnreadableFile."""
    how = find_encoding(source, encoding)
    columns: dict[str, None] = {}
    for piece in pieces(source, how, Marks()):
        columns.update(dict.fromkeys(_keys(piece)))
        if len(columns) > COLUMN_LIMIT:
            raise UnreadableFile("unsupported", f"more than {COLUMN_LIMIT} different keys")
    if not columns:
        raise UnreadableFile("unsupported", "no line holds a JSON object with a key")
    names = clean_header(columns)
    if "" in names:
        raise UnreadableFile("header", "a key is blank")
    keys = tuple(columns)

    def tables(opened: OpenedFile) -> Iterator[pa.Table]:
        marks = Marks()
        for piece in pieces(source, how, marks):
            table = _by_arrow(piece, keys)
            if table is None:
                table = _by_line(piece, keys, marks, opened)
            else:
                numbers = np.arange(opened.last_row + 1, opened.last_row + 1 + table.num_rows)
                table = table.append_column(ROW, pa.array(numbers, pa.int64()))
            last = table[ROW][-1].as_py() if table.num_rows else 0
            yield opened.count(table.rename_columns([*names, ROW]), max(opened.last_row, last))

    return OpenedFile(names, how.codec, tables, list(how.findings))


def _keys(piece: bytes) -> Iterable[str]:
    """Keys of a piece's objects, nested ones as `outer.inner`."""
    table = _parsed(piece, pajson.ParseOptions())
    if table is not None and not any(pa.types.is_nested(kind) for kind in table.schema.types):
        return table.column_names
    keys: dict[str, None] = {}
    for line in _lines(piece):
        try:
            keys.update(dict.fromkeys(read_object(line)))
        except _Broken:
            continue
    return keys


def _by_arrow(piece: bytes, keys: tuple[str, ...]) -> pa.Table | None:
    """A piece of plain objects as text columns; None when it holds anything else."""
    if b"\\u0000" in piece:
        return None
    parts = NUMBER.split(piece)
    parts[1::3] = [b'":"'] * (len(parts) // 3)
    parts[2::3] = [number + b'"' for number in parts[2::3]]
    schema = pa.schema([(key, pa.string()) for key in keys])
    table = _parsed(b"".join(parts), pajson.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"))
    return table.select(list(keys)) if table is not None else None


def _parsed(piece: bytes, options: pajson.ParseOptions) -> pa.Table | None:
    """What pyarrow makes of a piece; None unless it is one object a line, without blank lines."""
    try:
        table = pajson.read_json(
            pa.BufferReader(piece),
            read_options=pajson.ReadOptions(use_threads=False, block_size=len(piece) + 1),
            parse_options=options,
        )
    except (pa.ArrowException, UnicodeError):
        return None
    lines = piece.count(b"\n") + (not piece.endswith(b"\n"))
    return table if piece.startswith(b"{") and table.num_rows == lines == piece.count(b"\n{") + 1 else None


def _lines(piece: bytes) -> Iterator[str]:
    for line in piece.decode("utf-8").replace("\r", "\n").split("\n"):
        if line and not line.isspace():
            yield line


def _by_line(piece: bytes, keys: tuple[str, ...], marks: Marks, opened: OpenedFile) -> pa.Table:
    rows: list[dict[str, str | None]] = []
    numbers: list[int] = []
    for number, line in enumerate(_lines(piece), opened.last_row + 1):
        if taken := marks.find(line):
            opened.reject(number, *taken)
            continue
        try:
            rows.append(read_object(line))
            numbers.append(number)
        except _Broken as error:
            opened.reject(number, str(error), line)
    arrays = [pa.array([row.get(key) for row in rows], pa.string()) for key in keys]
    return pa.Table.from_arrays([*arrays, pa.array(numbers, pa.int64())], schema=text_schema(keys))


def _no_constant(name: str) -> Any:
    raise _Broken("json_line")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Broken("json_line")
    return found


_DECODER = json.JSONDecoder(parse_float=str, parse_int=str, parse_constant=_no_constant, object_pairs_hook=_pairs, strict=False)


def read_object(line: str) -> dict[str, str | None]:
    """One line's object, flat and as text. Raises _Broken for anything else."""
    try:
        found = _DECODER.decode(line.strip())
        if not isinstance(found, dict):
            raise _Broken("json_line")
        flat: dict[str, str | None] = {}
        _flatten(found, "", flat)
    except (ValueError, RecursionError):
        raise _Broken("json_line") from None
    if "\\u" in line:
        _check_escapes(flat)
    return flat


def _check_escapes(row: dict[str, str | None]) -> None:
    """Escapes can spell characters that no text column can hold."""
    text = "".join([*row, *(value for value in row.values() if value)])
    if "\0" in text:
        raise _Broken("nul_byte")
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise _Broken("json_line")


def _flatten(found: dict[str, Any], prefix: str, into: dict[str, str | None]) -> None:
    for key, value in found.items():
        name = prefix + key
        kind = value.__class__
        if kind is dict and value:
            _flatten(value, name + ".", into)
            continue
        if name in into:
            raise _Broken("json_line")
        into[name] = value if kind is str or value is None else value_text(value)
