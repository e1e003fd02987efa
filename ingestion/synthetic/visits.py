"""Who goes to which hospital, when and what for."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ingestion.synthetic.cells import DAY, days, draw, missing, stream
from ingestion.synthetic.life import (
    BREAST_MG,
    BREAST_US,
    CANCER,
    CANCERS,
    COLONOSCOPY,
    COLPOSCOPY,
    CYTOLOGY,
    END,
    FIT,
    HIGH,
    HOSPITAL_OPPORTUNISTIC,
    HOSPITALS,
    HPV,
    INCOMPLETE,
    INVALID,
    LDCT,
    LIVER_US_AFP,
    LOW,
    NEGATIVE,
    NO_RESULT,
    NONE,
    POSITIVE,
    START,
    UGI_ENDOSCOPY,
    Lives,
)
from ingestion.synthetic.people import FEMALE, People

__all__ = ["HOSPITALS", "Visits", "hospital_visits"]

KINDS = ("general", "exam", "workup", "surgery", "systemic", "radiotherapy", "resection", "interventional", "follow_up", "second_opinion", "relapse")
GENERAL, EXAM, WORKUP, SURGERY, SYSTEMIC, RADIOTHERAPY, RESECTION, INTERVENTIONAL, FOLLOW_UP, SECOND_OPINION, RELAPSE = range(11)
CANCER_KINDS = (WORKUP, SURGERY, SYSTEMIC, RADIOTHERAPY, INTERVENTIONAL, FOLLOW_UP, SECOND_OPINION, RELAPSE)
OUTPATIENT, INPATIENT, EMERGENCY, CHECKUP = 1, 2, 3, 4
NO_CANCER = NO_MODALITY = -1
FOLLOW_UPS = 20
# Modality of LIFE -> cancer it looks for, and how often a patient with another complaint is examined by it.
CANCER_OF = {LDCT: 0, BREAST_US: 1, BREAST_MG: 1, UGI_ENDOSCOPY: 2, FIT: 3, COLONOSCOPY: 3, LIVER_US_AFP: 4, HPV: 5, CYTOLOGY: 5, COLPOSCOPY: 5}
EXAMS_OF_MEN = {LDCT: 34, UGI_ENDOSCOPY: 20, COLONOSCOPY: 12, LIVER_US_AFP: 34}
EXAMS_OF_WOMEN = {LDCT: 20, UGI_ENDOSCOPY: 14, COLONOSCOPY: 8, LIVER_US_AFP: 20, BREAST_US: 20, BREAST_MG: 5, CYTOLOGY: 7, HPV: 6}
EXAM_SHARE = 0.3
MORE_VISITS = 0.65


@dataclass
class Visits:
    """One entry per visit, in order of time.

    kind      index into KINDS
    cancer    index into CANCERS of the cancer it is about, NO_CANCER for other complaints
    modality  of an EXAM: LIFE's modality
    finding   of an EXAM: what it shows (NONE, LOW, HIGH, CANCER)
    category  of an EXAM that is a screening test: its class (LIFE's Tests.category), else -1
    is_test   an EXAM that is opportunistic screening
    """

    person: np.ndarray
    start: np.ndarray
    end: np.ndarray
    type: np.ndarray
    kind: np.ndarray
    cancer: np.ndarray
    modality: np.ndarray
    finding: np.ndarray
    category: np.ndarray
    is_test: np.ndarray

    def __len__(self) -> int:
        return len(self.person)

    def where(self, condition: np.ndarray) -> Visits:
        return Visits(*(getattr(self, f.name)[condition] for f in fields(self)))


def _visits(
    person: np.ndarray,
    start: np.ndarray,
    length: np.ndarray | int,
    kind: np.ndarray | int,
    type_: np.ndarray | int,
    cancer: np.ndarray | int = NO_CANCER,
    modality: np.ndarray | int = NO_MODALITY,
    finding: np.ndarray | int = NONE,
    category: np.ndarray | int = -1,
    is_test: bool = False,
) -> Visits:
    n = len(person)

    def full(value: np.ndarray | int | bool, dtype: type) -> np.ndarray:
        return np.broadcast_to(np.asarray(value), n).astype(dtype)

    stay = full(length, np.int64).astype("timedelta64[D]")
    start = start.astype(DAY)
    small = [full(value, np.int8) for value in (type_, kind, cancer, modality, finding, category)]
    return Visits(person, start, start + stay, *small, full(is_test, np.bool_))


def _general(people: People, life: Lives, hospital: int, rng: np.random.Generator) -> Visits:
    """Visits for complaints other than the six cancers, and examinations that doctors order at them."""
    base = np.flatnonzero(life.is_patient & (life.hospital_of == hospital))
    person = np.repeat(base, 1 + rng.poisson(MORE_VISITS, len(base)))
    n = len(person)
    start = START + (rng.random(n) * (END - START - 12).astype(int)).astype("timedelta64[D]")
    woman = people.sex[person] == FEMALE
    modality = np.where(
        woman,
        np.array(list(EXAMS_OF_WOMEN))[draw(rng, list(EXAMS_OF_WOMEN.values()), n)],
        np.array(list(EXAMS_OF_MEN))[draw(rng, list(EXAMS_OF_MEN.values()), n)],
    )
    exam = rng.random(n) < EXAM_SHARE
    finding = np.full(n, NONE)
    known = np.zeros(n, dtype=bool)
    for number, cancer in enumerate(CANCERS):
        here = np.isin(modality, [m for m, c in CANCER_OF.items() if c == number])
        state = life.cancers[cancer].state[person]
        # nobody's cancer is found here: those are told by its own life
        known |= here & ((state == CANCER) | life.cancers[cancer].has_cancer[person])
        finding = np.where(here & np.isin(state, (LOW, HIGH)) & (rng.random(n) < 0.85), state, finding)
    exam &= ~known
    type_ = np.where(exam, OUTPATIENT, 1 + draw(rng, (79, 15, 5, 1), n))
    cancer = np.array([CANCER_OF[m] for m in range(len(CANCER_OF))])[modality]
    return _visits(
        person,
        start,
        np.where(type_ == INPATIENT, rng.integers(3, 12, n), 0),
        np.where(exam, EXAM, GENERAL),
        type_,
        np.where(exam, cancer, NO_CANCER),
        np.where(exam, modality, NO_MODALITY),
        np.where(exam, finding, NONE),
    )


def _tests(life: Lives, hospital: int) -> list[Visits]:
    """Opportunistic screening tests that the hospital did."""
    found = []
    for number, cancer in enumerate(CANCERS):
        tests = life.cancers[cancer].tests.at(HOSPITAL_OPPORTUNISTIC, hospital)
        tests = tests.where(~np.isin(tests.result, (INVALID, NO_RESULT, INCOMPLETE)))
        found.append(
            _visits(
                tests.person, tests.day, 0, EXAM, OUTPATIENT, number, tests.modality, _seen(tests.seen, tests.result), tests.category, is_test=True
            )
        )
    return found


def _seen(seen: np.ndarray, result: np.ndarray) -> np.ndarray:
    """What the report shows: what histology would say, or a lesion where the test is positive without one."""
    return np.where((result == POSITIVE) & (seen == NONE), LOW, np.where(result == NEGATIVE, np.minimum(seen, LOW), seen))


def _on(day: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    person = np.flatnonzero(chosen & ~missing(day))
    return person, day[person]


def _cancer(life: Lives, number: int, hospital: int, rng: np.random.Generator) -> list[Visits]:
    own = life.cancers[CANCERS[number]]
    ill = own.has_cancer & ~missing(own.workup_date)
    here = ill & (own.hospital == hospital)

    def visits(day: np.ndarray, kind: int, type_: int, before: tuple[int, int], after: tuple[int, int]) -> Visits:
        person, day = _on(day, here)
        lead, stay = days(rng, *before, len(person)), rng.integers(after[0], after[1] + 1, len(person))
        return _visits(person, day - lead, lead.astype(np.int64) + stay, kind, type_, number)

    found = [
        visits(own.workup_date, WORKUP, OUTPATIENT, (0, 0), (0, 0)),
        visits(own.surgery_date, SURGERY, INPATIENT, (2, 6), (7, 14)),
        visits(own.systemic_date, SYSTEMIC, INPATIENT, (0, 0), (2, 4)),
        visits(own.radiotherapy_date, RADIOTHERAPY, INPATIENT, (0, 1), (20, 35)),
        visits(own.interventional_date, INTERVENTIONAL, INPATIENT, (1, 2), (3, 6)),
        visits(own.recurrence_date, RELAPSE, INPATIENT, (0, 0), (3, 8)),
    ]
    # treatment before the operation that is neither the first systemic treatment nor radiotherapy
    other = ~missing(own.neoadjuvant_date) & (own.neoadjuvant_date != own.radiotherapy_date) & (own.neoadjuvant_date != own.systemic_date)
    kind = RADIOTHERAPY if CANCERS[number] == "colorectum" else SYSTEMIC
    found.append(
        visits(np.where(other, own.neoadjuvant_date, np.datetime64("NaT", "D")), kind, INPATIENT, (0, 0), (2, 30 if kind == RADIOTHERAPY else 4))
    )
    # Follow-up every quarter from the first year of the extracts on
    person = np.flatnonzero(here)
    steps = own.diagnosis_date[person][:, None] + (np.arange(1, FOLLOW_UPS + 1) * 91).astype("timedelta64[D]")
    steps = steps + rng.integers(-9, 10, steps.shape).astype("timedelta64[D]")
    rows, columns = np.nonzero((steps >= START) & (steps <= END) & (rng.random(steps.shape) < 0.85))
    found.append(_visits(person[rows], steps[rows, columns], 0, FOLLOW_UP, OUTPATIENT, number))
    # A second opinion at another hospital
    asked = ill & (own.hospital != hospital) & (rng.random(len(own.hospital)) < 0.1 / (len(HOSPITALS) - 1))
    person, day = _on(np.maximum(own.workup_date, own.diagnosis_date), asked)
    found.append(_visits(person, day + days(rng, 2, 12, len(person)), 0, SECOND_OPINION, OUTPATIENT, number))
    # Endoscopic resection, cone or ablation: of cancers and of precursors
    where = np.where(own.hospital >= 0, own.hospital, life.hospital_of) == hospital
    person, day = _on(own.resection_date, where & (ill | (own.state == HIGH)))
    found.append(_visits(person, day - 1, 3, RESECTION, INPATIENT, number))
    return found


def hospital_visits(people: People, life: Lives, hospital: int, seed: int) -> Visits:
    """All visits to a hospital (index into HOSPITALS) up to the end of the extracts, by living people, in order of time."""
    rng = stream(seed, "visits", hospital)
    parts = [_general(people, life, hospital, rng), *_tests(life, hospital)]
    for number in range(len(CANCERS)):
        parts += _cancer(life, number, hospital, rng)
    merged = Visits(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Visits)))
    death = life.death_date[merged.person]
    merged.end = np.where(~missing(death) & (death < merged.end), death, merged.end)
    possible = life.alive(merged.person, merged.start) & (merged.end <= END)
    merged = merged.where(possible)
    order = np.lexsort((merged.modality, merged.cancer, merged.kind, merged.person, merged.start))
    return merged.where(order)
