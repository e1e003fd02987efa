"""The gate after the lake: judges new batches, and holds or releases each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import delete

from expectations import great, gx_duckdb, lake_view, measures
from expectations.judging import group_verdicts, wanted
from expectations.library import Suite
from expectations.names import feed_name
from expectations.verdicts import GateOutcome, Verdict, check_row, failure, message
from infra.settings import Settings
from ingestion import ops


def judge(settings: Settings, run_id: str, suites: Sequence[Suite]) -> GateOutcome:
    batches = measures.new_batches(settings)
    files = ops.rows(settings.ops_url, ops.file_ledger)
    verdicts: list[Verdict] = []
    if batches or _unjudged(settings, files):
        tables = {*measures.feeds_to_read(batches), "identity_map"}
        with lake_view.open_lake(settings, only=tables) as connection:
            measures.prepare(connection, batches, files)
            figures = {suite.name: measures.measure(connection, suite) for suite in suites}
            subjects = [
                great.Subject(
                    name=s.name,
                    name_zh=s.name_zh,
                    query=f'select * from "{measures.wide_table(connection, s, figures[s.name])}"',
                    wanted=wanted(s),
                    keys=measures.KEYS,
                    groups=len(figures[s.name]),
                )
                for s in suites
                if figures[s.name]
            ]
            with gx_duckdb.lend("lake", connection) as address:
                results = great.validate("lake", run_id, address, subjects, settings.reports / "data_docs" / "lake")
        for suite in suites:
            verdicts.extend(_folded(group_verdicts(suite, figures[suite.name], results)))
    held = _held(batches, verdicts)
    _decide(settings, run_id, batches, verdicts, held)
    province = [v for v in verdicts if v.is_critical_failure and v.scope == "province"]
    return GateOutcome(
        checkpoint="lake",
        examined=sum(v.verdict in {"pass", "fail"} for v in verdicts),
        failed_critical=[failure(v) for v in verdicts if v.is_critical_failure],
        held=held,
        ok=not province,
    )


def _unjudged(settings: Settings, files: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a file arrived, if only to be rejected, after the gate last looked at its organisation's feed."""
    table = ops.check_result
    judged: dict[tuple[str, str], Any] = {}
    for row in ops.rows(settings.ops_url, table, table.c.checkpoint == "lake", table.c.batch_id.is_(None)):
        key = (row["organisation"], row["feed"])
        judged[key] = max(judged.get(key, row["checked_at"]), row["checked_at"])
    return any(judged.get(key := (f["organisation"], f["feed"])) is None or judged[key] < f["recorded_at"] for f in files)


def _folded(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Checks multiplied over a contract's fields: a failing field keeps its row, the others of its batch become one row."""
    single = [v for v in verdicts if v.check.each_field is None]
    groups: dict[tuple[str, str | None], list[Verdict]] = {}
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
                Verdict(first.suite, first.check, first.verdict, examined, failed, observed, "", first.organisation, first.feed, first.batch_id)
            )
    return single


def _held(batches: Sequence[Mapping[str, Any]], verdicts: Iterable[Verdict]) -> list[dict[str, Any]]:
    """The batches to hold, each with the first rule that holds it and every reason."""
    by_id = {b["batch_id"]: b for b in batches}
    reasons: dict[str, list[tuple[str, str]]] = {}
    for v in verdicts:
        if not v.is_critical_failure or v.scope != "organisation" or v.batch_id not in by_id:
            continue
        cause = by_id[v.batch_id]
        reasons.setdefault(v.batch_id, []).append((v.rule, message(v)))
        if v.check.holds == "delivery":
            for b in batches:
                same = (b["organisation"], b["delivered_on"]) == (cause["organisation"], cause["delivered_on"])
                if same and b["batch_id"] != v.batch_id:
                    reasons.setdefault(b["batch_id"], []).append((v.rule, f"同一次交付的{feed_name(cause['feed'])}未通过：{message(v)}"))
    return [
        {
            "organisation": by_id[i]["organisation"],
            "feed": by_id[i]["feed"],
            "batch_id": i,
            "delivered_on": by_id[i]["delivered_on"],
            "rule": found[0][0],
            "reason_zh": "；".join(dict.fromkeys(message for _, message in found)),
        }
        for i, found in sorted(reasons.items(), key=lambda r: (by_id[r[0]]["organisation"], by_id[r[0]]["delivered_on"], by_id[r[0]]["feed"]))
    ]


def _decide(
    settings: Settings, run_id: str, batches: Sequence[Mapping[str, Any]], verdicts: Sequence[Verdict], held: Sequence[Mapping[str, Any]]
) -> None:
    """Write verdicts and batch states together: a run that dies before leaves the batches waiting.

    So does a failure of the province in a batch, which is a fault of this system: the batch is judged again when it is mended.
    """
    why = {h["batch_id"]: h for h in held}
    waiting = {v.batch_id for v in verdicts if v.is_critical_failure and v.scope == "province"}
    states = []
    for batch in batches:
        if batch["batch_id"] in waiting:
            continue
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
    table = ops.check_result
    with ops.transaction(settings.ops_url) as connection:
        for batch_id in {v.batch_id for v in verdicts}:
            connection.execute(delete(table).where(table.c.checkpoint == "lake", table.c.batch_id == (batch_id or None)))
        ops.replace(connection, ops.check_result, [check_row(v, run_id) for v in verdicts])
        ops.replace(connection, ops.batch_state, states)
