"""Great Expectations, driven: one context and one checkpoint per gate, a validation definition per suite, Data Docs beside.

The library is imported at first use: it takes seconds, and a run that has nothing to judge should not pay for it.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from expectations import data_docs

SILENT = {"result_format": "BASIC", "partial_unexpected_count": 0, "include_unexpected_rows": False, "return_unexpected_index_query": False}


@dataclass(frozen=True)
class Wanted:
    """One expectation of a subject."""

    rule: str
    column: str
    expectation: str
    kwargs: dict[str, Any]
    severity: str
    description_zh: str
    rationale: str


@dataclass(frozen=True)
class Subject:
    """Rows to look at, as a query, and what is expected of them. `keys` name a row whose failure is wanted by name."""

    name: str
    name_zh: str
    query: str
    wanted: tuple[Wanted, ...]
    keys: tuple[str, ...] = ()
    groups: int = 0


@dataclass(frozen=True)
class Result:
    """What Great Expectations said: `error` is the kind of exception, never its text, which may quote values."""

    success: bool
    element_count: int | None = None
    missing_count: int | None = None
    unexpected_count: int | None = None
    observed: float | None = None
    failing: frozenset[tuple[str, ...]] = field(default_factory=frozenset)
    error: str | None = None


def load() -> Any:
    """Import Great Expectations without analytics, progress bars or chatter."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations

    logging.getLogger("great_expectations").setLevel(logging.CRITICAL)
    return great_expectations


def _error(exception_info: dict[str, Any]) -> str | None:
    infos = [exception_info] if "raised_exception" in exception_info else list(exception_info.values())
    raised = [i for i in infos if isinstance(i, dict) and i.get("raised_exception")]
    return str(raised[0].get("exception_message", "")).split(":")[0].split("(")[0].strip()[:80] or "exception" if raised else None


def _result(found: Any, keys: tuple[str, ...]) -> Result:
    numbers, observed = found.result or {}, (found.result or {}).get("observed_value")
    failing = frozenset(tuple(str(row[k]) for k in keys) for row in numbers.get("unexpected_index_list") or ())
    if keys and len(failing) != (numbers.get("unexpected_count") or 0):
        raise RuntimeError(f"{found.expectation_config.type}: {numbers.get('unexpected_count')} groups fail, {len(failing)} are named")
    return Result(
        success=bool(found.success),
        element_count=numbers.get("element_count"),
        missing_count=numbers.get("missing_count"),
        unexpected_count=numbers.get("unexpected_count"),
        observed=float(observed) if isinstance(observed, int | float) and not isinstance(observed, bool) else None,
        failing=failing,
        error=_error(found.exception_info or {}),
    )


def _result_format(subject: Subject) -> dict[str, Any]:
    if not subject.keys:
        return SILENT
    # The rows are groups (an organisation's batch, a channel) and their values shares: all failing ones are wanted, by key.
    return {
        "result_format": "COMPLETE",
        "partial_unexpected_count": max(subject.groups, 1),
        "unexpected_index_column_names": list(subject.keys),
        "include_unexpected_rows": False,
        "return_unexpected_index_query": False,
    }


def _drop_default_sites(context: Any) -> None:
    """An ephemeral context comes with a site in a temporary folder that nobody deletes."""
    for name, site in dict(context.variables.data_docs_sites or {}).items():
        context.delete_data_docs_site(name)
        folder = Path(site["store_backend"]["base_directory"])
        if folder.is_relative_to(tempfile.gettempdir()):
            shutil.rmtree(folder, ignore_errors=True)


def _page(subject: Subject, results: Mapping[tuple[str, str, str], Result]) -> data_docs.Page:
    found = [results[subject.name, w.rule, w.column] for w in subject.wanted]
    return data_docs.Page(subject.name, subject.name_zh, checks=len(found), failed=sum(not r.success for r in found))


def validate(checkpoint: str, run_id: str, address: str, subjects: Sequence[Subject], site: Path) -> dict[tuple[str, str, str], Result]:
    """Run one checkpoint over subjects of one database, and write its Data Docs.

    Returns a result per subject, rule and column. A check that raises has `error` set; nothing is raised for it.
    """
    gx = load()
    from great_expectations.expectations.registry import get_expectation_impl

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    _drop_default_sites(context)
    shutil.rmtree(site, ignore_errors=True)
    context.add_data_docs_site(site_name=checkpoint, site_config=data_docs.site_config(site))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the source for PostgreSQL alone would refuse an address without a host name (a socket)
        source = context.data_sources.add_sql(name=checkpoint, connection_string=address, create_temp_table=False)
    definitions: dict[tuple[str, ...], list[Any]] = {}
    by_name = {s.name: s for s in subjects}
    for subject in subjects:
        asset = source.add_query_asset(name=subject.name, query=subject.query)
        suite = context.suites.add(
            gx.ExpectationSuite(
                name=subject.name,
                expectations=[
                    get_expectation_impl(w.expectation)(
                        **w.kwargs,
                        severity=w.severity,
                        description=w.description_zh,
                        notes=w.rationale,
                        meta={"rule": w.rule, "column": w.column},
                    )
                    for w in subject.wanted
                ],
            )
        )
        definition = gx.ValidationDefinition(name=subject.name, data=asset.add_batch_definition_whole_table("all"), suite=suite)
        definitions.setdefault(subject.keys, []).append((subject, context.validation_definitions.add(definition)))
    results: dict[tuple[str, str, str], Result] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Great Expectations takes one result format a checkpoint, and the format names the keys of failing groups.
        for keys, pairs in definitions.items():
            formats = [_result_format(s) for s, _ in pairs]
            widest = max(formats, key=lambda f: f["partial_unexpected_count"])
            made = context.checkpoints.add(
                gx.Checkpoint(name="_".join((checkpoint, *keys)), validation_definitions=[d for _, d in pairs], result_format=widest)
            )
            outcome = made.run(run_id=gx.RunIdentifier(run_name=run_id))
            for found in outcome.run_results.values():
                subject = by_name[found.suite_name]
                for one in found.results:
                    meta = one.expectation_config.meta
                    results[subject.name, meta["rule"], meta["column"]] = _result(one, subject.keys)
        context.build_data_docs()
    data_docs.mend(site, checkpoint, run_id, [_page(s, results) for s in subjects])
    return results
