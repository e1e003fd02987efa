"""Every fault in the truth is really in the file at that row."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path

from ingestion.contracts import contracts
from ingestion.synthetic.deliver import organisations
from ingestion.synthetic.faults import CORRECTIONS, OWN, faults_of
from tests.unit.synthetic.delivered import Delivered

FUTURE = date(2027, 3, 1)
Seen = Callable[[Delivered, int], bool]


def _number(f: Delivered, row: int, name: str) -> float:
    return float(f.value(row, name) or "nan")


def _text(name: str, pattern: str) -> Seen:
    return lambda f, row: re.fullmatch(pattern, f.value(row, name) or "") is not None


def _empty(name: str) -> Seen:
    return lambda f, row: f.value(row, name) is None


def _future(name: str) -> Seen:
    return lambda f, row: f.day(row, name) == FUTURE


def _before(earlier: str, later: str) -> Seen:
    def seen(f: Delivered, row: int) -> bool:
        first, second = f.day(row, earlier), f.day(row, later)
        return first is not None and second is not None and first < second

    return seen


def _checksum_fails(f: Delivered, row: int) -> bool:
    number = f.value(row, "id_card_no") or ""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return len(number) == 18 and "10X98765432"[sum(w * int(d) for w, d in zip(weights, number, strict=False)) % 11] != number[17]


def _not_date(f: Delivered, row: int) -> bool:
    try:
        f.day(row, "survey_date")
    except ValueError:
        return True
    return False


def _birth_differs(f: Delivered, row: int) -> bool:
    day = f.day(row, "birth_date")
    return day is not None and f"{day:%Y%m%d}" != (f.value(row, "id_card_no") or "")[6:14]


SHARES = [f"diet_{food}_share_pct" for food in ("vegetable", "fruit", "meat_egg_milk", "bean", "pickled_veg", "processed_meat", "fried")]
SEEN: dict[str, Seen] = {
    "id_missing": _empty("id_card_no"),
    "id_checksum": _checksum_fails,
    "id_length": _text("id_card_no", r"\d{16}"),
    "id_fifteen_digits": _text("id_card_no", r"1499\d{11}"),
    "id_lower_case_x": _text("id_card_no", r"\d{17}x"),
    "id_full_width": _text("id_card_no", r"[０-９]{17}[０-９X]"),
    "id_birth_mismatch": _birth_differs,
    "id_sex_mismatch": lambda f, row: (int((f.value(row, "id_card_no") or "")[16]) % 2 == 1) != (f.code(row, "sex_code") == "1"),
    "phone_format": _text("mobile_phone", r"\d{10}"),
    "phone_changed": _text("mobile_phone", r"1549\d{7}"),
    "name_with_space": _text("person_name", r"\S \S+"),
    "height_in_metres": _text("height_cm", r"[12]\.\d\d"),
    "height_in_millimetres": lambda f, row: 1300 < _number(f, row, "height_cm") < 2100,
    "height_weight_swapped": lambda f, row: _number(f, row, "height_cm") < 100 < _number(f, row, "weight_kg"),
    "weight_in_words": _text("weight_kg", r"[^\d]+"),
    "weight_zero": lambda f, row: _number(f, row, "weight_kg") == 0,
    "height_with_unit": _text("height_cm", r"[\d.]+cm"),
    "waist_not_done": _text("waist_cm", "弃查|未查"),
    "smoking_code_unknown": _text("smoking_status", "9"),
    "survey_date_missing": _empty("survey_date"),
    "survey_date_impossible": _not_date,
    "survey_in_future": _future("survey_date"),
    "born_after_survey": lambda f, row: f.day(row, "birth_date") == f.day(row, "survey_date") and f.value(row, "id_card_no") is None,
    "female_section": lambda f, row: f.code(row, "sex_code") == "1" and f.value(row, "menarche_age") is not None,
    "smoking_detail_of_never_smoker": lambda f, row: f.value(row, "smoking_status") == "0" and _number(f, row, "cigarettes_per_day") > 0,
    "diet_shares_above_100": lambda f, row: sum(_number(f, row, name) for name in SHARES) > 100,
    "bowel_child_without_parent": lambda f, row: f.value(row, "hx_bowel") == "0" and f.value(row, "hx_bowel_diseases") is not None,
    "patient_no_missing": _empty("patient_no"),
    "visit_ends_before_start": _before("visit_end_date", "visit_start_date"),
    "visit_in_future": _future("visit_start_date"),
    "visit_type_unknown": _text("visit_type_code", "8"),
    "icd_malformed": lambda f, row: not re.fullmatch(r"[A-Z]\d\d(\.[\dx]+)?", f.value(row, "diagnosis_code") or ""),
    "diagnosis_date_missing": _empty("diagnosis_date"),
    "main_flag_unknown": _text("is_main", "X"),
    "result_with_arrow": _text("result", r"[\d.]+↑"),
    "result_not_done": _text("result", "未做|未查"),
    "result_with_remark": _text("result", r"[\d.]+ 轻度溶血"),
    "lab_date_missing": _empty("reported_date"),
    "reported_before_exam": _before("reported_date", "exam_date"),
    "exam_in_future": _future("exam_date"),
    "report_date_missing": _empty("reported_date"),
    "sampled_in_future": _future("sampled_date"),
    "surgery_in_future": _future("surgery_date"),
    "treatment_ends_before_start": _before("end_date", "start_date"),
    "cycles_impossible": _text("cycle_count", "99"),
    "karnofsky_impossible": _text("karnofsky_score", "900"),
    "cause_malformed": lambda f, row: not re.fullmatch(r"[A-Z]\d\d(\.\d)?", f.value(row, "cause_code") or ""),
    "glucose_given_up": _text("glucose_mmol_l", "弃查"),
    "marker_not_done": _text("cea_ng_ml", "未查"),
    "above_upper_limit": _text("triglyceride_mmol_l", r">11\.00"),
    "marked_high": _text("ldl_mmol_l", r"\d\.\d\d\+"),
    "value_with_remark": _text("cholesterol_mmol_l", r"[\d.]+轻度溶血"),
    "two_points": _text("hdl_mmol_l", r"1\.2\.5"),
    "diastolic_above_systolic": lambda f, row: _number(f, row, "diastolic_mmhg") >= _number(f, row, "systolic_mmhg"),
    "exam_no_missing": _empty("exam_no"),
    "fit_code_unknown": _text("fit_result_code", "7"),
    "fit_in_future": _future("test_date"),
    "outcome_missing": _empty("colonoscopy_done"),
    "polyps_without_polyp": lambda f, row: f.code(row, "polyp_found") == "2" and _number(f, row, "polyp_count") > 0,
    "lesion_size_impossible": lambda f, row: _number(f, row, "diameter_cm") * f.mapping.columns["diameter_cm"].factor > 15,
    "pathology_code_unknown": _text("pathology_code", "99"),
    "contact_in_future": _future("contact_date"),
    "nodule_sides_swapped": lambda f, row: _number(f, row, "short_diameter_mm") > _number(f, row, "long_diameter_mm"),
    "afp_not_done": _text("afp_ng_ml", "未查"),
    "bi_rads_unknown": _text("bi_rads_code", "9"),
    "hpv_types_without_positive": lambda f, row: f.code(row, "hpv_result_code") == "1" and f.value(row, "hpv_type_codes") is not None,
    "impression_missing": _empty("impression_code"),
    "ugi_code_unknown": _text("pathology_codes", "77"),
    "hp_weak": _text("hp_result_code", "WEAK"),
    "smokes_at_times": _text("smoking_status", "偶尔"),
    "contact_day_in_future": _future("contact_date"),
    "activity_unknown": _empty("activity_no"),
    "dead_before_ill": _before("death_date", "incidence_date"),
    "morphology_malformed": lambda f, row: not re.fullmatch(r"[89]\d{3}", f.value(row, "morphology_code") or ""),
    "basis_unknown": _text("diagnosis_basis_code", "A"),
    "cervix_of_a_man": lambda f, row: f.value(row, "icd10_code") == "C53.9" and f.code(row, "sex_code") == "1",
    "death_in_future": _future("death_date"),
    "underlying_cause_malformed": lambda f, row: not re.match(r"[A-Z]\d\d", f.value(row, "underlying_cause_code") or ""),
    "reported_before_death": _before("registered_date", "death_date"),
    "certificate_of_failed_exam": lambda f, row: f.code(row, "is_passed") == "0" and f.value(row, "certificate_no") is not None,
    "score_impossible": _text("score", r"760"),
    "hours_of_absent": lambda f, row: f.code(row, "attendance_code") == "absent" and _number(f, row, "attended_hours") > 0,
    "decision_unknown": _text("decision_code", "再议"),
    "line_break_in_text": lambda f, row: any("\n" in (cell or "") for cell in f.rows[row - 1]),
    "column_count": lambda f, row: len(f.rows[row - 1]) != len(f.columns),
    "repeated_row": lambda f, row: f.rows[row - 1] in f.rows[: row - 1],
}
# Not visible in the row itself; each has a test of its own below.
ELSEWHERE = {"late_record", "deleted_record", "correction", "wrong_until_corrected", "repeated_delivery", "encoding_mismatch", "misspelt_header"}


# Rows of databases lie in no file until they are pulled: tests/unit/synthetic/test_hospitals.py.
IN_DATABASES = {(o, feed) for o, plan in organisations().items() for feed, spec in plan["feeds"].items() if spec["format"] == "database"}


def test_every_kind_of_fault_has_a_proof() -> None:
    known = {fault.name for feed in contracts() for fault in faults_of(feed)}
    assert known <= set(SEEN)
    assert set(OWN) | set(CORRECTIONS) <= set(contracts())


def test_every_planted_fault_is_in_its_file_at_its_row(files: list[Delivered], planted: list[dict]) -> None:
    by_key, by_name = {f.key: f for f in files}, {(f.organisation, f.delivered_on, f.path.name): f for f in files}
    proved: Counter[str] = Counter()
    for p in planted:
        if p["fault"] in ELSEWHERE or (p["organisation"], p["feed"]) in IN_DATABASES:
            continue
        # records of two feeds in one table share its file
        f = (
            by_key.get((p["organisation"], p["feed"], p["delivered_on"], p["file_name"]))
            or by_name[p["organisation"], p["delivered_on"], p["file_name"]]
        )
        assert SEEN[p["fault"]](f, p["row"]), p
        proved[p["fault"]] += 1
    assert len(proved) > 50


def test_a_row_carries_one_fault_at_most(planted: list[dict]) -> None:
    rows = Counter((p["organisation"], p["feed"], p["delivered_on"], p["file_name"], p["row"]) for p in planted if p["fault"] != "late_record")
    assert [key for key, count in rows.items() if count > 1 and key[-1] is not None] == []


def test_faults_stay_rare(planted: list[dict], files: list[Delivered]) -> None:
    rows = sum(len(f.rows) for f in files if f.feed == "questionnaire" and not f.is_resent)
    of_questionnaire = Counter(p["fault"] for p in planted if p["feed"] == "questionnaire")
    assert all(count / rows <= 0.02 for fault, count in of_questionnaire.items() if fault != "late_record"), of_questionnaire


def test_a_corrected_record_comes_later_under_the_same_key_with_another_value(files: list[Delivered], planted: list[dict], persons: dict) -> None:
    by_key = {f.key: f for f in files}
    proved = 0
    for feed, (name, _, _) in CORRECTIONS.items():
        keys = [c.name for c in contracts()[feed].primary_key]

        def rows(fault: str, feed: str = feed, keys: list[str] = keys, name: str = name) -> dict[tuple, tuple[date, str | None]]:
            found = {}
            for p in planted:
                if p["feed"] == feed and p["fault"] == fault:
                    f = by_key[p["organisation"], feed, p["delivered_on"], p["file_name"]]
                    person = persons[(*f.key, p["row"])]
                    found[(f.organisation, person, *(f.value(p["row"], k) for k in keys))] = (p["delivered_on"], f.value(p["row"], name))
            return found

        wrong, right = rows("wrong_until_corrected"), rows("correction")
        assert set(wrong) == set(right)
        for key in wrong:
            assert wrong[key][0] < right[key][0]
            assert wrong[key][1] != right[key][1]
            proved += 1
    assert proved > 20


def test_a_late_record_could_have_come_with_an_earlier_delivery(files: list[Delivered], planted: list[dict]) -> None:
    by_key = {f.key: f for f in files}
    first = {f.organisation: f.delivered_on for f in sorted(files, key=lambda f: f.delivered_on, reverse=True)}
    late = [p for p in planted if p["fault"] == "late_record" and (p["organisation"], p["feed"]) not in IN_DATABASES]
    assert late
    for p in late:
        f = by_key[p["organisation"], p["feed"], p["delivered_on"], p["file_name"]]
        assert f.delivered_on > first[f.organisation]


def test_a_repeated_delivery_has_the_bytes_of_an_earlier_one(province: Path, files: list[Delivered], planted: list[dict]) -> None:
    by_key = {f.key: f for f in files}
    repeated = [p for p in planted if p["fault"] == "repeated_delivery"]
    assert len(repeated) >= 3
    for p in repeated:
        again = by_key[p["organisation"], p["feed"], p["delivered_on"], p["file_name"]]
        digest = hashlib.sha256(again.path.read_bytes()).digest()
        earlier = [f for f in files if f.organisation == again.organisation and f.feed == again.feed and f.delivered_on < again.delivered_on]
        assert [f.path.name for f in earlier if hashlib.sha256(f.path.read_bytes()).digest() == digest]


def test_one_file_is_in_another_encoding_than_declared(files: list[Delivered], planted: list[dict]) -> None:
    (told,) = (p for p in planted if p["fault"] == "encoding_mismatch")
    for f in files:
        assert f.rows is not None
    assert [f.key for f in files if not f.declared] == [(told["organisation"], told["feed"], told["delivered_on"], told["file_name"])]


def test_a_file_with_a_misspelt_header_lacks_one_column_and_the_right_one_comes_later(files: list[Delivered], planted: list[dict]) -> None:
    (told,) = (p for p in planted if p["fault"] == "misspelt_header")
    assert told["expected"] == "rejected" and told["row"] is None
    by_key = {f.key: f for f in files}
    wrong = by_key[told["organisation"], told["feed"], told["delivered_on"], told["file_name"]]
    right = [f for f in files if (f.organisation, f.feed) == (wrong.organisation, wrong.feed) and f.rows == wrong.rows and f is not wrong]
    assert len(right) == 1 and right[0].delivered_on > wrong.delivered_on
    assert len(set(right[0].columns) - set(wrong.columns)) == 1
