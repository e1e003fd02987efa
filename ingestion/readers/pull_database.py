"""A database table as it stands, streamed in the order of its key, every value as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from adbc_driver_manager import Error as ArrowDriverError
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    MetaData,
    Table,
    TextClause,
    cast,
    create_engine,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    type_coerce,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, NoSuchTableError, SQLAlchemyError
from sqlalchemy.sql import Select, sqltypes
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from ingestion.mappings.pulls import DatabasePull
from ingestion.readers.parquet import text_of
from ingestion.readers.pull_model import PullFailed, from_environment
from ingestion.readers.text import value_text

T = TypeVar("T")
ROWS = 20_000
ARROW_DRIVERS = {"postgresql": "adbc_driver_postgresql.dbapi"}
SAME_AS_ARROW = (sqltypes.String, sqltypes.Integer, sqltypes.Numeric, sqltypes.Date, sqltypes.DateTime, sqltypes.Boolean)


@dataclass(frozen=True)
class Window:
    """What a pull dated by the data takes: rows written after the last pull (at its last instant, where more stand there now) up to the latest.

    earlier  the latest value of the last pull, None before the first
    latest   the latest value there is
    at_latest  rows that bear it
    day      its day: the delivery date
    """

    earlier: str | None
    latest: str
    at_latest: int
    day: date


def pull_database(source: DatabasePull, target: Path, delivered_on: date, window: Window | None = None) -> int:
    """Write every row (of the window) to `target`; the number of rows. Starts anew after a lost connection. Raises PullFailed."""
    return _tried(source, lambda url: _pull_once(source, url, target, delivered_on, window))


def newest(source: DatabasePull, delivered_on: date, earlier: str | None, at_earlier: int) -> Window | None:
    """The rows not yet pulled, None where there are none.

    earlier, at_earlier  the latest value of the last pull, and how many rows bore it

    Raises PullFailed, also where the latest value tells no day.
    """
    if source.dated_by is None:
        raise ValueError("the pull names no column to be dated by")
    return _tried(source, lambda url: _newest_once(source, url, delivered_on, earlier, at_earlier))


def _newest_once(source: DatabasePull, url: str, delivered_on: date, earlier: str | None, at_earlier: int) -> Window | None:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            rows = _statement(source, engine, delivered_on, None).order_by(None).subquery("rows")
            written = _written(rows.c[source.dated_by], engine)
            latest = connection.execute(select(func.max(written))).scalar()
            if latest is None:
                return None
            at_latest = connection.execute(select(func.count()).select_from(rows).where(written == latest)).scalar_one()
            text_of_latest = value_text(latest) or ""
            if text_of_latest == earlier and at_latest == at_earlier:
                return None
            return Window(earlier, text_of_latest, at_latest, _day(source, text_of_latest))
    finally:
        engine.dispose()


def _written(column: ColumnElement[Any], engine: Engine) -> ColumnElement[Any]:
    """The column as it is compared: SQLite has no times, only texts."""
    return type_coerce(column, sqltypes.String()) if engine.dialect.name == "sqlite" else column


def _day(source: DatabasePull, text_of_latest: str) -> date:
    digits = "".join(c for c in text_of_latest[:10] if c.isdigit())
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        raise PullFailed(f"{source.url_env}: the latest value of {source.dated_by} in {source.table or 'the query'} tells no day") from None


def _tried(source: DatabasePull, once: Callable[[str], T]) -> T:
    url = from_environment(source.url_env)
    again = Retrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(source.attempts),
        wait=wait_exponential(source.wait_seconds, max=60),
        reraise=True,
    )
    try:
        return again(once, url)
    except NoSuchTableError:
        raise PullFailed(f"{source.url_env} has no table {source.table}") from None
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise PullFailed(f"{source.url_env} does not hold a usable SQLAlchemy URL ({type(error).__name__})") from None
    except DBAPIError as error:
        raise PullFailed(f"{source.url_env}: {type(error.orig).__name__} while reading {source.table or 'the query'}") from None
    except (SQLAlchemyError, ArrowDriverError) as error:
        raise PullFailed(f"{source.url_env}: {type(error).__name__} while reading {source.table or 'the query'}") from None
    except UnicodeDecodeError:
        raise PullFailed(f"{source.url_env}: {source.table or 'the query'} holds bytes that are not text") from None


def _may_pass(error: BaseException) -> bool:
    """A lost or refused connection may be there a moment later; a wrong statement will not get right."""
    return isinstance(error, DBAPIError) and (error.connection_invalidated or type(error).__name__ in {"OperationalError", "InterfaceError"})


def _pull_once(source: DatabasePull, url: str, target: Path, delivered_on: date, window: Window | None) -> int:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            return _write(source, connection, engine, target, delivered_on, window)
    finally:
        engine.dispose()


def _write(source: DatabasePull, connection: Connection, engine: Engine, target: Path, delivered_on: date, window: Window | None) -> int:
    statement = _statement(source, engine, delivered_on, window)
    driver = _arrow_driver(engine, statement)
    parts = _by_arrow(driver, engine, statement) if driver else _by_rows(connection, statement)
    rows = 0
    with _writer(target, source.format) as write:
        for part in parts:
            write(part)
            rows += part.num_rows
    return rows


def _by_rows(connection: Connection, statement: Select[Any]) -> Iterator[pa.Table]:
    result = connection.execution_options(stream_results=True, yield_per=ROWS).execute(statement)
    names = list(result.keys())
    for part in result.partitions(ROWS):
        columns = [[value_text(value) for value in column] for column in zip(*part, strict=True)]
        yield pa.table([pa.array(column, pa.string()) for column in columns], names=names)


def _arrow_driver(engine: Engine, statement: Select[Any]) -> ModuleType | None:
    """The ADBC driver, where one is installed that gives every column of the statement the same text as SQLAlchemy does."""
    if engine.dialect.name not in ARROW_DRIVERS or not all(isinstance(c.type, SAME_AS_ARROW) for c in statement.selected_columns):
        return None
    try:
        return import_module(ARROW_DRIVERS[engine.dialect.name])
    except ImportError:
        return None


def _by_arrow(driver: ModuleType, engine: Engine, statement: Select[Any]) -> Iterator[pa.Table]:
    """Columnar batches through ADBC, cut to the same parts as rows are, so that the bytes landed are the same."""
    sql = str(statement.compile(dialect=postgresql.dialect(paramstyle="named"), compile_kwargs={"literal_binds": True}))
    address = engine.url.set(drivername=engine.dialect.name).render_as_string(hide_password=False)
    with driver.connect(address) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        held: list[pa.Table] = []
        for batch in cursor.fetch_record_batch():
            table = pa.Table.from_batches([batch])
            held.append(pa.table([text_of(column) for column in table.columns], names=table.column_names))
            ready = pa.concat_tables(held)
            while ready.num_rows >= ROWS:
                yield ready.slice(0, ROWS).combine_chunks()
                ready = ready.slice(ROWS)
            held = [ready]
        if held and held[0].num_rows:
            yield held[0].combine_chunks()


def _within(statement: Select[Any], written: ColumnElement[Any], window: Window | None) -> Select[Any]:
    """The rows of the window; those without a time come with the first pull."""
    if window is None:
        return statement

    def value(said: str) -> ColumnElement[Any]:
        if isinstance(written.type, sqltypes.NullType):
            return literal(said, sqltypes.NullType())  # the database knows what it compares it with
        return literal(said) if isinstance(written.type, sqltypes.String) else cast(literal(said), written.type)

    if window.earlier is None:
        return statement.where(or_(written <= value(window.latest), written.is_(None)))
    return statement.where(written >= value(window.earlier), written <= value(window.latest))


def _statement(source: DatabasePull, engine: Engine, delivered_on: date, window: Window | None) -> Select[Any]:
    def written(sql: str) -> TextClause:
        return text(sql).bindparams(delivered_on=delivered_on) if ":delivered_on" in sql else text(sql)

    if source.query:
        named = dict.fromkeys([*source.order_by, *([source.dated_by] if source.dated_by else [])])
        pulled = written(source.query).columns(*(Column(name) for name in named)).subquery("pulled")
        if window is None and source.dated_by:
            return select(*(pulled.c[name] for name in named))
        found = select(literal_column("pulled.*")).select_from(pulled).order_by(*(pulled.c[name] for name in source.order_by))
        return _within(found, _written(pulled.c[source.dated_by], engine), window) if source.dated_by else found
    schema, _, name = (source.table or "").rpartition(".")
    table = Table(name, MetaData(), schema=schema or None, autoload_with=engine, resolve_fks=False)
    missing = [key for key in (*source.order_by, *([source.dated_by] if source.dated_by else [])) if key not in table.c]
    if missing:
        raise PullFailed(f"{source.table} has no column {', '.join(missing)} to order or date by")
    keys = [table.c[key] for key in source.order_by] or list(table.primary_key.columns) or list(table.c)
    statement = select(table).order_by(*keys)
    if source.where:
        statement = statement.where(written(source.where))
    return _within(statement, _written(table.c[source.dated_by], engine), window) if source.dated_by else statement


@contextmanager
def _writer(target: Path, form: str) -> Iterator[Callable[[pa.Table], None]]:
    """A function that writes tables of text; the same rows in the same parts give the same bytes."""
    with ExitStack() as open_until_end:
        if form == "jsonl":
            out = open_until_end.enter_context(target.open("wb"))

            def write_lines(table: pa.Table) -> None:
                for row in table.to_pylist():
                    out.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8") + b"\n")

            yield write_lines
            return
        writer: list[pq.ParquetWriter] = []

        def write_table(table: pa.Table) -> None:
            if not writer:
                writer.append(open_until_end.enter_context(pq.ParquetWriter(target, table.schema, compression="zstd", write_statistics=False)))
            writer[0].write_table(table)

        yield write_table
