"""The tables an organisation really delivers, where a row is not a record: the reshaping of its mapping, backwards.

Joined tables are split off, items are laid side by side, several diagnoses go into one cell, and the rows of one kind bear its mark.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.mappings import FeedMapping, Mapping
from ingestion.synthetic.cells import Text, constant
from ingestion.synthetic.dialects import dialect
from ingestion.synthetic.records import Records


def made_columns(mapping: FeedMapping) -> frozenset[str]:
    """Columns that the reshaping makes, so that no delivered table has them."""
    parts = [*getattr(mapping, "join", ())]
    parts += [part for name in ("unpivot", "groups") if (part := getattr(mapping, name, None))]
    return frozenset(column for part in parts for column in part.made())


def shaped(made: Records, mapping: Mapping) -> Records:
    """The records as rows of the delivered table; what the organisation does not record is left out."""
    feed = mapping.resolved(made.feed)
    shape = next((s for name, s in SHAPES.items() if getattr(feed, name, None)), None)
    if not mapping.synthetic or made.words is not None or (shape is None and not getattr(feed, "where", None)):
        return made
    rows = shape(made, feed) if shape else replace(made, words=dialect(made, feed))
    words = _marked(rows.words, feed)
    return replace(rows, words=_beside(words, mapping, feed, len(rows)))


def _marked(words: pa.Table, feed: FeedMapping) -> pa.Table:
    """The mark of the kind of rows that `where` asks for."""
    where = getattr(feed, "where", None)
    for column, condition in (where or {}).items() if isinstance(where, dict) else ():
        if condition.equals and column not in words.column_names:
            words = words.append_column(column, constant(condition.equals[0], words.num_rows))
    return words


def _beside(words: pa.Table, mapping: Mapping, feed: FeedMapping, n: int) -> pa.Table:
    """Columns that other feeds read from the same table, empty."""
    for name in mapping.feeds_in_folder(feed.folder):
        other = mapping.resolved(name)
        wanted = [c for column in other.columns.values() if not column.optional for c in column.columns_read()]
        for column in dict.fromkeys([*wanted, *other.ignore]):
            if column not in words.column_names and column not in made_columns(other):
                words = words.append_column(column, constant(None, n))
    return words


def _groups(key: Text) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number of the group of each record, first record of each group, records in each group; groups in order of appearance."""
    encoded = key.dictionary_encode()
    group = encoded.indices.to_numpy(zero_copy_only=False)
    _, first, count = np.unique(group, return_index=True, return_counts=True)
    return group, first, count


def _taken(made: Records, rows: np.ndarray, count: np.ndarray, **changes: Any) -> Records:
    index = pa.array(rows)
    extra = {name: column.take(index) for name, column in made.extra.items()}
    return replace(made, table=made.table.take(index), person=made.person[rows], known_on=made.known_on[rows], extra=extra, count=count, **changes)


def _wide(made: Records, feed: FeedMapping) -> Records:
    """Items of a report side by side: one row per report number."""
    said, keys = feed.unpivot, [n for n in made.table.column_names if n in feed.columns and feed.columns[n].source]
    group, first, count = _groups(made.table["report_no"].combine_chunks())
    rows = _taken(made, first, count)
    rows.table = rows.table.select(keys)
    words = dialect(rows, feed)
    code, value = made.table["item_code"].combine_chunks(), made.table[said.value].combine_chunks()
    for column, constants in said.columns.items():
        at = np.flatnonzero(pc.equal(code, constants["item_code"]).to_numpy(zero_copy_only=False))
        place = np.full(len(first), -1)
        place[group[at]] = at
        words = words.append_column(column, value.take(pa.array(place, mask=place < 0)))
    return replace(rows, words=words)


def _cut(made: Records, feed: FeedMapping) -> Records:
    """Several values in one cell, separated: one row per visit."""
    cells, separator = feed.explode.columns, feed.explode.separators[0]
    by_column = {column.source: name for name, column in feed.columns.items() if column.source}
    group, first, count = _groups(made.table["visit_no"].combine_chunks())
    order = np.argsort(group, kind="stable")
    offsets = pa.array(np.r_[0, np.cumsum(count)].astype(np.int32))
    written = dialect(replace(made, table=made.table.select([n for n in made.table.column_names if n in feed.columns])), feed)
    rows = _taken(made, first, count)
    words = written.take(pa.array(first))
    for cell in cells:
        if cell not in by_column:
            continue
        values = pc.fill_null(written[cell].combine_chunks().take(pa.array(order)), "")
        joined = pc.binary_join(pa.ListArray.from_arrays(offsets, values), separator)
        words = words.set_column(words.column_names.index(cell), cell, joined)
    # what differs within a row is no field of the row
    rows.table = rows.table.select([n for n in rows.table.column_names if n in feed.columns and feed.columns[n].source not in (None, *cells)])
    return replace(rows, words=words)


SHAPES: dict[str, Callable[[Records, FeedMapping], Records]] = {"unpivot": _wide, "explode": _cut}


def companions(feed: FeedMapping, table: pa.Table) -> tuple[pa.Table, dict[str, pa.Table]]:
    """The delivered table without the columns of joined tables, and those tables by folder, one row per key."""
    others: dict[str, pa.Table] = {}
    for joined in getattr(feed, "join", ()):
        if joined.pivot:
            raise ValueError(f"the generator cannot write the long table {joined.folder} that a join pivots")
        there = {joined.prefix + made: column for made, column in joined.columns.items()}
        wanted = {**joined.on, **{made: column for made, column in there.items() if made in table.column_names}}
        key = table.select(list(joined.on)).combine_chunks()
        text = pc.binary_join_element_wise(*(pc.fill_null(c.combine_chunks(), "") for c in key.columns), "\x1f")
        _, first, _ = _groups(text)
        other = table.select(list(wanted)).take(pa.array(first)).rename_columns(list(wanted.values()))
        others[joined.folder] = other
        table = table.drop_columns([made for made in there if made in table.column_names])
    return table, others
