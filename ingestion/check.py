"""From what is said of each text to what is said of each row: fields judged together, verdicts, and which rows are in order.

A field's own check (`field_qc.py`) knows a text and nothing else. Here its result is brought to the rows, and what needs more than one cell is
judged: dates against the delivery, birth date and sex against the ID number, the contract's rules, and rows marked deleted.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import cache

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.contracts import Contract, Field, Rule
from ingestion.encoded import Encoded, encode, one, spread, written
from ingestion.field_qc import HARMLESS, ROWS_PER_BATCH, Compiled, FieldCheck, id_check_sql, needed_when_deleted
from ingestion.identity import id_number
from ingestion.lake import arrow_type

PLACE = ("_row", "_part", "_file_no", "_delivered_on")
"""What the loader adds to the columns of a record."""
NOTHING = -1
ID_PARTS = {"birth_date": "b", "sex_code": "s"}
# Odd constants that spread the bits of two independent sums of the cells' hashes.
SPREAD_A, SPREAD_B = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)


class Words:
    """Reason codes as small numbers."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self._number: dict[str, int] = {}

    def number(self, code: str) -> int:
        if code not in self._number:
            self._number[code] = len(self.codes)
            self.codes.append(code)
        return self._number[code]

    def numbers(self, reasons: pa.Array) -> np.ndarray:
        """The numbers of a column of codes; NOTHING where it is null."""
        if reasons.null_count == len(reasons):
            return np.full(len(reasons), NOTHING, np.int16)
        found = reasons.dictionary_encode()
        of_code = np.array([*map(self.number, found.dictionary.to_pylist()), NOTHING], np.int16)
        return of_code[found.indices.fill_null(len(of_code) - 1).to_numpy()]


@dataclass
class Judged:
    """A field of a chunk: its arrays hold an entry for each text, and `place` says which entry a row has (None: its own).

    value       standardised value             lake     the same as it may stand in the lake by itself, where it may need a mask
    reason      number of the reason, or NOTHING
    empty       whether there was no text       kept     text as it may stand in the lake, where the contract keeps it
    comparator  where the contract keeps it     parsed   number before it was set aside
    """

    field: Field
    place: np.ndarray | None
    value: pa.Array
    reason: np.ndarray
    empty: np.ndarray
    comparator: pa.Array | None = None
    parsed: pa.Array | None = None
    lake: pa.Array | None = None
    kept: pa.Array | None = None
    inside: dict[str, pa.Array] = field(default_factory=dict)

    def spread_out(self) -> None:
        """An entry for every row."""
        if self.place is None:
            return
        place = pa.array(self.place)
        for part in ("value", "comparator", "parsed", "lake", "kept"):
            if (values := getattr(self, part)) is not None:
                setattr(self, part, values.take(place))
        self.inside = {k: v.take(place) for k, v in self.inside.items()}
        self.reason, self.empty, self.place = self.reason[self.place], self.empty[self.place], None

    def set_aside(self, rows: np.ndarray) -> None:
        """Take the value away from some rows."""
        self.spread_out()
        self.value = _without(self.value, rows)
        if self.lake is not None:
            self.lake = _without(self.lake, rows)

    def reasons(self) -> np.ndarray:
        """The reason's number by row."""
        return self.reason if self.place is None else self.reason[self.place]

    def missing(self) -> np.ndarray:
        """Rows without a text."""
        return self.empty if self.place is None else self.empty[self.place]


def _without(values: pa.Array, rows: np.ndarray) -> pa.Array:
    return pc.if_else(pa.array(rows), pa.scalar(None, values.type), values)


@dataclass(frozen=True)
class Verdicts:
    """What was said of rows, in the order of rows and within a row in that of fields and rules: row, field (-1: of the row), reason."""

    rows: np.ndarray
    fields: np.ndarray
    reasons: np.ndarray

    def pairs(self) -> tuple[list[tuple[int, int]], np.ndarray]:
        """The (field, reason) pairs there are, and which of them each verdict is."""
        found, place = np.unique((self.fields.astype(np.int64) << 16) + self.reasons, return_inverse=True)
        return [(pair >> 16, pair & 0xFFFF) for pair in found.tolist()], place


@dataclass(frozen=True)
class Checked:
    """A chunk after field QC, row by row beside the records it was given.

    columns   delivered columns as they came           clean     the same without surrounding blanks and empty values
    fields    the judged fields by name, in the order of the contract
    ok        rows that may go to the lake              deleted   rows that say their record is deleted
    hashes    two numbers that stand for all cells of a row
    words     the reasons' codes by number
    """

    contract: Contract
    columns: dict[str, Encoded]
    clean: dict[str, pa.Array]
    fields: dict[str, Judged]
    verdicts: Verdicts
    ok: np.ndarray
    deleted: np.ndarray
    hashes: tuple[np.ndarray, np.ndarray]
    words: list[str]
    source: dict[str, str | None]

    def __len__(self) -> int:
        return len(self.ok)

    def without_repeats(self, repeated: np.ndarray) -> Checked:
        """The same, rows that repeat an earlier one no longer in order; that they do is the first thing said of them."""
        if not repeated.any():
            return self
        rows, v = np.flatnonzero(repeated), self.verdicts
        code = len(self.words)
        parts = (
            np.concatenate([rows, v.rows]),
            np.concatenate([np.full(len(rows), -1, np.int16), v.fields]),
            np.concatenate([np.full(len(rows), code, np.int16), v.reasons]),
        )
        order = np.argsort(parts[0], kind="stable")
        return replace(self, verdicts=Verdicts(*(p[order] for p in parts)), ok=self.ok & ~repeated, words=[*self.words, "duplicate_row"])

    @property
    def field_names(self) -> list[str]:
        return list(self.fields)

    def values(self, f: str) -> pa.Array:
        """The standardised value of a field in every row."""
        judged = self.fields[f]
        return spread(judged.value, judged.place)

    def clean_text(self, f: str) -> pa.Array:
        """The cleaned text of a field in every row."""
        column = self.source[f]
        if column is None:
            return pa.nulls(len(self), pa.string())
        return self.columns[column].spread(self.clean[column])

    def verdict_texts(self) -> pa.Array:
        """Per row `field:reason|field:reason`, null where nothing was said."""
        v = self.verdicts
        pairs, which = v.pairs()
        names = [*self.field_names, ""]
        said = pa.array([f"{names[f]}:{self.words[r]}" for f, r in pairs], pa.string())
        if not len(v.rows):
            return pa.nulls(len(self), pa.string())
        rows, starts = np.unique(v.rows, return_index=True)
        lists = pa.ListArray.from_arrays(pa.array(np.append(starts, len(v.rows)), pa.int32()), said.take(pa.array(which)))
        joined = pc.binary_join(lists, "|")
        place = np.full(len(self), -1, np.int64)
        place[rows] = np.arange(len(rows))
        return joined.take(pa.array(place, mask=place < 0))


def clean_texts(texts: pa.Array, nulls: tuple[str, ...]) -> pa.Array:
    """Texts without surrounding blanks, null where they are one of the organisation's empty values."""
    texts = pc.utf8_trim_whitespace(texts)
    return pc.if_else(pc.is_in(texts, pa.array(sorted({"", *nulls}), pa.string())), pa.scalar(None, pa.string()), texts)


def check(connection: duckdb.DuckDBPyConnection, compiled: Compiled, records: pa.Table) -> Checked:
    """Judge a chunk of records: their text columns with `_row`, `_part`, `_file_no` and `_delivered_on`."""
    n, words = len(records), Words()
    columns = {c: encode(records[c]) for c in compiled.columns}
    clean = {c: clean_texts(e.texts, compiled.nulls) for c, e in columns.items()}
    hashes = _hashes(connection, columns, clean, n)
    deleted = _marked(compiled, columns, clean, n)
    fields = {c.field.name: _judged(connection, c, columns, clean, n, words) for c in compiled.fields}
    _judge_future(fields, one(records["_delivered_on"]), words)
    if deleted.any():
        for judged in fields.values():
            if not needed_when_deleted(compiled.contract, judged.field):
                judged.set_aside(deleted)
                judged.reason, judged.empty = np.where(deleted, np.int16(NOTHING), judged.reason), judged.empty | deleted
    _check_id_numbers(connection, fields, one(records["_delivered_on"]), words)
    flags = _rule_flags(connection, compiled.contract.rules, fields, one(records["_delivered_on"]))
    flags = {rule: flag & ~deleted for rule, flag in flags.items()}
    verdicts, ok = _verdicts(fields, flags, n, words)
    for rule, flag in flags.items():
        if rule.severity == "warning" and flag.any():
            for f in rule.fields:
                fields[f].set_aside(flag)
    source = {c.field.name: c.column for c in compiled.fields}
    return Checked(compiled.contract, columns, clean, fields, verdicts, ok, deleted, hashes, words.codes, source)


def _judged(
    connection: duckdb.DuckDBPyConnection, check: FieldCheck, columns: dict[str, Encoded], clean: dict[str, pa.Array], n: int, words: Words
) -> Judged:
    if check.judge is None:
        reason = words.number("missing_required") if check.field.required else NOTHING
        value = pa.nulls(1, arrow_type(check.field.type))
        nothing = pa.nulls(1, pa.string())
        return Judged(
            check.field, np.zeros(n, np.int32), value, np.full(1, reason, np.int16), np.ones(1, bool),
            nothing if check.field.comparator else None, value if check.field.is_numeric else None, None, nothing if check.field.keep_text else None,
        )  # fmt: skip
    if check.constant is not None:
        texts, place = pa.array([check.constant], pa.string()), np.zeros(n, np.int32)
    else:
        texts, place = clean[check.column], columns[check.column].place
    said = check.judge(connection, texts)
    part = {c: one(said[c]) for c in said.column_names}
    return Judged(
        check.field, place, part["v"], words.numbers(part["r"]), texts.is_null().to_numpy(zero_copy_only=False),
        part.get("comparator"), part.get("number"), part.get("lake"), part.get("kept"), {k: part[k] for k in "bs" if k in part},
    )  # fmt: skip


def _marked(compiled: Compiled, columns: dict[str, Encoded], clean: dict[str, pa.Array], n: int) -> np.ndarray:
    """Rows that say their record is deleted."""
    if compiled.marked is None:
        return np.zeros(n, bool)
    column, values = compiled.marked
    said = pc.is_in(clean[column], pa.array(values, pa.string()))
    return columns[column].spread(said).to_numpy(zero_copy_only=False)


def _judge_future(fields: dict[str, Judged], delivered_on: pa.Array, words: Words) -> None:
    """Set aside dates that lie after their delivery."""
    earliest = pc.min(delivered_on)
    for judged in fields.values():
        if judged.field.type != "date" or judged.field.may_be_future or not pc.any(pc.greater(judged.value, earliest)).as_py():
            continue
        judged.spread_out()
        later = pc.fill_null(pc.greater(judged.value, delivered_on), False).to_numpy(zero_copy_only=False) & (judged.reason == NOTHING)
        judged.set_aside(later)
        judged.reason = np.where(later, np.int16(words.number("date_in_future")), judged.reason)


def _check_id_numbers(connection: duckdb.DuckDBPyConnection, fields: dict[str, Judged], delivered_on: pa.Array, words: Words) -> None:
    """Let a valid ID number fill, or overrule, birth date and sex; a newborn's that is its mother's number is set aside."""
    by_subject = {j.field.subject: j for j in fields.values() if j.field.subject}
    number = by_subject.get("id_card_no")
    parts = {short: by_subject[part] for part, short in ID_PARTS.items() if part in by_subject}
    if number is None or not parts or number.value.null_count == len(number.value):
        return
    if stated := by_subject.get("birth_date"):
        born, sex = (spread(number.inside[part], number.place) for part in "bs")
        borrowed = id_number.is_mothers(spread(stated.value, stated.place), born, sex, delivered_on)
        if borrowed.any():
            number.set_aside(borrowed)
            number.inside = {part: _without(values, borrowed) for part, values in number.inside.items()}
            number.reason = np.where(borrowed, np.int16(words.number("id_newborn")), number.reason)
    relation = {"valid": spread(number.value.is_valid(), number.place)}
    for short, judged in parts.items():
        relation[short] = spread(number.inside[short], number.place)
        judged.spread_out()
        relation |= {f"v{short}": judged.value, f"t{short}": pa.array(~judged.empty), f"r{short}": _codes(judged.reason, words)}
    answer = ask(connection, "persons", pa.table(relation), id_check_sql(parts))
    for short, judged in parts.items():
        judged.value, judged.reason = one(answer[f"v{short}"]), words.numbers(one(answer[f"r{short}"]))


def _codes(reason: np.ndarray, words: Words) -> pa.Array:
    return pa.array(words.codes or [""], pa.string()).take(pa.array(np.maximum(reason, 0), mask=reason == NOTHING))


def ask(connection: duckdb.DuckDBPyConnection, relation: str, table: pa.Table, sql: str) -> pa.Table:
    """A query over a table given in small batches, so that DuckDB reads it with all threads; rows keep their order."""
    connection.register(relation, pa.Table.from_batches(table.to_batches(max_chunksize=ROWS_PER_BATCH), schema=table.schema))
    answer = connection.execute(sql).to_arrow_table().combine_chunks()
    connection.unregister(relation)
    if len(answer) != len(table):
        raise RuntimeError(f"{len(table)} rows of {relation} came back as {len(answer)}; nothing was stored")
    return answer


@cache
def _words_of(sql: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z_][a-z0-9_]*", sql))


def _rule_flags(
    connection: duckdb.DuckDBPyConnection, rules: tuple[Rule, ...], fields: dict[str, Judged], delivered_on: pa.Array
) -> dict[Rule, np.ndarray]:
    """Rows that each of the contract's rules finds fault with.

    Rules see standardised values under the fields' own names, and what was read before it was set aside as <field>__parsed.
    """
    if not rules:
        return {}
    said = frozenset().union(*(_words_of(rule.sql) for rule in rules))
    relation = {"_delivered_on": delivered_on}
    for f, judged in fields.items():
        if f in said:
            relation[f] = written(judged.value, judged.place)
        if f"{f}__parsed" in said:
            relation[f"{f}__parsed"] = spread(judged.parsed, judged.place)
    flags = ", ".join(f"coalesce({rule.sql}, false) as x{i}" for i, rule in enumerate(rules))
    answer = ask(connection, "ruled", pa.table(relation), f"select {flags} from ruled")
    return {rule: one(answer[f"x{i}"]).to_numpy(zero_copy_only=False) for i, rule in enumerate(rules)}


def _verdicts(fields: dict[str, Judged], flags: dict[Rule, np.ndarray], n: int, words: Words) -> tuple[Verdicts, np.ndarray]:
    """Everything that is said of rows, and which rows are in order."""
    bad = np.zeros(n, bool)
    found: list[tuple[np.ndarray, int, np.ndarray]] = []
    number_of = {f: i for i, f in enumerate(fields)}
    harmless = [words.number(c) for c in HARMLESS]
    missing = words.number("missing_required")
    for f, judged in fields.items():
        if not (judged.reason != NOTHING).any():
            continue
        reason = judged.reasons()
        rows = np.flatnonzero(reason != NOTHING)
        reason = reason[rows]
        found.append((rows, number_of[f], reason))
        if judged.field.severity == "error":
            bad[rows[~np.isin(reason, harmless)]] = True
        elif judged.field.required:
            bad[rows[reason == missing]] = True
    for rule, flag in flags.items():
        rows = np.flatnonzero(flag)
        if not len(rows):
            continue
        code = words.number(rule.name)
        said = np.zeros(len(rows), bool)
        for f in rule.fields:
            judged = fields[f]
            there = rows if judged.place is None else judged.place[rows]
            has = ~judged.empty[there] | judged.value.is_valid().to_numpy(zero_copy_only=False)[there]
            found.append((rows[has], number_of[f], np.full(int(has.sum()), code, np.int16)))
            said |= has
        found.append((rows[~said], -1, np.full(int((~said).sum()), code, np.int16)))
        if rule.severity == "error":
            bad[rows] = True
    rows = np.concatenate([r for r, _, _ in found]) if found else np.zeros(0, np.int64)
    numbers = np.concatenate([np.full(len(r), f, np.int16) for r, f, _ in found]) if found else np.zeros(0, np.int16)
    reasons = np.concatenate([c for _, _, c in found]) if found else np.zeros(0, np.int16)
    order = np.argsort(rows, kind="stable")
    return Verdicts(rows[order], numbers[order], reasons[order]), ~bad


def _hashes(connection: duckdb.DuckDBPyConnection, columns: dict[str, Encoded], clean: dict[str, pa.Array], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two numbers a row that stand for all its cells: equal rows have both equal, others hardly ever one."""
    a, b = np.zeros(n, np.uint64), np.zeros(n, np.uint64)
    once = [c for c in sorted(columns) if columns[c].place is not None]
    if once:
        all_texts = pa.chunked_array([clean[c] for c in once], pa.string())
        connection.register("texts", pa.table({"t": all_texts}))
        hashed = connection.execute("select hash(t) as h from texts").fetchnumpy()["h"].astype(np.uint64)
        connection.unregister("texts")
        ends = np.cumsum([len(clean[c]) for c in once])
        of_text = dict(zip(once, np.split(hashed, ends[:-1]), strict=True))
    each = [c for c in sorted(columns) if columns[c].place is None]
    if each:
        cells = pa.table([clean[c] for c in each], names=[f"c{i}" for i in range(len(each))])
        selected = ", ".join(f"hash(c{i}) as h{i}" for i in range(len(each)))
        answer = ask(connection, "cells", cells, f"select {selected} from cells")
        of_row = {c: one(answer[f"h{i}"]).to_numpy() for i, c in enumerate(each)}
    for c in sorted(columns):
        h = of_row[c] if columns[c].place is None else of_text[c][columns[c].place]
        a *= SPREAD_A
        a += h
        b ^= h
        b *= SPREAD_B
    return a, b
