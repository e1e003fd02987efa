"""One Parquet file of an Iceberg table, written chunk by chunk and committed once.

The library's own append converts every chunk to plain texts and writes a file and a snapshot for each. Here texts that come as dictionaries are
written as such, encrypted cells are not compressed again, and statistics are kept for the columns that readers choose files by.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import (
    MetricModeTypes,
    MetricsMode,
    StatisticsCollector,
    compute_statistics_plan,
    data_file_statistics_from_parquet_metadata,
    parquet_path_to_id_mapping,
    schema_to_pyarrow,
)
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.table import Table
from pyiceberg.table.locations import load_location_provider
from pyiceberg.typedef import Record

STATISTICS = ("_source", "_organisation", "_batch", "_delivered_on", "_file", "_row", "engine_version")
COUNTED = ("_row", "_seal_offset")
ENCRYPTED = "_sealed"
COMPRESSION, LEVEL = "zstd", 1


class TableFile:
    """A new file of a table; `write` takes chunks, `close` returns the file's entry for the table's manifest (None where nothing was written)."""

    def __init__(self, table: Table):
        self.table = table
        self.schema = table.schema()
        self._plain = schema_to_pyarrow(self.schema, include_field_ids=True)
        self._writer: pq.ParquetWriter | None = None
        self._stream: Any = None

    def write(self, rows: pa.Table) -> None:
        """Write rows, which may lack columns; a text column may come as a dictionary. The first chunk decides which do."""
        if self._writer is None:
            self._open(rows.schema)
        columns = [_as(rows, field) for field in self._arrow]
        self._writer.write_table(pa.table(columns, schema=self._arrow), row_group_size=len(rows) or None)

    def _open(self, given: pa.Schema) -> None:
        fields = []
        for field in self._plain:
            field = field.with_type(_small(field.type))
            if field.name in given.names and pa.types.is_dictionary(given.field(field.name).type):
                field = field.with_type(pa.dictionary(pa.int32(), field.type))
            fields.append(field)
        self._arrow = pa.schema(fields)
        metadata = self.table.metadata
        provider = load_location_provider(table_location=metadata.location, table_properties=metadata.properties)
        self.path = provider.new_data_location(data_file_name=f"{uuid.uuid4()}.parquet")
        self._stream = self.table.io.new_output(self.path).create(overwrite=True)
        repeated = [f.name for f in fields if not (pa.types.is_string(f.type) or pa.types.is_large_binary(f.type) or f.name in COUNTED)]
        counted = {name: "DELTA_BINARY_PACKED" for name in COUNTED if name in self._arrow.names}
        self._writer = pq.ParquetWriter(
            self._stream,
            self._arrow,
            compression={f.name: "NONE" if f.name == ENCRYPTED else COMPRESSION for f in fields},
            compression_level={f.name: LEVEL for f in fields if f.name != ENCRYPTED},
            use_dictionary=repeated,
            column_encoding=counted,
            write_statistics=[s for s in STATISTICS if s in self._arrow.names],
            store_schema=False,
            store_decimal_as_integer=True,
        )

    def close(self) -> DataFile | None:
        """End the file."""
        if self._writer is None:
            return None
        self._writer.close()
        size = self._stream.tell()
        self._stream.close()
        statistics = data_file_statistics_from_parquet_metadata(
            parquet_metadata=self._writer.writer.metadata,
            stats_columns=self._measured(),
            parquet_column_mapping=parquet_path_to_id_mapping(self.schema),
        )
        return DataFile.from_args(
            content=DataFileContent.DATA,
            file_path=self.path,
            file_format=FileFormat.PARQUET,
            partition=Record(),
            file_size_in_bytes=size,
            sort_order_id=None,
            spec_id=self.table.metadata.default_spec_id,
            equality_ids=None,
            key_metadata=None,
            **statistics.to_serialized_dict(),
        )

    def _measured(self) -> dict[int, StatisticsCollector]:
        """What the manifest says of each column: bounds of those that have statistics, nothing of the others."""
        plan = compute_statistics_plan(self.schema, self.table.metadata.properties)
        nothing = MetricsMode(MetricModeTypes.NONE)
        return {i: s if s.column_name in STATISTICS else replace(s, mode=nothing) for i, s in plan.items()}

    def abandon(self) -> None:
        """Close what is open and remove the file, which nothing points to."""
        if self._writer is not None:
            with suppress(pa.ArrowException):
                self._writer.close()
            if not self._stream.closed:
                self._stream.close()
            self.table.io.delete(self.path)


def _small(kind: pa.DataType) -> pa.DataType:
    """Arrow's types with 32-bit offsets, as DuckDB gives them; sealed cells stay as they are."""
    return pa.string() if pa.types.is_large_string(kind) else kind


def _as(rows: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    if field.name not in rows.column_names:
        nothing = pa.nulls(len(rows), pa.int32() if pa.types.is_dictionary(field.type) else field.type)
        return pa.DictionaryArray.from_arrays(nothing, pa.array([], field.type.value_type)) if pa.types.is_dictionary(field.type) else nothing
    column = rows[field.name]
    if pa.types.is_dictionary(field.type):
        return _pruned(column.cast(field.type)) if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return column if column.type == field.type else column.cast(field.type)


def _pruned(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column with those texts alone that its rows hold, each once.

    Parquet's writer puts a whole dictionary into the file, texts of no row included: cells that were sealed or left out would stand there to be read.
    Of a text that stands twice it leaves room for the second and fills it with whatever was in memory.
    """
    return pa.chunked_array([_pruned_chunk(chunk) for chunk in column.chunks], column.type)


def _pruned_chunk(array: pa.DictionaryArray) -> pa.DictionaryArray:
    used = pc.unique(array.indices.drop_null())
    texts = array.dictionary.take(used).dictionary_encode()
    if len(texts.dictionary) == len(array.dictionary):
        return array
    moved = np.zeros(len(array.dictionary), np.int32)
    moved[used.to_numpy()] = texts.indices.to_numpy()
    there = array.indices.is_valid().to_numpy(zero_copy_only=False)
    places = array.indices.fill_null(0).to_numpy()
    indices = moved[places] if len(moved) else places
    return pa.DictionaryArray.from_arrays(pa.array(indices, mask=~there), texts.dictionary)
