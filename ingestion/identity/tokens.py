"""Records of a hospital that keeps a vault of its own: it hands over keyed tokens in place of names, dates, telephones and addresses.

The hospital makes the tokens with the programme's key (`python -m ingestion.identity tokens-make`). The programme takes them into its vault, where
they are compared with tokens of its own records under the same key. ID numbers are not handed over as tokens: the weights do without them.
"""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import duckdb

from infra.settings import Settings
from ingestion import duck
from ingestion.identity import features, vault

KEY_FILE = "LAKEHOUSE_TOKEN_KEY_FILE"
LONGEST_KEY, SHORTEST_KEY = 64, 16
COLUMNS = ("local_no", "person_name", "birth_date", "sex_code", "mobile_phone", "residence_address")
SCHEMA = f"""
create table if not exists vault.link_token (
    identity_id varchar not null, delivered_on date not null, linked boolean not null, {", ".join(f"{t} ubigint[]" for t in features.TOKENS)}
);
"""


def programme_key(path: str | None = None) -> bytes | None:
    """The programme's key from a file (by default the one that LAKEHOUSE_TOKEN_KEY_FILE names), None where none is named.

    Raises ValueError for a key of fewer than 16 or more than 64 bytes in hex.
    """
    path = path or os.environ.get(KEY_FILE)
    if not path:
        return None
    key = bytes.fromhex(Path(path).read_text(encoding="ascii").strip())
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY:
        raise ValueError(f"the key in {path} has {len(key)} bytes; {SHORTEST_KEY} to {LONGEST_KEY} are needed")
    return key


def make(source: Path, target: Path, key: bytes) -> int:
    """Tokens of a CSV with COLUMNS → a Parquet file with local_no and a list of numbers per token; returns records. Runs at the hospital."""
    connection = duck.connect()
    connection.execute(
        f"create temp table clear as select {', '.join(f'nullif({c}, {chr(39) * 2}) as {c}' for c in COLUMNS)}"
        " from read_csv($source, all_varchar = true, header = true)",
        {"source": str(source)},
    )
    connection.execute(
        "create temp table person as select * replace (try_cast(birth_date as date) as birth_date) from clear where local_no is not null"
    )
    features.tokenise(connection, "person", "local_no", key, into="token")
    connection.execute(f"copy (select local_no, {', '.join(features.TOKENS)} from token order by local_no) to '{target}' (format parquet)")
    return connection.execute("select count(*) from token").fetchone()[0]


def take(settings: Settings, organisation: str, source: Path, delivered_on: date) -> int:
    """Take a file that `make` wrote into the vault, as what an organisation says of its own numbers; returns records."""
    connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
    vault.prepare(connection)
    connection.execute(f"create temp table delivered as select local_no, {', '.join(features.TOKENS)} from read_parquet($f)", {"f": str(source)})
    with vault.opened(settings, connection):
        connection.execute(SCHEMA)
        connection.execute(
            "create temp table subject_key as select 'local' as kind, $o as organisation, local_no as key,"
            " row_number() over (order by local_no) as place, $d::date as first_seen from delivered",
            {"o": organisation, "d": delivered_on},
        )
        vault.issue(connection)
        connection.execute(
            f"""
            create temp table identified as select i.identity_id, d.* exclude (local_no) from delivered as d
            inner join vault.identity as i on i.kind = 'local' and i.organisation = '{organisation}' and i.key = d.local_no;
            delete from vault.link_token where identity_id in (select identity_id from identified);
            insert into vault.link_token by name select *, date '{delivered_on}' as delivered_on, false as linked from identified
            """
        )
        return connection.execute("select count(*) from identified").fetchone()[0]


def added(connection: duckdb.DuckDBPyConnection, nodes: str, into: str, day: date) -> None:
    """Put tokens that were handed over to those of a table by node_no made from clear values, for the nodes of a table."""
    connection.execute(
        f"create or replace temp table handed as select s.node_no, t.* exclude (identity_id, delivered_on, linked) from vault.link_token as t"
        f" inner join vault.link_statement as s using (identity_id) semi join {nodes} using (node_no) where t.delivered_on <= $day",
        {"day": day},
    )
    if not connection.execute("select count(*) from handed").fetchone()[0]:
        return
    columns = [c for (c, *_) in connection.execute(f"describe {into}").fetchall() if c != "node_no"]
    lists = ", ".join(f"list_distinct(flatten(list({c}) filter ({c} is not null))) as {c}" for c in columns)
    emptied = ", ".join(f"case when len({c}) > 0 then {c} end as {c}" for c in columns)
    connection.execute(
        f"""
        create or replace temp table {into} as select node_no, {emptied} from (
            select node_no, {lists} from (
                select node_no, {", ".join(columns)} from {into} union all by name select node_no, {", ".join(columns)} from handed
            ) group by node_no
        )
        """
    )
