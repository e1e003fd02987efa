"""From a checked chunk to the rows of the raw zone: delivered cells with their lineage and verdicts, identifying ones sealed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion import sealing
from ingestion.check import Checked
from ingestion.contracts import Contract, Field
from ingestion.encoded import Encoded, hidden, one, written
from ingestion.field_qc import not_done_words, outcome, quoted, remarks
from ingestion.keyring import Key
from ingestion.mappings import FeedMapping
from ingestion.text import scrub

# Raw text that may be shown outside the raw zone: numbers, dates and comparators; anything else is named by its class alone.
SAFE_TEXT = "^[<>≥≤+\\-−./:：,， %~^*0-9]{0,20}$"
LEADING_NUMBER = "^([<>≥≤]?\\s*[0-9]{1,6}(?:\\.[0-9]{1,4})?)\\s*[^0-9]{1,12}$"
MASKED = scrub.MASKED_CELL


@dataclass(frozen=True)
class Origin:
    """Where the rows of one file come from."""

    source: str
    organisation: str
    batch_id: str
    delivered_on: date
    file_name: str


def origin_table(origins: list[Origin]) -> pa.Table:
    """The origins of a chunk's rows by `_file_no`."""
    return pa.table(
        {
            "_file_no": pa.array(range(len(origins)), pa.int32()),
            "_source": pa.array([o.source for o in origins], pa.string()),
            "_organisation": pa.array([o.organisation for o in origins], pa.string()),
            "_batch": pa.array([o.batch_id for o in origins], pa.string()),
            "_delivered_on": pa.array([o.delivered_on for o in origins], pa.date32()),
            "_file": pa.array([o.file_name for o in origins], pa.string()),
        }
    )


def safe_text(text: str) -> str:
    """SQL expression of a raw value that may stand in the warehouse: plain numbers and dates as they are, the rest masked."""
    words = ", ".join(map(quoted, not_done_words()))
    remark = quoted(f"[<>≥≤]?\\s*[0-9]{{0,6}}(?:\\.[0-9]{{1,4}})?\\s*(?:{'|'.join(remarks())})+")
    return (
        f"case when {text} is null then null when {scrub.looks_like_a_person(text)} then {quoted(MASKED)}"
        f" when regexp_full_match({text}, {quoted(SAFE_TEXT)}) or {text} in ({words}) or regexp_full_match({text}, {remark}) then {text}"
        f" when regexp_full_match({text}, {quoted(LEADING_NUMBER)}) then regexp_extract({text}, {quoted(LEADING_NUMBER)}, 1) || {quoted(MASKED)}"
        f" else {quoted(MASKED)} end"
    )


def value_class(text: str) -> str:
    """SQL expression of the class of a raw value: empty, person_number, number, date, short_text or long_text."""
    return (
        f"case when {text} is null or {text} = '' then 'empty' when {scrub.looks_like_a_person(text)} then 'person_number'"
        f" when try_cast({text} as double) is not null then 'number'"
        f" when regexp_full_match({text}, '[0-9]{{2,4}}[-/.年][0-9]{{1,2}}[-/.月][0-9]{{1,2}}.*') then 'date'"
        f" when length({text}) <= 20 then 'short_text' else 'long_text' end"
    )


def delivered_column(mapping: FeedMapping, field: Field, columns: tuple[str, ...]) -> str | None:
    """The delivered column of a field, None where the file has none."""
    mapped = mapping.columns.get(field.name)
    if mapped is None or mapped.constant is not None:
        return None
    column = mapped.source or field.name
    return column if column in columns else None


def _sealed(contract: Contract, mapping: FeedMapping, columns: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Layout and delivered columns of what is sealed: identifying fields, free text, and columns nobody mapped."""
    layout, delivered = [], []
    for field in contract.fields:
        column = delivered_column(mapping, field, columns)
        if field.sealed and column is not None:
            layout.append(field.name)
            delivered.append(column)
    for column in unmapped_columns(mapping, columns):
        layout.append(f"?{column}")
        delivered.append(column)
    return layout, delivered


def unmapped_columns(mapping: FeedMapping, columns: tuple[str, ...]) -> list[str]:
    """Delivered columns that the mapping neither uses nor ignores."""
    mapped = {m.source or f for f, m in mapping.columns.items() if m.constant is None}
    if marked := getattr(mapping, "deleted", None):
        mapped.add(marked.column)
    return [c for c in columns if c not in mapped and c not in mapping.ignore]


def raw_rows(contract: Contract, mapping: FeedMapping, origins: list[Origin], records: pa.Table, checked: Checked, key: Key) -> pa.Table:
    """The delivered cells as raw-zone rows: open fields as they came, the others sealed together.

    origins  the files, by `_file_no`        records  the chunk as it was checked
    """
    n, columns = len(checked), tuple(checked.columns)
    # a row about which anything was said may have its cells in wrong columns: all of it is sealed
    doubtful = np.zeros(n, bool)
    doubtful[checked.verdicts.rows] = True
    names, sealed_columns = _sealed(contract, mapping, columns)
    layout, cells = _joined(names, [checked.columns[c] for c in sealed_columns], n)
    layouts, which = [layout], np.zeros(n, np.int32)
    if doubtful.any():
        rows = np.flatnonzero(doubtful)
        whole_layout, whole = _joined([f"?{c}" for c in columns], [checked.columns[c] for c in columns], n, rows)
        cells = pc.replace_with_mask(cells.cast(pa.large_string()), pa.array(doubtful), whole.cast(pa.large_string()))
        layouts, which = [layout, whole_layout], doubtful.astype(np.int32)
    file_no = one(records["_file_no"]).to_numpy()
    batch_no = np.unique([o.batch_id for o in origins], return_inverse=True)[1]
    seal_ids, run, offsets, sealed = sealing.seal(cells, key.secret, key.id, _runs(batch_no[file_no]))
    status = pa.array(["quarantined", "accepted"]), checked.ok.astype(np.int32)
    rows = {
        **lineage(origins, file_no),
        "_row": records["_row"],
        "_part": records["_part"],
        "_deleted": pa.array(checked.deleted),
        "_status": written(*status),
        "_verdicts": checked.verdict_texts(),
        "_seal_layout": written(pa.array(layouts), which),
        "_seal_id": written(pa.array(seal_ids, pa.string()), run),
        "_seal_offset": offsets,
        "_sealed": sealed,
    }
    for field in contract.fields:
        column = delivered_column(mapping, field, columns)
        if not field.sealed and not field.derivation and column is not None:
            cell = checked.columns[column]
            rows[field.name] = hidden(cell.texts, cell.place, doubtful) if doubtful.any() else written(cell.texts, cell.place)
    return pa.table(rows)


ROWS_PER_SEAL = 8192


def _runs(batches: np.ndarray) -> list[int]:
    """First rows of the runs that are sealed together: rows of one batch, which are stored together or not at all."""
    changes = np.flatnonzero(batches[1:] != batches[:-1]) + 1
    return np.union1d(np.arange(0, len(batches), ROWS_PER_SEAL), changes).tolist()


def lineage(origins: list[Origin], file_no: np.ndarray) -> dict[str, pa.Array]:
    """Lineage columns of rows by the number of their file, but for `_row` and `_part`."""
    table = origin_table(origins)
    return {c: written(one(table[c]), file_no) for c in table.column_names if c != "_file_no"}


SEPARATORS = ("\x1f", "\x1e", "\x1d")
NULL_CELL = "\x00"


def _joined(names: list[str], cells: list[Encoded], n: int, rows: np.ndarray | None = None) -> tuple[str, pa.Array]:
    """Cells of rows (all, or those given) as one text, and the layout that tells how to cut it: separator, line break, names joined by the separator.

    The separator stands in no cell and no name; a missing cell is a NUL.
    """

    def occurs(separator: str) -> bool:
        return any(separator in name for name in names) or any(pc.any(pc.match_substring(c.texts, separator)).as_py() for c in cells)

    separator = next((s for s in SEPARATORS if not occurs(s)), None) or secrets.token_hex(16)
    layout = separator + "\n" + separator.join(names)
    if not names:
        return layout, pa.nulls(n if rows is None else len(rows), pa.large_string())
    texts = [(c.spread(c.texts) if rows is None else c.at(rows)).cast(pa.large_string()) for c in cells]
    return layout, one(
        pc.binary_join_element_wise(*texts, pa.scalar(separator, pa.large_string()), null_handling="replace", null_replacement=NULL_CELL)
    )


def unsealed(row: dict, keys: Mapping[str, bytes]) -> dict[str, str | None]:
    """What is sealed in a raw-zone row, by field; delivered columns (of rows sealed whole, or that nobody mapped) have a `?` before their name."""
    separator, names = row["_seal_layout"].split("\n", 1)
    if row["_sealed"] is None:
        return {}
    cells = sealing.unseal(row["_sealed"], row["_seal_id"], row["_seal_offset"], keys).split(separator)
    return {n: None if c == NULL_CELL else c for n, c in zip(names.split(separator), cells, strict=True)}


def broken_rows(contract: Contract, origin: Origin, rows: list[tuple[int, str, str]], key: Key) -> tuple[pa.Table, pa.Table]:
    """The rows of a file that could not be cut into cells: (row, reason code, line). Returns raw rows, sealed whole, and pointers for quarantine."""
    n = len(rows)
    seal_ids, run, offsets, sealed = sealing.seal(pa.array([line for _, _, line in rows], pa.string()), key.secret, key.id)
    same = np.zeros(n, np.int32)
    place = lineage([origin], same) | {"_row": pa.array([r for r, _, _ in rows], pa.int64()), "_part": pa.array(same)}
    raw = {
        "_deleted": pa.array(same == 1),
        "_status": written(pa.array(["quarantined"]), same),
        "_verdicts": pa.array([f":{code}" for _, code, _ in rows]),
        "_seal_layout": written(pa.array([SEPARATORS[0] + "\n?line"]), same),
        "_seal_id": written(pa.array(seal_ids, pa.string()), run),
        "_seal_offset": offsets,
        "_sealed": sealed,
    }
    pointers = {
        "feed": written(pa.array([contract.feed]), same),
        "record_key": pa.nulls(n, pa.string()),
        "field": pa.nulls(n, pa.string()),
        "reason_code": pa.array([code for _, code, _ in rows]),
        "reason_zh": pa.array([outcome(contract.feed, None, code)[2] for _, code, _ in rows]),
        "severity": pa.array(["error"] * n),
        "known_class": pa.array(["row"] * n),
        "raw_value": pa.nulls(n, pa.string()),
    }
    return pa.table(place | raw), pa.table(place | pointers)
