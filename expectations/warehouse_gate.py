"""The gates after features and marts: the build database, on DuckDB or PostgreSQL, judged as a whole and group by group."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import create_engine, delete, make_url, text

from expectations import great, gx_duckdb
from expectations.judging import group_verdicts, wanted
from expectations.library import Check, Suite
from expectations.verdicts import GateOutcome, Verdict, check_row, failure
from infra.settings import Settings
from ingestion import duck, ops

SCHEMA = "main"  # of dbt's models, on either warehouse

log = logging.getLogger(__name__)


@contextmanager
def _warehouse(settings: Settings) -> Iterator[str]:
    """The build database's SQLAlchemy address, opened to read."""
    if settings.warehouse.url:
        url = make_url(settings.warehouse.url).update_query_dict({"options": f"-csearch_path={SCHEMA} -cdefault_transaction_read_only=on"})
        yield url.render_as_string(hide_password=False)
        return
    if not settings.warehouse.path or not settings.warehouse.path.exists():
        raise FileNotFoundError(f"the build database {settings.warehouse.path} is missing; run dbt first")
    connection = duck.connect(str(settings.warehouse.path), memory_limit=settings.memory_limit, threads=settings.threads, read_only=True)
    try:
        with gx_duckdb.lend("warehouse", connection) as address:
            yield address
    finally:
        connection.close()


def _warehouse_query(suite: Suite) -> str:
    """What Great Expectations reads: the table, or groups with one column per rule."""
    rows = suite.query or f"select * from {suite.table}"
    if not suite.per:
        return rows
    columns = [*suite.per]
    for c in suite.checks:
        observed = c.observed or f"({c.failed}) * 1.0 / nullif({c.examined}, 0)"
        columns.append(f"case when ({c.examined}) >= {c.at_least} then {observed} end as {c.rule}")
        columns.append(f"({c.examined}) as {c.rule}__examined, ({c.failed or 'null'}) as {c.rule}__failed")
    return f"select {', '.join(columns)} from ({rows}) grouped"


def _table_verdict(suite: Suite, check: Check, column: str, result: great.Result, rows: int | None) -> Verdict:
    """The verdict on a table as a whole, with the numbers Great Expectations gives for this kind of check."""
    about_table = check.expectation.startswith(("expect_table_", "expect_column_to_exist"))
    if result.element_count is not None:
        missing = result.missing_count or 0
        examined, failed = result.element_count - missing, result.unexpected_count or 0
        observed = failed / examined if examined else None
    else:
        examined = 1 if about_table else rows or 0
        failed, observed = int(not result.success), result.observed
    if result.error or (rows is None and not result.success):
        verdict = "error"
    elif examined < check.at_least:
        verdict = "not_examined"
    else:
        verdict = "pass" if result.success else "fail"
    return Verdict(
        suite, check, verdict, examined, 0 if verdict == "error" else failed, observed, column=column or str(check.kwargs.get("column", ""))
    )


def _read(address: str, suites: Sequence[Suite]) -> tuple[dict[str, list[dict[str, Any]]], dict[str, int | None]]:
    """Groups of the suites that compare groups, and the row counts of the others (None: the table cannot be read)."""
    groups: dict[str, list[dict[str, Any]]] = {}
    counts: dict[str, int | None] = {}
    engine = create_engine(address)
    try:
        for suite in suites:
            query = _warehouse_query(suite)
            try:
                with engine.connect() as connection:
                    if suite.per:
                        groups[suite.name] = [dict(r._mapping) for r in connection.execute(text(query))]
                        counts[suite.name] = len(groups[suite.name])
                    else:
                        counts[suite.name] = connection.execute(text(f"select count(*) from ({query}) t")).scalar_one()
            except Exception as problem:
                log.error("gate %s cannot read its table: %s", suite.name, type(problem).__name__)
                counts[suite.name] = None
    finally:
        engine.dispose()
    return groups, counts


def _tall(suite: Suite, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            **{k: row[k] for k in suite.per},
            "rule": c.rule,
            "examined": int(row[f"{c.rule}__examined"]),
            "failed": None if row[f"{c.rule}__failed"] is None else int(row[f"{c.rule}__failed"]),
            "observed": None if row[c.rule] is None else float(row[c.rule]),
        }
        for row in rows
        for c in suite.checks
        if row[f"{c.rule}__examined"] is not None
    ]


def judge(settings: Settings, checkpoint: str, run_id: str, suites: Sequence[Suite]) -> GateOutcome:
    verdicts: list[Verdict] = []
    with _warehouse(settings) as address:
        groups, counts = _read(address, suites)
        readable = [s for s in suites if counts[s.name] is not None]
        subjects = [
            great.Subject(s.name, s.name_zh, _warehouse_query(s), wanted(s), keys=s.per, groups=len(groups.get(s.name, ()))) for s in readable
        ]
        results = great.validate(checkpoint, run_id, address, subjects, settings.reports / "data_docs" / checkpoint) if subjects else {}
    for suite in suites:
        if counts[suite.name] is None:
            verdicts.extend(Verdict(suite, c, "error", 0, 0, None, column=column) for c in suite.checks for column in c.columns or ("",))
        elif suite.per:
            verdicts.extend(group_verdicts(suite, _tall(suite, groups[suite.name]), results))
        else:
            verdicts.extend(
                _table_verdict(suite, c, column, results[suite.name, c.rule, column], counts[suite.name])
                for c in suite.checks
                for column in c.columns or ("",)
            )
    with ops.transaction(settings.ops_url) as connection:
        connection.execute(delete(ops.check_result).where(ops.check_result.c.checkpoint == checkpoint))
        ops.replace(connection, ops.check_result, [check_row(v, run_id) for v in verdicts])
    critical = [v for v in verdicts if v.is_critical_failure]
    return GateOutcome(
        checkpoint=checkpoint,
        examined=sum(v.verdict in {"pass", "fail"} for v in verdicts),
        failed_critical=[failure(v) for v in critical],
        ok=not critical,
    )
