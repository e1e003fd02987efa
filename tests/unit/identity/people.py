"""People told straight to a vault, and what the linkage makes of them."""

from __future__ import annotations

from datetime import date

from infra.settings import Settings
from ingestion import duck
from ingestion.identity import linking, queue, vault

FIELDS = ("person_name", "birth_date", "sex_code", "mobile_phone", "residence_address", "id_card_no")
# A woman whom a source knows by her number; the tests vary what another source says of her.
WANG = {
    "person_name": "王晓静",
    "birth_date": "1961-03-05",
    "sex_code": "2",
    "mobile_phone": "13912345678",
    "residence_address": "山西省太原市小店区平阳路12号学府小区3号楼2单元501室",
    "id_card_no": "149901196103050022",
}
DAY = date(2025, 1, 31)


def tell(settings: Settings, records: dict[str, dict[str, str | None]], day: date = DAY) -> None:
    """Records (organisation's own number → what it says) of hospitals that each know one person, delivered on a day."""
    connection = duck.connect()
    with vault.opened(settings, connection):
        for number, said in records.items():
            known = connection.execute("select identity_id from vault.identity where key = $k", {"k": number}).fetchone()
            identity = known[0] if known else "I" + str(connection.execute("select nextval('vault.identity_sequence')").fetchone()[0]).zfill(11)
            if not known:
                connection.execute("insert into vault.identity values ($1, 'local', $2, $3, $4)", [identity, f"H{number}", number, day])
            values = [said.get(f) for f in FIELDS]
            demographic = "|".join(values[:4]) if all(values[:4]) else None
            connection.execute(
                """
                insert into vault.claim by name select $1 as identity_id, $2 as id_card_no, $3 as demographic, $4 as person_name, $5 as sex_code,
                    cast($6 as date) as birth_date, $7 as mobile_phone, $8 as residence_address, $9 as organisation, $10 as delivered_on,
                    (select coalesce(max(position), -1) + 1 from vault.claim) as position, $11 as batch_id, false as linked
                """,
                [identity, values[5], demographic, values[0], values[2], values[1], values[3], values[4], f"H{number}", day, f"b{day}"],
            )


def decide(settings: Settings, number: str, left: str, right: str, verdict: str, day: date, supersedes: str | None = None) -> None:
    """A clerk's verdict on the records of two own numbers, as `decisions.take_over` would have brought it in."""
    connection = duck.connect()
    with vault.opened(settings, connection):
        linking.prepare(connection)
        sides = [connection.execute("select identity_id from vault.identity where key = $k", {"k": k}).fetchone()[0] for k in (left, right)]
        connection.execute(
            "insert into vault.link_decision values ($1, $2, $3, 'YS001', $2, '核对原始病历', $4, $5, $6, false)",
            [number, day, verdict, supersedes, *sides],
        )


def groups(settings: Settings) -> list[list[str]]:
    """Own numbers by person."""
    connection = duck.connect()
    with vault.opened(settings, connection):
        rows = connection.execute(
            """
            select list(key order by key) from (
                select identity_id, person_id from vault.identity_person
                qualify row_number() over (partition by identity_id order by change_no desc) = 1
            ) inner join vault.identity using (identity_id) group by person_id order by 1
            """
        ).fetchall()
    return [keys for (keys,) in rows]


def waiting(settings: Settings) -> list[tuple[str, str]]:
    """Pairs of own numbers that wait for a clerk."""
    connection = duck.connect()
    with vault.opened(settings, connection):
        queue.waiting(connection)
        found = connection.execute(
            """
            select a.key, b.key from waiting as w inner join vault.link_statement as l on l.node_no = w.record_node
            inner join vault.link_statement as r on r.node_no = w.other_node
            inner join vault.identity as a on a.identity_id = l.identity_id inner join vault.identity as b on b.identity_id = r.identity_id
            """
        ).fetchall()
    return sorted(tuple(sorted(pair)) for pair in found)


def events(settings: Settings) -> list[tuple[str, str, str]]:
    """Event, reason and evidence, in order."""
    connection = duck.connect()
    with vault.opened(settings, connection):
        return connection.execute("select event, reason, evidence from vault.person_event order by event_no").fetchall()
