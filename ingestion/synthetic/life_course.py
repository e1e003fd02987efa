"""How the lives are lived: risk factors, natural history, screening, diagnosis, treatment, death, in the order of causes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ingestion.synthetic.calibration import column, numbers, rows, share, value
from ingestion.synthetic.cells import DAY, NEVER, age_on, days, draw, missing, stream, systematic
from ingestion.synthetic.life import (
    ADVANCED,
    CANCER,
    CANCERS,
    COLORECTAL_RELATIVE,
    END,
    FAMILY_SLOTS,
    FIRST_DEGREE,
    FIT_INVALID,
    FIT_NEGATIVE,
    FIT_NONE,
    FIT_POSITIVE,
    NO_ROUTE,
    NON_ADVANCED,
    NONE,
    PREVALENT,
    RECTUM_SITES,
    SCREENED,
    START,
    SYMPTOM,
    CancerLife,
    Lives,
    Risk,
)
from ingestion.synthetic.people import MALE, People, home_hospital


def _risk(people: People, rng: np.random.Generator) -> Risk:
    n, male = len(people), people.sex == MALE
    day = np.where(people.is_surveyed, people.survey_date, np.datetime64("2024-07-01"))
    age = age_on(people.birth, day)
    height = np.rint(np.where(male, 168.5, 157.5) + rng.normal(0, 6.0, n)).clip(138, 196).astype(int)
    bmi = rng.normal(value("bmi_mean"), value("bmi_sd"), n).clip(15.5, 40)
    weight = np.rint(bmi * height**2 / 1000).astype(int)
    now = np.where(male, share("smoker_male_pct"), share("smoker_female_pct"))
    ever = now + np.where(male, share("ex_smoker_male_pct"), share("ex_smoker_female_pct"))
    draw_smoking = rng.random(n)
    smoking = np.where(draw_smoking < now, 1, np.where(draw_smoking < ever, 2, 0))
    affected = rng.random(n) < share("family_cancer_pct")
    relatives = np.where(affected, 1 + draw(rng, [76, 20, 4], n), 0)
    shape = n * FAMILY_SLOTS
    given = np.arange(FAMILY_SLOTS) < relatives[:, None]
    relation = (1 + draw(rng, [24, 26, 10, 10, 2, 7, 6, 6, 5, 2, 2], shape)).reshape(n, FAMILY_SLOTS)
    cancer_codes = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 99])
    cancer = cancer_codes[draw(rng, [20, 6, 10, 14, 20, 12, 4, 2, 2, 1, 5, 1, 1, 2], shape)].reshape(n, FAMILY_SLOTS)
    relative_age = rng.normal(66, 10, shape).clip(28, 92).astype(int).reshape(n, FAMILY_SLOTS)
    risk = Risk(age, height, weight, smoking, relatives, relation * given, cancer * given, relative_age * given)
    colorectal = (risk.relative_cancer == COLORECTAL_RELATIVE) & np.isin(risk.relation, FIRST_DEGREE)
    young = colorectal & (risk.relative_age < 60)
    # NHC 2024: BMI from the height and weight as written on the form, compared without rounding.
    risk.points = {
        "age": np.where(age >= 60, 2, np.where(age >= 50, 1, 0)),
        "male": male.astype(int),
        "family": np.where(young.any(axis=1) | (colorectal.sum(axis=1) >= 2), 4, colorectal.any(axis=1).astype(int)),
        "smoking": (smoking > 0).astype(int),
        "bmi": (weight * 1000 >= 23 * height**2).astype(int),
    }
    risk.score = sum(risk.points.values())
    return risk


def _within(start: np.ndarray, end: np.datetime64, rng: np.random.Generator) -> np.ndarray:
    """A day drawn evenly between start and end."""
    span = np.maximum((end - start).astype(np.int64), 0)
    return start + (rng.random(len(start)) * (span + 1)).astype("timedelta64[D]")


def _prevalence(take_up: dict[str, float], sensitivity: float, target: float) -> float:
    """Prevalence that gives the target among colonoscopies, of which some follow a positive FIT and so hold more."""
    after_fit = take_up["fit"] * share("fit_positive_pct") * share("colonoscopy_after_fit_pct")
    part = after_fit / (after_fit + take_up["direct"])
    return target / (1 - part + part * sensitivity / share("fit_positive_pct"))


def live(people: People, seed: int) -> Lives:
    """Live every life up to the end of June 2025."""
    n, rng = len(people), stream(seed, "life")
    risk = _risk(people, rng)
    surveyed, residents = people.is_surveyed, people.is_resident
    never = np.full(n, NEVER)

    other_cancer = rng.random(n) < share("known_other_cancer_pct")
    prevalent = residents & (rng.random(n) < share("known_colorectal_cancer_pct"))
    outside_cancer = ~residents & (rng.random(n) < share("outside_cancer_pct"))
    of_age = surveyed & (risk.age >= 40) & (risk.age <= 74)
    high_risk = of_age & (risk.score >= 4) & ~other_cancer & ~prevalent

    # Take-up before findings: nobody knows yet what they carry.
    lot = rng.random(n)
    direct = high_risk & (lot < share("direct_colonoscopy_pct"))
    asked = of_age & ~other_cancer & ~prevalent & ~direct
    fit = asked & (rng.random(n) < np.where(high_risk, share("fit_after_high_risk_pct"), share("fit_of_others_pct")))
    take_up = {"direct": direct.mean(), "fit": fit.mean()}

    # Natural history, in runs of equal take-up so that small provinces stay near their targets.
    free = ~prevalent & ~outside_cancer
    run = np.lexsort((rng.random(n), high_risk, fit, direct))[::-1]
    state = np.where(free, NONE, CANCER)
    sensitivity = {
        CANCER: share("fit_sensitivity_cancer_pct"),
        ADVANCED: share("fit_sensitivity_advanced_pct"),
        NON_ADVANCED: share("fit_sensitivity_non_advanced_pct"),
    }
    goal = {CANCER: "crc_detection_pct", ADVANCED: "advanced_adenoma_pct", NON_ADVANCED: "non_advanced_adenoma_pct"}
    prevalence = {s: _prevalence(take_up, sensitivity[s], share(goal[s])) for s in goal}
    for s in (CANCER, ADVANCED, NON_ADVANCED):
        chance = prevalence[s] * np.where(high_risk | fit, 1, value("prevalence_of_others_ratio"))
        state = np.where(systematic(np.where(state == NONE, chance, 0), run, rng), s, state)
    if direct.any() and not (direct & (state == CANCER)).any():
        state[np.flatnonzero(direct)[0]] = CANCER  # the smallest province too has one cancer found by screening

    # FIT
    clear = 1 - sum(prevalence.values())
    false_positive = (share("fit_positive_pct") - sum(prevalence[s] * sensitivity[s] for s in goal)) / clear
    chance = np.select([state == s for s in goal], list(sensitivity.values()), false_positive)
    order = np.lexsort((rng.random(n), state))
    positive = systematic(np.where(fit, chance, 0), order, rng)
    broken = fit & (rng.random(n) < share("fit_invalid_pct"))
    positive &= ~broken
    fit_result = np.where(positive, FIT_POSITIVE, np.where(fit, FIT_NEGATIVE, FIT_NONE))
    fit_result = np.where(broken, FIT_INVALID + (rng.random(n) < 0.4), fit_result)
    fit_date = np.where(fit, people.survey_date + days(rng, 5, 60, n), never)

    # Colonoscopy
    after_fit = systematic(np.where(positive, share("colonoscopy_after_fit_pct"), 0), order, rng)
    colonoscopy_date = np.where(direct, people.survey_date + days(rng, 14, 130, n), never)
    colonoscopy_date = np.where(after_fit, fit_date + days(rng, 8, 75, n), colonoscopy_date)
    tried = direct | after_fit
    done = tried & ((rng.random(n) >= share("colonoscopy_incomplete_pct")) | (state == CANCER))

    # Cancers: by screening, by symptoms, from earlier years
    by_screening = done & (state == CANCER)
    symptomatic = residents & ~tried & ~prevalent & (rng.random(n) < share("symptomatic_cancer_pct"))
    state = np.where(symptomatic, CANCER, state)
    route = np.select([by_screening, symptomatic | outside_cancer, prevalent], [SCREENED, SYMPTOM, PREVALENT], NO_ROUTE)
    diagnosis = np.where(by_screening, colonoscopy_date + days(rng, 3, 9, n), never)
    from_day = np.where(surveyed, people.survey_date + np.timedelta64(10, "D"), START)
    diagnosis = np.where(symptomatic, _within(from_day, np.datetime64("2025-05-31"), rng), diagnosis)
    diagnosis = np.where(outside_cancer, _within(np.full(n, np.datetime64("2022-01-10")), np.datetime64("2025-05-31"), rng), diagnosis)
    diagnosis = np.where(prevalent, _within(np.full(n, np.datetime64("2021-01-10")), np.datetime64("2023-12-20"), rng), diagnosis)
    cancer = route != NO_ROUTE

    early = share("screen_early_pct")
    at_screening = np.array([early, 0.18, 0.15, 1 - early - 0.33])
    by_symptom = np.array([0.17, 0.29, 0.34, 0.20])
    group_lot = rng.random(n)
    group = 1 + np.where(
        route == SCREENED,
        np.searchsorted(np.cumsum(at_screening)[:3], group_lot, side="right"),
        np.searchsorted(np.cumsum(by_symptom)[:3], group_lot, side="right"),
    )
    tnm_groups, tnm_weights = np.array(numbers("tnm", "group"), dtype=int), np.array(numbers("tnm", "weight"))
    tnm = np.zeros(n, dtype=int)
    for g in range(1, 5):
        members, options = np.flatnonzero(cancer & (group == g)), np.flatnonzero(tnm_groups == g)
        tnm[members] = options[draw(rng, tnm_weights[options], len(members))]
    site = np.where(state == CANCER, draw(rng, numbers("colon_sites", "cancer_weight"), n), draw(rng, numbers("colon_sites", "polyp_weight"), n))
    histology = draw(rng, [86, 11, 3], n)

    # Treatment: most go to the hospital of their region
    hospital = home_hospital()[people.county] ^ (rng.random(n) < 0.12)
    reaches = cancer & (rng.random(n) < 0.97)
    treated = reaches & (rng.random(n) < share("treated_pct"))
    workup = np.where(reaches, np.where(route == SCREENED, diagnosis + days(rng, 6, 28, n), diagnosis - days(rng, 2, 6, n)), never)
    rectal = np.isin(np.array(column("colon_sites", "icd10"))[site], RECTUM_SITES)
    t1 = np.array([row["t"] == "T1" and row["n"] == "N0" for row in rows("tnm")])[tnm]
    locally_advanced = rectal & np.isin(group, (2, 3))
    after = np.maximum(workup, diagnosis)
    resected = treated & t1 & (rng.random(n) < 0.4)
    neoadjuvant = treated & locally_advanced & (rng.random(n) < 0.4)
    operated = treated & ~resected & (rng.random(n) < np.array([0, 0.97, 0.97, 0.96, 0.45])[group])
    neoadjuvant_date = np.where(neoadjuvant, after + days(rng, 10, 25, n), never)
    surgery = np.where(operated, np.where(neoadjuvant, neoadjuvant_date + days(rng, 80, 110, n), after + days(rng, 7, 30, n)), never)
    resection = np.where(resected, after + days(rng, 7, 25, n), never)
    systemic = treated & ~resected & (rng.random(n) < np.array([0, 0.02, 0.45, 0.88, 0.8])[group])
    systemic_date = np.where(systemic, np.where(operated, surgery + days(rng, 21, 45, n), after + days(rng, 10, 30, n)), never)
    # An adenoma found by screening is often removed in hospital.
    adenoma = done & (state == ADVANCED) & (rng.random(n) < 0.65)
    resection = np.where(adenoma, colonoscopy_date + days(rng, 14, 60, n), resection)

    # Death
    hazard = np.array([0] + [-np.log1p(-share(f"death_year_stage_{g}_pct")) for g in range(1, 5)])[group]
    survival = rng.exponential(1.0, n) / hazard * 365.25 + 60
    cancer_death = np.where(cancer, diagnosis + np.minimum(survival, 36_500).astype("timedelta64[D]"), never)
    background = rng.random(n) < share("background_death_pct")
    other_death = np.where(background, _within(np.full(n, START), END, rng), never)
    alive_at = np.where(surveyed, people.survey_date + np.timedelta64(1, "D"), np.where(residents, START, np.datetime64("2022-01-01")))
    cancer_death = np.where((cancer_death <= END) & (cancer_death > alive_at), cancer_death, never)
    other_death = np.where((other_death > alive_at) & (missing(diagnosis) | (other_death > diagnosis)), other_death, never)
    died_of_cancer = ~missing(cancer_death) & (missing(other_death) | (cancer_death <= other_death))
    death = np.where(died_of_cancer, cancer_death, other_death).astype(DAY)

    def kept(day: np.ndarray) -> np.ndarray:
        return np.where((day <= END) & (missing(death) | (day < death)), day, never).astype(DAY)

    fit_date, colonoscopy_date, diagnosis, workup = map(kept, (fit_date, colonoscopy_date, diagnosis, workup))
    neoadjuvant_date, surgery, resection, systemic_date = map(kept, (neoadjuvant_date, surgery, resection, systemic_date))
    colorectum = replace(
        CancerLife.of_nobody("colorectum", n),
        eligible=of_age & ~other_cancer & ~prevalent,
        high_risk=high_risk,
        state=state,
        site=site,
        route=np.where(missing(diagnosis), NO_ROUTE, route),
        diagnosis_date=diagnosis,
        tnm=tnm,
        histology=histology,
        hospital=hospital.astype(np.int8),
        workup_date=workup,
        neoadjuvant_date=neoadjuvant_date,
        surgery_date=surgery,
        resection_date=resection,
        systemic_date=systemic_date,
        died_of=died_of_cancer,
    )
    return Lives(
        risk=risk,
        known_other_cancer=other_cancer,
        death_date=death,
        cancers={name: colorectum if name == "colorectum" else CancerLife.of_nobody(name, n) for name in CANCERS},
        hospital_of=hospital.astype(np.int8),
        is_patient=np.zeros(n, dtype=bool),
        checkup_of=np.full(n, -1, dtype=np.int8),
        checkup_date=never,
        in_region=np.zeros(n, dtype=bool),
        fit_date=fit_date,
        fit_result=np.where(missing(fit_date), FIT_NONE, fit_result),
        colonoscopy_date=colonoscopy_date,
        colonoscopy_done=done & ~missing(colonoscopy_date),
        after_fit=after_fit & ~missing(colonoscopy_date),
    )
