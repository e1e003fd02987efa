"""Everybody's life, in the order of causes.

Risk factors → cancers of earlier years → assessment and high risk → who comes to which test → natural history of the others → tests →
diagnosis, stage, treatment → death. Take-up comes before findings: nobody knows yet what they carry.
"""

from __future__ import annotations

import numpy as np

from ingestion.synthetic.calibration import share
from ingestion.synthetic.cells import DAY, NEVER, days, missing, stream
from ingestion.synthetic.life import (
    CANCER,
    CANCERS,
    CHECKUP,
    CHECKUP_CENTRES,
    END,
    HIGH,
    LOW,
    NO_ROUTE,
    NOWHERE,
    START,
    CancerLife,
    Lives,
)
from ingestion.synthetic.life_care import diagnose, lived
from ingestion.synthetic.life_history import course, diagnosed_before, outsiders, precursor_chances, prevalence, relative_risks
from ingestion.synthetic.life_risk import risk_factors
from ingestion.synthetic.life_screening import Assessment, Plan, assess, plan, screen
from ingestion.synthetic.people import MALE, People, counties, usual_hospital

FIRST_CHECKUP = np.datetime64("2024-02-20")
TAIYUAN = "140100"


def _places(people: People, seed: int) -> dict[str, np.ndarray]:
    """Which hospital, check-up centre and regional platform know the person."""
    n, rng = len(people), stream(seed, "life", "places")
    hospital = usual_hospital()[people.county].astype(np.int8)
    elsewhere = rng.random(n) < 0.1
    hospital[elsewhere] = rng.integers(0, len(CHECKUP_CENTRES), int(elsewhere.sum()))
    customer = people.is_resident & (rng.random(n) < share("checkup_customer_pct"))
    exam = FIRST_CHECKUP + (rng.random(n) * (END - FIRST_CHECKUP).astype(int)).astype("timedelta64[D]")
    return {
        "hospital_of": hospital,
        "is_patient": ~people.is_resident | (rng.random(n) < share("patient_pct")),
        "checkup_of": np.where(customer, hospital, NOWHERE).astype(np.int8),
        "checkup_date": np.where(customer, exam, NEVER).astype(DAY),
        "in_region": people.is_resident & np.array([c.parent == TAIYUAN for c in counties()])[people.county],
    }


def _background(people: People, age: np.ndarray, alive_at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Death of other causes, by age and sex: the hazard doubles every seven to eight years."""
    yearly = 0.0011 * np.exp(0.094 * (age.astype(float) - 40)) * np.where(people.sex == MALE, 1.3, 0.72)
    lasts = np.minimum(rng.exponential(1.0, len(people)) / yearly * 365.25 + 2, 36_500).astype("timedelta64[D]")
    day = alive_at + lasts
    return np.where(day <= END, day, NEVER).astype(DAY)


def _tested_first(cancer: str, made: Assessment, coming: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Rank for drawing cases (2 tested, 1 high-risk, 0 others) and the reference people of the detection rates."""
    tested = coming.comes & ~(coming.source == CHECKUP)
    rank = np.where(coming.comes, np.where(coming.source == CHECKUP, 1.5, 2.0), made.high_risk.astype(float))
    rank = np.where(tested & coming.by_fit, 1.8, rank)
    return rank, tested


def _colorectal_target(coming: Plan, state: int, target: float) -> float:
    """Prevalence that gives the target among colonoscopies, of which some follow a positive FIT and so hold more."""
    own = coming.comes & (coming.source != CHECKUP)
    direct, fit = float((own & ~coming.by_fit).sum()), float((own & coming.by_fit).sum())
    if direct + fit == 0:
        return target
    names = {LOW: "non_advanced", HIGH: "advanced", CANCER: "cancer"}
    sensitivity = share(f"fit_sensitivity_{names[state]}_pct")
    after = fit * share("fit_positive_pct") * share("colonoscopy_after_fit_pct")
    part = after / (after + direct)
    return target / (1 - part + part * sensitivity / share("fit_positive_pct"))


def _chances(cancer: str, risk: np.ndarray, coming: Plan, reference: np.ndarray) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    if cancer == "colorectum":
        goal = {CANCER: "crc_detection_pct", HIGH: "advanced_adenoma_pct", LOW: "non_advanced_adenoma_pct"}
        targets = {state: _colorectal_target(coming, state, share(name)) for state, name in goal.items()}
        soft = risk**0.5
        return prevalence(cancer, risk, reference, targets[CANCER]), {s: prevalence(cancer, soft, reference, targets[s]) for s in (HIGH, LOW)}
    seen = {"lung": 0.93, "breast": 0.46, "upper_gi": share("sensitivity_upper_gi_pct"), "liver": share("sensitivity_liver_pct"), "cervix": 0.76}
    return prevalence(cancer, risk, reference, share(f"{cancer}_detection_pct") / seen[cancer]), precursor_chances(cancer, risk, reference)


def _kept(life: CancerLife, death: np.ndarray) -> None:
    """Nothing happens after END or from the day of death on; nobody treats whom nobody diagnosed."""
    for name in (f for f in vars(life) if f.endswith("_date")):
        day = getattr(life, name)
        if name != "onset_date":
            setattr(life, name, np.where((day <= END) & (missing(death) | (day < death)), day, NEVER).astype(DAY))
    gone = missing(life.diagnosis_date)
    life.route = np.where(gone, NO_ROUTE, life.route).astype(np.int8)
    for name in ("workup_date", "neoadjuvant_date", "surgery_date", "systemic_date", "radiotherapy_date", "interventional_date", "recurrence_date"):
        setattr(life, name, np.where(gone, NEVER, getattr(life, name)).astype(DAY))
    life.resection_date = np.where(gone & (life.state == CANCER), NEVER, life.resection_date).astype(DAY)


def live(people: People, seed: int) -> Lives:
    """Live every life up to the end of June 2025."""
    n, rng = len(people), stream(seed, "life")
    risk, places = risk_factors(people, seed), _places(people, seed)
    assessed_on = np.where(people.is_surveyed, people.survey_date, np.datetime64("2024-02-01") + days(rng, 0, 320, n))
    alive_at = np.where(people.is_surveyed, people.survey_date + 1, np.where(people.is_resident, START, np.datetime64("2022-01-01")))
    risks = relative_risks(people, risk)
    other_cancer = rng.random(n) < share("known_other_cancer_pct")

    # cancers that are known before the assessment; the chances are refined below, when it is known who comes
    outside = outsiders(people, risks, stream(seed, "life", "outside"))
    before, earlier, known = {}, {}, other_cancer.copy()
    for cancer in CANCERS:
        everybody = np.ones(n, dtype=bool)
        rough = assess(cancer, people, places, risk, ~everybody)
        guess = share("crc_detection_pct" if cancer == "colorectum" else f"{cancer}_detection_pct")
        chance = prevalence(cancer, risks[cancer], rough.high_risk, guess)
        own = stream(seed, "life", cancer, "before")
        before[cancer], earlier[cancer] = diagnosed_before(cancer, chance, people.is_resident, assessed_on, own)
        known |= ~missing(before[cancer]) | ~missing(outside[cancer])
    willing = stream(seed, "life", "willing").standard_normal(n, dtype=np.float32)

    cancers, books, dies = {}, {}, {}
    for cancer in CANCERS:
        own = stream(seed, "life", cancer)
        made = assess(cancer, people, places, risk, known)
        coming = plan(cancer, people, made, assessed_on, willing, places, own)
        first, reference = _tested_first(cancer, made, coming)
        chance, precursors = _chances(cancer, risks[cancer], coming, reference)
        from_day = np.where(coming.comes, coming.day, assessed_on + 10)
        mine = np.where(missing(before[cancer]), outside[cancer], before[cancer])
        history = course(cancer, chance, precursors, mine, from_day, first, own)
        history.before = before[cancer]
        book, found_on = screen(cancer, coming, history, own)
        tests = book.tests(np.full(n, NEVER), mine)
        cases = diagnose(cancer, history, earlier[cancer], outside[cancer], found_on, tests, own)
        alive = np.where(missing(outside[cancer]), alive_at, outside[cancer])
        cancers[cancer], dies[cancer] = lived(cancer, n, made, coming, history, cases, tests, alive, places["hospital_of"], own)
        books[cancer] = book

    # death: of the first cancer that kills, or of something else
    death = _background(people, risk.age, alive_at, stream(seed, "life", "death"))
    for cancer in CANCERS:
        death = np.fmin(death, np.where(dies[cancer] <= END, dies[cancer], NEVER))
    for cancer, life in cancers.items():
        life.died_of = ~missing(death) & (dies[cancer] == death)
        _kept(life, death)
        life.died_of &= life.has_cancer
        life.tests = books[cancer].tests(death, life.diagnosis_date)
    return Lives(
        risk=risk,
        known_other_cancer=other_cancer,
        death_date=death.astype(DAY),
        cancers=cancers,
        **places,
    )
