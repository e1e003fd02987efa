"""Re-identification: who a person key stands for, told to a named person for a stated reason, and never without an entry in the vault's log.

The log is kept in the vault and only added to: each entry carries the digest of itself and of all before it, and the operations store holds a line
with the digest (without the reason and without identity), so an entry changed or taken away shows in either place.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import re
from dataclasses import asdict, dataclass
from datetime import date, datetime

import duckdb

from infra.settings import Settings
from ingestion import duck, ops
from ingestion.identity import vault

LOG = """
create table if not exists vault.reidentification (
    entry_no bigint primary key, revealed_at timestamptz not null, who varchar not null, account varchar not null, why varchar not null,
    person_id varchar not null, identities varchar[] not null, digest varchar not null
);
"""
PERSON_ID = re.compile(r"P\d{10}")
SHORTEST_WHY = 4
CURRENT = (
    "(select identity_id, person_id from vault.identity_person qualify row_number() over (partition by identity_id order by change_no desc) = 1)"
)


class Refused(ValueError):
    """Nothing was revealed."""


class LogBroken(RuntimeError):
    """The log of re-identifications is not what was written."""


@dataclass(frozen=True)
class Entry:
    """A re-identification: who saw which person's identity, when, from which account, and why."""

    entry_no: int
    revealed_at: datetime
    who: str
    account: str
    why: str
    person_id: str
    identities: tuple[str, ...]
    digest: str


def reveal(settings: Settings, person_id: str, *, who: str, why: str) -> dict[str, list]:
    """What the vault knows of a person: identities with their sources, names, numbers, phones, addresses and documents, latest first.

    The entry is in both logs before anything is returned. Raises Refused without a person, an asker or a reason, and LogBroken.
    """
    who, why = who.strip(), why.strip()
    if not who:
        raise Refused("say who asks: --who")
    if len(why) < SHORTEST_WHY:
        raise Refused(f"say why, in {SHORTEST_WHY} characters or more: --why")
    if not PERSON_ID.fullmatch(person_id):
        raise Refused("a person key is P and ten digits")
    connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
    with vault.opened(settings, connection):
        connection.execute(LOG)
        identities = [
            i for (i,) in connection.execute(f"select identity_id from {CURRENT} where person_id = $p order by 1", {"p": person_id}).fetchall()
        ]
        if not identities:
            raise Refused(_gone(connection, person_id))
        enter(settings, connection, {person_id: identities}, who=who, why=why)
        return _identity(connection, identities)


def enter(settings: Settings, connection: duckdb.DuckDBPyConnection, persons: dict[str, list[str]], *, who: str, why: str) -> None:
    """Enter into both logs that persons (key → identities) are shown to somebody; the vault is attached, outside a transaction. Raises LogBroken."""
    if not persons:
        return
    connection.execute(LOG)
    known = _check(settings, _entries(connection))
    before, made = known[-1].digest if known else "", []
    for number, (person_id, identities) in enumerate(persons.items(), len(known) + 1):
        made.append(_entry(number, who, why, person_id, tuple(identities), before))
        before = made[-1].digest
    connection.executemany("insert into vault.reidentification values ($1, $2, $3, $4, $5, $6, $7, $8)", [[*asdict(e).values()] for e in made])
    connection.execute("checkpoint vault")
    with ops.transaction(settings.ops_url) as store:
        for entry in made:
            ops.replace(store, ops.reidentification, [{c.name: getattr(entry, c.name) for c in ops.reidentification.columns}])


def entries(settings: Settings) -> list[Entry]:
    """All re-identifications, oldest first. Raises LogBroken where the log is not what was written."""
    connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
    with vault.opened(settings, connection):
        connection.execute(LOG)
        return _check(settings, _entries(connection))


def _entry(number: int, who: str, why: str, person_id: str, identities: tuple[str, ...], before: str) -> Entry:
    entry = Entry(number, ops.now(), who, getpass.getuser(), why, person_id, identities, "")
    return Entry(**{**asdict(entry), "digest": _digest(entry, before)})


def _digest(entry: Entry, before: str) -> str:
    said = {**asdict(entry), "revealed_at": int(entry.revealed_at.timestamp() * 1_000_000), "digest": before}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _entries(connection: duckdb.DuckDBPyConnection) -> list[Entry]:
    connection.execute("set timezone = 'UTC'")
    found = connection.execute("select * from vault.reidentification order by entry_no").fetchall()
    return [Entry(*row[:6], tuple(row[6]), row[7]) for row in found]


def _check(settings: Settings, log: list[Entry]) -> list[Entry]:
    before = ""
    for number, entry in enumerate(log, 1):
        if entry.entry_no != number or entry.digest != _digest(entry, before):
            raise LogBroken(f"entry {number} of the vault's log of re-identifications was changed or taken away")
        before = entry.digest
    of_vault = {e.entry_no: e.digest for e in log}
    for line in ops.rows(settings.ops_url, ops.reidentification):
        if of_vault.get(line["entry_no"]) != line["digest"]:
            raise LogBroken(f"the operations store knows an entry {line['entry_no']} of re-identification that the vault's log does not hold")
    return log


def _gone(connection: duckdb.DuckDBPyConnection, person_id: str) -> str:
    """Why a person key has no identity: unknown, or its identities have another key now."""
    now = connection.execute(
        f"select distinct c.person_id from vault.identity_person as p join {CURRENT} as c using (identity_id) where p.person_id = $1 order by 1",
        [person_id],
    ).fetchall()
    return f"{person_id} is now {', '.join(p for (p,) in now)}" if now else f"nobody has the key {person_id}"


def _identity(connection: duckdb.DuckDBPyConnection, identities: list[str]) -> dict[str, list]:
    which = {"i": identities}
    queries = {
        "identities": "select identity_id, kind, organisation, case when kind = 'local' then key end as own_number, first_seen"
        " from vault.identity where identity_id in (select unnest($i)) order by 1",
        "claims": "select distinct person_name, id_card_no, sex_code, birth_date, mobile_phone, residence_address, organisation, delivered_on"
        " from vault.claim where identity_id in (select unnest($i)) order by delivered_on desc, organisation",
        "documents": "select distinct kind, number, organisation, delivered_on"
        " from vault.document where identity_id in (select unnest($i)) order by all",
    }
    found = {}
    for part, query in queries.items():
        answer = connection.execute(query, which)
        columns = [c[0] for c in answer.description]
        found[part] = [
            {c: v.isoformat() if isinstance(v, date) else v for c, v in zip(columns, row, strict=True) if v is not None} for row in answer.fetchall()
        ]
    return found
