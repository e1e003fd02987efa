"""Active follow-up of screened people: what became of a positive result, refusal included, and of those who fell ill or died."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from ingestion.synthetic.calibration import share
from ingestion.synthetic.cells import NEVER, Text, age_on, choose, constant, dates, days, draw, flags, join, keep, missing, padded, pick, whole
from ingestion.synthetic.life import CANCERS, COLONOSCOPY, COLPOSCOPY, END, POSITIVE, CancerLife, Tests, histologies, sites, stages
from ingestion.synthetic.records import Records
from ingestion.synthetic.screening_desk import Desk, yes_no

FIRST_DAY = np.datetime64("2025-01-06")
# Work-up state of a positive result (code list work_up_state).
DONE, APPOINTED, DECLINED, NOT_REACHED, ELSEWHERE = "12345"
CAUSES = ("I21.9", "I63.9", "J44.1")
T_CODES, N_CODES = {"X": "5", "i": "6"}, {"X": "4"}
# What the decision of the risk assessment is called on the form, per cancer.
DECISIONS = {"lung": "1", "liver": "2", "colorectum": "3", "breast": "4", "upper_gi": "5", "cervix": "0"}


def follow_up_form(desk: Desk) -> Iterator[Records]:
    """One row per follow-up: of everybody with a positive result, and of one in twelve of the others."""
    if not desk.delivers("screening_follow_up"):
        return
    parts = [_of_cancer(desk, cancer) for cancer in CANCERS]
    n = sum(len(person) for person, _, _ in parts)
    names = dict.fromkeys(name for _, columns, _ in parts for name in columns)
    joined = {name: _concatenated([c[name] if name in c else constant(None, len(p)) for p, c, _ in parts]) for name in names}
    joined["follow_up_no"] = join("SF", padded(np.arange(n), 7))
    person = np.concatenate([p for p, _, _ in parts])
    known = np.concatenate([k for _, _, k in parts])
    yield desk.made("screening_follow_up", joined, person, known)


def _concatenated(columns: list[Text]) -> Text:
    return pa.concat_arrays([c.combine_chunks() if isinstance(c, pa.ChunkedArray) else c for c in columns])


def _last_of_person(tests: Tests) -> np.ndarray:
    """Position of the last test of each person."""
    order = np.lexsort((np.arange(len(tests)), tests.day, tests.person))
    last = np.r_[tests.person[order][1:] != tests.person[order][:-1], True] if len(tests) else np.zeros(0, dtype=bool)
    return order[last]


def _category(cancer: str, part: str, tnm: np.ndarray, where: np.ndarray, special: dict[str, str]) -> Text:
    """The digit of a T, N or M category as the form codes it."""
    found = [row[part][1:2] if row.get(part) else "" for row in stages(cancer)]
    codes = [special.get(digit, digit if digit.isdigit() else "") for digit in found]
    given = np.array([bool(code) for code in codes])
    return pick(codes, tnm, where & given[np.clip(tnm, 0, len(codes) - 1)])


def _of_cancer(desk: Desk, cancer: str) -> tuple[np.ndarray, dict[str, Text], np.ndarray]:
    """Person, columns and day known of the follow-ups for one cancer."""
    tests, rng = desk.tests(cancer), desk.random("follow_up", cancer)
    ever_positive = np.unique(tests.person[tests.result == POSITIVE])
    tests = tests.where(_last_of_person(tests))
    life = desk.lives.cancers[cancer]
    positive = np.isin(tests.person, ever_positive)
    wanted = positive | (rng.random(len(tests)) < 1 / 12)
    day = np.maximum(tests.day + days(rng, 100, 240, len(tests)), FIRST_DAY)
    at = np.flatnonzero(wanted & (day <= END - 5))
    tests, day, positive = tests.where(at), day[at], positive[at]
    return tests.person, *_columns(desk, cancer, life, tests, day, positive, rng)


def _columns(
    desk: Desk, cancer: str, life: CancerLife, tests: Tests, day: np.ndarray, positive: np.ndarray, rng: np.random.Generator
) -> tuple[dict[str, Text], np.ndarray]:
    person, n, lives = tests.person, len(tests), desk.lives
    death = lives.death_date[person]
    dead = ~missing(death) & (death < day)
    lost = ~dead & (rng.random(n) < share("screening_follow_up_lost_pct"))
    diagnosed = life.diagnosis_date[person]
    found = ~lost & ~missing(diagnosed) & (diagnosed < day) & (diagnosed >= tests.day)
    by_cancer = life.died_of[person]
    any_cancer = np.any([c.died_of[person] for c in lives.cancers.values()], axis=0)
    treated, stage = life.first_treatment[person] <= day, life.stage_group[person]
    operated = found & ~missing(life.surgery_date[person]) & (life.surgery_date[person] < day)
    contact = np.where(dead, death, np.where(lost, np.maximum(day - days(rng, 60, 100, n), tests.day), day - days(rng, 0, 3, n)))
    # a second test of the round, or a visit to a hospital, is the work-up of a positive result
    worked_up = found | (~missing(life.workup_date[person]) & (life.workup_date[person] <= day)) | np.isin(tests.modality, (COLONOSCOPY, COLPOSCOPY))
    refusal = draw(rng, (22, 38, 24, 16), n)
    done = worked_up | (rng.random(n) < share("screening_work_up_pct"))
    state = choose(done, DONE, pick([APPOINTED, DECLINED, NOT_REACHED, ELSEWHERE], refusal))
    rows, kinds = sites(cancer), histologies(cancer)
    topography, morphology = [row["icd10"] for row in rows], [row["code"] for row in kinds]
    site = np.clip(life.site[person], 0, len(topography) - 1)
    kind = np.clip(life.histology[person], 0, len(morphology) - 1)
    head = desk.head(constant(None, n), tests)
    tnm = life.tnm[person]
    cause = choose(by_cancer, pick(topography, site), choose(any_cancer, "C80.9", pick(CAUSES, rng.integers(3, size=n))))
    columns = {
        **{name: head[name] for name in ("survey_no", "person_name", "id_card_no", "sex_code", "birth_date", "mobile_phone")},
        "age_years": whole(age_on(desk.people.birth[person], day)),
        "project_code": constant("1" if cancer in ("lung", "colorectum") else "2", n),
        "assessment_result_codes": keep(constant(DECISIONS[cancer], n), life.high_risk[person]),
        "cancer_code": constant(cancer, n),
        "work_up_state_code": keep(state, positive & ~lost),
        "follow_up_date": dates(day),
        "is_lost": yes_no(lost),
        "has_cancer": keep(yes_no(found), ~lost),
        "vital_status_code": keep(flags(dead, "2", "1"), ~lost),
        "contact_date": dates(contact),
        "death_date": dates(np.where(dead, death, NEVER)),
        "death_icd10_code": keep(cause, dead),
        "doctor_code": desk.staff(rng, n, "SF"),
        "primary_site_icd10_code": pick(topography, site, found),
        "topography_code": pick(topography, site, found),
        "morphology_code": pick(morphology, kind, found),
        "behaviour_code": pick([code[-1:] for code in morphology], kind, found),
        "clinical_stage_code": whole(np.where(rng.random(n) < 0.1, 5, stage), found),
        "pathological_stage_code": whole(np.where(operated, stage, 5), found),
        "clinical_t_code": _category(cancer, "t", tnm, found, T_CODES),
        "clinical_n_code": _category(cancer, "n", tnm, found, N_CODES),
        "clinical_m_code": _category(cancer, "m", tnm, found, {}),
        "pathological_t_code": _category(cancer, "t", tnm, operated, T_CODES),
        "pathological_n_code": _category(cancer, "n", tnm, operated, N_CODES),
        "pathological_m_code": _category(cancer, "m", tnm, operated, {}),
        "diagnosis_date": dates(np.where(found, diagnosed, NEVER)),
        "diagnosis_basis_code": keep(constant("2" if cancer == "liver" else "7", n), found),
        "reported_date": dates(np.where(found, day, NEVER)),
        "treatment_state_code": keep(flags(treated, "1", "2"), found),
    }
    return columns, day + days(rng, 1, 4, n)
