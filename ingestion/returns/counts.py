"""Defects counted: per organisation and state for report and summary, per feed, field and reason for the metadata database."""

from __future__ import annotations

from hashlib import md5
from typing import Any

import pyarrow as pa
from sqlalchemy import func, select

from infra.settings import Settings
from ingestion import ops
from ingestion.returns.wording import STATES_ZH

GRAIN = ("source", "organisation", "feed", "field", "kind", "reason_code", "reason_zh", "severity", "state")
COUNTED = pa.schema(
    [
        ("defect_group", pa.string()),
        *[(name, pa.string()) for name in GRAIN],
        ("defects", pa.int64()),
        ("first_seen", pa.date32()),
        ("last_seen", pa.date32()),
        ("earliest_deadline", pa.date32()),
    ]
)


def by_organisation(settings: Settings) -> list[dict[str, Any]]:
    """Per organisation: how many defects are open, overdue, closed and withdrawn, and its last return file (a path under LAKEHOUSE_HOME, or None)."""
    d = ops.defect
    files = {r["organisation"]: r["file"] for r in ops.rows(settings.ops_url, ops.defect_return)}
    found: dict[str, dict[str, Any]] = {o: dict.fromkeys(STATES_ZH, 0) for o in files}
    with ops.engine(settings.ops_url).connect() as connection:
        for organisation, state, count in connection.execute(select(d.c.organisation, d.c.state, func.count()).group_by(d.c.organisation, d.c.state)):
            found.setdefault(organisation, dict.fromkeys(STATES_ZH, 0))[state] = count
    return [{"organisation": o, **counts, "file": files.get(o)} for o, counts in sorted(found.items())]


def table(settings: Settings) -> pa.Table:
    """Defects by GRAIN, of which `defect_group` is the key: how many, first and last delivery, earliest deadline."""
    d = ops.defect
    keys = [d.c[name] for name in GRAIN]
    figures = (func.count(), func.min(d.c.first_seen), func.max(d.c.delivered_on), func.min(d.c.deadline))
    with ops.engine(settings.ops_url).connect() as connection:
        rows = connection.execute(select(*keys, *figures).group_by(*keys).order_by(*keys)).fetchall()
    named = ((md5("\x1f".join(str(v) for v in row[: len(GRAIN)]).encode()).hexdigest(), *row) for row in rows)
    return pa.Table.from_pylist([dict(zip(COUNTED.names, row, strict=True)) for row in named], schema=COUNTED)
