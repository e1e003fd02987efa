"""What was not taken as it stands: pointers to quarantined rows, answers with their verdicts, and counts for the books.

Only rows about which something was said are looked at. What a chunk gives still holds values as they came (`Exceptions`); `quarantine` and
`form_answer` turn them, once for an organisation, into rows that name nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion import lake
from ingestion.check import Checked
from ingestion.contracts import Contract, Field
from ingestion.encoded import encode, one, spread, written
from ingestion.field_qc import outcome, quoted
from ingestion.lake_rows import as_text
from ingestion.mappings import FeedMapping
from ingestion.raw_zone import MASKED, Origin, delivered_column, lineage, safe_text, value_class
from ingestion.text import scrub

# The key of a quarantined row is told where it looks like one: a row whose cells have shifted may have anything there.
OPEN_KEY = "[\\x21-\\x7e]*"
Counts = dict[int, dict[tuple[str, str], int]]


@dataclass(frozen=True)
class Exceptions:
    """What is to be said of a chunk, with values as they came: nothing of it may be stored as it is.

    quarantined  a row a reason: columns of the quarantine, but for `value_class`, with `raw_value` and `known_class`
    answers      a row an answer: columns of form_answer
    counts       how often each (field, reason) occurred by `_file_no`
    """

    quarantined: pa.Table | None
    answers: pa.Table | None
    counts: Counts


@dataclass(frozen=True)
class _Meanings:
    """What the (field, reason) pairs of a chunk mean, in their order; `of_verdict` says which pair a verdict is."""

    of_verdict: np.ndarray
    pairs: list[tuple[int, int]]
    severity: pa.Array
    outcome: pa.Array
    reason_zh: pa.Array

    @property
    def counts_against(self) -> np.ndarray:
        """Pairs that a quarantined row is pointed at for."""
        return ~np.isin(self.outcome.to_numpy(zero_copy_only=False), ("kept", "translated"))


def exceptions(contract: Contract, mapping: FeedMapping, origins: list[Origin], records: pa.Table, checked: Checked, keys: pa.Array) -> Exceptions:
    """Everything that is to be said of a chunk. `keys` are the keys of its rows' records."""
    said = checked.verdicts
    if not len(said.rows):
        return Exceptions(None, None, {})
    file_no = one(records["_file_no"]).to_numpy()
    meanings = _meanings(contract.feed, checked)
    columns = tuple(checked.columns)
    open_fields = [(f, delivered_column(mapping, f, columns)) for f in contract.fields if not f.sealed and not f.derivation]
    answered = [(f, c) for f, c in open_fields if c is not None]

    def place(rows: np.ndarray) -> dict[str, pa.Array]:
        at = pa.array(rows)
        found = lineage(origins, file_no[rows]) | {c: one(records[c]).take(at) for c in ("_row", "_part")}
        return found | {"feed": written(pa.array([contract.feed]), np.zeros(len(rows), np.int32)), "record_key": keys.take(at)}

    quarantined = None if checked.ok.all() else _quarantined(contract, checked, meanings, answered, place)
    return Exceptions(quarantined, _answers(checked, meanings, answered, place), _counts(checked, file_no))


def _counts(checked: Checked, file_no: np.ndarray) -> Counts:
    said = checked.verdicts
    # file, field and reason in one number
    keys, n = np.unique((file_no[said.rows].astype(np.int64) << 32) + ((said.fields.astype(np.int64) + 1) << 16) + said.reasons, return_counts=True)
    counts: Counts = {}
    for key, times in zip(keys.tolist(), n.tolist(), strict=True):
        f = (key >> 16 & 0xFFFF) - 1
        counts.setdefault(key >> 32, {})[checked.field_names[f] if f >= 0 else "", checked.words[key & 0xFFFF]] = times
    return counts


def _meanings(feed: str, checked: Checked) -> _Meanings:
    said, names = checked.verdicts, checked.field_names
    pairs, of_verdict = said.pairs()
    told = [outcome(feed, names[f] if f >= 0 else None, checked.words[r]) for f, r in pairs]
    severity, result, label = (pa.array(list(c), pa.string()) for c in zip(*told, strict=True))
    return _Meanings(of_verdict, pairs, severity, result, label)


def _quarantined(
    contract: Contract,
    checked: Checked,
    meanings: _Meanings,
    answered: list[tuple[Field, str]],
    place: Callable[[np.ndarray], dict[str, pa.Array]],
) -> pa.Table:
    """Why rows are quarantined: a row and a reason, with the cell as it came where it may be looked at."""
    said, names = checked.verdicts, checked.field_names
    which = np.flatnonzero(~checked.ok[said.rows] & meanings.counts_against[meanings.of_verdict])
    rows, fields, pair = said.rows[which], said.fields[which], meanings.of_verdict[which]
    known = pa.array([*("identifying" if checked.fields[f].field.sealed else None for f in names), "row"], pa.string())
    column_of = {f.name: c for f, c in answered}
    cells = pa.nulls(len(rows), pa.string())
    for number in np.unique(fields):
        column = column_of.get(names[number]) if number >= 0 else None
        if column is not None:
            of_field = fields == number
            cells = pc.replace_with_mask(cells, pa.array(of_field), checked.columns[column].at(rows[of_field]))
    return pa.table(
        place(rows)
        | {
            "field": pa.array([*names, None], pa.string()).take(pa.array(np.where(fields < 0, len(names), fields))),
            "reason_code": pa.array(checked.words, pa.string()).take(pa.array(said.reasons[which])),
            "reason_zh": meanings.reason_zh.take(pa.array(pair)),
            "severity": meanings.severity.take(pa.array(pair)),
            "known_class": known.take(pa.array(np.where(fields < 0, len(names), fields))),
            "raw_value": cells,
        }
    )


def _answers(
    checked: Checked, meanings: _Meanings, answered: list[tuple[Field, str]], place: Callable[[np.ndarray], dict[str, pa.Array]]
) -> pa.Table | None:
    """Answers that were judged, and all answers of quarantined rows: cell, standardised value, comparator, reason."""
    said, parts, all_rows = checked.verdicts, [], []
    bad = np.flatnonzero(~checked.ok)
    number_of = {f: i for i, f in enumerate(checked.field_names)}
    rank = np.argsort(np.argsort(np.array([checked.words[r] for _, r in meanings.pairs], object), kind="stable"))
    by_field = np.argsort(said.fields, kind="stable")
    starts = np.searchsorted(said.fields[by_field], np.arange(len(number_of) + 1))
    for f, column in answered:
        of_field = by_field[starts[number_of[f.name]] : starts[number_of[f.name] + 1]]
        judged_rows, first = _first(said.rows[of_field], rank[meanings.of_verdict[of_field]], meanings.of_verdict[of_field])
        rows = np.union1d(judged_rows, bad)
        if not len(rows):
            continue
        pair = np.full(len(rows), -1, np.int64)
        pair[np.searchsorted(rows, judged_rows)] = first
        cells = checked.columns[column].at(rows)
        told = pc.fill_null(pc.not_equal(pc.utf8_trim(cells, characters=" "), ""), False).to_numpy(zero_copy_only=False)
        if not told.all():
            rows, pair, cells = rows[told], pair[told], cells.filter(pa.array(told))
        judged = checked.fields[f.name]
        at = pa.array(rows if judged.place is None else judged.place[rows])
        accepted = checked.ok[rows]
        which = pa.array(pair, mask=pair < 0)
        meant = pc.if_else(pa.array(accepted), pc.fill_null(meanings.outcome.take(which), "kept"), "quarantined")
        all_rows.append(rows)
        parts.append(
            pa.table(
                {
                    "field": written(pa.array([f.name]), np.zeros(len(rows), np.int32)),
                    "raw_value": cells,
                    "standard_value": pc.if_else(pa.array(accepted), as_text(judged.value.take(at)), pa.scalar(None, pa.string())),
                    "comparator": judged.comparator.take(at) if f.comparator else pa.nulls(len(rows), pa.string()),
                    "verdict": meant,
                    "reason_code": pa.array([checked.words[r] for _, r in meanings.pairs], pa.string()).take(which),
                    "reason_zh": meanings.reason_zh.take(which),
                    "is_row_accepted": pa.array(accepted),
                }
            )
        )
    if not parts:
        return None
    rows = np.concatenate(all_rows)
    order = np.argsort(rows, kind="stable")
    found = place(rows[order])
    found["record_key"] = pc.if_else(pa.array(checked.ok[rows[order]]), found["record_key"], pa.scalar(None, pa.string()))
    answers = pa.concat_tables(parts).unify_dictionaries().combine_chunks().take(pa.array(order))
    return pa.table(found | {c: one(answers[c]) for c in answers.column_names})


def _first(rows: np.ndarray, rank: np.ndarray, pair: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per row the pair whose reason comes first in the alphabet."""
    order = np.lexsort((rank, rows))
    distinct, first = np.unique(rows[order], return_index=True)
    return distinct, pair[order][first]


def quarantine(connection: duckdb.DuckDBPyConnection, found: pa.Table) -> pa.Table:
    """Rows of the quarantine: values by their class alone, keys where they look like keys."""
    is_open = f"regexp_full_match(t, {quoted(OPEN_KEY)}) and not {scrub.is_id_number('t')}"
    told_class = _by_text(connection, found["raw_value"], value_class("t"))
    return lake.conform(
        found.append_column("value_class", pc.coalesce(found["known_class"], told_class)).set_column(
            found.column_names.index("record_key"),
            "record_key",
            _by_text(connection, found["record_key"], f"case when {is_open} then t end"),
        ),
        lake.SUPPORT["quarantine"],
    )


def form_answer(connection: duckdb.DuckDBPyConnection, found: pa.Table) -> pa.Table:
    """Rows of form_answer: raw texts and standardised values as far as they may be shown."""
    for column, expression in (("raw_value", safe_text("t")), ("standard_value", safe_standard("t"))):
        found = found.set_column(found.column_names.index(column), column, _by_text(connection, found[column], expression))
    return lake.conform(found, lake.SUPPORT["form_answer"])


def _by_text(connection: duckdb.DuckDBPyConnection, column: pa.ChunkedArray, expression: str) -> pa.Array:
    """An SQL expression over the texts `t` of a column, worked out once for each."""
    texts = encode(column)
    connection.register("texts", pa.table({"t": texts.texts}))
    said = one(connection.execute(f"select {expression} as said from texts").to_arrow_table()["said"])
    connection.unregister("texts")
    if len(said) != len(texts.texts):
        raise RuntimeError(f"{len(texts.texts)} texts came back as {len(said)}; nothing was stored")
    return spread(said, texts.place)


def safe_standard(text: str) -> str:
    """A standardised value that may stand in the warehouse; long texts and what looks like a person's number are masked."""
    return f"case when {scrub.looks_like_a_person(text)} or length({text}) > 60 then {quoted(MASKED)} else {text} end"
