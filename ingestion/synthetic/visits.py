"""Who goes to which hospital, when and what for."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ingestion.synthetic.calibration import share
from ingestion.synthetic.cells import DAY, days, draw, missing, stream
from ingestion.synthetic.life import ADVANCED, CANCER, END, START, Life
from ingestion.synthetic.people import People, home_hospital

HOSPITALS = ("H1401", "H1402")
GENERAL, COLONOSCOPY, GASTROSCOPY, WORKUP, SURGERY, SYSTEMIC, RADIOTHERAPY, RESECTION, FOLLOW_UP, SECOND_OPINION = range(10)
CANCER_KINDS = (WORKUP, SURGERY, SYSTEMIC, RADIOTHERAPY, FOLLOW_UP, SECOND_OPINION)
OUTPATIENT, INPATIENT, EMERGENCY, CHECKUP = 1, 2, 3, 4
FOLLOW_UPS = 20


@dataclass
class Visits:
    """One entry per visit, in order of time."""

    person: np.ndarray
    start: np.ndarray
    end: np.ndarray
    type: np.ndarray
    kind: np.ndarray

    def __len__(self) -> int:
        return len(self.person)

    def where(self, condition: np.ndarray) -> Visits:
        return Visits(*(getattr(self, f.name)[condition] for f in fields(self)))


def _visits(person: np.ndarray, start: np.ndarray, length: np.ndarray | int, kind: np.ndarray | int, type_: np.ndarray | int) -> Visits:
    n = len(person)
    stay = np.broadcast_to(np.asarray(length), n).astype("timedelta64[D]")
    return Visits(
        person, start.astype(DAY), start.astype(DAY) + stay, np.broadcast_to(np.asarray(type_), n), np.broadcast_to(np.asarray(kind), n)
    )


def _general(people: People, life: Life, hospital: int, rng: np.random.Generator) -> Visits:
    local = np.where(home_hospital()[people.county] == hospital, 1.5, 0.6)
    patient = np.where(
        people.is_resident, rng.random(len(people)) < share("hospital_patient_pct") * local, home_hospital()[people.county] == hospital
    )
    base = np.flatnonzero(patient & ~life.has_cancer)
    person = np.repeat(base, 1 + rng.poisson(1.1, len(base)))
    n = len(person)
    start = START + (rng.random(n) * (END - START - 12).astype(int)).astype("timedelta64[D]")
    kind = draw(rng, (82, 10, 8), n)
    # An undiagnosed cancer would have been found.
    kind = np.where((life.state[person] == CANCER) & (kind == COLONOSCOPY), GENERAL, kind)
    type_ = 1 + draw(rng, (78, 16, 5, 1), n)
    type_ = np.where(kind == GENERAL, type_, OUTPATIENT)
    return _visits(person, start, np.where(type_ == INPATIENT, rng.integers(3, 12, n), 0), kind, type_)


def _on(day: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    person = np.flatnonzero(chosen & ~missing(day))
    return person, day[person]


def _cancer(life: Life, hospital: int, rng: np.random.Generator) -> list[Visits]:
    here = (life.hospital == hospital) & ~missing(life.workup_date)
    person, day = _on(life.workup_date, here)
    found = [_visits(person, day, 0, WORKUP, OUTPATIENT)]
    person, day = _on(life.surgery_date, here)
    before, after = rng.integers(2, 7, len(person)), rng.integers(7, 15, len(person))
    found.append(_visits(person, day - before.astype("timedelta64[D]"), before + after, SURGERY, INPATIENT))
    person, day = _on(life.neoadjuvant_date, here)
    found.append(_visits(person, day, 35, RADIOTHERAPY, INPATIENT))
    person, day = _on(life.systemic_date, here)
    found.append(_visits(person, day, rng.integers(2, 5, len(person)), SYSTEMIC, INPATIENT))
    # Follow-up every quarter from the first year of the extracts on
    person = np.flatnonzero(here & life.has_cancer)
    steps = life.diagnosis_date[person][:, None] + (np.arange(1, FOLLOW_UPS + 1) * 91).astype("timedelta64[D]")
    steps = steps + rng.integers(-9, 10, steps.shape).astype("timedelta64[D]")
    keep = (steps >= START) & (steps <= END) & (rng.random(steps.shape) < 0.85)
    rows, columns = np.nonzero(keep)
    found.append(_visits(person[rows], steps[rows, columns], 0, FOLLOW_UP, OUTPATIENT))
    # A second opinion at the other hospital
    other = (life.hospital != hospital) & ~missing(life.workup_date) & (rng.random(len(life.hospital)) < 0.1)
    person, day = _on(np.maximum(life.workup_date, life.diagnosis_date), other)
    found.append(_visits(person, day + days(rng, 2, 12, len(person)), 0, SECOND_OPINION, OUTPATIENT))
    return found


def _resections(life: Life, hospital: int) -> Visits:
    here = (life.hospital == hospital) & (life.has_cancer & ~missing(life.workup_date) | (life.state == ADVANCED))
    person, day = _on(life.resection_date, here)
    return _visits(person, day - 1, 3, RESECTION, INPATIENT)


def hospital_visits(people: People, life: Life, hospital: int, seed: int) -> Visits:
    """All visits to a hospital (index into HOSPITALS) up to the end of the extracts, by living people, in order of time."""
    rng = stream(seed, "visits", hospital)
    parts = [_general(people, life, hospital, rng), *_cancer(life, hospital, rng), _resections(life, hospital)]
    merged = Visits(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Visits)))
    death = life.death_date[merged.person]
    merged.end = np.where(~missing(death) & (death < merged.end), death, merged.end)
    possible = life.alive(merged.person, merged.start) & (merged.end <= END)
    merged = merged.where(possible)
    order = np.lexsort((merged.kind, merged.person, merged.start))
    return merged.where(order)
