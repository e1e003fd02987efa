"""Who the rows of a chunk are about: their identities, and the names known of them."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from infra.settings import Settings
from ingestion.check import Checked
from ingestion.encoded import one, spread, written
from ingestion.identity import vault


def identities(
    settings: Settings, connection: duckdb.DuckDBPyConnection, organisation: str, checked: Checked, batch: pa.Array, delivered_on: pa.Array
) -> tuple[pa.Array, pa.Array]:
    """Identity and known name of each row; identities are issued to the rows that are in order.

    batch, delivered_on  of each row
    """
    contract = checked.contract
    local = contract.subject_field("local_no")
    parts = [f for f in contract.fields if f.subject]
    if contract.subject != "person" and parts == [local]:
        identity, name, rest = _by_number(settings, connection, organisation, checked, delivered_on)
    else:
        identity, name, rest = pa.nulls(len(checked), pa.string()), pa.nulls(len(checked), pa.string()), np.arange(len(checked))
    if not len(rest):
        return identity, name
    found = _by_everything(settings, connection, organisation, checked, batch, delivered_on, rest)
    if len(rest) == len(checked):
        return one(found["identity_id"]), one(found["person_name"])
    where = np.full(len(checked), -1)
    where[rest] = np.arange(len(rest))
    filled = (one(found[c]).take(pa.array(where, mask=where < 0)) for c in ("identity_id", "person_name"))
    return tuple(pc.coalesce(by_number, other) for by_number, other in zip((identity, name), filled, strict=True))


def _issued(checked: Checked) -> np.ndarray:
    """Rows whose person gets an identity: those in order, unless they delete a record whose key is not the person's."""
    contract = checked.contract
    key_is_person = contract.keyed_by_subject or any(not f.in_lake for f in contract.primary_key)
    return checked.ok if key_is_person else checked.ok & ~checked.deleted


def _by_number(
    settings: Settings, connection: duckdb.DuckDBPyConnection, organisation: str, checked: Checked, delivered_on: pa.Array
) -> tuple[pa.Array, pa.Array, np.ndarray]:
    """Identities by the organisation's own number, which stands in many rows; the rows in order that have none are left over."""
    judged = checked.fields[checked.contract.subject_field("local_no").name]
    if judged.place is None:
        found = judged.value.dictionary_encode(null_encoding="encode")
        keys, place = found.dictionary, found.indices.to_numpy()
    else:
        keys, place = judged.value, judged.place
    issued = np.flatnonzero(_issued(checked))
    first, since = np.full(len(keys), -1), np.full(len(keys), np.iinfo(np.int32).max, np.int32)
    first[place[issued][::-1]] = issued[::-1]
    np.minimum.at(since, place[issued], delivered_on.cast(pa.int32()).to_numpy()[issued])
    numbers = pa.table(
        {
            "no": pa.array(np.arange(len(keys))),
            "key": keys,
            "place": pa.array(first, mask=first < 0),
            "first_seen": pa.array(since, mask=first < 0).cast(pa.date32()),
        }
    )
    answer = vault.of_numbers(settings, connection, organisation, numbers)
    if len(answer) != len(keys):
        raise RuntimeError(f"{len(keys)} numbers have {len(answer)} identities; nothing was stored")
    without = keys.is_null().to_numpy(zero_copy_only=False)
    rest = np.flatnonzero(without[place]) if without.any() else np.zeros(0, np.int64)
    return spread(one(answer["identity_id"]), place), spread(one(answer["person_name"]), place), rest


def _by_everything(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    organisation: str,
    checked: Checked,
    batch: pa.Array,
    delivered_on: pa.Array,
    rows: np.ndarray,
) -> pa.Table:
    """Identities by number, ID card, name and the rest, whatever a row has; what rows say of their person is kept as claims."""
    contract, whole = checked.contract, len(rows) == len(checked)
    keep = None if whole else rows
    subject = {
        "_seq": pa.array(rows),
        "_batch": batch if whole else batch.take(pa.array(rows)),
        "_delivered_on": delivered_on if whole else delivered_on.take(pa.array(rows)),
        "_accepted": pa.array(checked.ok[rows]),
        "_deleted": pa.array(checked.deleted[rows]),
    }
    for f in contract.fields:
        if (f.subject or f.primary_key) and not f.derivation:
            subject[f.name] = written(checked.fields[f.name].value, checked.fields[f.name].place, keep)
    connection.register("subject_row", pa.table(subject))
    with vault.opened(settings, connection):
        found = vault.identify(connection, contract, organisation, "subject_row")
    connection.unregister("subject_row")
    if len(found) != len(rows):
        raise RuntimeError(f"feed {contract.feed}: {len(rows)} rows have {len(found)} identities; nothing was stored")
    return found
