"""From a checked chunk to the rows of the lake: keys, lineage, typed values, and texts without anybody in them."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.check import Checked, Judged, ask
from ingestion.contracts import Contract, Field
from ingestion.encoded import one, written
from ingestion.field_qc import derived, name
from ingestion.text import scrub

MASKED = scrub.MASKED_CELL
NAME_LETTERS = "[A-Za-z\\x{80}-\\x{10FFFF}]"


def record_keys(contract: Contract, organisation: str, checked: Checked, identity: pa.Array | None) -> pa.Array:
    """The key of each row's record, null where a part of it is missing."""
    parts: list[pa.Array | pa.Scalar] = [pa.scalar(organisation)]
    if contract.keyed_by_subject:
        parts.append(identity)
    for field in contract.primary_key:
        parts.append(identity if not field.in_lake else _text_of(checked.fields[field.name]))
    return one(pc.binary_join_element_wise(*parts, "|"))


def as_text(values: pa.Array) -> pa.Array:
    """Values as text: a decimal with all its places, a date in its ISO form."""
    return values if pa.types.is_string(values.type) else values.cast(pa.string())


def _text_of(judged: Judged) -> pa.Array:
    texts = as_text(judged.value)
    return texts if judged.place is None else texts.take(pa.array(judged.place))


def lake_rows(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    checked: Checked,
    keep: np.ndarray | None,
    identity: pa.Array | None,
    known_name: pa.Array | None,
    keys: pa.Array,
) -> dict[str, pa.Array]:
    """The columns of the lake for the rows to keep (all where `keep` is None), lineage and texts that are scrubbed or structured aside."""
    columns = {"record_key": _kept(keys, keep)}
    if identity is not None:
        columns["identity_id"] = _kept(identity, keep)
    open_texts: dict[str, tuple[Judged, pa.Array]] = {}
    for field in contract.lake_fields:
        if field.derivation or field.classification == "free_text":
            continue
        judged = checked.fields[field.name]
        columns[field.name] = written(judged.value if judged.lake is None else judged.lake, judged.place, keep)
        if judged.lake is not None:
            open_texts[field.name] = (judged, judged.value)
        if field.comparator:
            columns[f"{field.name}_comparator"] = written(judged.comparator, judged.place, keep)
        if field.keep_text:
            columns[f"{field.name}_text"] = _kept_text(judged, keep)
            open_texts[f"{field.name}_text"] = (judged, judged.kept)
    if known_name is not None:
        _mask_names(connection, columns, open_texts, _kept(known_name, keep), keep)
    return columns


def _kept(column: pa.Array, keep: np.ndarray | None) -> pa.Array:
    return column if keep is None else column.take(pa.array(keep))


def _kept_text(judged: Judged, keep: np.ndarray | None) -> pa.Array:
    """The text where it gave no value."""
    text = pc.if_else(judged.value.is_null(), judged.kept, pa.scalar(None, pa.string()))
    return written(text, judged.place, keep)


def _mask_names(
    connection: duckdb.DuckDBPyConnection,
    columns: dict[str, pa.Array],
    texts: dict[str, tuple[Judged, pa.Array]],
    known_name: pa.Array,
    keep: np.ndarray | None,
) -> None:
    """Mask texts that hold the name of the row's person."""
    # a name stands in a text that has letters of a name; digits and signs alone hold none of two letters
    suspects = {c: (j, t) for c, (j, t) in texts.items() if pc.any(pc.match_substring_regex(t, NAME_LETTERS)).as_py()}
    if not suspects or known_name.null_count == len(known_name):
        return
    relation = {f"c{i}": written(t, j.place, keep) for i, (j, t) in enumerate(suspects.values())}
    found = ", ".join(f"{scrub.names(f'c{i}', 'known_name')} as f{i}" for i in range(len(relation)))
    answer = ask(connection, "named", pa.table({**relation, "known_name": known_name}), f"select {found} from named")
    for i, column in enumerate(suspects):
        flags = one(answer[f"f{i}"])
        if pc.any(flags).as_py():
            plain = columns[column].cast(pa.string())
            columns[column] = pc.if_else(pc.and_(flags, plain.is_valid()), pa.scalar(MASKED), plain)


def lake_texts(
    connection: duckdb.DuckDBPyConnection, contract: Contract, checked: Checked, keep: np.ndarray | None, known_name: pa.Array | None
) -> dict[str, pa.Array]:
    """Free texts without names and numbers, and what is read from texts."""
    free = [f for f in contract.lake_fields if f.classification == "free_text" and not f.derivation]
    made = [f for f in contract.lake_fields if f.derivation]
    if not free and not made:
        return {}
    relation: dict[str, pa.Array] = {}
    local = contract.subject_field("local_no")
    for f in {*(f.name for f in free), *([local.name] if local and free else [])}:
        relation[f] = _kept(checked.values(f), keep)
    for f in {f.derived_from for f in made}:
        relation[f"t:{f}"] = _kept(checked.clean_text(f), keep)
    if known_name is not None:
        relation["_known_name"] = _kept(known_name, keep)
    outputs = [f"{_scrubbed(f, local, is_named=known_name is not None)} as {name(f.name)}" for f in free] + [
        f"{derived(f)} as {name(f.name)}" for f in made
    ]
    answer = ask(connection, "told", pa.table(relation), f"select {', '.join(outputs)} from told")
    return {f: one(answer[f]) for f in answer.column_names}


def _scrubbed(field: Field, local: Field | None, *, is_named: bool) -> str:
    return scrub.scrubbed(name(field.name), known_name="_known_name" if is_named else None, own_number=name(local.name) if local else None)
