"""A small lake: two organisations, a few feeds, batches that wait for a verdict."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from infra.settings import Settings
from ingestion import lake, ops
from ingestion.contracts import contract

DELIVERED = date(2025, 6, 1)


def fit_row(n: int, **changed: Any) -> dict[str, Any]:
    """A good row of the FIT feed."""
    return {
        "record_key": f"k{n}",
        "identity_id": f"i{n}",
        "screening_no": f"s{n}",
        "survey_no": f"q{n}",
        "sex_code": "1",
        "birth_date": date(1960, 1, 1),
        "sampled_date": date(2025, 5, 1 + n % 28),
        "test_date": date(2025, 5, 1 + n % 28),
        "fit_result_code": "1",
        **changed,
    }


Deliver = Callable[..., str]


@pytest.fixture
def deliver(settings: Settings) -> Deliver:
    """Lay a batch into lake and ledger, as the loader does; returns the batch id."""

    def _deliver(
        rows: list[dict[str, Any]],
        *,
        feed: str = "screening_fit",
        organisation: str = "S1401",
        source: str = "screening_centre",
        delivered_on: date = DELIVERED,
        quarantined: int = 0,
        batch_id: str | None = None,
        persons: bool = True,
        **ledger: Any,
    ) -> str:
        batch_id = batch_id or f"{organisation}-{feed}-{delivered_on:%m%d}"
        schema = lake.lake_schema(contract(feed))
        lineage = {"_source": source, "_organisation": organisation, "_batch": batch_id, "_delivered_on": delivered_on, "_file": "f.csv"}
        cells = [{**row, **lineage, "_row": n} for n, row in enumerate(rows, 1)]
        table = lake.table(settings, lake.LAKE, feed, schema)
        if cells:
            lake.append(table, batch_id, [pa.Table.from_pylist(cells, schema=schema)])
        known = sorted({r["identity_id"] for r in rows if r.get("identity_id")}) if persons else []
        if known:
            mapped = [
                {
                    "identity_id": i,
                    "person_id": f"P{i}",
                    "method": "alone" if i.startswith("alone") else "id_card_no",
                    "change_no": 1,
                    "known_on": delivered_on,
                }
                for i in known
            ]
            identities = lake.table(settings, lake.LAKE, "identity_map", lake.SUPPORT["identity_map"])
            lake.append(identities, f"map-{batch_id}", [pa.Table.from_pylist(mapped, schema=lake.SUPPORT["identity_map"])])
        common = {"batch_id": batch_id, "source": source, "organisation": organisation, "feed": feed, "delivered_on": delivered_on}
        file = {
            **common,
            "batch_id": batch_id if ledger.get("status", "loaded") == "loaded" else "",
            "ledger_id": f"l-{batch_id}",
            "file_name": "f.csv",
            "content_sha256": batch_id,
            "bytes": 100,
            "encoding": "utf-8",
            "rows_read": len(rows) + quarantined,
            "rows_accepted": len(rows),
            "rows_quarantined": quarantined,
            "status": "loaded",
            "reason_code": None,
            "reason_zh": None,
            "duplicate_of": None,
            "recorded_at": ops.now(),
            **ledger,
        }
        with ops.transaction(settings.ops_url) as connection:
            ops.replace(connection, ops.file_ledger, [file])
            if file["status"] == "loaded":
                state = {**common, "status": "loaded", "rule": None, "reason_zh": None, "decided_at": ops.now()}
                ops.replace(connection, ops.batch_state, [state])
        return batch_id

    return _deliver
