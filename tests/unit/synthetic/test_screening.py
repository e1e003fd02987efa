"""Screening forms say what the lives say: classes, states and results agree from the first line to the histology."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from ingestion.contracts import contract
from ingestion.synthetic.life import BREAST_US, CANCER, COLPOSCOPY, CYTOLOGY, HPV, LDCT, LIVER_US_AFP, POSITIVE, UGI_ENDOSCOPY
from ingestion.synthetic.life_course import live
from ingestion.synthetic.people import populate
from ingestion.synthetic.records import Records
from ingestion.synthetic.screening_desk import Desk
from ingestion.synthetic.screening_forms import FORMS, screening_records
from tests.unit.synthetic.screened import rows, screened

PEOPLE = populate(7, 1_500)


@pytest.fixture(scope="module")
def desk() -> Desk:
    return screened(PEOPLE, live(PEOPLE, 7), "F1401")


@pytest.fixture(scope="module")
def made(desk: Desk) -> dict[str, Records]:
    return {records.feed: records for forms in FORMS for records in forms(desk)}


def _by_exam(records: Records) -> dict[str, list[dict]]:
    found = defaultdict(list)
    for row in rows(records):
        found[row["screening_no"]].append(row)
    return found


def test_every_form_is_filled(made: dict[str, Records]) -> None:
    assert len(made) == 20
    assert all(len(records) > 0 for records in made.values())


def test_a_record_has_its_key_alone(made: dict[str, Records]) -> None:
    for feed, records in made.items():
        keys = [f.name for f in contract(feed).primary_key]
        found = Counter(tuple(row[k] for k in keys) for row in rows(records))
        assert all(key and None not in key for key in found)
        assert max(found.values()) == 1, feed


def test_parts_belong_to_an_examination_and_are_numbered_from_one(made: dict[str, Records]) -> None:
    for feed, parent in {
        "screening_ldct_nodule": "screening_ldct",
        "screening_ugi_endoscopy_lesion": "screening_ugi_endoscopy",
        "screening_liver_lesion": "screening_liver",
        "screening_breast_us_lesion": "screening_breast_us",
        "screening_colonoscopy_lesion": "screening_colonoscopy",
        "screening_cervical_histology": "screening_colposcopy",
    }.items():
        whole, parts = set(_by_exam(made[parent])), _by_exam(made[feed])
        assert set(parts) <= whole
        number = next((f.name for f in contract(feed).primary_key if f.name.endswith(("lesion_no", "nodule_no"))), None)
        if number:
            assert all([int(p[number]) for p in group] == list(range(1, len(group) + 1)) for group in parts.values())


def test_a_nodule_has_the_size_of_its_class_and_is_positive_by_the_programmes_sizes(desk: Desk, made: dict[str, Records]) -> None:
    tests, exams, nodules = desk.tests("lung", LDCT), rows(made["screening_ldct"]), _by_exam(made["screening_ldct_nodule"])
    limits = {1: (5, 6.5), 2: (5.5, 20), 3: (7.5, 30), 4: (14, 50)}
    seen = Counter()
    for grade, exam in zip(tests.category, exams, strict=True):
        found = nodules.get(exam["screening_no"], [])
        assert len(found) == int(exam["recorded_nodule_count"] or 0)
        assert (exam["positive_nodule_found"] == "2") == bool(found)
        if found:
            first = found[0]
            mean = float(first["mean_diameter_mm"])
            assert limits[grade][0] <= mean <= limits[grade][1]
            assert mean >= (8 if first["density_code"] == "3" else 5) or first["is_endobronchial"] == "2"
            assert float(first["short_diameter_mm"]) <= float(first["long_diameter_mm"])
            suspected = any(int(n["nature_code"]) >= 4 for n in found)
            assert (exam["suspected_cancer_found"] == "2") == suspected == (exam["result_code"] == "1")
        else:
            assert exam["result_code"] in {"3", "4", "5", "6", "7"}
        seen[grade] += bool(found)
    assert seen[2] and seen[3] == (tests.category == 3).sum() and seen[4] == (tests.category == 4).sum()


def test_ultrasound_and_mammography_bear_the_class_of_the_examination(desk: Desk, made: dict[str, Records]) -> None:
    us, masses = rows(made["screening_breast_us"]), _by_exam(made["screening_breast_us_lesion"])
    for grade, exam in zip(desk.tests("breast", BREAST_US).category, us, strict=True):
        assert int(exam["bi_rads_code"]) == grade + 1
        assert exam["result_code"] == ("1" if grade >= 4 else "2" if grade in (0, 3) else "3")
        found = masses.get(exam["screening_no"], [])
        assert (exam["lesion_found"] == "1") == bool(found) == (grade >= 2)
        if found:
            assert max(int(m["bi_rads_code"]) for m in found) == grade + 1
            left = sum(m["side_code"] == "1" for m in found)
            assert (int(exam["left_lesion_count"]), int(exam["right_lesion_count"])) == (left, len(found) - left)
    for exam in rows(made["screening_breast_mg"]):
        sides = sorted(int(exam[f"{side}_bi_rads_code"]) for side in ("left", "right"))
        assert int(exam["bi_rads_code"]) in sides
        if int(exam["bi_rads_code"]) >= 5:
            assert max(sides) == int(exam["bi_rads_code"]) and min(sides) <= 3
            side = "left" if exam["left_bi_rads_code"] == exam["bi_rads_code"] else "right"
            assert exam[f"{side}_mass_found"] == "2" or exam[f"{side}_calcification_found"] == "2"


def test_lugol_and_histology_say_what_the_endoscopy_found(desk: Desk, made: dict[str, Records]) -> None:
    seen = dict(zip((r["screening_no"] for r in rows(made["screening_ugi_endoscopy"])), desk.tests("upper_gi", UGI_ENDOSCOPY).seen, strict=True))
    meant = {3: {"14", "15", "22", "23", "24"}, 2: {"10", "13", "21"}, 1: {"08", "18", "20"}, 0: {"01", "04", "05", "06", "07", "17", "18"}}
    told = Counter()
    for specimen in rows(made["screening_ugi_pathology"]):
        state = seen[specimen["screening_no"]] if specimen["specimen_no"].endswith("-1") else 0
        assert specimen["pathology_codes"].split(";")[-1] in meant[state]
        told[state] += 1
    assert set(told) == {0, 1, 2, 3}
    for lesion in rows(made["screening_ugi_endoscopy_lesion"]):
        if lesion["lesion_no"] == "1" and lesion["organ_code"] == "1" and seen[lesion["screening_no"]] == CANCER:
            assert lesion["lugol_code"] == "1"


def test_a_positive_liver_screening_has_a_lesion_or_a_protein_above_400(desk: Desk, made: dict[str, Records]) -> None:
    lesions = _by_exam(made["screening_liver_lesion"])
    for result, exam in zip(desk.tests("liver", LIVER_US_AFP).result, rows(made["screening_liver"]), strict=True):
        suspicious = any(lesion["conclusion_code"] in {"10", "11"} for lesion in lesions.get(exam["screening_no"], []))
        value = float(exam["afp_ng_ml"].strip("<>"))
        assert (result == POSITIVE) == (suspicious or value > 400)
        assert (exam["afp_result_code"] == "1") == (value > 20)
        assert int(exam["lesion_count"] or 0) == len(lesions.get(exam["screening_no"], []))


def test_the_cervical_chain_agrees_from_virus_to_histology(desk: Desk, made: dict[str, Records]) -> None:
    for category, result, row in zip(
        desk.tests("cervix", HPV).category, desk.tests("cervix", HPV).result, rows(made["screening_cervical_hpv"]), strict=True
    ):
        assert (row["hpv_result_code"] == "2") == (result == POSITIVE)
        types = set((row["hpv_type_codes"] or "").split(";")) - {""}
        if types:
            assert result == POSITIVE and (category == 1) == bool(types & {"16", "18"})
    names = ("NILM", "ASC-US", "LSIL", "ASC-H", "HSIL", "AGC-NOS", "SCC")
    for category, row in zip(desk.tests("cervix", CYTOLOGY).category, rows(made["screening_cervical_cytology"]), strict=True):
        assert row["bethesda_code"] == names[category]
    seen = dict(zip((r["screening_no"] for r in rows(made["screening_colposcopy"])), desk.tests("cervix", COLPOSCOPY).seen, strict=True))
    meant = {3: {"6", "7", "8"}, 2: {"3", "4", "5"}, 1: {"2"}, 0: {"1", "99"}}
    for specimen in rows(made["screening_cervical_histology"]):
        state = seen[specimen["screening_no"]] if specimen["specimen_no"].endswith("-1") else 0
        assert specimen["histology_code"] in meant[state]


def test_forms_for_women_hold_no_man(made: dict[str, Records]) -> None:
    feeds = [feed for feed in made if "breast" in feed or feed in {"screening_cervical_hpv", "screening_cervical_cytology", "screening_colposcopy"}]
    assert len(feeds) == 6
    for feed in feeds:
        if "sex_code" in made[feed].table.column_names:
            assert set(made[feed].table["sex_code"].to_pylist()) == {"2"}


def test_positive_results_are_followed_up_and_some_people_decline(desk: Desk, made: dict[str, Records]) -> None:
    followed = rows(made["screening_follow_up"])
    states = Counter(row["work_up_state_code"] for row in followed)
    assert {"1", "2", "3", "4", "5"} <= set(states)
    assert states["1"] > states["3"] > 0
    assert {row["cancer_code"] for row in followed} == set(desk.lives.cancers)
    for row in followed:
        assert (row["has_cancer"] == "1") == (row["primary_site_icd10_code"] is not None)
        assert row["is_lost"] == "2" or row["vital_status_code"] is None


def test_results_are_entered_after_the_examination_and_known_after_entry(made: dict[str, Records]) -> None:
    for feed, records in made.items():
        columns = records.table.column_names
        day = next((f.name for f in contract(feed).fields if f.business_date), None)
        if "entered_date" in columns and day in columns:
            entered = records.table["entered_date"].to_pylist()
            assert all(e >= d for e, d in zip(entered, records.table[day].to_pylist(), strict=True)), feed
            assert (records.known_on >= np.array(entered, dtype="datetime64[D]")).all(), feed


def test_nodules_beside_their_examination_are_those_of_a_table_of_their_own() -> None:
    desk = screened(PEOPLE, live(PEOPLE, 7), "F1403")
    apart = {records.feed: records for forms in FORMS for records in forms(desk)}
    together = {r.feed: r for r in screening_records(PEOPLE, desk.lives, desk.seed, organisation="F1403")}
    assert "screening_ldct_nodule" not in together and "screening_liver_lesion" not in together
    exams, nodules = together["screening_ldct"], _by_exam(apart["screening_ldct_nodule"])
    assert exams.also["screening_ldct_nodule"].sum() == len(apart["screening_ldct_nodule"])
    wide = {name: column.to_pylist() for name, column in exams.extra.items()}
    for i, exam in enumerate(rows(exams)):
        found = nodules.get(exam["screening_no"], [])
        for n in (1, 2, 3, 4):
            expected = found[n - 1]["long_diameter_mm"] if n <= len(found) else None
            assert wide[f"NODULE{n}_LONG_DIAMETER_MM"][i] == expected
