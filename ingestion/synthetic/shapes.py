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

from ingestion.mappings import FeedMapping, Join, Mapping
from ingestion.mappings.tables import Pivot
from ingestion.synthetic.cells import Text, constant
from ingestion.synthetic.dialects import UNCHANGED, code_rows, dialect
from ingestion.synthetic.records import Records

# Sources whose systems hold some of the fields a feed may have, each its own.
RECORD_WHAT_THEY_HAVE = ("hospital", "regional_platform")


def made_columns(mapping: FeedMapping) -> frozenset[str]:
    """Columns that the reshaping makes, so that no delivered table has them."""
    return frozenset((*mapping.made, *(column for join in mapping.join for column in join.made())))


def shaped(made: Records, mapping: Mapping) -> Records:
    """The records as rows of the delivered table; what the organisation does not record is left out."""
    feed = mapping.with_defaults(made.feed)
    shape = next((s for name, s in SHAPES.items() if getattr(feed, name)), None)
    if not mapping.synthetic or made.words is not None:
        return made
    if mapping.source in RECORD_WHAT_THEY_HAVE:
        made = replace(made, table=made.table.select([n for n in made.table.column_names if n in feed.columns or n in feed.made]))
    if shape is None and not feed.where and len(mapping.feeds_in_folder(feed.folder)) < 2:
        return made
    rows = shape(made, feed) if shape else replace(made, words=dialect(made, feed))
    words = _marked(rows.words, feed)
    return replace(rows, words=_beside(words, mapping, feed, rows))


def _marked(words: pa.Table, feed: FeedMapping) -> pa.Table:
    """The mark of the kind of rows that `where` asks for."""
    for column, condition in feed.where.items() if isinstance(feed.where, dict) else ():
        if condition.equals and column not in words.column_names:
            words = words.append_column(column, constant(condition.equals[0], words.num_rows))
    return words


def _beside(words: pa.Table, mapping: Mapping, feed: FeedMapping, made: Records) -> pa.Table:
    """Columns that other feeds read from the same table, empty where the records bring nothing for them."""
    for name in mapping.feeds_in_folder(feed.folder):
        other = mapping.with_defaults(name)
        wanted = [c for column in other.columns.values() if not column.optional for c in column.columns_read()]
        for column in dict.fromkeys([*wanted, *other.ignore]):
            if column not in words.column_names and column not in made_columns(other):
                words = words.append_column(column, made.extra.get(column, constant(None, len(made))))
        if other.deleted and other.deleted.column not in words.column_names:
            words = words.append_column(other.deleted.column, constant(UNCHANGED, len(made)))
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


def _long(joined: Join, pivot: Pivot, table: pa.Table) -> pa.Table:
    """Columns of each row as rows of their own, item by item: the long table that a join pivots."""
    parts, places = [], []
    key = table[next(iter(joined.on))].combine_chunks().is_valid()
    for made, items in pivot.columns.items():
        if joined.prefix + made not in table.column_names:
            continue
        values = table[joined.prefix + made].combine_chunks()
        at = np.flatnonzero(pc.and_(values.is_valid(), key).to_numpy(zero_copy_only=False))
        rows = {there: table[here].combine_chunks().take(pa.array(at)) for here, there in joined.on.items()}
        parts.append(pa.table({**rows, pivot.item: constant(items[0], len(at)), pivot.value: values.take(pa.array(at))}))
        places.append(at)
    order = np.argsort(np.concatenate(places), kind="stable")
    return pa.concat_tables(parts).take(pa.array(order))


def companions(organisation: str, feed: FeedMapping, table: pa.Table) -> tuple[pa.Table, dict[str, pa.Table]]:
    """The delivered table without the columns of joined tables, and those tables and dictionaries by folder, one row per key."""
    others: dict[str, pa.Table] = {}
    for column in feed.columns.values():
        if column.code_table and column.code_table.folder:
            others[column.code_table.folder] = pa.Table.from_pylist(code_rows(organisation, column.code_table))
    for joined in feed.join:
        if joined.pivot:
            others[joined.folder] = _long(joined, joined.pivot, table)
            table = table.drop_columns([made for made in joined.made() if made in table.column_names])
            continue
        there = {joined.prefix + made: column for made, column in joined.columns.items()}
        wanted = {**joined.on, **{made: column for made, column in there.items() if made in table.column_names}}
        key = table.select(list(joined.on)).combine_chunks()
        text = pc.binary_join_element_wise(*(pc.fill_null(c.combine_chunks(), "") for c in key.columns), "\x1f")
        _, first, _ = _groups(text)
        other = table.select(list(wanted)).take(pa.array(first)).rename_columns(list(wanted.values()))
        others[joined.folder] = other
        table = table.drop_columns([made for made in there if made in table.column_names])
    return table, others
