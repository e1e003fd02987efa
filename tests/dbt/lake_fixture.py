"""A small lake written by hand: a few people whose whole way is known, delivered through `ingestion.lake` like real batches.

    province = Province(settings)
    province.deliver("NP14", "questionnaire", "2025-03-01", [{"person": "li", "survey_date": "2025-02-20", "sex_code": "1", ...}])
    province.close()

`person` stands for the subject; every organisation knows it under an identity of its own, and the identity map joins them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from infra.settings import Settings
from ingestion import lake, ops
from ingestion.contracts import contract

RECORDED_AT = datetime(2025, 7, 1, tzinfo=UTC)


def day(text: str | date) -> date:
    return text if isinstance(text, date) else date.fromisoformat(text)


def typed(value: Any, kind: pa.DataType) -> Any:
    """A readable literal as the lake's type: text for dates and decimals is enough."""
    if value is None:
        return None
    if pa.types.is_date(kind):
        return day(value)
    if pa.types.is_decimal(kind):
        return Decimal(str(value)).quantize(Decimal(1).scaleb(-kind.scale))
    if pa.types.is_integer(kind):
        return int(value)
    if pa.types.is_boolean(kind):
        return value if isinstance(value, bool) else {"true": True, "false": False}[value]
    return value


def table(text: str) -> list[dict[str, str | None]]:
    """Rows written as a table: a line of column names, then a line per row; blanks part the cells and "-" is missing."""
    head, *lines = [line.split() for line in text.strip().splitlines()]
    return [{name: None if cell == "-" else cell for name, cell in zip(head, cells, strict=True)} for cells in lines]


class Province:
    """Collects deliveries; `close` writes rows, ledger, batch states, exceptions and the identity map."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.identities: dict[str, tuple[str, date]] = {}
        self.ledger: list[dict[str, Any]] = []
        self.states: list[dict[str, Any]] = []
        self.answers: list[dict[str, Any]] = []
        self.quarantined: list[dict[str, Any]] = []
        self.batches = 0
        self.tables: dict[str, list[tuple[str, pa.Table]]] = {}

    def deliver(
        self,
        organisation: str,
        feed: str,
        on: str,
        rows: Iterable[Mapping[str, Any]],
        *,
        status: str = "released",
        family: str | None = None,
    ) -> str:
        """Append one batch of a feed in one file; `family` is the feed's first where none is given.

        A row may carry `answers`, the exceptions of its form answers, and `_deleted`.
        """
        found, rows = contract(feed), list(rows)
        schema = lake.lake_schema(found)
        self.batches += 1
        batch = f"b{self.batches:03d}"
        lineage = {
            "_source": family or found.source_families[0],
            "_organisation": organisation,
            "_batch": batch,
            "_delivered_on": day(on),
            "_file": f"{feed}_{on}_{self.batches:03d}.csv",
        }
        records = []
        for number, row in enumerate(rows, 1):
            values = {"_deleted": False, **row, **lineage, "_row": number, "_part": 0}
            person = row.get("person")
            if person:
                values["identity_id"] = f"{organisation}-{person}"
                known = self.identities.get(values["identity_id"], (person, day(on)))[1]
                self.identities[values["identity_id"]] = (person, min(known, day(on)))
            key = [str(row.get(f.name)) for f in found.primary_key if f.in_lake] + ([person] if person else [])
            values["record_key"] = f"{organisation}/{feed}/{'/'.join(key)}"
            for answer in row.get("answers", []):
                self.answers.append(
                    {
                        **lineage,
                        "_row": number,
                        "_part": 0,
                        "feed": feed,
                        "record_key": values["record_key"],
                        "standard_value": None,
                        "comparator": None,
                        "reason_zh": "测试",
                        "is_row_accepted": True,
                        **answer,
                    }
                )
            unknown = set(row) - set(schema.names) - {"person", "answers"}
            if unknown:
                raise KeyError(f"feed {feed} has no field {', '.join(sorted(unknown))}")
            records.append({f.name: typed(values.get(f.name), f.type) for f in schema})
        self.tables.setdefault(feed, []).append((batch, pa.Table.from_pylist(records, schema=schema)))
        self.ledger.append(
            {
                "ledger_id": f"l{self.batches:03d}",
                "source": lineage["_source"],
                "organisation": organisation,
                "feed": feed,
                "batch_id": batch,
                "delivered_on": day(on),
                "file_name": lineage["_file"],
                "content_sha256": f"{self.batches:064d}",
                "bytes": 1,
                "encoding": "utf-8",
                "rows_delivered": len(records),
                "rows_without_record": 0,
                "rows_read": len(records),
                "rows_accepted": len(records),
                "rows_quarantined": 0,
                "status": "loaded",
                "recorded_at": RECORDED_AT,
            }
        )
        self.states.append(
            {
                "batch_id": batch,
                "source": lineage["_source"],
                "organisation": organisation,
                "feed": feed,
                "delivered_on": day(on),
                "status": status,
                "rule": "planted" if status == "held" else None,
                "reason_zh": "测试：整批暂缓" if status == "held" else None,
                "decided_at": RECORDED_AT,
            }
        )
        return batch

    def quarantine(self, batch: str, row: int, answers: Mapping[str, str], reason: str) -> None:
        """Record a quarantined row of a delivered batch with the raw text of its answers."""
        state = next(s for s in self.states if s["batch_id"] == batch)
        lineage = {
            "_source": state["source"],
            "_organisation": state["organisation"],
            "_batch": batch,
            "_delivered_on": state["delivered_on"],
            "_file": next(x["file_name"] for x in self.ledger if x["batch_id"] == batch),
            "_row": row,
            "_part": 0,
        }
        self.quarantined.append(
            {
                **lineage,
                "feed": state["feed"],
                "field": next(iter(answers)),
                "reason_code": reason,
                "reason_zh": "测试",
                "severity": "error",
            }
        )
        for field, raw in answers.items():
            self.answers.append(
                {
                    **lineage,
                    "feed": state["feed"],
                    "field": field,
                    "raw_value": raw,
                    "verdict": "quarantined",
                    "reason_code": reason,
                    "reason_zh": "测试",
                    "is_row_accepted": False,
                }
            )
        ledger = next(x for x in self.ledger if x["batch_id"] == batch)
        ledger["rows_delivered"] += 1
        ledger["rows_read"] += 1
        ledger["rows_quarantined"] += 1

    def close(self) -> None:
        """Append the rows, one commit per feed, and write everything that belongs to the deliveries beside them."""
        for feed, delivered in self.tables.items():
            table = lake.table(self.settings, lake.LAKE, feed, lake.lake_schema(contract(feed)))
            lake.append(table, " ".join(batch for batch, _ in delivered), [pa.concat_tables(rows for _, rows in delivered)])
        people = [
            {"identity_id": identity, "person_id": f"p-{person}", "method": "id_card_no", "change_no": number, "known_on": known}
            for number, (identity, (person, known)) in enumerate(sorted(self.identities.items()), 1)
        ]
        for name, rows in (("identity_map", people), ("form_answer", self.answers), ("quarantine", self.quarantined)):
            schema = lake.SUPPORT[name]
            support = lake.table(self.settings, lake.LAKE, name, schema)
            lake.append(support, f"fixture-{name}-{self.batches}", [pa.Table.from_pylist(rows, schema=schema)])
        with ops.transaction(self.settings.ops_url) as connection:
            for row in self.ledger:
                ops.replace(connection, ops.file_ledger, [row])
            for row in self.states:
                ops.replace(connection, ops.batch_state, [row])
