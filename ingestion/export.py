"""What the vault tells the lake: which identity is which person, and what happened to person keys. Keys only, never who they are."""

from __future__ import annotations

from infra.settings import Settings
from ingestion import duck, lake
from ingestion.identity import linking, vault

QUERIES = {
    "identity_map": (
        "select identity_id, person_id, method, change_no, known_on, row_no as place from vault.identity_person where row_no > $last order by row_no"
    ),
    "person_event": (
        "select event_no, event, person_id, other_person_id, identity_id, reason, known_on, evidence, recorded_at, event_no as place"
        " from vault.person_event"
        " where event_no > $last order by event_no"
    ),
}
PLACE = "last_place"


def _last_place(table: lake.Table) -> int:
    return max((int(s.summary.additional_properties.get(PLACE, 0)) for s in table.metadata.snapshots if s.summary), default=0)


def export(settings: Settings) -> dict[str, int]:
    """Append to the lake what the vault has added since the last export. Returns rows per table.

    The lake itself remembers how far it has come (in its snapshots' properties), so a killed export is repeated without doubling a row.
    """
    connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
    added = {}
    with vault.opened(settings, connection):
        linking.prepare(connection)
        for name, query in QUERIES.items():
            schema = lake.SUPPORT[name]
            target = lake.table(settings, lake.LAKE, name, schema)
            rows = connection.execute(query, {"last": _last_place(target)}).to_arrow_table()
            added[name] = len(rows)
            if len(rows):
                target.append(lake.conform(rows, schema), snapshot_properties={PLACE: str(rows["place"][-1].as_py())})
    return added
