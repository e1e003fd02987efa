"""The Iceberg tables of raw zone and lake: their schemas, derived from the contracts, and appends that can be repeated.

Every append carries its batch id in the snapshot's properties. A batch that is already in a table is not appended again, so a
step that was killed between two tables can run once more.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from functools import cache

import pyarrow as pa
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import CommitFailedException, NamespaceAlreadyExistsError, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, Transaction
from pyiceberg.table.metadata import TableMetadata

from infra.settings import Settings
from ingestion.contracts import Contract, contracts

RAW, LAKE = "raw", "lake"

LINEAGE = pa.schema(
    [
        ("_source", pa.string()),
        ("_organisation", pa.string()),
        ("_batch", pa.string()),
        ("_delivered_on", pa.date32()),
        ("_file", pa.string()),
        ("_row", pa.int64()),
        ("_part", pa.int32()),
    ]
)
# The source says that the record is deleted; only its key counts.
DELETED = pa.field("_deleted", pa.bool_())

# A report is a record's texts of one kind, read together; items and findings are what the text engine reads in it, each with its evidence.
_OF_REPORT = [
    *LINEAGE,
    ("feed", pa.string()),
    ("record_key", pa.string()),
    ("identity_id", pa.string()),
    ("kind", pa.string()),
]
_EVIDENCE = [
    ("text_field", pa.string()),
    ("span_start", pa.int64()),
    ("span_end", pa.int64()),
    ("evidence", pa.string()),
    ("rule", pa.string()),
    ("engine_version", pa.string()),
]

SUPPORT = {
    "text_report": pa.schema(
        [
            *_OF_REPORT,
            ("text_fields", pa.string()),
            ("characters", pa.int64()),
            ("is_structured", pa.bool_()),
            ("reason_code", pa.string()),
            ("items", pa.int64()),
            ("findings", pa.int64()),
            ("lesions", pa.int64()),
            ("compared_items", pa.string()),
            ("conflicting_items", pa.string()),
            ("engine_version", pa.string()),
        ]
    ),
    "text_field": pa.schema(
        [
            *_OF_REPORT,
            ("item_no", pa.int64()),
            ("lesion_no", pa.int64()),
            ("item", pa.string()),
            ("value_text", pa.string()),
            ("value_number", pa.float64()),
            ("unit", pa.string()),
            *_EVIDENCE,
        ]
    ),
    "text_finding": pa.schema(
        [
            *_OF_REPORT,
            ("finding_no", pa.int64()),
            ("concept", pa.string()),
            ("category", pa.string()),
            ("assertion", pa.string()),
            ("side_code", pa.string()),
            ("site", pa.string()),
            ("attributes", pa.string()),
            *_EVIDENCE,
        ]
    ),
    # A distinct text of an organisation's field with the codes it means, a row a code; `coded_no` counts the codings, the highest holds.
    "text_code": pa.schema(
        [
            ("_organisation", pa.string()),
            ("_batch", pa.string()),
            ("_delivered_on", pa.date32()),
            ("text_key", pa.string()),
            ("feed", pa.string()),
            ("field", pa.string()),
            ("text_kind", pa.string()),
            ("text", pa.string()),
            ("item_code", pa.string()),
            ("delivered_loinc_code", pa.string()),
            ("printed_unit", pa.string()),
            ("specimen", pa.string()),
            ("status", pa.string()),
            ("unread", pa.string()),
            ("code_no", pa.int64()),
            ("code_system", pa.string()),
            ("code", pa.string()),
            ("code_name_zh", pa.string()),
            ("role", pa.string()),
            ("behaviour", pa.string()),
            ("site", pa.string()),
            ("cancer", pa.string()),
            ("assertion", pa.string()),
            ("laterality_code", pa.string()),
            ("is_recurrence", pa.bool_()),
            ("morphology_code", pa.string()),
            ("from_unit", pa.string()),
            ("unit_status", pa.string()),
            ("confidence", pa.float64()),
            ("method", pa.string()),
            ("rule", pa.string()),
            ("span_start", pa.int64()),
            ("span_end", pa.int64()),
            ("decision_no", pa.string()),
            ("coded_with", pa.string()),
            ("coded_no", pa.int64()),
        ]
    ),
    "quarantine": pa.schema(
        [
            *LINEAGE,
            ("feed", pa.string()),
            ("record_key", pa.string()),
            ("field", pa.string()),
            ("reason_code", pa.string()),
            ("reason_zh", pa.string()),
            ("severity", pa.string()),
            ("value_class", pa.string()),
        ]
    ),
    "form_answer": pa.schema(
        [
            *LINEAGE,
            ("feed", pa.string()),
            ("record_key", pa.string()),
            ("field", pa.string()),
            ("raw_value", pa.string()),
            ("standard_value", pa.string()),
            ("comparator", pa.string()),
            ("verdict", pa.string()),
            ("reason_code", pa.string()),
            ("reason_zh", pa.string()),
            ("is_row_accepted", pa.bool_()),
        ]
    ),
    "identity_map": pa.schema(
        [
            ("identity_id", pa.string()),
            ("person_id", pa.string()),
            ("method", pa.string()),
            ("change_no", pa.int64()),
            ("known_on", pa.date32()),
        ]
    ),
    "person_event": pa.schema(
        [
            ("event_no", pa.int64()),
            ("event", pa.string()),
            ("person_id", pa.string()),
            ("other_person_id", pa.string()),
            ("identity_id", pa.string()),
            ("reason", pa.string()),
            ("known_on", pa.date32()),
            ("evidence", pa.string()),
            ("recorded_at", pa.timestamp("us")),
        ]
    ),
}

_DECIMAL = re.compile(r"decimal\((\d+),(\d+)\)")


def arrow_type(physical: str) -> pa.DataType:
    """The Arrow type of a contract's physical type. Raises ValueError for one that is not known."""
    if match := _DECIMAL.fullmatch(physical):
        return pa.decimal128(int(match[1]), int(match[2]))
    simple = {"string": pa.string(), "int": pa.int64(), "date": pa.date32(), "bool": pa.bool_()}
    if physical not in simple:
        raise ValueError(f"physical type {physical!r} of a contract is not known")
    return simple[physical]


def lake_schema(contract: Contract) -> pa.Schema:
    """Columns of a feed in the lake: keys, lineage, then the typed fields that may leave the vault."""
    fields = [pa.field("record_key", pa.string())]
    if contract.subject:
        fields.append(pa.field("identity_id", pa.string()))
    fields.extend([*LINEAGE, DELETED])
    for f in contract.lake_fields:
        fields.append(pa.field(f.name, arrow_type(f.type)))
        if f.comparator:
            fields.append(pa.field(f"{f.name}_comparator", pa.string()))
        if f.keep_text:
            fields.append(pa.field(f"{f.name}_text", pa.string()))
    return pa.schema(fields)


def raw_schema(contract: Contract) -> pa.Schema:
    """Columns of a feed in the raw zone: lineage, verdict, every open field as delivered, and the sealed remainder of the row."""
    return pa.schema(
        [
            *LINEAGE,
            DELETED,
            ("_status", pa.string()),
            ("_verdicts", pa.string()),
            ("_seal_layout", pa.string()),
            ("_seal_id", pa.string()),
            ("_seal_offset", pa.int64()),
            ("_sealed", pa.large_binary()),
            *[(f.name, pa.string()) for f in contract.fields if not f.sealed and not f.derivation],
        ]
    )


def lake_tables() -> dict[str, pa.Schema]:
    """Every table of the lake namespace that dbt may read, with its schema."""
    return {**{name: lake_schema(c) for name, c in contracts().items()}, **SUPPORT}


@cache
def _catalogue(options: tuple[tuple[str, str], ...]) -> Catalog:
    catalogue = load_catalog("lakehouse", **dict(options))
    for namespace in (RAW, LAKE):
        with contextlib.suppress(NamespaceAlreadyExistsError):
            catalogue.create_namespace(namespace)
    return catalogue


def catalogue(settings: Settings) -> Catalog:
    """The Iceberg catalogue of the profile."""
    if settings.catalogue["type"] == "sql" and settings.catalogue["uri"].startswith("sqlite:"):
        (settings.home / "lake" / "data").mkdir(parents=True, exist_ok=True)
    return _catalogue(tuple(sorted(settings.catalogue.items())))


def table(settings: Settings, namespace: str, name: str, schema: pa.Schema) -> Table:
    """Load a table, creating it where it is missing; columns that the schema has gained since are added, null in the rows that are there."""
    found = catalogue(settings)
    try:
        return _widened(found.load_table((namespace, name)), schema)
    except NoSuchTableError:
        try:
            return found.create_table(
                (namespace, name),
                schema=schema,
                properties={"commit.retry.num-retries": "20", "write.metadata.delete-after-commit.enabled": "true"},
            )
        except TableAlreadyExistsError:
            return found.load_table((namespace, name))


def _widened(loaded: Table, schema: pa.Schema) -> Table:
    while missing := [f for f in schema if f.name not in loaded.schema().column_names]:
        try:
            with loaded.update_schema() as update:
                update.union_by_name(pa.schema(missing))
        except CommitFailedException:  # another process was quicker
            loaded.refresh()
    return loaded


def has_batch(loaded: Table, batch_id: str) -> bool:
    """Whether a batch has been appended to a table; a commit may carry several batches, joined by blanks."""
    return any(s.summary and batch_id in s.summary.additional_properties.get("batch_id", "").split() for s in loaded.metadata.snapshots)


def append(loaded: Table, batch_id: str, chunks: Iterable[pa.Table]) -> bool:
    """Append the chunks of one batch (or of several, ids joined by blanks) in one commit.

    Returns False, without reading the chunks, when all of it is there already.
    """
    if all(has_batch(loaded, b) for b in batch_id.split()):
        return False
    with loaded.transaction() as transaction:
        for chunk in chunks:
            transaction.append(chunk, snapshot_properties={"batch_id": batch_id})
    return True


class _Transaction(Transaction):
    """The library copies all metadata of a table each time it looks something up in it; here once a change, and not before the first."""

    _known: tuple[object, object, TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        if not self._updates:
            return self._table.metadata
        if self._known is None or self._known[0] is not self._updates or self._known[1] is not self._table.metadata:
            self._known = (self._updates, self._table.metadata, super().table_metadata)
        return self._known[2]


def commit_file(loaded: Table, batch_id: str, file: DataFile | None, **said: str) -> None:
    """Commit a written file of one batch (or of several, ids joined by blanks); None stands for a batch without rows.

    `said` is what the snapshot says beside the batches.
    """
    told = {"batch_id": batch_id, **said}
    with _Transaction(loaded) as transaction, transaction.update_snapshot(snapshot_properties=told).fast_append() as append:
        if file is not None:
            append.append_data_file(file)


def conform(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows in the order and types of a table's schema; columns that are not there are null, others are left out."""
    columns = [rows[f.name].cast(f.type) if f.name in rows.column_names else pa.nulls(len(rows), f.type) for f in schema]
    return pa.table(columns, schema=schema)
