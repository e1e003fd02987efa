"""The national screening centre: FIT, colonoscopy, lesion and pathology forms, active follow-up."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from ingestion.synthetic.calibration import column, numbers
from ingestion.synthetic.cells import (
    NEVER,
    Text,
    choose,
    constant,
    dates,
    days,
    decimal,
    draw,
    flags,
    join,
    keep,
    missing,
    padded,
    pick,
    stream,
    whole,
)
from ingestion.synthetic.life import ADVANCED, CANCER, END, FIT_POSITIVE, NON_ADVANCED, NONE, Life
from ingestion.synthetic.people import People
from ingestion.synthetic.questionnaire import survey_numbers
from ingestion.synthetic.records import Records, records

ORGANISATION = "S1401"
DOCTORS = 10


def _yes_no(where: np.ndarray) -> Text:
    return flags(where, "1", "2")


def _subject(people: People, person: np.ndarray) -> dict[str, Text]:
    index = pa.array(person)
    return {
        "person_name": people.name.take(index),
        "id_card_no": people.id_card.take(index),
        "sex_code": whole(people.sex[person]),
        "birth_date": dates(people.birth[person]),
        "mobile_phone": people.phone.take(index),
    }


def fit_records(people: People, life: Life, seed: int) -> Records:
    """One row per FIT kit."""
    rng, person = stream(seed, "screening", "fit"), np.flatnonzero(~missing(life.fit_date))
    n, result, day = len(person), life.fit_result[person], life.fit_date[person]
    positive = result == FIT_POSITIVE
    amount = np.where(positive, 100 + rng.lognormal(4.6, 1.1, n), rng.uniform(2, 95, n))
    printed = choose(amount > 1000, constant(">1000", n), choose(amount < 10, constant("<10", n), decimal(amount, 1)))
    columns = {
        "screening_no": join("F24", padded(np.arange(n), 7)),
        "survey_no": survey_numbers(person),
        **_subject(people, person),
        "sampled_date": dates(day - days(rng, 0, 3, n)),
        "test_date": dates(day),
        "fit_result_code": whole(result),
        "fit_value_ng_ml": keep(printed, (result <= FIT_POSITIVE) & (rng.random(n) < 0.8)),
    }
    return records(ORGANISATION, "screening_fit", columns, person, day + days(rng, 1, 8, n))


def _lesions(state: np.ndarray, done: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Number of lesions per colonoscopy."""
    n = len(state)
    none = done & (state == NONE) & (rng.random(n) < 0.11)
    many = 1 + draw(rng, [62, 24, 9, 4, 1], n)
    return np.where(done & (state != NONE), many, np.where(none, 1, 0))


def colonoscopy_records(people: People, life: Life, seed: int) -> tuple[Records, Records, Records]:
    """Colonoscopies, their lesions, and the pathology of the specimens."""
    rng, person = stream(seed, "screening", "colonoscopy"), np.flatnonzero(~missing(life.colonoscopy_date))
    n, day, done, state = len(person), life.colonoscopy_date[person], life.colonoscopy_done[person], life.state[person]
    number = join("C24", padded(np.arange(n), 7))
    count = _lesions(state, done, rng)

    # lesions: the first carries the state, the others are small
    exam = np.repeat(np.arange(n), count)
    order = np.arange(len(exam)) - np.repeat(np.cumsum(count) - count, count)
    m, leading = len(exam), order == 0
    kind = np.where(leading, state[exam], np.where(rng.random(m) < 0.5, NON_ADVANCED, NONE))
    site = np.where(leading, life.site[person][exam], draw(rng, numbers("colon_sites", "polyp_weight"), m))
    near, far = np.array(numbers("colon_sites", "near_cm")), np.array(numbers("colon_sites", "far_cm"))
    distance = np.rint(near[site] + rng.random(m) * (far - near)[site])
    size = np.select(
        [kind == CANCER, kind == ADVANCED, kind == NON_ADVANCED],
        [rng.integers(18, 56, m), np.where(rng.random(m) < 0.75, rng.integers(10, 31, m), rng.integers(6, 10, m)), rng.integers(3, 10, m)],
        rng.integers(2, 6, m),
    )
    # what the pathologist reads; a small advanced adenoma is one by its villous part or high-grade neoplasia
    villous = np.where(kind == ADVANCED, rng.integers(0, 70, m), rng.integers(0, 15, m))
    villous = np.where((kind == ADVANCED) & (size < 10), rng.integers(26, 70, m), villous)
    high_grade = (kind == ADVANCED) & (rng.random(m) < 0.2)
    plain = draw(rng, [4, 36, 4, 50, 6], m)
    pathology = np.select(
        [kind == CANCER, high_grade, (kind == ADVANCED) & (villous >= 75), (kind == ADVANCED) & (villous >= 25), kind >= NON_ADVANCED],
        [17, 14, 11, 12, np.where(rng.random(m) < 0.86, 10, 13)],
        np.array([1, 2, 5, 6, 3])[plain],
    )
    seen = np.select([kind == CANCER, kind >= NON_ADVANCED], [9, np.where(rng.random(m) < 0.6, 7, 5)], np.where(pathology <= 3, 1, 6))
    polyp = ~np.isin(seen, (1, 9))
    sampled = (kind == CANCER) | (rng.random(m) < 0.93)
    specimen = keep(join("B", number.take(pa.array(exam)), "-", whole(order + 1)), sampled)
    polyps = np.bincount(exam, polyp, minlength=n).astype(int)
    others = np.bincount(exam, ~polyp, minlength=n).astype(int)
    taken = np.bincount(exam, sampled, minlength=n) > 0
    rectal = ~done & (rng.random(n) < 0.5)
    caecum = rng.random(n) < 0.96
    text = np.select([state == CANCER, polyps > 1, polyps == 1, others > 0], [0, 1, 2, 3], 4)
    said = ["占位性病变，考虑癌，待病理", "结直肠多发息肉", "结直肠息肉", "结肠黏膜炎性改变", "所见结直肠黏膜未见明显异常"]
    columns = {
        "screening_no": number,
        "survey_no": survey_numbers(person),
        **_subject(people, person),
        "exam_date": dates(day),
        "rectal_exam_done": _yes_no(rectal),
        "rectal_mass_found": keep(_yes_no(np.zeros(n, dtype=bool)), rectal),
        "colonoscopy_done": _yes_no(done),
        "is_sedated": keep(_yes_no(rng.random(n) < 0.45), done),
        "depth_code": keep(choose(caecum, pick("12", draw(rng, (55, 45), n)), pick("345678", rng.integers(6, size=n))), done),
        "bowel_preparation_code": keep(pick("123", draw(rng, (66, 28, 6), n)), done),
        "duration_minutes": whole(rng.integers(8, 36, n), done),
        "complication_codes": keep(pick(["1", "3", "4", "3;4"], draw(rng, (99.4, 0.3, 0.25, 0.05), n)), done),
        "polyp_found": keep(_yes_no(polyps > 0), done),
        "polyp_count": whole(polyps, done & (polyps > 0)),
        "other_lesion_found": keep(_yes_no(others > 0), done),
        "endoscopic_diagnosis": keep(pick(said, text), done),
        "pathology_taken": keep(_yes_no(taken), done),
        "doctor_code": join("YS", padded(rng.integers(1, DOCTORS + 1, n), 3)),
    }
    known = day + days(rng, 1, 6, n)
    exams = records(ORGANISATION, "screening_colonoscopy", columns, person, known)
    lesion_columns = {
        "screening_no": number.take(pa.array(exam)),
        "lesion_no": whole(order + 1),
        "site_code": pick(column("colon_sites", "form_code"), site),
        "distance_anus_cm": whole(distance),
        "lesion_type_code": whole(seen),
        "specimen_no": specimen,
        "diameter_cm": decimal(size / 10, 1),
        "shape_code": pick("123", draw(rng, (80, 16, 4), m)),
        "has_stalk": keep(_yes_no(rng.random(m) < 0.4), polyp),
    }
    lesions = records(ORGANISATION, "screening_colonoscopy_lesion", lesion_columns, person[exam], known[exam])

    s = np.flatnonzero(sampled)
    read = day[exam[s]] + days(rng, 3, 9, len(s))
    cancer = kind[s] == CANCER
    read = np.where(cancer & ~missing(life.diagnosis_date[person[exam[s]]]), life.diagnosis_date[person[exam[s]]], read)
    adenoma = np.isin(pathology[s], (10, 11, 12))
    pathology_columns = {
        "specimen_no": specimen.take(pa.array(s)),
        "screening_no": number.take(pa.array(exam[s])),
        "site_code": pick(column("colon_sites", "form_code"), site[s]),
        "distance_anus_cm": whole(distance[s]),
        "pathology_code": padded(pathology[s], 2),
        "hgin_pct": whole(rng.integers(5, 60, len(s)), pathology[s] == 14),
        "tubular_pct": whole(100 - villous[s], adenoma),
        "villous_pct": whole(villous[s], adenoma),
        "is_precancer": _yes_no(np.isin(pathology[s], (7, 8, 10, 11, 12, 13, 14, 16))),
        "is_cancer": _yes_no(cancer),
        "reported_date": dates(read),
    }
    specimens = records(ORGANISATION, "screening_crc_pathology", pathology_columns, person[exam[s]], read + days(rng, 0, 5, len(s)))
    return exams, lesions, specimens


def follow_up_records(people: People, life: Life, seed: int) -> Records:
    """One active follow-up per screened person, half a year or more after screening."""
    rng = stream(seed, "screening", "follow_up")
    last = np.where(missing(life.colonoscopy_date), life.fit_date, life.colonoscopy_date)
    wanted = ~missing(life.colonoscopy_date) | (life.fit_result == FIT_POSITIVE)
    day = np.where(wanted, np.maximum(last + days(rng, 120, 260, len(people)), np.datetime64("2025-01-06")), NEVER)
    person = np.flatnonzero(wanted & (day <= END - 5))
    n, day = len(person), day[person]
    death = life.death_date[person]
    dead = ~missing(death) & (death < day)
    lost = ~dead & (rng.random(n) < 0.05)
    found = ~lost & ~missing(life.diagnosis_date[person]) & (life.diagnosis_date[person] < day)
    stage, site = life.stage_group[person], life.site[person]
    treated = np.minimum.reduce([_or_far(life.surgery_date), _or_far(life.resection_date), _or_far(life.systemic_date)])[person] <= day
    contact = np.where(dead, death, np.where(lost, day - days(rng, 60, 100, n), day - days(rng, 0, 3, n)))
    by_cancer = life.died_of_cancer[person]
    columns = {
        "follow_up_no": join("SF", padded(np.arange(n), 7)),
        "survey_no": survey_numbers(person),
        **_subject(people, person),
        "follow_up_date": dates(day),
        "is_lost": _yes_no(lost),
        "has_cancer": keep(_yes_no(found), ~lost),
        "vital_status_code": keep(flags(dead, "2", "1"), ~lost),
        "contact_date": dates(contact),
        "death_date": dates(np.where(dead, death, NEVER)),
        "death_icd10_code": keep(
            choose(by_cancer, pick(column("colon_sites", "icd10"), site), pick(["I21.9", "I63.9", "J44.1"], rng.integers(3, size=n))), dead
        ),
        "primary_site_icd10_code": pick(column("colon_sites", "icd10"), site, found),
        "morphology_code": pick(["8140/3", "8480/3", "8490/3"], life.histology[person], found),
        "clinical_stage_code": whole(np.where(rng.random(n) < 0.1, 5, stage), found),
        "pathological_stage_code": whole(
            np.where(~missing(life.surgery_date[person]) & (life.surgery_date[person] < day), stage, 5), found
        ),
        "diagnosis_date": dates(np.where(found, life.diagnosis_date[person], NEVER)),
        "diagnosis_basis_code": keep(constant("7", n), found),
        "treatment_state_code": keep(flags(treated, "1", "2"), found),
    }
    return records(ORGANISATION, "screening_follow_up", columns, person, day + days(rng, 1, 4, n))


def _or_far(day: np.ndarray) -> np.ndarray:
    return np.where(missing(day), np.datetime64("2999-01-01"), day)
