"""The identity vault: who the people behind the records are, in an encrypted database that nothing but `ingestion` opens.

One process at a time has the vault open, and asks for a key before it issues an identity: that keeps keys unique, at a third of what an index costs.
An identity is what one source knows a person by: a valid ID number, an organisation's own number, or name + birth date + sex + phone.
A claim is what a source said about an identity on a delivery date; a document is a passport or permit it stated, which is no key.
Linking (see `linking.py`) turns identities into persons.
DuckDB encrypts the file with AES-256-GCM, page by page, write-ahead log included; its key is on the key ring (`ingestion/keyring.py`).
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
from filelock import FileLock

from infra.settings import Settings
from ingestion import duck, keyring
from ingestion.contracts import Contract
from ingestion.duck import load_extensions
from ingestion.identity import id_number

SCHEMA = """
create sequence if not exists vault.identity_sequence;
create sequence if not exists vault.person_sequence;
create sequence if not exists vault.event_sequence;
create sequence if not exists vault.map_sequence;
create table if not exists vault.identity (
    identity_id varchar not null, kind varchar not null, organisation varchar not null, key varchar not null, first_seen date not null
);
create table if not exists vault.claim (
    identity_id varchar not null, id_card_no varchar, demographic varchar, person_name varchar, sex_code varchar,
    birth_date date, mobile_phone varchar, residence_address varchar,
    organisation varchar not null, delivered_on date not null, position bigint not null, batch_id varchar not null,
    linked boolean not null
);
create table if not exists vault.document (
    identity_id varchar not null, kind varchar not null, number varchar not null,
    organisation varchar not null, delivered_on date not null, batch_id varchar not null
);
create table if not exists vault.person_group (group_key varchar primary key, person_id varchar not null);
create table if not exists vault.identity_person (
    row_no bigint primary key, identity_id varchar not null, person_id varchar not null, method varchar not null, change_no bigint not null,
    known_on date not null, unique (identity_id, change_no)
);
create table if not exists vault.person_event (
    event_no bigint primary key, event varchar not null, person_id varchar not null, other_person_id varchar, identity_id varchar,
    reason varchar not null, known_on date not null
);
"""
ATTRIBUTES = ("person_name", "id_card_no", "sex_code", "birth_date", "mobile_phone", "residence_address")
UNSAID = {"cast(null as varchar)", "cast(null as date)"}
SUBJECT_PARTS = {"name": "person_name", **{a: a for a in ATTRIBUTES[1:]}}


@contextmanager
def opened(settings: Settings, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Attach the vault as `vault` for a short while; one process at a time, the others wait."""
    path = settings.vault_file
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(path.with_suffix(".lock"), timeout=600):
        load_extensions(connection, ["httpfs"])  # its cipher implementation may write; the built-in one may only read
        _attach(settings, connection)
        try:
            connection.execute(SCHEMA)
            yield
        finally:
            connection.execute("detach vault")


def _attach(settings: Settings, connection: duckdb.DuckDBPyConnection) -> bool:
    """Attach the database, by its newest key or, while a rotation is under way, by the one before. True where it was the newest.

    Raises KeyringError where no key opens it.
    """
    newest = keyring.current(settings, keyring.DATABASE)
    for key in (newest, *(k for k in reversed(keyring.keys(settings, keyring.DATABASE)) if k != newest)):
        try:
            _attach_file(connection, settings.vault_file, "vault", key)
        except duckdb.InvalidInputException as error:
            if "encryption key" not in str(error):
                raise
        else:
            return key == newest
    raise keyring.KeyringError(f"no key of the ring opens the vault {settings.vault_file}: is the ring beside it its own?")


def _attach_file(connection: duckdb.DuckDBPyConnection, path: Path, name: str, key: keyring.Key) -> None:
    old = os.umask(0o077)
    try:
        connection.execute(f"attach '{path}' as {name} (encryption_key '{b64encode(key.secret).decode()}')")
    finally:
        os.umask(old)


def rotate(settings: Settings) -> str:
    """Give the vault a new master key and its database a new key; returns what was done. See `keyring.rotate`."""
    return keyring.rotate(settings, lambda: _reencrypt(settings))


def _reencrypt(settings: Settings) -> None:
    """Copy the database into a file under its newest key, and put that in its place; nothing where it is under that key already."""
    path = settings.vault_file
    if not path.exists():
        return
    fresh = path.with_suffix(".fresh")
    with FileLock(path.with_suffix(".lock"), timeout=600), duck.connect(memory_limit=settings.memory_limit, threads=settings.threads) as connection:
        load_extensions(connection, ["httpfs"])
        if _attach(settings, connection):
            return
        for left in (fresh, fresh.with_name(fresh.name + ".wal")):
            left.unlink(missing_ok=True)
        _attach_file(connection, fresh, "fresh", keyring.current(settings, keyring.DATABASE))
        connection.execute("copy from database vault to fresh")
        _refuse_difference(connection)
        connection.execute("checkpoint fresh; checkpoint vault; detach fresh; detach vault")
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        if path.with_name(path.name + ".wal").exists():
            raise RuntimeError(f"the vault {path} has changes in its write-ahead log after a checkpoint; it was not replaced")
        keyring.replace(fresh, path)


def _refuse_difference(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise RuntimeError where the fresh copy does not hold what the vault holds."""
    for (table,) in connection.execute("select table_name from duckdb_tables() where database_name = 'vault'").fetchall():
        counts = [connection.execute(f"select count(*), bit_xor(hash(t)) from {name}.{table} as t").fetchone() for name in ("vault", "fresh")]
        if counts[0] != counts[1]:
            raise RuntimeError(
                f"the copy of the vault's table {table} has {counts[1][0]} rows, not the {counts[0][0]} of the vault; nothing was changed"
            )


def _demographic(columns: dict[str, str]) -> str:
    parts = [columns[a] for a in ("person_name", "birth_date", "sex_code", "mobile_phone")]
    if UNSAID & set(parts):
        return "cast(null as varchar)"
    name = f"regexp_replace(upper({parts[0]}), '[\\s　·•.]', '', 'g')"
    return f"case when length({name}) >= 2 then {name} || '|' || cast({parts[1]} as varchar) || '|' || {parts[2]} || '|' || {parts[3]} end"


def subject_columns(contract: Contract) -> dict[str, str]:
    """Vault attribute → SQL expression over a checked row, a null where the feed does not say."""
    found = {}
    for part, attribute in SUBJECT_PARTS.items():
        field = contract.subject_field(part)
        found[attribute] = f'"{field.name}"' if field else f"cast(null as {'date' if part == 'birth_date' else 'varchar'})"
    if field := contract.subject_field("id_card_no"):
        found["id_card_no"] = f'case when {id_number.is_key(chr(34) + field.name + chr(34))} then "{field.name}" end'
    return found


def prepare(connection: duckdb.DuckDBPyConnection) -> None:
    """Tables of one organisation's load beside the vault: numbers whose identity is known, and what the feed being loaded has changed."""
    connection.execute(
        """
        create temp table if not exists known_number (key varchar, identity_id varchar, first_seen date, person_name varchar);
        create temp table if not exists issued_identity (identity_id varchar);
        create temp table if not exists moved_identity (identity_id varchar, first_seen date);
        """
    )


def begin(connection: duckdb.DuckDBPyConnection) -> None:
    """From here on, what is issued can be taken back with `take_back`."""
    connection.execute("truncate issued_identity; truncate moved_identity")


def take_back(connection: duckdb.DuckDBPyConnection, batches: list[str]) -> None:
    """Undo what a feed has added, as one of its files turned out to be unreadable half way; the vault must be attached.

    Identities that somebody has claimed since, or that are linked, stay.
    """
    connection.execute("delete from vault.claim where batch_id in (select unnest($batches)) and not linked", {"batches": batches})
    connection.execute("delete from vault.document where batch_id in (select unnest($batches))", {"batches": batches})
    connection.execute(
        """
        delete from vault.identity where identity_id in (
            select identity_id from issued_identity anti join vault.claim using (identity_id) anti join vault.identity_person using (identity_id)
        );
        update vault.identity as i set first_seen = m.first_seen
        from (select identity_id, max(first_seen) as first_seen from moved_identity group by all) as m where i.identity_id = m.identity_id;
        truncate known_number; truncate issued_identity; truncate moved_identity;
        """
    )


SAME = "i.kind = s.kind and i.organisation = s.organisation and i.key = s.key"


def issue(connection: duckdb.DuckDBPyConnection) -> None:
    """Find the identities of the keys of `subject_key`, and issue new ones to those that have a place and none, in the order of their places.

    First days are moved back where need be. Leaves `keyed_identity`: the keys found or issued, with identity_id and first_seen.
    The vault's identities are looked through once: that they are deciphered costs more than all else.
    """
    organisations = [o for (o,) in connection.execute("select distinct organisation from subject_key").fetchall()] or [""]
    connection.execute(
        f"""
        create or replace temp table keyed_identity as
        select i.identity_id, i.kind, i.organisation, i.key, i.first_seen from vault.identity as i
        semi join subject_key as s on {SAME} where i.organisation in ({", ".join("?" * len(organisations))})
        """,
        organisations,
    )
    connection.execute(
        f"""
        create or replace temp table new_identity as
        select 'I' || lpad(cast(nextval('vault.identity_sequence') as varchar), 11, '0') as identity_id, kind, organisation, key, first_seen
        from (select s.* from subject_key as s anti join keyed_identity as i on {SAME} where s.place is not null order by s.place);
        insert into vault.identity from new_identity;
        insert into issued_identity select identity_id from new_identity;
        create or replace temp table earlier as
        select i.identity_id, i.first_seen as was, s.first_seen from keyed_identity as i inner join subject_key as s on {SAME}
        where i.first_seen > s.first_seen;
        insert into keyed_identity from new_identity;
        """
    )
    if connection.execute("select count(*) from earlier").fetchone()[0]:
        connection.execute(
            """
            insert into moved_identity select identity_id, was from earlier;
            update vault.identity as i set first_seen = e.first_seen from earlier as e where i.identity_id = e.identity_id;
            update keyed_identity as i set first_seen = e.first_seen from earlier as e where i.identity_id = e.identity_id;
            """
        )


def of_numbers(settings: Settings, connection: duckdb.DuckDBPyConnection, organisation: str, numbers: pa.Table) -> pa.Table:
    """Identities of an organisation's own numbers: the vault is opened only for numbers that this load has not met.

    numbers  `no` (0 …), `key`, and for those to be issued `place` (of the first row) and `first_seen`; null in the others
    Returns `identity_id` and `person_name` as known, in the order of `no`; null where a number is unknown and not to be issued.
    """
    connection.register("numbers", numbers)
    connection.execute(
        """
        create or replace temp table unmet as
        select n.key, n.place, n.first_seen from numbers as n left join known_number as k using (key)
        where n.key is not null and (k.key is null or n.first_seen < k.first_seen)
        """
    )
    if connection.execute("select count(*) from unmet").fetchone()[0]:
        with opened(settings, connection):
            connection.execute(
                "create or replace temp table subject_key as"
                " select 'local' as kind, $organisation as organisation, key, place, first_seen from unmet",
                {"organisation": organisation},
            )
            issue(connection)
            connection.execute("delete from known_number where key in (select key from unmet)")
            connection.execute(
                """
                insert into known_number
                select key, identity_id, first_seen, person_name from keyed_identity left join (
                    select identity_id, arg_max(person_name, (delivered_on, position)) as person_name
                    from vault.claim semi join keyed_identity using (identity_id) group by all
                ) using (identity_id)
                """
            )
    answer = connection.execute(
        "select k.identity_id, k.person_name from numbers as n left join known_number as k using (key) order by n.no"
    ).to_arrow_table()
    connection.unregister("numbers")
    return answer


def identify(connection: duckdb.DuckDBPyConnection, contract: Contract, organisation: str, relation: str) -> pa.Table:
    """Give every accepted row of a checked relation its identity, issuing new ones, and keep what these rows claim.

    The relation holds `_seq` (place of the row), `_batch`, `_delivered_on`, `_accepted`, `_deleted` and the contract's fields; the vault must be
    attached. A row not accepted, or marked deleted where the key is not the person's, gets the identity that is there or none; a row marked
    deleted claims nothing.
    Returns `identity_id` and `person_name` as known for the identity (to scrub texts with), in the order of `_seq`.
    """
    columns = subject_columns(contract)
    local = contract.subject_field("local_no")
    local_key = f'"{local.name}"' if local and contract.subject != "person" else "cast(null as varchar)"
    # where the person is part of a record's key, a record without number and telephone is known by all that it says of the person
    said = [columns[a] for a in ATTRIBUTES if a != "id_card_no"] if contract.keyed_by_subject else []
    key_parts = [f'"{f.name}"' for f in contract.primary_key] + said
    key_fields = " || '|' || ".join(f"coalesce(cast({part} as varchar), '')" for part in key_parts)
    demographic = _demographic(columns)
    key_is_person = contract.keyed_by_subject or any(not f.in_lake for f in contract.primary_key)
    issued = "true" if key_is_person else "not _deleted"
    connection.execute(
        f"""
        create or replace temp table subject as
        select _seq, _accepted and ({issued}) as is_issued, _accepted and not _deleted as claims, _batch as batch_id,
            _delivered_on as delivered_on, {", ".join(f"{e} as {a}" for a, e in columns.items())}, demographic,
            case
                when local_no is not null then 'local' when {columns["id_card_no"]} is not null then 'id_card'
                when demographic is not null then 'demographic' else 'record'
            end as kind,
            case
                when local_no is not null or ({columns["id_card_no"]} is null and demographic is null) then $organisation else ''
            end as organisation,
            coalesce(local_no, {columns["id_card_no"]}, demographic, '{contract.feed}|' || {key_fields}) as key
        from (select *, {local_key} as local_no, {demographic} as demographic from {relation})
        """,
        {"organisation": organisation},
    )
    connection.execute(
        """
        create or replace temp table subject_key as
        select kind, organisation, key, min(_seq) filter (is_issued) as place, min(delivered_on) filter (is_issued) as first_seen
        from subject group by all
        """
    )
    issue(connection)
    connection.execute(
        "create or replace temp table identified as"
        " select s.*, i.identity_id from subject as s left join keyed_identity as i using (kind, organisation, key)"
    )
    if number := contract.subject_field("id_card_no"):
        connection.execute(
            f"""
            insert into vault.document
            select d.* from (
                select i.identity_id, split_part(r."{number.name}", ':', 1) as kind, split_part(r."{number.name}", ':', 2) as number,
                    $organisation as organisation, i.delivered_on, min(i.batch_id) as batch_id
                from identified as i inner join {relation} as r using (_seq)
                where i.claims and contains(r."{number.name}", ':') and i.identity_id is not null group by all
            ) as d
            anti join vault.document as v
                on v.identity_id = d.identity_id and v.kind = d.kind and v.number = d.number and v.organisation = d.organisation
            """,
            {"organisation": organisation},
        )
    if set(columns.values()) - UNSAID:
        first, last = connection.execute("select min(delivered_on), max(delivered_on) from identified").fetchone()
        stated = "(id_card_no is not null or person_name is not null or mobile_phone is not null or birth_date is not null)"
        connection.execute(
            f"""
            insert into vault.claim
            select c.* from (
                select identity_id, id_card_no, demographic, person_name, sex_code, birth_date, mobile_phone, residence_address,
                    $organisation as organisation, delivered_on,
                    max(_seq) + (select coalesce(max(position), -1) + 1 from vault.claim) as position, batch_id, false as linked
                from identified where claims and {stated} group by all
            ) as c
            anti join (select * from vault.claim where organisation = $organisation and delivered_on between $first and $last) as v
                on v.identity_id = c.identity_id and v.delivered_on = c.delivered_on
                and v.id_card_no is not distinct from c.id_card_no and v.demographic is not distinct from c.demographic
                and v.person_name is not distinct from c.person_name and v.residence_address is not distinct from c.residence_address
                and v.mobile_phone is not distinct from c.mobile_phone and v.birth_date is not distinct from c.birth_date
                and v.sex_code is not distinct from c.sex_code
            """,
            {"organisation": organisation, "first": first, "last": last},
        )
        connection.execute("delete from known_number where identity_id in (select identity_id from identified where kind = 'local')")
    return connection.execute(
        """
        select d.identity_id, coalesce(d.person_name, n.person_name) as person_name
        from identified as d
        left join (
            select identity_id, arg_max(person_name, (delivered_on, position)) as person_name from vault.claim
            where identity_id in (select identity_id from identified where person_name is null and identity_id is not null) group by all
        ) as n on n.identity_id = d.identity_id
        order by d._seq
        """
    ).to_arrow_table()
