"""Case tables of the text engine: one YAML per report kind in cases/, readable by the clinician who checks them.

A case: `id`, `text`, and any of
  expect:  fields / findings / lesions, each a list of dicts; every dict must be contained in one field, finding or lesion of the result
  absent:  the same shape; no field, finding or lesion of the result may contain the dict
  lesion_count:  how many lesions there are
Keys of a field: name, value, unit, lesion, text (its evidence). Of a finding: concept, text, category, assertion. Numbers are equal within 0.01.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import yaml

from ingestion.text.structure import KINDS, Structured, structure

FOLDER = Path(__file__).parent / "cases"
FEWEST = 40


@cache
def table(kind: str) -> list[dict]:
    path = FOLDER / f"{kind}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else []


def parts(text: str, result: Structured) -> dict[str, list[dict]]:
    fields = [one._asdict() | {"text": text[one.evidence.start : one.evidence.end]} for one in result.fields]
    return {"fields": fields, "findings": [one._asdict() for one in result.findings], "lesions": result.lesions}


def same(wanted: object, got: object) -> bool:
    if isinstance(wanted, (int, float)) and isinstance(got, (int, float)) and not isinstance(wanted, bool):
        return abs(wanted - got) < 0.01
    return wanted == got


def contains(whole: dict, part: dict) -> bool:
    return all(key in whole and same(value, whole[key]) for key, value in part.items())


CASES = [pytest.param(kind, case, id=f"{kind}-{case['id']}") for kind in KINDS for case in table(kind)]


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_the_report_is_read_as_the_case_says(kind: str, case: dict) -> None:
    text = case["text"]
    result = structure(kind, text)
    got = parts(text, result)
    for part, wanted in (case.get("expect") or {}).items():
        for one in wanted:
            assert any(contains(each, one) for each in got[part]), f"{one} is not among the {part}: {got[part]}"
    for part, unwanted in (case.get("absent") or {}).items():
        for one in unwanted:
            assert not any(contains(each, one) for each in got[part]), f"{one} is among the {part}: {got[part]}"
    if "lesion_count" in case:
        assert len(result.lesions) == case["lesion_count"], result.lesions


@pytest.mark.parametrize(("kind", "case"), CASES)
def test_evidence_stands_in_the_text(kind: str, case: dict) -> None:
    text = case["text"]
    result = structure(kind, text)
    for field in result.fields:
        assert 0 <= field.evidence.start < field.evidence.end <= len(text), field
        assert field.evidence.rule, field
    for finding in result.findings:
        assert text[finding.start : finding.end] == finding.text


@pytest.mark.parametrize("kind", [kind for kind in KINDS if table(kind)])
def test_a_table_has_enough_cases_and_no_id_twice(kind: str) -> None:
    ids = [case["id"] for case in table(kind)]
    assert len(ids) >= FEWEST
    assert len(ids) == len(set(ids))
