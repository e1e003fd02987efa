"""What single feeds hold: skip logic, report texts with their stage, links between the tables of a hospital."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.unit.synthetic.delivered import Delivered

FEMALE_ONLY = ("menarche_age", "menopause_flag", "hrt_type", "live_birth_flag", "breastfeeding_flag", "fdr_breast_cancer")


def _clean(f: Delivered, dirty: dict) -> list[int]:
    return [row for row in range(1, len(f.rows) + 1) if not dirty.get((*f.key, row))]


def _of(files: list[Delivered], feed: str, organisation: str | None = None) -> list[Delivered]:
    return [f for f in files if f.feed == feed and organisation in (None, f.organisation) and not f.is_resent]


@pytest.fixture(scope="module")
def state(province: Path) -> dict[int, dict]:
    return {row["person_no"]: row for row in pq.read_table(province / "truth" / "person_state.parquet").to_pylist()}


def test_answers_obey_the_skip_logic(files: list[Delivered], dirty: dict) -> None:
    seen = 0
    for f in _of(files, "questionnaire"):
        for row in _clean(f, dirty):
            value = {name: f.value(row, name) for name in f.mapping.columns}
            assert (value["cigarettes_per_day"] is not None) == (value["smoking_status"] in {"1", "2"})
            assert (value["quit_years"] is not None) == (value["smoking_status"] == "2")
            assert all((value[name] is not None) == (value["sex_code"] == "2") for name in FEMALE_ONLY)
            for parent, child in (
                ("hx_bowel", "hx_bowel_diseases"),
                ("hx_liver", "hx_liver_diseases"),
                ("fh_any_cancer", "fh_cancer_type"),
            ):
                assert (value[child] is not None) == (value[parent] == "1")
            lists = {len((value[name] or "").split(";")) for name in ("fh_relation", "fh_cancer_type", "fh_age_at_dx")}
            assert len(lists) == 1
            seen += 1
    assert seen > 1_000


def test_answers_give_the_score_of_the_truth(files: list[Delivered], dirty: dict, persons: dict, state: dict[int, dict]) -> None:
    seen = high = 0
    for f in _of(files, "questionnaire"):
        for row in _clean(f, dirty):
            truth = state[persons[(*f.key, row)]]
            birth, survey = f.day(row, "birth_date"), f.day(row, "survey_date")
            assert birth and survey
            if survey != truth["survey_date"]:
                continue  # asked a second time
            age = survey.year - birth.year - ((survey.month, survey.day) < (birth.month, birth.day))
            relatives = zip(*((f.value(row, n) or "").split(";") for n in ("fh_relation", "fh_cancer_type", "fh_age_at_dx")), strict=True)
            close = [int(at) for relation, cancer, at in relatives if cancer == "6" and relation in {"1", "2", "3", "4", "5"}]
            family = 4 if len(close) >= 2 or any(at < 60 for at in close) else len(close)
            bmi = float(f.value(row, "weight_kg") or 0) / (float(f.value(row, "height_cm") or 0) / 100) ** 2
            points = (
                (2 if age >= 60 else 1 if age >= 50 else 0)
                + (f.value(row, "sex_code") == "1")
                + family
                + (f.value(row, "smoking_status") in {"1", "2"})
                + (round(bmi, 9) >= 23)
            )
            assert points == truth["nhc_2024_score"]
            known = f.value(row, "hx_any_cancer") == "1"
            assert truth["is_high_risk"] == (points >= 4 and 40 <= age <= 74 and not known)
            seen, high = seen + 1, high + truth["is_high_risk"]
    assert seen > 1_000 and high > 100


def test_a_cancer_is_followed_from_the_questionnaire_over_screening_to_the_hospital(files: list[Delivered], persons: dict, province: Path) -> None:
    courses = pq.read_table(province / "truth" / "cancer_state.parquet").to_pylist()
    screened = {c["person_no"] for c in courses if c["route"] == "screening" and c["first_treatment_date"]}
    assert len(screened) >= 5
    feeds: dict[int, set[str]] = {no: set() for no in screened}
    for f in files:
        for row in range(1, len(f.rows) + 1):
            person = persons.get((*f.key, row))
            if person in feeds:
                feeds[person].add(f.feed)
    path = {"questionnaire", "patient", "visit", "diagnosis", "pathology_report"}
    followed = [found for found in feeds.values() if path <= found and any(feed.startswith("screening_") for feed in found)]
    assert len(followed) >= 2
