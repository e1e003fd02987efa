"""Whether the raw zone's sealed cells are those that were sealed: every run of rows is opened with its tag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

import pyarrow as pa

from infra.settings import Settings
from ingestion import keyring, lake, sealing
from ingestion.contracts import contracts
from ingestion.encoded import one


@dataclass
class Seals:
    """What was found: runs whose tag holds, runs that were changed (feed and seal), rows sealed before there were tags."""

    intact: int = 0
    without_tag: int = 0
    tampered: list[tuple[str, str]] = field(default_factory=list)


def check_seals(settings: Settings) -> Seals:
    """Open every run of the raw zone."""
    found, keys = Seals(), keyring.by_id(settings, keyring.RAW_ZONE)
    for feed, described in contracts().items():
        stored = lake.table(settings, lake.RAW, feed, lake.raw_schema(described))
        batches = stored.scan(selected_fields=("_seal_id", "_seal_offset", "_sealed")).to_arrow_batch_reader()
        for seal_id, rows in groupby(_rows(batches), key=lambda row: row[0]):
            _check_run(found, feed, seal_id, list(rows), keys)
    return found


def _rows(batches: pa.RecordBatchReader) -> Iterator[tuple[str, int, bytes | None]]:
    for batch in batches:
        columns = (one(batch[c]) for c in ("_seal_id", "_seal_offset", "_sealed"))
        yield from zip(*(c.to_pylist() for c in columns), strict=True)


def _check_run(found: Seals, feed: str, seal_id: str, rows: list[tuple[str, int, bytes | None]], keys: Mapping[str, bytes]) -> None:
    if not sealing.is_authenticated(seal_id):
        found.without_tag += len(rows)
        return
    try:
        sealing.opened([r[2] for r in rows], seal_id, [r[1] for r in rows], keys)
    except (sealing.Tampered, KeyError):
        found.tampered.append((feed, seal_id))
    else:
        found.intact += 1
