"""A database table as it stands, streamed in the order of its key, every value as text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from adbc_driver_manager import Error as ArrowDriverError
from sqlalchemy import Column, Connection, Engine, MetaData, Table, TextClause, create_engine, literal_column, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, NoSuchTableError, SQLAlchemyError
from sqlalchemy.sql import Select, sqltypes
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from ingestion.mappings.pulls import DatabasePull
from ingestion.readers.parquet import text_of
from ingestion.readers.pull_model import PullFailed, from_environment
from ingestion.readers.text import value_text

ROWS = 20_000
ARROW_DRIVERS = {"postgresql": "adbc_driver_postgresql.dbapi"}
SAME_AS_ARROW = (sqltypes.String, sqltypes.Integer, sqltypes.Numeric, sqltypes.Date, sqltypes.DateTime, sqltypes.Boolean)


def pull_database(source: DatabasePull, target: Path, delivered_on: date) -> int:
    """Write every row to `target`; the number of rows. Starts anew after a lost connection. Raises PullFailed."""
    url = from_environment(source.url_env)
    again = Retrying(
        retry=retry_if_exception(_may_pass),
        stop=stop_after_attempt(source.attempts),
        wait=wait_exponential(source.wait_seconds, max=60),
        reraise=True,
    )
    try:
        return again(_pull_once, source, url, target, delivered_on)
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
    return isinstance(error, DBAPIError) and (
        error.connection_invalidated or type(error).__name__ in {"OperationalError", "InterfaceError"}
    )


def _pull_once(source: DatabasePull, url: str, target: Path, delivered_on: date) -> int:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            return _write(source, connection, engine, target, delivered_on)
    finally:
        engine.dispose()


def _write(source: DatabasePull, connection: Connection, engine: Engine, target: Path, delivered_on: date) -> int:
    statement = _statement(source, engine, delivered_on)
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


def _statement(source: DatabasePull, engine: Engine, delivered_on: date) -> Select[Any]:
    def written(sql: str) -> TextClause:
        return text(sql).bindparams(delivered_on=delivered_on) if ":delivered_on" in sql else text(sql)

    if source.query:
        keys = [Column(name) for name in source.order_by]
        pulled = written(source.query).columns(*keys).subquery("pulled")
        return select(literal_column("pulled.*")).select_from(pulled).order_by(*(pulled.c[name] for name in source.order_by))
    schema, _, name = (source.table or "").rpartition(".")
    table = Table(name, MetaData(), schema=schema or None, autoload_with=engine, resolve_fks=False)
    missing = [key for key in source.order_by if key not in table.c]
    if missing:
        raise PullFailed(f"{source.table} has no column {', '.join(missing)} to order by")
    keys = [table.c[key] for key in source.order_by] or list(table.primary_key.columns) or list(table.c)
    statement = select(table).order_by(*keys)
    return statement.where(written(source.where)) if source.where else statement


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
                writer.append(
                    open_until_end.enter_context(pq.ParquetWriter(target, table.schema, compression="zstd", write_statistics=False))
                )
            writer[0].write_table(table)

        yield write_table
