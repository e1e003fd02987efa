"""Parquet as text: numbers without exponent, dates in ISO form, nested columns flat."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingestion.readers.model import ROW, OpenedFile, UnreadableFile, clean_header
from ingestion.readers.source import Source
from ingestion.readers.text import LIST_SEPARATOR, LOCAL_TIME, as_json

ROWS = 65_536
ROW_GROUP_LIMIT = 4 << 30


def open_parquet(source: Source) -> OpenedFile:
    """Open a Parquet file. Raises UnreadableFile."""
    with _reader(source) as reader:
        schema, metadata = reader.schema_arrow, reader.metadata
        if not schema.names:
            raise UnreadableFile("header", "no columns")
        if any(metadata.row_group(i).total_byte_size > ROW_GROUP_LIMIT for i in range(metadata.num_row_groups)):
            raise UnreadableFile("too_large", "a row group is larger than 4 GB")
        columns = clean_header(name for name, _ in _flat(pa.table({name: pa.nulls(0, kind) for name, kind in _named_types(schema)})))
    if "" in columns:
        raise UnreadableFile("header", "a column has no name")
    return OpenedFile(columns, None, lambda opened: _tables(opened, source, columns))


def _named_types(schema: pa.Schema) -> list[tuple[str, pa.DataType]]:
    clean_header(schema.names)
    return [(f.name, f.type) for f in schema]


def _reader(source: Source) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(source.open())
    except (pa.ArrowInvalid, OSError) as error:
        code = "password" if "encrypt" in str(error).lower() else "truncated"
        raise UnreadableFile(code, "the Parquet footer cannot be read") from None


def _tables(opened: OpenedFile, source: Source, columns: tuple[str, ...]) -> Iterator[pa.Table]:
    last = 0
    with _reader(source) as reader:
        batches = reader.iter_batches(batch_size=ROWS)
        while True:
            try:
                batch = next(batches, None)
            except (pa.ArrowException, OSError):
                raise UnreadableFile("truncated", f"a page after row {last} cannot be read") from None
            if batch is None:
                return
            table = pa.Table.from_batches([batch])
            arrays = [text_of(values) for _, values in _flat(table)]
            numbers = pa.array(np.arange(last + 1, last + table.num_rows + 1), pa.int64())
            last += table.num_rows
            yield opened.count(pa.table([*arrays, numbers], names=[*columns, ROW]), last)


def _flat(table: pa.Table) -> Iterator[tuple[str, pa.ChunkedArray]]:
    """Columns with structs taken apart into `outer.inner`."""
    while any(pa.types.is_struct(kind) and kind.num_fields for kind in table.schema.types):
        table = table.flatten()
    yield from zip(table.column_names, table.columns, strict=True)


def text_of(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column as text. Raises UnreadableFile for bytes that are not text."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return text_of(pa.chunked_array([chunk.dictionary_decode() for chunk in values.chunks], kind.value_type))
    if pa.types.is_floating(kind):
        return _without_exponent(values.cast(pa.string()))
    if pa.types.is_decimal(kind):
        return _without_exponent(values.cast(pa.string()))
    if pa.types.is_timestamp(kind):
        return _timestamps(values)
    if pa.types.is_time(kind):
        return pc.replace_substring_regex(values.cast(pa.string()), r"\.0*$", "")
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = kind.value_type
        if not (pa.types.is_nested(inner) or pa.types.is_dictionary(inner)):
            return _joined(values)
    if pa.types.is_nested(kind):
        return _json(values)
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:
        raise UnreadableFile("unsupported", f"a column of type {kind} holds bytes that are not text") from None
    except pa.ArrowNotImplementedError:
        raise UnreadableFile("unsupported", f"columns of type {kind} are not read") from None


def _without_exponent(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    if not pc.any(pc.match_substring_regex(texts, "[0-9][eE]")).as_py():
        return texts
    plain = [format(Decimal(text), "f") if text and "e" in text.lower() else text for text in texts.to_pylist()]
    return pa.chunked_array([plain], pa.string())


def _timestamps(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Local time of the province, without a fraction that is zero, and without a time of day that is midnight."""
    if values.type.tz:
        values = pc.local_timestamp(values.cast(pa.timestamp(values.type.unit, LOCAL_TIME)))
    texts = values.cast(pa.string())
    return pc.replace_substring_regex(pc.replace_substring_regex(texts, r"\.0+$", ""), r" 00:00:00$", "")


def _joined(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Lists of plain values joined by `;`, as JSON where a value itself holds one."""
    chunks = []
    for chunk in values.chunks:
        inner = text_of(pa.chunked_array([chunk.flatten()])).combine_chunks()
        if pc.any(pc.match_substring(inner, LIST_SEPARATOR)).as_py():
            return _json(values)
        inner = pc.fill_null(inner, "")
        lengths = pc.fill_null(pc.list_value_length(chunk), 0).cast(pa.int32())
        offsets = np.concatenate(([0], np.cumsum(lengths.to_numpy(zero_copy_only=False)))).astype(np.int32)
        lists = pa.ListArray.from_arrays(pa.array(offsets), inner)
        chunks.append(pc.if_else(chunk.is_valid(), pc.binary_join(lists, LIST_SEPARATOR), None))
    return pa.chunked_array(chunks, pa.string())


def _json(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([[None if value is None else as_json(value) for value in values.to_pylist()]], pa.string())
