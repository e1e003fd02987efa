"""From the diagnosis on: route, stage, hospital, treatment, relapse, death of the cancer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingestion.synthetic.calibration import column, rows, share
from ingestion.synthetic.cells import DAY, NEVER, days, draw, missing
from ingestion.synthetic.life import (
    CANCER,
    END,
    HIGH,
    HOSPITALS,
    INTERVAL,
    NEGATIVE,
    NO_ROUTE,
    NONE,
    NOWHERE,
    PREVALENT,
    RECTUM_SITES,
    SCREENED,
    START,
    SYMPTOM,
    CancerLife,
    Tests,
    histologies,
    metastasis_sites,
    sites,
    stages,
)
from ingestion.synthetic.life_history import YEAR, Course, parameter
from ingestion.synthetic.life_screening import Assessment, Plan

# Cancers whose screening test takes the specimen: the diagnosis comes from the test, before any hospital.
BIOPSY_AT_TEST = ("upper_gi", "colorectum", "cervix")
# Share of the patients of every region whom the provincial cancer hospital (H1401) treats.
TO_CANCER_HOSPITAL = 0.38
# Yearly chance of a relapse after treatment by stage group 0-4, for those who do not die of the cancer.
RELAPSE = np.array([0.005, 0.025, 0.06, 0.13, 0.2])
UNTREATED_HAZARD = 2.2


def _table(name: str, cancer: str, prefix: str = "g", **where: str) -> np.ndarray:
    row = next(r for r in rows(name) if r["cancer"] == cancer and all(r[k] == v for k, v in where.items()))
    return np.array([float(row[f"{prefix}{g}"]) for g in range(5)])


def hazards(cancer: str) -> np.ndarray:
    """Death of the cancer per year by stage group 0-4, constant, from five-year survival."""
    return -np.log(_table("survival", cancer) / 100) / 5


@dataclass
class Cases:
    """The diagnosed of one cancer, one entry each, while their course is worked out."""

    person: np.ndarray
    route: np.ndarray
    diagnosis: np.ndarray

    def __len__(self) -> int:
        return len(self.person)


def diagnose(
    cancer: str, course: Course, earlier: np.ndarray, outside: np.ndarray, found_on: np.ndarray, tests: Tests, rng: np.random.Generator
) -> Cases:
    """Who is diagnosed when and how: before the assessment, by a test, or by symptoms."""
    n = len(found_on)
    attends = np.ones(n, dtype=bool) if cancer in BIOPSY_AT_TEST else rng.random(n) < share("work_up_attendance_pct")
    screened = ~missing(found_on) & attends
    wait = days(rng, 3, 9, n) if cancer in BIOPSY_AT_TEST else days(rng, 14, 50, n)
    day = np.where(screened, found_on + wait, NEVER)
    symptoms = ~screened & ~missing(course.surface) & (course.surface <= END - 10)
    day = np.where(symptoms, course.surface, day)
    # symptoms that come while somebody waits for the result of a test are not an interval cancer
    last_negative = np.full(n, NEVER)
    negative = tests.result == NEGATIVE
    np.fmax.at(last_negative, tests.person[negative], tests.day[negative])
    interval = np.timedelta64(round(parameter(cancer, "interval_years") * YEAR), "D")
    between = symptoms & ~missing(last_negative) & (last_negative < course.surface) & (course.surface <= last_negative + interval)
    between &= missing(found_on)
    route = np.select([screened, between, symptoms], [SCREENED, INTERVAL, SYMPTOM], NO_ROUTE)
    before = ~missing(course.before)
    day = np.where(before, course.before, day)
    route = np.where(before, np.where(earlier, PREVALENT, SYMPTOM), route)
    day = np.where(missing(outside), day, outside)
    route = np.where(missing(outside), route, np.where(outside < START, PREVALENT, SYMPTOM))
    person = np.flatnonzero(~missing(day) & (day <= END))
    return Cases(person, route[person].astype(np.int8), day[person].astype(DAY))


def _spread(n: int, person: np.ndarray, values: np.ndarray, empty: object) -> np.ndarray:
    out = np.full(n, empty, dtype=values.dtype)
    out[person] = values
    return out


def _rows_of(options: tuple[dict[str, str], ...], organ: np.ndarray, names: list[str], rng: np.random.Generator, **fits: np.ndarray) -> np.ndarray:
    """A row per case by weight, of its organ, and of the group where one is given."""
    out = np.zeros(len(organ), dtype=np.int8)
    weight = np.array([float(r["weight"]) for r in options])
    group = fits.get("group")
    for o, name in enumerate(names):
        for g in range(5) if group is not None else (None,):
            where = np.flatnonzero((organ == o) & ((group == g) if group is not None else True))
            can = np.flatnonzero([r["organ"] == name and (g is None or int(r["group"]) == g) for r in options])
            if len(where):
                out[where] = can[draw(rng, weight[can], len(where))]
    return out


def _histology(
    cancer: str, organ: np.ndarray, names: list[str], group: np.ndarray, site: np.ndarray, tnm: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Carcinoma in situ at stage 0 only; types that belong to one site only there."""
    options, icd10 = histologies(cancer), [r["icd10"] for r in sites(cancer)]
    weight = np.array([float(r["weight"]) for r in options])
    in_situ = np.array([r["code"].endswith("/2") for r in options])
    minimal = np.array([r["code"] in ("8256/3", "8076/3") for r in options])
    tied = np.array([r["icd10"] for r in options])
    t = np.array([r["t"] for r in stages(cancer)])[tnm]
    smallest = np.isin(t, ("T1mi", "T1a1"))
    out = np.zeros(len(organ), dtype=np.int8)
    for o, name in enumerate(names):
        own = np.array([r["organ"] == name for r in options])
        for code in sorted(set(icd10)):
            here = (organ == o) & (np.array(icd10)[site] == code)
            claimed = tied == code
            fits = own & (claimed if claimed.any() else tied == "")
            for zero in (False, True):
                for small in (False, True):
                    where = np.flatnonzero(here & ((group == 0) == zero) & (smallest == small))
                    can = fits & (in_situ if zero and (fits & in_situ).any() else ~in_situ)
                    can = can & minimal if small and (can & minimal).any() else can & ~minimal
                    if len(where):
                        options_here = np.flatnonzero(can)
                        out[where] = options_here[draw(rng, weight[options_here], len(where))]
    return out


def lived(
    cancer: str,
    n: int,
    made: Assessment,
    plan: Plan,
    course: Course,
    cases: Cases,
    tests: Tests,
    alive_at: np.ndarray,
    hospital_of: np.ndarray,
    rng: np.random.Generator,
) -> tuple[CancerLife, np.ndarray]:
    """The whole of one cancer, before anybody's death is known. Returns it and the days on which the cancer would kill."""
    m, person, route = len(cases), cases.person, cases.route
    names = sorted({r["organ"] for r in sites(cancer)})
    organ_of_site = np.array([names.index(r["organ"]) for r in sites(cancer)])
    weight = np.array([float(r["weight"]) for r in sites(cancer)])
    lesions = np.flatnonzero(course.precursor > NONE)
    site = np.zeros(n, dtype=np.int8)
    site[lesions] = draw(rng, [float(r.get("polyp_weight", r["weight"])) for r in sites(cancer)], len(lesions))
    carriers = np.flatnonzero(~missing(course.onset))
    site[carriers] = draw(rng, weight, len(carriers))
    site[person] = draw(rng, weight, m)
    organ = organ_of_site[site[person]]

    # stage: earlier by screening; of earlier years those who lived
    hazard = hazards(cancer)
    by_screening, by_symptom = _table("stage_mix", cancer, route="screening"), _table("stage_mix", cancer, route="symptom")
    group = np.where(route == SCREENED, draw(rng, by_screening, m), draw(rng, by_symptom, m))
    survivors = by_symptom * np.exp(-hazard * parameter(cancer, "before_years") / 2)
    group = np.where(route == PREVALENT, draw(rng, survivors, m), group)
    tnm = _rows_of(stages(cancer), organ, names, rng, group=group)
    histology = _histology(cancer, organ, names, group, site[person], tnm, rng)

    # hospital and work-up
    hospital = np.where(rng.random(m) < TO_CANCER_HOSPITAL, 0, hospital_of[person])
    other = rng.random(m) < 0.06
    hospital = np.where(other, rng.integers(0, len(HOSPITALS), m), hospital).astype(np.int8)
    reaches = rng.random(m) < 0.97
    diagnosis = cases.diagnosis
    at_test = cancer in BIOPSY_AT_TEST
    workup = np.where((route == SCREENED) & at_test, diagnosis + days(rng, 6, 28, m), diagnosis - days(rng, 2, 6, m))
    workup = np.where((route == SCREENED) & ~at_test, diagnosis - days(rng, 2, 10, m), workup)
    treated = reaches & (rng.random(m) < share("treated_pct"))
    after = np.maximum(workup, diagnosis)

    # treatment by organ and stage group
    table = {(r["organ"], int(r["group"])): r for r in rows("treatments") if r["cancer"] == cancer}

    def has(kind: str) -> np.ndarray:
        chance = np.array([[float(table[name, g][kind]) / 100 for g in range(5)] for name in names])[organ, group]
        return treated & (rng.random(m) < chance)

    resection = has("resection")
    if cancer == "colorectum":
        resection &= np.array([r["t"] == "T1" and r["n"] == "N0" for r in stages(cancer)])[tnm]
    surgery = has("surgery") & ~resection
    neoadjuvant = has("neoadjuvant") & surgery
    if cancer == "colorectum":
        rectal = np.isin(np.array(column("colon_sites", "icd10"))[site[person]], RECTUM_SITES)
        neoadjuvant = treated & surgery & rectal & np.isin(group, (2, 3)) & (rng.random(m) < 0.4)
    neoadjuvant_date = np.where(neoadjuvant, after + days(rng, 10, 25, m), NEVER)
    surgery_date = np.where(surgery, np.where(neoadjuvant, neoadjuvant_date + days(rng, 80, 110, m), after + days(rng, 7, 30, m)), NEVER)
    resection_date = np.where(resection, after + days(rng, 7, 25, m), NEVER)
    local = np.where(missing(surgery_date), resection_date, surgery_date)
    later = np.where(missing(local), after + days(rng, 10, 30, m), local + days(rng, 21, 45, m))
    systemic_date = np.where(has("systemic"), later, NEVER)
    radiotherapy_date = np.where(has("radiotherapy"), later + days(rng, 10, 60, m), NEVER)
    interventional_date = np.where(has("interventional"), np.where(missing(local), after + days(rng, 7, 25, m), later), NEVER)

    # death of the cancer
    given = (neoadjuvant_date, surgery_date, resection_date, systemic_date, radiotherapy_date, interventional_date)
    any_treatment = np.any([~missing(d) for d in given], axis=0)
    rate = hazard[group] * np.where(any_treatment, 0.96, UNTREATED_HAZARD)
    since = np.maximum(diagnosis + 45, alive_at[person])
    lasts = np.minimum(rng.exponential(1.0, m) / rate * YEAR, 60 * YEAR).astype("timedelta64[D]")
    dies = since + lasts

    # relapse: on the way to death, or survived
    far = np.datetime64("2999-01-01")
    first = np.minimum.reduce([np.where(missing(d), far, d) for d in given])
    curative = (group < 4) & any_treatment
    on_the_way = first + ((dies - first).astype(np.int64) * rng.uniform(0.35, 0.8, m)).astype("timedelta64[D]")
    by_chance = first + np.minimum(rng.exponential(1.0, m) / RELAPSE[group] * YEAR + 120, 60 * YEAR).astype("timedelta64[D]")
    relapse = np.where(dies <= END, on_the_way, by_chance)
    recurrence_date = np.where(curative & (relapse > first + 90) & (relapse <= END), relapse, NEVER)
    spread = np.array([float(r[cancer]) for r in metastasis_sites()])
    recurrence_site = draw(rng, spread, m)
    metastasis_site = np.where(group == 4, draw(rng, np.r_[0, 0, spread[2:]], m), NOWHERE)

    def dense(values: np.ndarray, empty: object = NEVER) -> np.ndarray:
        return _spread(n, person, values.astype(DAY) if values.dtype.kind == "M" else values.astype(np.int8), empty)

    state = course.precursor.copy()
    state[~missing(course.onset) & (course.onset <= END)] = CANCER
    state[person] = CANCER
    # precursors found by a test are often removed
    removed = dense(resection_date)
    seen_on = np.full(n, NEVER)
    high = np.isin(tests.seen, (HIGH,)) & np.isin(tests.modality, (3, 5, 9))
    seen_on[tests.person[high]] = tests.day[high]
    take = ~missing(seen_on) & (state == HIGH) & (rng.random(n) < (0.65 if cancer == "colorectum" else 0.8))
    removed = np.where(take, seen_on + days(rng, 14, 60, n), removed).astype(DAY)
    life = CancerLife(
        cancer=cancer,
        eligible=made.eligible,
        high_risk=made.high_risk,
        channel=made.channel,
        invited=plan.invited,
        declined=plan.declined,
        state=state,
        onset_date=course.onset,
        route=dense(route, NO_ROUTE),
        site=site,
        tnm=dense(tnm, 0),
        histology=dense(histology, 0),
        diagnosis_date=dense(diagnosis),
        hospital=np.where(take, hospital_of, dense(np.where(reaches, hospital, NOWHERE), NOWHERE)).astype(np.int8),
        workup_date=dense(np.where(reaches, workup, NEVER)),
        neoadjuvant_date=dense(neoadjuvant_date),
        surgery_date=dense(surgery_date),
        resection_date=removed,
        systemic_date=dense(systemic_date),
        radiotherapy_date=dense(radiotherapy_date),
        interventional_date=dense(interventional_date),
        recurrence_date=dense(recurrence_date),
        recurrence_site=dense(recurrence_site, 0),
        metastasis_site=dense(metastasis_site, NOWHERE),
        died_of=np.zeros(n, dtype=bool),
        tests=tests,
    )
    return life, dense(dies)
