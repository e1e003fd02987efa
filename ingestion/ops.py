"""The operations store: file ledger, batch states, check results, run steps and publications (SQLite or PostgreSQL).

It holds pointers, counts and verdicts, never a value from a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Date,
    DateTime,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    insert,
    inspect,
    make_url,
    select,
)
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateColumn

metadata = MetaData()

file_ledger = Table(
    "file_ledger",
    metadata,
    Column("ledger_id", String(32), primary_key=True, comment="one delivered file read as one canonical feed"),
    Column("source", String(40), nullable=False),
    Column("organisation", String(40), nullable=False),
    Column("feed", String(60), nullable=False),
    Column("batch_id", String(32), nullable=False, index=True),
    Column("delivered_on", Date, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("content_sha256", String(64), nullable=False, index=True),
    Column("bytes", BigInteger, nullable=False),
    Column("encoding", String(40)),
    Column("rows_delivered", BigInteger, comment="data rows of the file; null for files loaded before this was counted"),
    Column("rows_without_record", BigInteger, comment="of these, rows of which the mapping makes no record of the feed"),
    Column("rows_read", BigInteger, nullable=False, comment="records made of the other rows: accepted + quarantined"),
    Column("rows_accepted", BigInteger, nullable=False),
    Column("rows_quarantined", BigInteger, nullable=False),
    Column("status", String(20), nullable=False, comment="loaded, duplicate, rejected, or joined: there for other tables only"),
    Column("reason_code", String(60)),
    Column("reason_zh", Text),
    Column("duplicate_of", String(32)),
    Column("mapping_sha256", String(64), comment="mapping and contract the file was judged by; a rejected file is judged again when they change"),
    Column("recorded_at", DateTime(timezone=True), nullable=False),
)

batch_state = Table(
    "batch_state",
    metadata,
    Column("batch_id", String(32), primary_key=True, comment="one organisation's feed of one delivery date, as loaded at one time"),
    Column("source", String(40), nullable=False),
    Column("organisation", String(40), nullable=False),
    Column("feed", String(60), nullable=False),
    Column("delivered_on", Date, nullable=False),
    Column("status", String(20), nullable=False, comment="loaded, released or held"),
    Column("load_no", Integer, nullable=False, default=0, comment="order in which batches came: of one day's deliveries the later one holds"),
    Column("rule", String(120)),
    Column("reason_zh", Text),
    Column("decided_at", DateTime(timezone=True), nullable=False),
)

check_result = Table(
    "check_result",
    metadata,
    Column("check_id", String(32), primary_key=True, comment="hash of checkpoint, rule, organisation, feed, batch, table and column"),
    Column("run_id", String(60), nullable=False),
    Column("checkpoint", String(20), nullable=False, comment="field_qc, text, codes, lake, features, marts, dbt or delivery"),
    Column("rule", String(200), nullable=False),
    Column("description_zh", Text, nullable=False),
    Column("severity", String(10), nullable=False, comment="critical, warning or info"),
    Column("scope", String(20), nullable=False, comment="organisation or province"),
    Column("organisation", String(40)),
    Column("feed", String(60)),
    Column("cancer", String(20)),
    Column("batch_id", String(32)),
    Column("table_name", String(120)),
    Column("column_name", String(120)),
    Column("examined", BigInteger, comment="rows or groups looked at; null where the check cannot say"),
    Column("failed", BigInteger),
    Column("observed", Float, comment="the figure that was compared, where there is one"),
    Column("verdict", String(20), nullable=False, comment="pass, fail, not_examined or error"),
    Column("checked_at", DateTime(timezone=True), nullable=False),
)

defect = Table(
    "defect",
    metadata,
    Column("defect_id", String(32), primary_key=True, comment="hash of organisation, feed, record (or file, row and part), field and reason"),
    Column("source", String(40), nullable=False),
    Column("organisation", String(40), nullable=False, index=True),
    Column("feed", String(60), nullable=False),
    Column("kind", String(10), nullable=False, comment="row (quarantined), value (set aside or repaired), file (rejected) or batch (held)"),
    Column("record", String(32), comment="hash of the record's key; null where the row has none"),
    Column("file_name", Text, nullable=False, comment="file of the last occurrence"),
    Column("delivered_on", Date, nullable=False, comment="delivery of the last occurrence"),
    Column("row", BigInteger),
    Column("part", Integer),
    Column("field", String(120)),
    Column("reason_code", String(120), nullable=False),
    Column("reason_zh", Text, nullable=False),
    Column("severity", String(10), nullable=False, comment="error or warning"),
    Column("value_class", String(20), nullable=False),
    Column("batch_id", String(32), nullable=False, comment="batch of the last occurrence"),
    Column("load_no", Integer, nullable=False),
    Column("first_seen", Date, nullable=False, comment="delivery of the first occurrence"),
    Column("returned_on", Date, nullable=False, comment="business date on which the organisation is told; the deadline counts from it"),
    Column("deadline", Date, nullable=False),
    Column("state", String(12), nullable=False, index=True, comment="open, overdue, closed or withdrawn"),
    Column("closed_on", Date),
    Column("closed_by", String(32), comment="batch that answered"),
)

defect_batch = Table(
    "defect_batch",
    metadata,
    Column("batch_id", String(32), primary_key=True, comment="a batch, or a rejected file, whose defects are in the store"),
    Column("looked_at_on", Date, nullable=False),
)

defect_return = Table(
    "defect_return",
    metadata,
    Column("organisation", String(40), primary_key=True),
    Column("returned_on", Date, nullable=False),
    Column("content", String(64), nullable=False, comment="hash of what the files say; they are written again when it changes"),
    Column("file", Text, nullable=False, comment="path of the workbook under LAKEHOUSE_HOME"),
    Column("written_at", DateTime(timezone=True), nullable=False),
)

run_step = Table(
    "run_step",
    metadata,
    Column("run_id", String(60), primary_key=True),
    Column("step", String(120), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("rows", BigInteger),
    Column("state", String(20), nullable=False),
)

publication = Table(
    "publication",
    metadata,
    Column("version", String(60), primary_key=True),
    Column("run_id", String(60), nullable=False),
    Column("as_of_date", Date, nullable=False),
    Column("path", Text, nullable=False),
    Column("tables", Integer, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("build_fingerprint", String(64), nullable=False, comment="what went in: released batches, as_of_date and code version"),
    Column("published_at", DateTime(timezone=True), nullable=False),
)

reidentification = Table(
    "reidentification",
    metadata,
    Column("entry_no", BigInteger, primary_key=True, autoincrement=False, comment="number of the entry in the vault's log, which tells why"),
    Column("revealed_at", DateTime(timezone=True), nullable=False),
    Column("who", String(120), nullable=False, comment="as stated"),
    Column("account", String(120), nullable=False, comment="account of the machine that the command ran under"),
    Column("person_id", String(20), nullable=False),
    Column("digest", String(64), nullable=False, comment="of the entry and all before it: an entry taken away or changed shows"),
)


def now() -> datetime:
    """The wall clock, for records of when something was done; never for what is true in the data."""
    return datetime.now(UTC)


@cache
def engine(url: str) -> Engine:
    """The store's engine; creates the SQLite folder and the tables at first use."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    made = create_engine(url, pool_pre_ping=True)
    if parsed.get_backend_name() == "sqlite":

        @event.listens_for(made, "connect")
        def _wait_for_writers(connection: Any, _: Any) -> None:
            connection.execute("pragma busy_timeout = 60000")
            connection.execute("pragma journal_mode = wal")

    metadata.create_all(made)
    _add_missing_columns(made)
    return made


def _add_missing_columns(made: Engine) -> None:
    """A store from before a column was thought of gets it, empty; other changes of a table need a store of its own."""
    for table in metadata.sorted_tables:
        missing = _missing(made, table)
        for column in missing:
            if not column.nullable and column.server_default is None:
                raise RuntimeError(f"the operations store lacks {table.name}.{column.name}, which cannot be empty; rebuild LAKEHOUSE_HOME")
            try:
                with made.begin() as connection:
                    connection.execute(DDL(f"alter table {table.name} add column {CreateColumn(column).compile(dialect=made.dialect)}"))
            except DBAPIError:  # another process was quicker
                if column.name in {c.name for c in _missing(made, table)}:
                    raise


def _missing(made: Engine, table: Table) -> list[Column]:
    there = {c["name"] for c in inspect(made).get_columns(table.name)}
    return [c for c in table.columns if c.name not in there]


@contextmanager
def transaction(url: str) -> Iterator[Connection]:
    """One transaction: all of it is kept, or none."""
    with engine(url).begin() as connection:
        yield connection


def replace(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows by primary key: a row written again replaces itself, so a repeated step leaves one row. Returns the count."""
    rows = [dict(r) for r in rows]
    if not rows:
        return 0
    keys = [c for c in table.primary_key.columns]
    for row in rows:
        condition = [c == row[c.name] for c in keys]
        connection.execute(table.delete().where(*condition))
    connection.execute(insert(table), rows)
    return len(rows)


def rows(url: str, table: Table, *where: Any) -> list[dict[str, Any]]:
    """All rows of a table that meet the conditions, ordered by primary key."""
    with engine(url).connect() as connection:
        query = select(table).where(*where).order_by(*table.primary_key.columns)
        return [dict(r._mapping) for r in connection.execute(query)]
