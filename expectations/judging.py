"""From a suite to expectations, and from what Great Expectations said to verdicts; the same for lake and warehouse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from expectations import great, measures
from expectations.library import Suite
from expectations.names import group_zh
from expectations.verdicts import Verdict


def wanted(suite: Suite) -> tuple[great.Wanted, ...]:
    made = []
    for c in suite.checks:
        for column in c.columns or ("",):
            kwargs = {**c.kwargs, **({"column": c.rule} if suite.is_measured else {"column": column} if column else {})}
            made.append(great.Wanted(c.rule, column, c.expectation, kwargs, c.severity, c.description_zh, c.rationale))
    return tuple(made)


def group_verdicts(suite: Suite, rows: Iterable[Mapping[str, Any]], results: Mapping[tuple[str, str, str], great.Result]) -> list[Verdict]:
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
        failed = row["failed"] if row["failed"] is not None else int(verdict == "fail")
        known = {k: row.get(k) or None for k in ("organisation", "feed", "batch_id")}
        others = "，".join(group_zh(k, str(row[k])) for k in keys if k not in measures.KEYS)
        column = row.get("column_name", "") if suite.source != "warehouse" else ""
        made.append(Verdict(suite, check, verdict, row["examined"], failed, row["observed"], column=column, group=others, **known))
    return made
