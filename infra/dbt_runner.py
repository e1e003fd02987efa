"""Run dbt in this process, against the build database of the settings, and keep what its tests found.

One in-process run costs a few seconds less than a command, and its results can be shown node by node in Airflow.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
from dbt.cli.main import dbtRunner
from sqlalchemy import delete, make_url

from infra.settings import ROOT, Settings
from ingestion import ops

PROJECT = ROOT / "dbt_project"
GOOD = {"success", "pass"}
# Commands whose purpose is a file; for the others the manifest, some 20 MB of JSON, is not written.
WRITING = {"docs", "parse"}


@dataclass(frozen=True)
class NodeResult:
    """What became of one dbt node: seconds taken, rows of the table it made, failures a test counted."""

    name: str
    resource_type: str
    status: str
    seconds: float
    message: str
    rows: int | None
    failures: int | None

    @property
    def ok(self) -> bool:
        return self.status in GOOD or self.status in {"warn", "no-op"}


class DbtFailed(RuntimeError):
    """dbt could not start or understand the project; no node ran."""


def dbt_environment(settings: Settings) -> dict[str, str]:
    """The variables that profiles.yml and the lake plugin read."""
    variables = {
        "LAKEHOUSE_TARGET": settings.warehouse.target,
        "LAKEHOUSE_DBT_PROJECT": str(PROJECT),
        "LAKEHOUSE_MEMORY_LIMIT": settings.memory_limit,
        "LAKEHOUSE_THREADS": str(settings.threads),
        "LAKEHOUSE_SETTINGS": settings.model_dump_json(),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    if settings.warehouse.path:
        variables["LAKEHOUSE_BUILD_DB"] = str(settings.warehouse.path)
    if settings.warehouse.url:
        url = make_url(settings.warehouse.url)
        host = url.host or url.query.get("host") or "localhost"
        variables |= {
            "LAKEHOUSE_PG_HOST": str(host),
            "LAKEHOUSE_PG_PORT": str(url.port or 5432),
            "LAKEHOUSE_PG_USER": url.username or "",
            "DBT_ENV_SECRET_PG_PASSWORD": url.password or "",
            "LAKEHOUSE_PG_DATABASE": url.database or "",
        }
    return variables


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def run_dbt(settings: Settings, *args: str, as_of: date, unit_tests: bool = False) -> list[NodeResult]:
    """Run one dbt command ("build", "--select", "…") for a business date; returns one result per node, in the order they ended.

    `build` leaves dbt's unit tests out unless `unit_tests` is set: they prove code, not data. Results of data tests are written to
    ops.check_result under checkpoint `dbt`. A node that failed is a result, not an exception; DbtFailed is raised when dbt could not
    run at all.
    """
    home = settings.home / "dbt"
    home.mkdir(parents=True, exist_ok=True)
    if settings.warehouse.path:
        settings.warehouse.path.parent.mkdir(parents=True, exist_ok=True)
    arguments = [*args]
    if args and args[0] == "build" and not unit_tests:
        arguments += ["--exclude-resource-type", "unit_test"]
    arguments += ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)]
    arguments += ["--target-path", str(home / "target"), "--log-path", str(home / "logs")]
    arguments += ["--vars", f"{{as_of_date: '{as_of.isoformat()}'}}"]
    if "--quiet" not in arguments and "-q" not in arguments:
        arguments = ["--quiet", *arguments]
    if args and args[0] not in WRITING:
        arguments = ["--no-write-json", *arguments]
    with _variables(dbt_environment(settings)):
        done = dbtRunner().invoke(arguments)
        _let_go()
    if done.result is None or not hasattr(done.result, "results"):
        if done.exception or not done.success:
            raise DbtFailed(f"dbt {' '.join(args)}: {done.exception or 'failed without a message'}") from done.exception
        return []
    counts = {**table_rows(settings), **_rows_written(done.result.results)}
    results = [_node(r, counts) for r in done.result.results]
    _keep_tests(settings, done.result.results, counts, whole=args == ("build",))
    return results


def _let_go() -> None:
    """Close dbt-duckdb's connection: the next run pins new snapshots, and readers may open the file."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    environment = DuckDBConnectionManager._ENV
    if environment is not None:
        environment.close()
    DuckDBConnectionManager.close_all_connections()


def table_rows(settings: Settings) -> dict[str, int]:
    """Rows of every table of the build database by name; views are not counted."""
    path = settings.warehouse.path
    if path is None or not path.exists():
        return {}
    with duckdb.connect(str(path), read_only=True) as connection:
        return dict(connection.execute("select table_name, estimated_size from duckdb_tables()").fetchall())


def _rows_written(results: Iterable[Any]) -> dict[str, int]:
    """Rows that the warehouse itself reports (PostgreSQL does, DuckDB does not)."""
    reported = {r.node.name: (r.adapter_response or {}).get("rows_affected") for r in results}
    return {name: rows for name, rows in reported.items() if rows is not None}


def _node(result: Any, counts: Mapping[str, int]) -> NodeResult:
    node = result.node
    rows = counts.get(node.name) if node.resource_type in {"model", "seed"} else None
    return NodeResult(
        name=node.name,
        resource_type=str(node.resource_type),
        status=str(result.status),
        seconds=round(result.execution_time or 0.0, 3),
        message=(result.message or "").strip(),
        rows=rows,
        failures=result.failures,
    )


def _keep_tests(settings: Settings, results: Iterable[Any], counts: Mapping[str, int], *, whole: bool = False) -> None:
    """Write what dbt's data tests found into the operations store; a repeated run replaces its rows.

    A run of the whole project also removes results of tests that are there no more.
    """
    tests = [r for r in results if str(r.node.resource_type) == "test"]
    if not tests:
        return
    checked_at = ops.now()
    run_id = os.environ.get("LAKEHOUSE_RUN_ID") or f"dbt-{checked_at:%Y%m%dT%H%M%S}"
    with ops.transaction(settings.ops_url) as connection:
        if whole:
            connection.execute(delete(ops.check_result).where(ops.check_result.c.checkpoint == "dbt"))
        ops.replace(connection, ops.check_result, [_check(r, counts, run_id, checked_at) for r in tests])


def _check(result: Any, counts: Mapping[str, int], run_id: str, checked_at: Any) -> dict[str, Any]:
    node = result.node
    table = _table_of(node)
    examined = counts.get(table) if table else None
    status = str(result.status)
    if status == "pass":
        verdict = "not_examined" if examined == 0 else "pass"
    else:
        verdict = "fail" if status in {"fail", "warn"} else "error" if status == "error" else "not_examined"
    column = getattr(node, "column_name", None)
    key = "|".join(("dbt", node.name, table or "", column or ""))
    severity = "critical" if str(node.config.severity).upper() == "ERROR" else "warning"
    return {
        "check_id": hashlib.sha256(key.encode()).hexdigest()[:32],
        "run_id": run_id,
        "checkpoint": "dbt",
        "rule": node.name[:200],
        "description_zh": _chinese(node, table),
        "severity": severity,
        "scope": "province",
        "organisation": None,
        "feed": None,
        "cancer": None,
        "batch_id": None,
        "table_name": table,
        "column_name": column,
        "examined": examined,
        "failed": result.failures if status in {"pass", "fail", "warn"} else None,
        "observed": None,
        "verdict": verdict,
        "checked_at": checked_at,
    }


def _table_of(node: Any) -> str | None:
    attached = getattr(node, "attached_node", None)
    if attached:
        return attached.rsplit(".", 1)[-1]
    refs = getattr(node, "refs", None) or []
    return refs[0].name if refs else None


def _chinese(node: Any, table: str | None) -> str:
    """What a test proves, in a QC clerk's words."""
    if (node.config.meta or {}).get("description_zh"):
        return node.config.meta["description_zh"]
    metadata = getattr(node, "test_metadata", None)
    arguments = metadata.kwargs if metadata else {}
    column = arguments.get("column_name") or "、".join(arguments.get("columns", []))
    match metadata.name if metadata else "":
        case "unique_key":
            return f"{table} 中 {column} 唯一且不为空"
        case "not_null":
            return f"{table}.{column} 不为空"
        case "unique":
            return f"{table}.{column} 唯一"
        case "accepted_values":
            return f"{table}.{column} 只取规定的值"
        case "relationships":
            return f"{table}.{column} 在被引用的表中存在"
    return node.description or node.name
