"""What the warehouse may read: Iceberg lake tables pinned to a snapshot, and small tables made from contracts and operations store.

The dbt plugin (DuckDB) and the loader (PostgreSQL) both take their sources from here, so every warehouse sees the same rows.
"""

from __future__ import annotations

import pyarrow as pa
from sqlalchemy import types

from infra.settings import Settings
from ingestion import lake, ops
from ingestion.contracts import codes, contracts
from ingestion.field_qc import reasons
from ingestion.returns import counts


def iceberg_inputs(settings: Settings) -> dict[str, str]:
    """Metadata file of the current snapshot of every lake table; tables that do not exist yet are created empty."""
    return {name: lake.table(settings, lake.LAKE, name, schema).metadata_location for name, schema in lake.lake_tables().items()}


def _arrow_schema(table: ops.Table) -> pa.Schema:
    def arrow(kind: types.TypeEngine) -> pa.DataType:
        match kind:
            case types.Date():
                return pa.date32()
            case types.DateTime():
                return pa.timestamp("us")
            case types.Integer():
                return pa.int64()
            case types.Float():
                return pa.float64()
        return pa.string()

    return pa.schema([(c.name, arrow(c.type)) for c in table.columns])


def _ops(settings: Settings, table: ops.Table) -> pa.Table:
    found = ops.rows(settings.ops_url, table)
    for row in found:
        for key, value in row.items():
            if getattr(value, "tzinfo", None):
                row[key] = value.replace(tzinfo=None)
    return pa.Table.from_pylist(found, schema=_arrow_schema(table))


def arrow_inputs(settings: Settings) -> dict[str, pa.Table]:
    """Tables batch_ledger, batch_state, check_result, defect_count, contract_feed, contract_field, contract_rule, code_list
    and reason.
    """
    feeds = [
        {"feed": c.feed, "name_zh": c.name_zh, "version": c.version, "purpose": c.purpose, "grain": c.grain, "is_form": c.is_form}
        for c in contracts().values()
    ]
    fields = [
        {
            "feed": c.feed,
            "field": f.name,
            "position": position,
            "name_zh": f.name_zh,
            "description": f.description,
            "type": f.type,
            "unit": f.unit,
            "code_list": f.code_list,
            "is_multiple": f.multiple,
            "is_required": f.required,
            "is_key": f.primary_key,
            "minimum": f.minimum,
            "maximum": f.maximum,
            "pattern": f.pattern,
            "classification": f.classification,
            "severity": f.severity,
            "source_code": f.source_code,
            "contract_version": c.version,
        }
        for c in contracts().values()
        for position, f in enumerate(c.fields, 1)
    ]
    rules = [
        {"feed": c.feed, "rule": r.name, "description": r.description, "description_zh": r.description_zh, "severity": r.severity}
        for c in contracts().values()
        for r in c.rules
    ]
    typed = {"position": pa.int64(), "minimum": pa.float64(), "maximum": pa.float64()}
    flags = {"is_form", "is_multiple", "is_required", "is_key"}
    return {
        "batch_ledger": _ops(settings, ops.file_ledger),
        "batch_state": _ops(settings, ops.batch_state),
        "check_result": _ops(settings, ops.check_result),
        "defect_count": counts.table(settings),
        "contract_feed": _rows(feeds, typed, flags),
        "contract_field": _rows(fields, typed, flags),
        "contract_rule": _rows(rules, typed, flags),
        "code_list": _rows([c.model_dump() for c in codes()], typed, flags),
        "reason": _rows([r.model_dump() for r in reasons().values()], typed, flags),
    }


def _rows(rows: list[dict], typed: dict[str, pa.DataType], flags: set[str]) -> pa.Table:
    schema = pa.schema([(name, pa.bool_() if name in flags else typed.get(name, pa.string())) for name in rows[0]])
    return pa.Table.from_pylist(rows, schema=schema)
