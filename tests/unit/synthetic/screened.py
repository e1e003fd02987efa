"""Lives made by hand: everybody suitable is screened at one organisation, with states and classes given by a cycle, so that each occurs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ingestion.synthetic.cells import DAY
from ingestion.synthetic.life import (
    BREAST_MG,
    BREAST_US,
    CANCER,
    CANCERS,
    COLONOSCOPY,
    COLPOSCOPY,
    CYTOLOGY,
    FIT,
    HIGH,
    HPV,
    INVALID,
    LDCT,
    LIVER_US_AFP,
    LOW,
    NEGATIVE,
    NONE,
    POSITIVE,
    UGI_ENDOSCOPY,
    CancerLife,
    Lives,
    Tests,
    histologies,
    sites,
    stages,
)
from ingestion.synthetic.people import FEMALE, People
from ingestion.synthetic.records import Records
from ingestion.synthetic.screening_desk import PLACES, Desk

# What one examination after the other shows: state seen, class, result.
CYCLES: dict[int, tuple[tuple[int, int, int], ...]] = {
    LDCT: ((NONE, 1, NEGATIVE), (NONE, 1, NEGATIVE), (NONE, 2, NEGATIVE), (LOW, 3, POSITIVE), (HIGH, 4, POSITIVE), (CANCER, 4, POSITIVE)),
    BREAST_US: tuple((s, c, POSITIVE if c >= 4 else NEGATIVE) for s, c in ((0, 1), (0, 2), (1, 3), (0, 0), (2, 4), (3, 4), (3, 5))),
    BREAST_MG: tuple((s, c, POSITIVE if c >= 4 else NEGATIVE) for s, c in ((0, 1), (0, 2), (1, 3), (0, 0), (2, 4), (3, 4), (3, 5))),
    UGI_ENDOSCOPY: ((NONE, 0, NEGATIVE), (NONE, 0, POSITIVE), (LOW, 0, POSITIVE), (HIGH, 0, POSITIVE), (CANCER, 0, POSITIVE)),
    FIT: ((NONE, 0, NEGATIVE), (NONE, 0, POSITIVE), (LOW, 0, INVALID)),
    COLONOSCOPY: ((NONE, 0, NEGATIVE), (LOW, 0, POSITIVE), (HIGH, 0, POSITIVE), (CANCER, 0, POSITIVE)),
    LIVER_US_AFP: ((NONE, 0, NEGATIVE), (LOW, 0, NEGATIVE), (NONE, 0, POSITIVE), (HIGH, 0, POSITIVE), (CANCER, 0, POSITIVE)),
    HPV: ((NONE, 0, NEGATIVE), (NONE, 1, POSITIVE), (LOW, 2, POSITIVE), (NONE, 0, INVALID)),
    CYTOLOGY: tuple((s, c, POSITIVE if c else NEGATIVE) for s, c in ((0, 0), (0, 1), (1, 2), (1, 3), (2, 4), (0, 5), (3, 6))),
    COLPOSCOPY: ((NONE, 0, NEGATIVE), (NONE, 0, POSITIVE), (LOW, 0, POSITIVE), (HIGH, 0, POSITIVE), (CANCER, 0, POSITIVE)),
}
MODALITIES_OF = {
    "lung": (LDCT,),
    "breast": (BREAST_US, BREAST_MG),
    "upper_gi": (UGI_ENDOSCOPY,),
    "colorectum": (FIT, COLONOSCOPY),
    "liver": (LIVER_US_AFP,),
    "cervix": (HPV, CYTOLOGY, COLPOSCOPY),
}


def _life(people: People, cancer: str, organisation: str) -> CancerLife:
    n, (source, place) = len(people), PLACES[organisation]
    suitable = people.is_surveyed & ((people.sex == FEMALE) | (cancer not in {"breast", "cervix"}))
    who, parts, state = np.flatnonzero(suitable), [], np.zeros(n, dtype=np.int8)
    for step, modality in enumerate(MODALITIES_OF[cancer]):
        cycle = np.array(CYCLES[modality])
        seen, category, result = cycle[np.arange(len(who)) % len(cycle)].T
        state[who] = np.maximum(state[who], seen)
        day = people.survey_date[who] + np.timedelta64(20 + 10 * step, "D")
        parts.append((who, day, np.full(len(who), modality), result, category, seen))
    person, day, modality, result, category, seen = (np.concatenate(column) for column in zip(*parts, strict=True))
    order, none = np.lexsort((person, day)), np.zeros(len(person), dtype=np.int8)
    tests = Tests(*(c[order] for c in (person, day, modality, result, category, seen)), none + source, none + place, none, none)
    ill = state == CANCER
    rng = np.random.default_rng(1)
    blank = CancerLife.of_nobody(cancer, n)
    return replace(
        blank,
        high_risk=suitable,
        state=state,
        site=rng.integers(len(sites(cancer)), size=n),
        tnm=rng.integers(len(stages(cancer)), size=n),
        histology=rng.integers(len(histologies(cancer)), size=n),
        diagnosis_date=np.where(ill, people.survey_date + np.timedelta64(60, "D"), np.datetime64("NaT", "D")).astype(DAY),
        tests=tests,
    )


def screened(people: People, lives: Lives, organisation: str) -> Desk:
    """The desk of an organisation that has screened everybody suitable for everything."""
    cancers = {cancer: _life(people, cancer, organisation) for cancer in CANCERS}
    return Desk(organisation, people, replace(lives, cancers=cancers), seed=7)


def rows(made: Records) -> list[dict[str, str | None]]:
    """The records as dictionaries of canonical texts."""
    return made.table.to_pylist()
