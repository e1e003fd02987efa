"""A column of a chunk with each distinct text once: most columns hold few texts many times, so that what is said of a text is worked out once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

SAMPLE = 4096
# Encoding pays while a good part of the cells repeat others.
MOSTLY_DISTINCT = 0.95
HALF = 0.5


def one(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    """The column in one piece."""
    if isinstance(column, pa.Array):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


@dataclass(frozen=True)
class Encoded:
    """Cells of a column.

    texts  distinct cells (a missing one may be among them), or all of them
    place  per row, where in `texts` its cell is; None where `texts` are the rows themselves
    rows   number of rows
    """

    texts: pa.Array
    place: np.ndarray | None
    rows: int

    def spread(self, values: pa.Array) -> pa.Array:
        """What is said of each text, for every row."""
        return spread(values, self.place)

    def at(self, rows: np.ndarray) -> pa.Array:
        """The cells of some rows."""
        return self.texts.take(pa.array(rows if self.place is None else self.place[rows]))


def spread(values: pa.Array, place: np.ndarray | None) -> pa.Array:
    """Values by place, one for every row."""
    return values if place is None else values.take(pa.array(place))


def encode(column: pa.ChunkedArray | pa.Array) -> Encoded:
    """Find the distinct texts of a column, unless nearly all of them differ."""
    n = len(column)
    if n > SAMPLE and pc.count_distinct(column.slice(0, SAMPLE), mode="all").as_py() > SAMPLE * MOSTLY_DISTINCT:
        return Encoded(one(column), None, n)
    cells = one(column)
    found = cells.dictionary_encode(null_encoding="encode")
    if n > SAMPLE and len(found.dictionary) > n * HALF:
        return Encoded(cells, None, n)
    return Encoded(found.dictionary, found.indices.to_numpy(), n)


def written(values: pa.Array, place: np.ndarray | None, keep: np.ndarray | None = None) -> pa.Array:
    """Values by place as a column to be written: texts stay a dictionary, other types are spread. `keep` are the rows wanted, all by default."""
    if place is None:
        return values if keep is None else values.take(pa.array(keep))
    place = place if keep is None else place[keep]
    if not pa.types.is_string(values.type):
        return values.take(pa.array(place))
    if values.null_count == 0:
        return pa.DictionaryArray.from_arrays(pa.array(place), values, safe=False)
    there = values.is_valid().to_numpy(zero_copy_only=False)
    move = np.cumsum(there, dtype=np.int32) - 1
    indices = pa.array(move[place], mask=~there[place])
    return pa.DictionaryArray.from_arrays(indices, values.drop_null(), safe=False)


def hidden(values: pa.Array, place: np.ndarray | None, rows: np.ndarray) -> pa.Array:
    """Values by place as a column to be written, null in some rows."""
    column = written(values, place)
    if not pa.types.is_dictionary(column.type):
        return pc.if_else(pa.array(rows), pa.scalar(None, column.type), column)
    indices = pc.if_else(pa.array(rows), pa.scalar(None, pa.int32()), column.indices)
    return pa.DictionaryArray.from_arrays(indices, column.dictionary, safe=False)
