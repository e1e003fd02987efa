"""Targets, training and decisions of the programme office, and the outreach of the platform."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pyarrow.compute as pc
import pytest

from ingestion.contracts import code_list
from ingestion.mappings import load_mapping
from ingestion.synthetic.calibration import document
from ingestion.synthetic.cells import parse_dates
from ingestion.synthetic.decisions import programme_office
from ingestion.synthetic.life import Lives
from ingestion.synthetic.life_course import live
from ingestion.synthetic.outreach import outreach_records
from ingestion.synthetic.people import People, counties, populate
from ingestion.synthetic.programme import apportioned
from ingestion.synthetic.records import Records

SEED = 3


@pytest.fixture(scope="module")
def lived() -> tuple[People, Lives]:
    people = populate(SEED, 6_000)
    return people, live(people, SEED)


@pytest.fixture(scope="module")
def office(lived: tuple[People, Lives]) -> dict[str, Records]:
    return {made.feed: made for made in programme_office(*lived, SEED)}


@pytest.fixture(scope="module")
def outreach(lived: tuple[People, Lives]) -> dict[str, Records]:
    return {made.feed: made for made in outreach_records(*lived, SEED)}


def rows(made: Records) -> list[dict]:
    return made.table.to_pylist()


def test_a_number_is_shared_out_to_the_last_one() -> None:
    assert apportioned(10, [1, 1, 1]) == [4, 3, 3]
    assert apportioned(7, [0.5, 3, 0]) == [1, 6, 0]


def test_targets_of_every_level_and_cancer_add_up_to_those_of_the_programme(office: dict[str, Records]) -> None:
    total: Counter[tuple[str, str, bool]] = Counter()
    for row in rows(office["programme_target"]):
        total[row["indicator_code"], row["level_code"], row["cancer_code"] == "all"] += int(row["target_count"])
    aims = {"assessed": 1_000_000, "screened": 200_000, "followed": 10_000}
    assert {key: count for key, count in total.items()} == {
        (indicator, level, whole): people
        for indicator, people in aims.items()
        for level in ("province", "prefecture", "organisation")
        for whole in ((True,) if indicator == "assessed" else (True, False))
    }


def test_every_topic_of_the_programme_is_taught_and_every_session_is_attended(office: dict[str, Records]) -> None:
    taught = {row["topic_code"] for row in rows(office["training_session"])}
    assert taught == {row["topic_code"] for row in rows(office["training_topic"])} == set(code_list("training_topic"))
    sessions = {row["session_no"]: row for row in rows(office["training_session"])}
    attended = defaultdict(list)
    for row in rows(office["training_attendance"]):
        attended[row["session_no"]].append((row["organisation_code"], row["staff_code"]))
    assert set(attended) == set(sessions)
    assert all(len(who) == len(set(who)) for who in attended.values())


def test_a_certificate_is_given_for_a_passed_exam_only_and_under_a_number_of_its_own(office: dict[str, Records]) -> None:
    exams = rows(office["training_exam"])
    failed = [row for row in exams if float(row["score"]) < float(row["pass_mark"])]
    assert failed and all(row["is_passed"] == "0" and row["certificate_no"] is None for row in failed)
    numbers = [row["certificate_no"] for row in exams if row["certificate_no"]]
    assert len(numbers) == len(set(numbers)) > 1_000
    present = {
        (r["session_no"], r["organisation_code"], r["staff_code"]) for r in rows(office["training_attendance"]) if r["attendance_code"] != "absent"
    }
    assert all((r["session_no"], r["organisation_code"], r["staff_code"]) in present for r in exams)
    assert {row["attempt_number"] for row in exams} == {"1", "2"}


def test_trainees_are_doctors_of_the_reference_data_in_their_department(office: dict[str, Records]) -> None:
    from ingestion.synthetic.reference import reference_records

    doctor = {
        (r["organisation_code"], r["doctor_code"]): r["department_code"] for m in reference_records(SEED) if m.feed == "doctor" for r in rows(m)
    }
    assert all(doctor[r["organisation_code"], r["staff_code"]] == r["department_code"] for r in rows(office["training_attendance"]))
    assert all((r["teacher_organisation_code"], r["teacher_code"]) in doctor for r in rows(office["training_session"]))


def test_decisions_on_taking_part_are_about_people_who_were_asked_and_live(lived: tuple[People, Lives], office: dict[str, Records]) -> None:
    people, lives = lived
    made = office["decision_participation"]
    assert len(made) > 30 and people.is_surveyed[made.person].all()
    effective, kind = parse_dates(made.table["effective_date"]), np.array(made.table["decision_code"].to_pylist())
    assert (lives.alive(made.person, effective) | (kind == "dead")).all()
    assert (effective >= people.survey_date[made.person])[kind != "dead"].all()
    declined = (kind == "declined").nonzero()[0]
    cancers = made.table["cancer_code"].to_pylist()
    assert len(declined) and all(lives.cancers[cancers[i]].declined[made.person[i]] for i in declined)


def test_a_decision_replaces_an_earlier_one_of_the_same_person(office: dict[str, Records]) -> None:
    made = office["decision_participation"]
    place = {number: i for i, number in enumerate(made.table["decision_no"].to_pylist())}
    replaced = [(i, place[number]) for i, number in enumerate(made.table["supersedes"].to_pylist()) if number]
    decided = parse_dates(made.table["decided_at"])
    assert replaced
    assert all(made.person[new] == made.person[old] and decided[new] > decided[old] for new, old in replaced)


def test_a_code_decision_is_about_a_code_that_no_mapping_lists(office: dict[str, Records]) -> None:
    for row in rows(office["decision_code_mapping"]):
        column = load_mapping(row["organisation_code"]).feeds[row["feed"]].columns[row["field_name"]]
        assert row["local_code"] not in column.codes
        assert row["canonical_code"] in column.codes.values()


def test_reviewed_pairs_are_those_of_one_person_and_those_of_namesakes(office: dict[str, Records]) -> None:
    found = rows(office["decision_linkage_review"])
    assert {row["verdict_code"] for row in found} >= {"same", "different"}
    assert all(row["left_feed"] == "cancer_registry_case" and row["right_feed"] == "death_registration" for row in found)


def test_the_rule_of_a_cancer_changes_without_a_gap(office: dict[str, Records]) -> None:
    colorectum = [r for r in rows(office["decision_rule_adoption"]) if r["cancer_code"] == "colorectum" and r["scope_code"] == "province"]
    assert [(r["valid_from"], r["valid_to"]) for r in colorectum] == [("2024-01-01", "2024-07-31"), ("2024-08-01", None)]
    assert len(document("programme")["rules"]) == len(rows(office["decision_rule_adoption"]))


def test_a_contact_comes_from_an_activity_of_the_persons_county_that_had_begun(lived: tuple[People, Lives], outreach: dict[str, Records]) -> None:
    people, _ = lived
    activity = {row["activity_no"]: row for row in rows(outreach["outreach_activity"])}
    made = outreach["outreach_contact"]
    county = [c.code for c in counties()]
    assert len(made) > 500
    for row, person in zip(rows(made), made.person.tolist(), strict=True):
        held = activity[row["activity_no"]]
        assert held["county_code"] == county[people.county[person]]
        assert held["start_date"] <= row["contact_date"]


def test_who_filled_the_questionnaire_after_a_contact_is_told_with_its_number(lived: tuple[People, Lives], outreach: dict[str, Records]) -> None:
    people, _ = lived
    made = outreach["outreach_contact"]
    assessed = pc.equal(made.table["response_code"], "assessed").to_numpy(zero_copy_only=False)
    assert (made.table["survey_no"].is_valid().to_numpy(zero_copy_only=False) == assessed).all()
    assert people.is_surveyed[made.person[assessed]].all() and not people.is_surveyed[made.person[~assessed]].any()
    assert (parse_dates(made.table["contact_date"])[assessed] <= people.survey_date[made.person[assessed]]).all()
