"""Planted dirt: what is wrong, how often, and what the pipeline is expected to do with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.contracts import contract
from ingestion.mappings import FeedMapping
from ingestion.synthetic.cells import Text, choose, constant, dates, decimal, join, keep, parse_dates, whole
from ingestion.synthetic.dialects import date_pattern, delivered_name

QUARANTINED, REPAIRED, SET_ASIDE, KEPT, SUPERSEDED, SKIPPED, ACCEPTED, REJECTED = (
    *("quarantined", "repaired", "set_aside", "kept", "superseded", "skipped"),
    *("accepted", "rejected"),
)
RARE, USUAL = 0.001, 0.002


@dataclass
class Batch:
    """The rows of one delivery before they are written: in canonical text and in the organisation's words."""

    mapping: FeedMapping
    canonical: pa.Table
    delivered: pa.Table

    def has(self, field: str) -> bool:
        """Whether the organisation writes the field into a column of this table, one record a row."""
        column = self.mapping.columns.get(field)
        if column is None or column.source not in self.delivered.column_names or field not in self.canonical.column_names:
            return False
        return column.source not in {made for joined in self.mapping.join for made in joined.made()}

    def is_converted(self, field: str) -> bool:
        """Whether the organisation writes the field in a unit of its own."""
        column = self.mapping.columns[field]
        return (column.factor, column.offset) != (1.0, 0.0)

    def text(self, field: str, at: np.ndarray | None = None) -> Text:
        """Delivered texts of a field, of all rows or of some."""
        column = self.delivered[delivered_name(self.mapping, field)].combine_chunks()
        return column if at is None else column.take(pa.array(at))

    def value(self, field: str, at: np.ndarray | None = None) -> Text:
        """Canonical texts of a field."""
        column = self.canonical[field].combine_chunks()
        return column if at is None else column.take(pa.array(at))

    def number(self, field: str, at: np.ndarray | None = None) -> np.ndarray:
        """Canonical values of a field as numbers; not a number where the text is none."""
        text = self.value(field, at)
        plain = pc.match_substring_regex(text, r"^-?\d+(\.\d+)?$")
        return pc.if_else(pc.fill_null(plain, False), text, pa.scalar(None, pa.string())).cast(pa.float64()).to_numpy(zero_copy_only=False)

    def day(self, field: str, at: np.ndarray | None = None) -> np.ndarray:
        return parse_dates(self.value(field, at))

    def dates(self, field: str, days: np.ndarray) -> Text:
        """Days in the organisation's form."""
        return dates(days, date_pattern(self.mapping, field))

    def is_code(self, field: str, *codes: str) -> np.ndarray:
        return pc.fill_null(pc.is_in(self.value(field), value_set=pa.array(codes)), False).to_numpy(zero_copy_only=False)

    def given(self, field: str) -> np.ndarray:
        return self.value(field).is_valid().to_numpy(zero_copy_only=False)


Make = Callable[[Batch, np.ndarray, np.random.Generator], dict[str, Text]]
Where = Callable[[Batch], np.ndarray]


@dataclass(frozen=True)
class Fault:
    """One kind of dirt.

    field     the field whose verdict shows it
    make      delivered texts of the fields it changes, for the chosen rows
    where     rows it can strike; by default those that hold a value
    expected  quarantined, repaired, set_aside, kept (with a remark), superseded, skipped, or accepted (no remark)
    reason    reason code of the field QC or name of a contract rule, where one is due
    in_contract_unit  its texts are in the contract's unit: not planted where the organisation writes another
    """

    name: str
    field: str
    make: Make
    expected: str
    reason: str | None
    rate: float = USUAL
    where: Where | None = None
    in_contract_unit: bool = False


def _put(field: str, *texts: str | None) -> Make:
    """One of some fixed texts."""
    return lambda batch, at, rng: {field: pa.array(texts, pa.string()).take(pa.array(rng.integers(len(texts), size=len(at))))}


def _day(field: str, day: str, *also: str) -> Make:
    """A fixed day, in the organisation's form."""
    return lambda batch, at, rng: {f: batch.dates(f, np.full(len(at), np.datetime64(day))) for f in (field, *also)}


def _shifted(field: str, other: str, days: int) -> Make:
    """A day that lies some days from another field's."""
    return lambda batch, at, rng: {field: batch.dates(field, batch.day(other, at) + np.timedelta64(days, "D"))}


def _edited(field: str, edit: Callable[[Text], Text]) -> Make:
    return lambda batch, at, rng: {field: edit(batch.text(field, at))}


def _wrong_check_digit(text: Text) -> Text:
    last = pc.utf8_slice_codeunits(text, 17, 18)
    digit = pc.if_else(pc.equal(last, "X"), "0", last).cast(pa.int64()).to_numpy()
    return join(pc.utf8_slice_codeunits(text, 0, 17), whole((digit + 1) % 10))


def _fifteen(text: Text) -> Text:
    return join(pc.utf8_slice_codeunits(text, 0, 6), pc.utf8_slice_codeunits(text, 8, 17))


def _full_width(text: Text) -> Text:
    for digit in range(10):
        text = pc.replace_substring(text, str(digit), chr(0xFF10 + digit))
    return text


def _spaced(text: Text) -> Text:
    return join(pc.utf8_slice_codeunits(text, 0, 1), " ", pc.utf8_slice_codeunits(text, 1))


def _other_sex(batch: Batch, at: np.ndarray, rng: np.random.Generator) -> dict[str, Text]:
    local = {canonical: delivered for delivered, canonical in reversed(batch.mapping.columns["sex_code"].codes.items())}
    male = pc.equal(batch.value("sex_code", at), "1").to_numpy(zero_copy_only=False)
    return {"sex_code": choose(male, constant(local.get("2", "2"), len(at)), local.get("1", "1"))}


def _swapped(batch: Batch, at: np.ndarray, rng: np.random.Generator) -> dict[str, Text]:
    return {"height_cm": batch.text("weight_kg", at), "weight_kg": batch.text("height_cm", at)}


def _sides_swapped(batch: Batch, at: np.ndarray, rng: np.random.Generator) -> dict[str, Text]:
    return {"long_diameter_mm": batch.text("short_diameter_mm", at), "short_diameter_mm": batch.text("long_diameter_mm", at)}


def _metres(batch: Batch, at: np.ndarray, rng: np.random.Generator) -> dict[str, Text]:
    return {"height_cm": decimal(batch.number("height_cm", at) / 100, 2)}


def _millimetres(batch: Batch, at: np.ndarray, rng: np.random.Generator) -> dict[str, Text]:
    return {"height_cm": whole(batch.number("height_cm", at) * 10)}


def _unborn(batch: Batch, at: np.ndarray, rng: np.random.Generator) -> dict[str, Text]:
    return {"id_card_no": pa.nulls(len(at), pa.string()), "birth_date": batch.dates("birth_date", batch.day("survey_date", at))}


def _certificate(batch: Batch, at: np.ndarray, rng: np.random.Generator) -> dict[str, Text]:
    return {"certificate_no": join("SXAF2024X", pc.ascii_lpad(whole(rng.integers(0, 10**4, len(at))), 4, "0"))}


def _invasive(batch: Batch) -> np.ndarray:
    """Tumours with histology that are not in situ: no other rule looks at these fields."""
    return batch.is_code("diagnosis_basis_code", "7") & batch.is_code("behaviour_code", "3")


def _says(field: str, word: str) -> Where:
    """Rows of organisations whose code list for a field holds a word of their own."""
    return lambda b: b.given(field) if word in b.mapping.columns[field].codes else np.zeros(b.delivered.num_rows, dtype=bool)


def _other_phone(batch: Batch, at: np.ndarray, rng: np.random.Generator) -> dict[str, Text]:
    return {"mobile_phone": join("1549", pc.ascii_lpad(whole(rng.integers(0, 10**7, len(at))), 7, "0"))}


def _inverted_pressure(batch: Batch, at: np.ndarray, rng: np.random.Generator) -> dict[str, Text]:
    return {"systolic_mmhg": batch.text("diastolic_mmhg", at), "diastolic_mmhg": batch.text("systolic_mmhg", at)}


def _person(feed: str) -> list[Fault]:
    """Bad ID numbers, birth dates, sexes, phones and names, in every feed that carries the person."""
    x_ended: Where = lambda b: pc.fill_null(pc.ends_with(b.value("id_card_no"), "X"), False).to_numpy(zero_copy_only=False)  # noqa: E731
    full: Where = lambda b: pc.fill_null(pc.equal(pc.utf8_length(b.value("id_card_no")), 18), False).to_numpy(zero_copy_only=False)  # noqa: E731
    # A man turned into a woman breaks no other rule of the questionnaire.
    numbered: Where = lambda b: b.given("id_card_no")  # noqa: E731
    turnable: Where = (lambda b: b.is_code("sex_code", "1") & numbered(b)) if feed == "questionnaire" else numbered
    found = [
        Fault("id_missing", "id_card_no", _put("id_card_no", None), ACCEPTED, None, 0.008),
        Fault("id_checksum", "id_card_no", _edited("id_card_no", _wrong_check_digit), SET_ASIDE, "id_checksum", USUAL, full),
        Fault("id_length", "id_card_no", _edited("id_card_no", lambda t: pc.utf8_slice_codeunits(t, 0, 16)), SET_ASIDE, "id_length", RARE, full),
        Fault("id_fifteen_digits", "id_card_no", _edited("id_card_no", _fifteen), ACCEPTED, None, 0.004, full),
        Fault("id_lower_case_x", "id_card_no", _edited("id_card_no", pc.ascii_lower), ACCEPTED, None, 0.02, x_ended),
        Fault("id_full_width", "id_card_no", _edited("id_card_no", _full_width), ACCEPTED, None, RARE),
        Fault("id_birth_mismatch", "birth_date", _shifted("birth_date", "birth_date", 11), REPAIRED, "id_birth_mismatch", RARE, numbered),
        Fault("id_sex_mismatch", "sex_code", _other_sex, REPAIRED, "id_sex_mismatch", RARE, turnable),
        Fault("phone_format", "mobile_phone", _edited("mobile_phone", lambda t: pc.utf8_slice_codeunits(t, 0, 10)), SET_ASIDE, "phone_format"),
        Fault("name_with_space", "person_name", _edited("person_name", _spaced), ACCEPTED, None, RARE),
    ]
    if feed != "questionnaire":
        found.append(Fault("phone_changed", "mobile_phone", _other_phone, ACCEPTED, None, 0.008))
    return found


def _body() -> list[Fault]:
    """Heights and weights with the wrong unit, in the wrong place or impossible."""
    return [
        Fault("height_in_metres", "height_cm", _metres, REPAIRED, "unit_metres", 0.004, in_contract_unit=True),
        Fault("height_in_millimetres", "height_cm", _millimetres, SET_ASIDE, "out_of_range", RARE, in_contract_unit=True),
        Fault("height_weight_swapped", "height_cm", _swapped, SET_ASIDE, "out_of_range", RARE, lambda b: b.number("weight_kg") < 95, True),
        Fault("weight_in_words", "weight_kg", _put("weight_kg", "六十五", "约七十公斤"), SET_ASIDE, "not_a_number", RARE),
        Fault("weight_zero", "weight_kg", _put("weight_kg", "0", "0.0"), SET_ASIDE, "out_of_range", RARE),
        Fault("height_with_unit", "height_cm", _edited("height_cm", lambda t: join(t, "cm")), KEPT, "trailing_text", RARE),
        Fault("waist_not_done", "waist_cm", _put("waist_cm", "弃查", "未查"), KEPT, "not_done", 0.004),
    ]


FUTURE = "2027-03-01"
# What a feed suffers besides the faults every feed with a person may have.
OWN: dict[str, list[Fault]] = {
    "questionnaire": [
        *_body(),
        Fault(
            "smoking_code_unknown",
            "smoking_status",
            _put("smoking_status", "9"),
            SET_ASIDE,
            "not_in_code_list",
            RARE,
            lambda b: b.is_code("smoking_status", "0"),
        ),
        Fault("survey_date_missing", "survey_date", _put("survey_date", None), QUARANTINED, "missing_required", RARE),
        Fault("survey_date_impossible", "survey_date", _put("survey_date", "2024-02-30", "2024-13-05"), QUARANTINED, "not_a_date", RARE),
        Fault("survey_in_future", "survey_date", _day("survey_date", FUTURE), QUARANTINED, "date_in_future", RARE),
        Fault("born_after_survey", "birth_date", _unborn, QUARANTINED, "born_after_survey", RARE),
        Fault(
            "female_section",
            "menarche_age",
            _put("menarche_age", "14", "15"),
            SET_ASIDE,
            "female_section",
            RARE,
            lambda b: b.is_code("sex_code", "1"),
        ),
        Fault(
            *("smoking_detail_of_never_smoker", "cigarettes_per_day", _put("cigarettes_per_day", "20", "10")),
            *(SET_ASIDE, "smoking_detail_of_never_smoker", RARE, lambda b: b.is_code("smoking_status", "0")),
        ),
        Fault(
            *("diet_shares_above_100", "diet_vegetable_share_pct", _put("diet_vegetable_share_pct", "100.0")),
            *(SET_ASIDE, "diet_shares_above_100", RARE, lambda b: b.number("diet_fruit_share_pct") > 0),
        ),
        Fault(
            *("bowel_child_without_parent", "hx_bowel_diseases", _put("hx_bowel_diseases", "1", "2")),
            *(SET_ASIDE, "bowel_child_without_parent", RARE, lambda b: b.is_code("hx_bowel", "0")),
        ),
    ],
    "patient": [Fault("patient_no_missing", "patient_no", _put("patient_no", None), QUARANTINED, "missing_required", RARE)],
    "visit": [
        Fault(
            "visit_ends_before_start",
            "visit_end_date",
            _shifted("visit_end_date", "visit_start_date", -3),
            QUARANTINED,
            "visit_ends_before_start",
            RARE,
        ),
        Fault("visit_in_future", "visit_start_date", _day("visit_start_date", FUTURE, "visit_end_date"), QUARANTINED, "date_in_future", RARE),
        Fault("visit_type_unknown", "visit_type_code", _put("visit_type_code", "8"), QUARANTINED, "not_in_code_list", RARE),
    ],
    "diagnosis": [
        Fault("icd_malformed", "diagnosis_code", _put("diagnosis_code", "18.7C", "结肠癌", "c18,9"), QUARANTINED, "pattern", USUAL),
        Fault("diagnosis_date_missing", "diagnosis_date", _put("diagnosis_date", None), QUARANTINED, "missing_required", RARE),
        Fault("main_flag_unknown", "is_main", _put("is_main", "X"), SET_ASIDE, "not_in_code_list", RARE),
    ],
    "lab_result": [
        Fault(
            "result_with_arrow",
            "result",
            _edited("result", lambda t: join(t, "↑")),
            KEPT,
            "comparator",
            USUAL,
            lambda b: b.number("result") > 0,
        ),
        Fault("result_not_done", "result", _put("result", "未做", "未查"), KEPT, "not_done", RARE),
        Fault(
            "result_with_remark",
            "result",
            _edited("result", lambda t: join(t, " 轻度溶血")),
            KEPT,
            "trailing_text",
            RARE,
            lambda b: b.number("result") > 0,
        ),
        Fault("lab_date_missing", "reported_date", _put("reported_date", None), QUARANTINED, "missing_required", RARE / 2),
    ],
    "endoscopy_report": [
        Fault("reported_before_exam", "reported_date", _shifted("reported_date", "exam_date", -5), SET_ASIDE, "reported_before_exam", USUAL),
        Fault("exam_in_future", "exam_date", _day("exam_date", FUTURE, "reported_date"), QUARANTINED, "date_in_future", RARE),
    ],
    "pathology_report": [
        Fault("report_date_missing", "reported_date", _put("reported_date", None), QUARANTINED, "missing_required", USUAL),
        Fault("sampled_in_future", "sampled_date", _day("sampled_date", FUTURE), SET_ASIDE, "date_in_future", RARE),
    ],
    "surgery": [Fault("surgery_in_future", "surgery_date", _day("surgery_date", FUTURE), QUARANTINED, "date_in_future", 0.005)],
    "treatment": [
        Fault(
            "treatment_ends_before_start",
            "end_date",
            _shifted("end_date", "start_date", -2),
            QUARANTINED,
            "treatment_ends_before_start",
            0.005,
        ),
        Fault("cycles_impossible", "cycle_count", _put("cycle_count", "99"), SET_ASIDE, "out_of_range", 0.005),
    ],
    "follow_up": [Fault("karnofsky_impossible", "karnofsky_score", _put("karnofsky_score", "900"), SET_ASIDE, "out_of_range", 0.005)],
    "death": [Fault("cause_malformed", "cause_code", _put("cause_code", "肠癌", "18.7"), SET_ASIDE, "pattern", 0.01)],
    "physical_exam": [
        *_body(),
        Fault("glucose_given_up", "glucose_mmol_l", _put("glucose_mmol_l", "弃查"), KEPT, "not_done", 0.006),
        Fault("marker_not_done", "cea_ng_ml", _put("cea_ng_ml", "未查"), KEPT, "not_done", 0.006),
        Fault("above_upper_limit", "triglyceride_mmol_l", _put("triglyceride_mmol_l", ">11.00"), KEPT, "comparator", 0.004, in_contract_unit=True),
        Fault("marked_high", "ldl_mmol_l", _put("ldl_mmol_l", "4.15+", "5.02+"), KEPT, "comparator", 0.004, in_contract_unit=True),
        Fault(
            "value_with_remark",
            "cholesterol_mmol_l",
            _edited("cholesterol_mmol_l", lambda t: join(t, "轻度溶血")),
            KEPT,
            "trailing_text",
            USUAL,
        ),
        Fault("two_points", "hdl_mmol_l", _put("hdl_mmol_l", "1.2.5"), SET_ASIDE, "not_a_number", RARE),
        Fault(
            "diastolic_above_systolic",
            "diastolic_mmhg",
            _inverted_pressure,
            SET_ASIDE,
            "diastolic_above_systolic",
            USUAL,
            lambda b: (b.number("systolic_mmhg") <= 160) & (b.number("diastolic_mmhg") >= 60),
        ),
        Fault("exam_no_missing", "exam_no", _put("exam_no", None), QUARANTINED, "missing_required", RARE),
        Fault("hp_weak", "hp_result_code", _put("hp_result_code", "WEAK"), SET_ASIDE, "not_in_code_list", 0.006, _says("hp_result_code", "POS")),
        Fault(
            "smokes_at_times", "smoking_status", _put("smoking_status", "偶尔"), SET_ASIDE, "not_in_code_list", 0.006, _says("smoking_status", "吸烟")
        ),
        Fault("exam_in_future", "exam_date", _day("exam_date", FUTURE), QUARANTINED, "date_in_future", RARE),
    ],
    "screening_fit": [
        Fault("fit_code_unknown", "fit_result_code", _put("fit_result_code", "7"), QUARANTINED, "not_in_code_list", RARE),
        Fault("fit_in_future", "test_date", _day("test_date", FUTURE, "sampled_date"), QUARANTINED, "date_in_future", RARE),
    ],
    "screening_colonoscopy": [
        Fault("outcome_missing", "colonoscopy_done", _put("colonoscopy_done", None), QUARANTINED, "missing_required", RARE),
        Fault(
            "polyps_without_polyp",
            "polyp_count",
            _put("polyp_count", "3"),
            SET_ASIDE,
            "polyps_without_polyp",
            USUAL,
            lambda b: b.is_code("polyp_found", "2"),
        ),
    ],
    "screening_colonoscopy_lesion": [
        Fault("lesion_size_impossible", "diameter_cm", _put("diameter_cm", "900", "1200"), SET_ASIDE, "out_of_range", 0.005),
    ],
    "screening_crc_pathology": [
        Fault(
            "pathology_code_unknown",
            "pathology_code",
            _put("pathology_code", "99"),
            QUARANTINED,
            "not_in_code_list",
            0.003,
            lambda b: ~b.is_code("is_cancer", "1"),
        ),
    ],
    "screening_ldct": [Fault("exam_in_future", "exam_date", _day("exam_date", FUTURE), QUARANTINED, "date_in_future", RARE)],
    "screening_ldct_nodule": [
        Fault(
            *("nodule_sides_swapped", "short_diameter_mm", _sides_swapped, SET_ASIDE, "nodule_short_above_long", 0.005),
            where=lambda b: b.number("long_diameter_mm") > b.number("short_diameter_mm"),
        ),
    ],
    "screening_liver": [
        Fault("afp_not_done", "afp_ng_ml", _put("afp_ng_ml", "未查"), KEPT, "not_done", USUAL),
        Fault("exam_in_future", "exam_date", _day("exam_date", FUTURE), QUARANTINED, "date_in_future", RARE),
    ],
    "screening_breast_us": [Fault("bi_rads_unknown", "bi_rads_code", _put("bi_rads_code", "9"), SET_ASIDE, "not_in_code_list", USUAL)],
    "screening_cervical_hpv": [
        Fault(
            *("hpv_types_without_positive", "hpv_type_codes", _put("hpv_type_codes", "52", "58")),
            *(SET_ASIDE, "hpv_types_without_positive", USUAL, lambda b: b.is_code("hpv_result_code", "1")),
        ),
    ],
    "screening_colposcopy": [
        Fault("impression_missing", "impression_code", _put("impression_code", None), QUARANTINED, "missing_required", 0.003),
    ],
    "screening_ugi_pathology": [
        Fault(
            *("ugi_code_unknown", "pathology_codes", _put("pathology_codes", "77")),
            *(QUARANTINED, "not_in_code_list", 0.003, lambda b: b.is_code("pathology_codes", "17")),
        ),
    ],
    "screening_follow_up": [
        Fault("contact_in_future", "contact_date", _day("contact_date", FUTURE), SET_ASIDE, "date_in_future", 0.005),
    ],
    "outreach_contact": [
        Fault("contact_day_in_future", "contact_date", _day("contact_date", FUTURE), QUARANTINED, "date_in_future", RARE),
        Fault("activity_unknown", "activity_no", _put("activity_no", None), QUARANTINED, "missing_required", RARE),
    ],
    "cancer_registry_case": [
        Fault("dead_before_ill", "death_date", _shifted("death_date", "incidence_date", -40), QUARANTINED, "death_before_incidence", 0.003),
        Fault("morphology_malformed", "morphology_code", _put("morphology_code", "81403", "腺癌"), SET_ASIDE, "pattern", USUAL, _invasive),
        Fault("basis_unknown", "diagnosis_basis_code", _put("diagnosis_basis_code", "A"), QUARANTINED, "not_in_code_list", RARE, _invasive),
        Fault(
            "cervix_of_a_man", "icd10_code", _put("icd10_code", "C53.9"), QUARANTINED, "site_of_other_sex", RARE, lambda b: b.is_code("sex_code", "1")
        ),
    ],
    "death_registration": [
        Fault("death_in_future", "death_date", _day("death_date", FUTURE), QUARANTINED, "date_in_future", RARE),
        Fault("underlying_cause_malformed", "underlying_cause_code", _put("underlying_cause_code", "心梗", "21.9"), QUARANTINED, "pattern", USUAL),
        Fault("reported_before_death", "registered_date", _shifted("registered_date", "death_date", -6), SET_ASIDE, "registered_before_death", USUAL),
    ],
    "training_exam": [
        Fault(
            "certificate_of_failed_exam",
            "certificate_no",
            _certificate,
            QUARANTINED,
            "certificate_of_failed_exam",
            0.003,
            lambda b: b.is_code("is_passed", "0"),
        ),
        Fault("score_impossible", "score", _put("score", "760"), SET_ASIDE, "out_of_range", RARE, lambda b: ~b.given("certificate_no")),
    ],
    "training_attendance": [
        Fault(
            "hours_of_absent",
            "attended_hours",
            _put("attended_hours", "4.0"),
            SET_ASIDE,
            "hours_of_absent",
            RARE,
            lambda b: b.is_code("attendance_code", "absent"),
        ),
    ],
    "decision_participation": [
        Fault("decision_unknown", "decision_code", _put("decision_code", "再议"), QUARANTINED, "not_in_code_list", USUAL),
    ],
}


def _broken_line(text: Text) -> Text:
    return join(pc.utf8_slice_codeunits(text, 0, 2), "\n", pc.utf8_slice_codeunits(text, 2))


# Texts that staff type with the enter key.
TYPED = {"questionnaire": "employer", "visit": "chief_complaint", "physical_exam": "summary_text"}


def faults_of(feed: str) -> list[Fault]:
    """All faults planted in a feed."""
    with_person = contract(feed).subject_field("id_card_no") is not None
    typed = [Fault("line_break_in_text", TYPED[feed], _edited(TYPED[feed], _broken_line), ACCEPTED, None, RARE)] if feed in TYPED else []
    return [*(_person(feed) if with_person else []), *OWN.get(feed, []), *typed]


def _more(field: str, amount: float, places: int) -> Callable[[Batch, np.ndarray], Text]:
    return lambda batch, at: keep(decimal(batch.number(field, at) + amount, places), ~np.isnan(batch.number(field, at)))


def _instead(field: str, wrong: str) -> Callable[[Batch, np.ndarray], Text]:
    return lambda batch, at: constant(wrong, len(at))


# Per feed: the field that is first delivered wrong and put right by a later delivery, the rows it can strike, and the wrong text.
CORRECTIONS: dict[str, tuple[str, Where, Callable[[Batch, np.ndarray], Text]]] = {
    "questionnaire": ("weight_kg", lambda b: b.given("weight_kg"), _more("weight_kg", 9.5, 1)),
    "patient": ("residence_address", lambda b: b.given("residence_address"), _instead("residence_address", "地址不详")),
    "visit": ("chief_complaint", lambda b: b.given("chief_complaint"), _instead("chief_complaint", "待补录")),
    "diagnosis": ("diagnosis_name", lambda b: b.given("diagnosis_name"), _instead("diagnosis_name", "诊断待定")),
    "lab_result": ("result", lambda b: b.number("result") > 0, _more("result", 10, 2)),
    "endoscopy_report": ("impression_text", lambda b: b.given("impression_text"), _instead("impression_text", "待审核")),
    "pathology_report": ("diagnosis_text", lambda b: b.given("diagnosis_text"), _instead("diagnosis_text", "初步报告，待会诊")),
    "physical_exam": ("glucose_mmol_l", lambda b: b.given("glucose_mmol_l"), _more("glucose_mmol_l", 3, 2)),
    "screening_fit": ("fit_value_ng_ml", lambda b: b.number("fit_value_ng_ml") > 0, _more("fit_value_ng_ml", 5, 1)),
    "screening_liver": ("afp_ng_ml", lambda b: b.number("afp_ng_ml") > 0, _more("afp_ng_ml", 3, 2)),
    "screening_colonoscopy": ("duration_minutes", lambda b: b.given("duration_minutes"), _more("duration_minutes", 100, 0)),
}
