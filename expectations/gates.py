"""The gates after lake, features and marts.

A critical check of an organisation that fails holds that organisation's batch; everything else that is new is released. A
critical check of the province that fails stops publication. Either says organisation, feed and rule in Chinese.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import create_engine, delete, text

from expectations import great, gx_duckdb, lake_view, library, measures
from expectations.library import Check, Suite
from infra.settings import Settings
from ingestion import duck, ops
from ingestion.contracts import contracts
from ingestion.mappings import UnknownOrganisation, load_mapping

log = logging.getLogger(__name__)

BY_HAND = "released_by_hand"


@dataclass(frozen=True)
class GateOutcome:
    """What a checkpoint decided: `examined` checks had something to look at; `ok` is False when publication must stop."""

    checkpoint: str
    examined: int
    failed_critical: list[dict[str, Any]] = field(default_factory=list)
    held: list[dict[str, Any]] = field(default_factory=list)
    ok: bool = True


@dataclass(frozen=True)
class _Verdict:
    """A check's outcome for one group, or for the table as a whole."""

    suite: Suite
    check: Check
    verdict: str
    examined: int
    failed: int
    observed: float | None
    column: str = ""
    organisation: str | None = None
    feed: str | None = None
    batch_id: str | None = None
    group: str = ""

    @property
    def rule(self) -> str:
        return f"{self.suite.name}.{self.check.rule}"

    @property
    def scope(self) -> str:
        return self.check.scope or self.suite.scope

    @property
    def is_critical_failure(self) -> bool:
        return self.check.severity == "critical" and self.verdict in {"fail", "error"}


def organisation_name(code: str | None) -> str:
    """The organisation's Chinese name with its code, or the code where no mapping names it."""
    if not code:
        return "全省"
    try:
        return f"{load_mapping(code).name_zh}（{code}）"
    except UnknownOrganisation:
        return code


def feed_name(feed: str | None) -> str:
    """The feed's Chinese name with its code."""
    if not feed:
        return ""
    return f"{contracts()[feed].name_zh}（{feed}）" if feed in contracts() else feed


def field_name(feed: str | None, column: str | None) -> str:
    """The field's Chinese name with its code."""
    if not column:
        return ""
    named = next((f.name_zh for f in contracts()[feed].fields if f.name == column), None) if feed in contracts() else None
    return f"{named}（{column}）" if named else column


def _check_id(v: _Verdict) -> str:
    parts = (v.suite.checkpoint, v.rule, v.organisation, v.feed, v.batch_id, v.suite.table or v.suite.subject, v.column, v.group)
    return hashlib.sha256("\x1f".join(p or "" for p in parts).encode()).hexdigest()[:32]


def _row(v: _Verdict, run_id: str) -> dict[str, Any]:
    what = v.check.description_zh + (f"（{v.group}）" if v.group else "")
    return {
        "check_id": _check_id(v),
        "run_id": run_id,
        "checkpoint": v.suite.checkpoint,
        "rule": v.rule,
        "description_zh": what,
        "severity": v.check.severity,
        "scope": v.scope,
        "organisation": v.organisation,
        "feed": v.feed,
        "cancer": v.check.cancer,
        "batch_id": v.batch_id,
        "table_name": v.suite.table or (v.suite.subject if v.suite.source == "warehouse" else v.feed),
        "column_name": v.column or None,
        "examined": v.examined,
        "failed": v.failed,
        "observed": v.observed,
        "verdict": v.verdict,
        "checked_at": ops.now(),
    }


def _message(v: _Verdict) -> str:
    where = " ".join(p for p in (feed_name(v.feed) or (v.suite.table or v.suite.name_zh), field_name(v.feed, v.column), v.group) if p)
    if v.verdict == "error":
        return f"{organisation_name(v.organisation)} {where}：{v.check.description_zh}；检查未能执行"
    share = f"（{v.failed / v.examined:.1%}）" if v.examined and v.failed <= v.examined else ""
    return f"{organisation_name(v.organisation)} {where}：{v.check.description_zh}；检查 {v.examined} 项，不合格 {v.failed} 项{share}"


def _failure(v: _Verdict) -> dict[str, Any]:
    return {
        "rule": v.rule,
        "organisation": v.organisation,
        "feed": v.feed,
        "batch_id": v.batch_id,
        "table": v.suite.table or v.suite.subject,
        "column": v.column or None,
        "verdict": v.verdict,
        "examined": v.examined,
        "failed": v.failed,
        "observed": v.observed,
        "message_zh": _message(v),
    }


# ---------------------------------------------------------------- groups compared by a figure


def _group_verdicts(
    suite: Suite, rows: Iterable[Mapping[str, Any]], results: Mapping[tuple[str, str, str], great.Result]
) -> list[_Verdict]:
    """One verdict per measured group: failing are those Great Expectations names by their keys."""
    checks = {c.rule: c for c in suite.checks}
    keys = suite.per or measures.KEYS
    made = []
    for row in rows:
        check, result = checks[row["rule"]], results[suite.name, row["rule"], ""]
        named = tuple(str(row[k]) for k in keys)
        if row["observed"] is None:
            verdict = "not_examined"
        elif result.error:
            verdict = "error"
        else:
            verdict = "fail" if named in result.failing else "pass"
        known = {k: row.get(k) for k in ("organisation", "feed", "batch_id")}
        others = "，".join(str(row[k]) for k in keys if k not in measures.KEYS)
        column = row.get("column_name", "") if suite.source != "warehouse" else ""
        made.append(_Verdict(suite, check, verdict, row["examined"], row["failed"], row["observed"], column=column, group=others, **known))
    return made


def _folded(verdicts: Sequence[_Verdict]) -> list[_Verdict]:
    """Checks multiplied over a contract's fields: a failing field keeps its row, the others of its batch become one row."""
    single = [v for v in verdicts if v.check.each_field is None]
    groups: dict[tuple[str, str | None], list[_Verdict]] = {}
    for v in verdicts:
        if v.check.each_field is not None:
            groups.setdefault((v.rule, v.batch_id), []).append(v)
    for group in groups.values():
        bad = [v for v in group if v.verdict in {"fail", "error"}]
        good = [v for v in group if v.verdict == "pass"]
        single.extend(bad)
        rest = good or [v for v in group if v.verdict == "not_examined"]
        if rest and (good or not bad):
            first = rest[0]
            examined, failed = sum(v.examined for v in rest), sum(v.failed for v in rest)
            observed = max((v.observed for v in rest if v.observed is not None), default=None)
            single.append(
                _Verdict(
                    first.suite, first.check, first.verdict, examined, failed, observed, "", first.organisation, first.feed, first.batch_id
                )
            )
    return single


def _wanted(suite: Suite) -> tuple[great.Wanted, ...]:
    made = []
    for c in suite.checks:
        for column in c.columns or ("",):
            kwargs = {**c.kwargs, **({"column": c.rule} if suite.is_measured else {"column": column} if column else {})}
            made.append(great.Wanted(c.rule, column, c.expectation, kwargs, c.severity, c.description_zh, c.rationale))
    return tuple(made)


# ---------------------------------------------------------------- lake


def _lake(settings: Settings, run_id: str, suites: Sequence[Suite]) -> GateOutcome:
    batches = measures.new_batches(settings)
    files = measures.files_to_judge(settings, batches)
    verdicts: list[_Verdict] = []
    if batches or files:
        tables = {*measures.feeds_to_read(batches), "identity_map"}
        with lake_view.open_lake(settings, only=tables) as connection:
            measures.prepare(connection, batches, files)
            figures = {suite.name: measures.measure(connection, suite) for suite in suites}
            subjects = [
                great.Subject(
                    name=s.name,
                    query=f'select * from "{measures.wide_table(connection, s, figures[s.name])}"',
                    wanted=_wanted(s),
                    keys=measures.KEYS,
                    groups=len(figures[s.name]),
                )
                for s in suites
                if figures[s.name]
            ]
            with gx_duckdb.lend("lake", connection) as address:
                results = great.validate("lake", run_id, address, subjects, settings.reports / "data_docs" / "lake")
        for suite in suites:
            verdicts.extend(_folded(_group_verdicts(suite, figures[suite.name], results)))
    held = _held(batches, verdicts)
    _decide(settings, run_id, batches, verdicts, held)
    province = [v for v in verdicts if v.is_critical_failure and v.scope == "province"]
    return GateOutcome(
        checkpoint="lake",
        examined=sum(v.verdict in {"pass", "fail"} for v in verdicts),
        failed_critical=[_failure(v) for v in verdicts if v.is_critical_failure],
        held=held,
        ok=not province,
    )


def _held(batches: Sequence[Mapping[str, Any]], verdicts: Iterable[_Verdict]) -> list[dict[str, Any]]:
    """The batches to hold, each with the first rule that holds it and every reason."""
    by_id = {b["batch_id"]: b for b in batches}
    reasons: dict[str, list[tuple[str, str]]] = {}
    for v in verdicts:
        if not v.is_critical_failure or v.scope != "organisation" or v.batch_id not in by_id:
            continue
        cause = by_id[v.batch_id]
        reasons.setdefault(v.batch_id, []).append((v.rule, _message(v)))
        if v.check.holds == "delivery":
            for b in batches:
                same = (b["organisation"], b["delivered_on"]) == (cause["organisation"], cause["delivered_on"])
                if same and b["batch_id"] != v.batch_id:
                    reasons.setdefault(b["batch_id"], []).append((v.rule, f"同一次交付的{feed_name(cause['feed'])}未通过：{_message(v)}"))
    return [
        {
            "organisation": by_id[i]["organisation"],
            "feed": by_id[i]["feed"],
            "batch_id": i,
            "delivered_on": by_id[i]["delivered_on"],
            "rule": found[0][0],
            "reason_zh": "；".join(dict.fromkeys(message for _, message in found)),
        }
        for i, found in sorted(
            reasons.items(), key=lambda r: (by_id[r[0]]["organisation"], by_id[r[0]]["delivered_on"], by_id[r[0]]["feed"])
        )
    ]


def _decide(
    settings: Settings, run_id: str, batches: Sequence[Mapping[str, Any]], verdicts: Sequence[_Verdict], held: Sequence[Mapping[str, Any]]
) -> None:
    """Write verdicts and batch states together: a run that dies before leaves the batches waiting."""
    why = {h["batch_id"]: h for h in held}
    states = []
    for batch in batches:
        reason = why.get(batch["batch_id"])
        states.append(
            {
                **batch,
                "status": "held" if reason else "released",
                "rule": reason["rule"] if reason else None,
                "reason_zh": reason["reason_zh"] if reason else None,
                "decided_at": ops.now(),
            }
        )
    judged = {v.batch_id for v in verdicts}
    with ops.transaction(settings.ops_url) as connection:
        for batch_id in judged:
            table = ops.check_result
            connection.execute(delete(table).where(table.c.checkpoint == "lake", table.c.batch_id == batch_id))
        ops.replace(connection, ops.check_result, [_row(v, run_id) for v in verdicts])
        ops.replace(connection, ops.batch_state, states)


def release_batch(settings: Settings, batch_id: str, who: str, why: str) -> None:
    """Release a held batch by hand; `who` is a staff number or role, `why` is shown in the report.

    Raises LookupError for an unknown batch and ValueError for one that is not held, or without who and why.
    """
    if not (who.strip() and why.strip()):
        raise ValueError("a release by hand needs who decides and why")
    with ops.transaction(settings.ops_url) as connection:
        batch = _held_batch(settings, batch_id)
        reason = f"由 {who.strip()} 人工放行：{why.strip()}。原拦截原因：{batch['reason_zh']}"
        ops.replace(
            connection, ops.batch_state, [{**batch, "status": "released", "rule": BY_HAND, "reason_zh": reason, "decided_at": ops.now()}]
        )


def judge_again(settings: Settings, batch_id: str) -> None:
    """Put a held batch before the next lake gate again, after a suite or a mapping has changed. Raises as `release_batch`."""
    with ops.transaction(settings.ops_url) as connection:
        batch = _held_batch(settings, batch_id)
        ops.replace(connection, ops.batch_state, [{**batch, "status": "loaded", "rule": None, "reason_zh": None, "decided_at": ops.now()}])


def _held_batch(settings: Settings, batch_id: str) -> dict[str, Any]:
    found = ops.rows(settings.ops_url, ops.batch_state, ops.batch_state.c.batch_id == batch_id)
    if not found:
        raise LookupError(f"no batch {batch_id}")
    if found[0]["status"] != "held":
        raise ValueError(f"batch {batch_id} is {found[0]['status']}, not held")
    return found[0]


# ---------------------------------------------------------------- features and marts


@contextmanager
def _warehouse(settings: Settings):
    """The build database's SQLAlchemy address, opened to read."""
    if settings.warehouse.url:
        yield settings.warehouse.url
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
        columns.append(f"({c.examined}) as {c.rule}__examined, ({c.failed}) as {c.rule}__failed")
    return f"select {', '.join(columns)} from ({rows}) grouped"


def _table_verdict(suite: Suite, check: Check, column: str, result: great.Result, rows: int | None) -> _Verdict:
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
    return _Verdict(
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
                        groups[suite.name] = [dict(r._mapping) for r in connection.execute(text(query.replace(":", r"\:")))]
                        counts[suite.name] = len(groups[suite.name])
                    else:
                        counts[suite.name] = connection.execute(text(f"select count(*) from ({query}) t".replace(":", r"\:"))).scalar_one()
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
            "examined": int(row[f"{c.rule}__examined"] or 0),
            "failed": int(row[f"{c.rule}__failed"] or 0),
            "observed": None if row[c.rule] is None else float(row[c.rule]),
        }
        for row in rows
        for c in suite.checks
    ]


def _tables(settings: Settings, checkpoint: str, run_id: str, suites: Sequence[Suite]) -> GateOutcome:
    verdicts: list[_Verdict] = []
    with _warehouse(settings) as address:
        groups, counts = _read(address, suites)
        readable = [s for s in suites if counts[s.name] is not None]
        subjects = [
            great.Subject(s.name, _warehouse_query(s), _wanted(s), keys=s.per, groups=len(groups.get(s.name, ()))) for s in readable
        ]
        results = great.validate(checkpoint, run_id, address, subjects, settings.reports / "data_docs" / checkpoint) if subjects else {}
    for suite in suites:
        if counts[suite.name] is None:
            verdicts.extend(_Verdict(suite, c, "error", 0, 0, None, column=column) for c in suite.checks for column in c.columns or ("",))
        elif suite.per:
            verdicts.extend(_group_verdicts(suite, _tall(suite, groups[suite.name]), results))
        else:
            verdicts.extend(
                _table_verdict(suite, c, column, results[suite.name, c.rule, column], counts[suite.name])
                for c in suite.checks
                for column in c.columns or ("",)
            )
    with ops.transaction(settings.ops_url) as connection:
        connection.execute(delete(ops.check_result).where(ops.check_result.c.checkpoint == checkpoint))
        ops.replace(connection, ops.check_result, [_row(v, run_id) for v in verdicts])
    critical = [v for v in verdicts if v.is_critical_failure]
    return GateOutcome(
        checkpoint=checkpoint,
        examined=sum(v.verdict in {"pass", "fail"} for v in verdicts),
        failed_critical=[_failure(v) for v in critical],
        ok=not critical,
    )


def run_checkpoint(settings: Settings, checkpoint: str, run_id: str) -> GateOutcome:
    """Run the gate `lake`, `features` or `marts`: write a row per check into the operations store, and decide.

    `lake` judges the batches that are `loaded` and sets each to `released` or `held`; batches decided before stay as they are.
    `features` and `marts` read the build database. Raises ValueError for an unknown checkpoint, FileNotFoundError when there
    is no build database.
    """
    suites = library.suites(checkpoint)
    outcome = _lake(settings, run_id, suites) if checkpoint == "lake" else _tables(settings, checkpoint, run_id, suites)
    for failure in outcome.failed_critical:
        log.error("gate %s: %s (%s)", checkpoint, failure["message_zh"], failure["rule"])
    return outcome
