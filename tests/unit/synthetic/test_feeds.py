"""What single feeds hold: skip logic, report texts with their stage, links between the tables of a hospital."""

from __future__ import annotations

import re
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


@pytest.mark.parametrize("organisation", ["H1401", "H1402"])
def test_a_resection_report_states_the_true_stage(
    files: list[Delivered], dirty: dict, persons: dict, state: dict[int, dict], organisation: str
) -> None:
    seen = 0
    for f in _of(files, "pathology_report", organisation):
        for row in _clean(f, dirty):
            text = f.value(row, "diagnosis_text") or ""
            found = re.search(r"(?i)(yp|p)T([0-4][ab]?) ?N([0-2][abc]?) ?M([01][abc]?)", text)
            if not found:
                continue
            truth = state[persons[(*f.key, row)]]
            assert (f"T{found[2]}", f"N{found[3]}", f"M{found[4]}") == (truth["t_category"], truth["n_category"], truth["m_category"])
            assert (found[1].lower() == "yp") == (truth["neoadjuvant_date"] is not None)
            nodes = re.search(r"(\d+)/(\d+)", text)
            assert nodes and int(nodes[1]) <= int(nodes[2])
            assert (int(nodes[1]) > 0) == (truth["n_category"] not in {"N0", "N1c"})
            seen += 1
    assert seen >= 3


@pytest.mark.parametrize("organisation", ["H1401", "H1402"])
def test_reports_of_a_hospital_come_in_two_styles_and_some_name_the_patient(
    files: list[Delivered], persons: dict, province: Path, organisation: str
) -> None:
    names = pq.read_table(province / "truth" / "person.parquet", columns=["person_name"])["person_name"].to_pylist()
    openings, named = set(), 0
    for feed in ("endoscopy_report", "pathology_report"):
        for f in _of(files, feed, organisation):
            column = "findings_text" if feed == "endoscopy_report" else "diagnosis_text"
            for row in range(1, len(f.rows) + 1):
                text = f.value(row, column) or ""
                named += names[persons[(*f.key, row)]] in text
                if feed == "endoscopy_report" and "胃" not in text:
                    openings.add(text[:4])
    assert len(openings) >= 2
    assert named >= 1


def test_diagnoses_and_reports_of_a_hospital_belong_to_its_visits_and_patients(files: list[Delivered]) -> None:
    for organisation in ("H1401", "H1402"):
        patients = {f.value(row, "patient_no") for f in _of(files, "patient", organisation) for row in range(1, len(f.rows) + 1)}
        whole = [
            (f, row)
            for f in _of(files, "visit", organisation)
            for row in range(1, len(f.rows) + 1)
            if len(f.rows[row - 1]) == len(f.columns)
        ]
        visits = {f.value(row, "visit_no"): f.value(row, "patient_no") for f, row in whole}
        assert len(visits) > 100
        missing = 0
        for feed in ("diagnosis", "lab_result", "endoscopy_report", "pathology_report", "surgery", "treatment"):
            for f in _of(files, feed, organisation):
                for row in range(1, len(f.rows) + 1):
                    if len(f.rows[row - 1]) != len(f.columns):
                        continue
                    visit = f.value(row, "visit_no")
                    # a visit that ends after the last delivery, or comes late, may be quoted before it is known
                    missing += visit not in visits
                    assert visits.get(visit, f.value(row, "patient_no")) == f.value(row, "patient_no")
        assert missing < 0.03 * sum(len(f.rows) for f in files if f.organisation == organisation)
        assert len(set(visits.values()) - patients) < 0.05 * len(patients)


def test_a_cancer_is_followed_from_the_questionnaire_to_the_hospital(files: list[Delivered], persons: dict, state: dict[int, dict]) -> None:
    screened = {no for no, s in state.items() if s["route"] == "screening" and s["surgery_date"]}
    assert screened
    feeds: dict[int, set[str]] = {no: set() for no in screened}
    for f in files:
        for row in range(1, len(f.rows) + 1):
            person = persons.get((*f.key, row))
            if person in feeds:
                feeds[person].add(f.feed)
    path = {"questionnaire", "screening_colonoscopy", "screening_colonoscopy_lesion", "screening_crc_pathology"}
    path |= {"patient", "visit", "diagnosis", "pathology_report", "surgery"}
    assert any(path <= found for found in feeds.values())


def test_mucinous_and_signet_ring_reports_have_no_empty_clause(files: list[Delivered]) -> None:
    texts = [f.value(row, "diagnosis_text") or "" for f in _of(files, "pathology_report") for row in range(1, len(f.rows) + 1)]
    assert [t for t in texts if "，，" in t or "（）" in t] == []
