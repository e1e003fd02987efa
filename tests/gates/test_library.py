"""The suites as data: what a row of YAML may say, and how contract checks are multiplied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from expectations.library import agrees, measures, read_suite, suites
from ingestion.contracts import contract

CHECKPOINTS = ("lake", "features", "marts")

CHECK: dict[str, Any] = {
    "rule": "rows",
    "description_zh": "要有数据",
    "severity": "warning",
    "expectation": "expect_table_row_count_to_be_between",
    "kwargs": {"min_value": 1},
    "rationale": "An example.",
}
SUITE: dict[str, Any] = {
    "checkpoint": "marts",
    "subject": "example",
    "name_zh": "示例",
    "scope": "province",
    "source": "warehouse",
    "table": "mart_example",
    "checks": [CHECK],
}


def written(folder: Path, suite: dict[str, Any]) -> Path:
    path = folder / "suite.yml"
    path.write_text(yaml.safe_dump(suite, allow_unicode=True), encoding="utf-8")
    return path


def test_adding_a_check_is_adding_a_row(tmp_path: Path) -> None:
    more = {**SUITE, "checks": [CHECK, {**CHECK, "rule": "more_rows", "kwargs": {"min_value": 2}}]}
    assert [c.rule for c in read_suite(written(tmp_path, more)).checks] == ["rows", "more_rows"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"checks": [CHECK, CHECK]}, "stands twice"),
        ({"checks": [{**CHECK, "expectation": "expect_column_quantile_values_to_be_between"}]}, "cannot be used"),
        ({"checks": [{**CHECK, "expectation": "unexpected_rows_expectation"}]}, "cannot be used"),
        ({"checks": [{**CHECK, "severity": "critical"}], "scope": "organisation"}, "no batch can be held from the warehouse"),
        ({"checks": [{**CHECK, "examined": "count(*)", "failed": "0"}]}, "belong to checks that compare groups"),
        ({"checks": [{**CHECK, "each_field": {"required": True}}]}, "each_field"),
        ({"table": None}, "names a table or a query"),
        ({"checkpoint": "lake"}, "the lake checkpoint reads feeds"),
        ({"checks": [{**CHECK, "serverity": "info"}]}, "serverity"),
    ],
)
def test_a_row_that_could_not_be_judged_is_refused_when_it_is_read(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        read_suite(written(tmp_path, {**SUITE, **change}))


@pytest.mark.parametrize("checkpoint", CHECKPOINTS)
def test_every_shipped_check_says_what_it_wants_in_chinese_and_why_in_its_rationale(checkpoint: str) -> None:
    for suite in suites(checkpoint):
        for check in suite.checks:
            assert any("\u4e00" <= c <= "\u9fff" for c in check.description_zh), check.rule
            assert check.rationale.endswith("."), check.rule


def test_no_two_suites_share_a_name() -> None:
    names = [s.name for checkpoint in CHECKPOINTS for s in suites(checkpoint)]
    assert len(set(names)) == len(names)


def test_patterns_are_anchored_because_duckdb_and_postgresql_disagree_on_partial_matches() -> None:
    for checkpoint in CHECKPOINTS:
        for suite in suites(checkpoint):
            for check in suite.checks:
                pattern = check.kwargs.get("regex")
                assert pattern is None or (pattern.startswith("^(?:") and pattern.endswith(")$")), check.rule


def test_an_unknown_checkpoint_is_refused() -> None:
    with pytest.raises(ValueError, match="supper"):
        suites("supper")


def test_contract_checks_are_multiplied_over_the_fields_that_agree_and_lie_in_the_lake() -> None:
    feeds = next(s for s in suites("lake") if s.name == "lake.feeds")
    fit = contract("screening_fit")
    made = list(measures(feeds, fit))
    required = {m.column for m in made if m.rule == "required"}
    assert required == {f.name for f in fit.lake_fields if f.required}
    assert not {m.column for m in made} & {f.name for f in fit.fields if not f.in_lake}
    (code,) = [m for m in made if m.rule == "code" and m.column == "fit_result_code"]
    assert code.failed and "'1'" in code.failed and '"fit_result_code"' in code.failed


def test_a_field_agrees_by_value_by_list_and_by_being_filled() -> None:
    field = contract("screening_fit").field("fit_result_code")
    assert agrees(field, {"name": ["fit_result_code", "other"], "code_list": True, "required": True})
    assert not agrees(field, {"minimum": True})
    assert agrees(field, {"minimum": False, "type": "string"})
