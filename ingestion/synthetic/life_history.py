"""Natural history: who gets which cancer and when, as far as no screening looks.

A cancer is first invisible, then preclinical (a test can see it), then brings symptoms. The preclinical time is exponential with the mean
`sojourn_years`: at any day its past and its future are then two independent exponential times, and as many people carry a preclinical
cancer as get symptoms in one sojourn time. So one prevalence, set by published detection rates, gives the incidence too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingestion.synthetic.calibration import rows, share, value
from ingestion.synthetic.cells import DAY, NEVER, systematic
from ingestion.synthetic.life import CANCER, COLORECTAL_RELATIVE, END, HIGH, LOW, NONE, START, Risk
from ingestion.synthetic.life_risk import ESOPHAGUS, LIVER, LUNG, STOMACH, first_degree
from ingestion.synthetic.life_rules import pack_years_at_least_20
from ingestion.synthetic.people import FEMALE, MALE, People, counties

YEAR = 365.25
# A precursor follows the causes of its cancer less closely than the cancer does.
PRECURSOR_POWER = 0.5


def parameter(cancer: str, name: str) -> float:
    """A number of natural_history.csv."""
    return next(float(row[name]) for row in rows("natural_history") if row["cancer"] == cancer)


def _factors(people: People, risk: Risk) -> dict[str, dict[str, np.ndarray]]:
    a, heavy = risk.answers, pack_years_at_least_20(risk)
    high_county = {row["county_code"] for row in rows("high_incidence")}
    male, smoker = people.sex == MALE, risk.smoking > 0
    alcohol = a["alcohol_regular"]
    return {
        "lung": {
            "male": male,
            "smoker_20_pack_years": heavy,
            "smoker_other": smoker & ~heavy,
            "passive_smoking": a["shs_home_30py_20y"] | a["shs_work_30py_20y"],
            "copd": a["hx_resp_diseases.1"],
            "occupation": a["occ_exposure_ge1y"],
            "family": first_degree(risk, LUNG),
        },
        "breast": {
            "family": a["fdr_breast_cancer"],
            "biopsy": a["breast_biopsy_count"] > 0,
            "early_menarche": a["menarche_age"] <= 12,
            "late_first_birth": ~a["live_birth_flag"] | (a["first_live_birth_age"] >= 30),
            "late_menopause": a["menopause_age"] >= 55,
            "hormones": a["hrt_type"] == 2,
        },
        "upper_gi": {
            "male": male,
            "high_incidence_county": np.array([c.code in high_county for c in counties()])[people.county],
            "family": first_degree(risk, ESOPHAGUS, STOMACH),
            "hot_food": a["diet_hot_scalding"],
            "salty_food": a["diet_salt_preference"] == 1,
            "pickled_food": a["diet_pickled_veg_freq"] == 1,
            "smoker_20_pack_years": heavy,
            "alcohol": alcohol,
            "ugi_disease": a["hx_ugi_diseases.2"] | a["hx_ugi_diseases.1"] | a["hx_ugi_diseases.6"] | a["hx_ugi_diseases.7"],
            "hp": risk.markers["hp"],
        },
        "colorectum": {
            "male": male,
            "family": first_degree(risk, COLORECTAL_RELATIVE),
            "smoker": smoker,
            "overweight": risk.points["bmi"] > 0,
            "bowel_disease": a["hx_bowel_diseases.1"],
        },
        "liver": {
            "male": male,
            "hbsag": risk.markers["hbsag"],
            "anti_hcv": risk.markers["anti_hcv"],
            "cirrhosis": a["hx_liver_diseases.3"],
            "alcohol": alcohol,
            "family": first_degree(risk, LIVER),
        },
        "cervix": {"hpv": risk.markers["hpv"]},
    }


def relative_risks(people: People, risk: Risk) -> dict[str, np.ndarray]:
    """Per cancer everybody's hazard against that of a person of 55 without any factor; zero for the other sex."""
    factors = _factors(people, risk)
    decades = (risk.age - np.float32(55)) / np.float32(10)
    found = {}
    for cancer, has in factors.items():
        table = {row["factor"]: float(row["relative_risk"]) for row in rows("relative_risks") if row["cancer"] == cancer}
        log = np.float32(np.log(table.pop("age_decade"))) * decades
        for name, ratio in table.items():
            log += np.float32(np.log(ratio)) * has[name]
        found[cancer] = np.exp(log)
        if cancer in ("breast", "cervix"):
            found[cancer] = np.where(people.sex == FEMALE, found[cancer], np.float32(0))
    return found


@dataclass
class Course:
    """One cancer's natural history in every life, and what became of it.

    onset      day from which a test can see the cancer; missing for people without one
    surface    day on which it would bring symptoms
    precursor  NONE, LOW or HIGH: what is there before and beside a cancer
    before     day of a diagnosis before the person was assessed, missing for the others
    """

    onset: np.ndarray
    surface: np.ndarray
    precursor: np.ndarray
    before: np.ndarray

    def visible(self, person: np.ndarray, day: np.ndarray) -> np.ndarray:
        """What a perfect test would show of some people on a day."""
        there = (self.onset[person] <= day) & (day < self.surface[person])
        return np.where(there, CANCER, self.precursor[person]).astype(np.int8)


def _spans(mean_years: float, n: int, rng: np.random.Generator) -> np.ndarray:
    return np.minimum(rng.exponential(mean_years * YEAR, n) + 1, 20 * YEAR).astype("timedelta64[D]")


def prevalence(cancer: str, risk: np.ndarray, reference: np.ndarray, target: float) -> np.ndarray:
    """Chance to carry a preclinical cancer, so that it is `target` on average among the reference people."""
    mean = float(risk[reference].mean()) if reference.any() else float(risk[risk > 0].mean())
    return np.minimum(risk * (target / mean), 0.5)


def diagnosed_before(
    cancer: str, chance: np.ndarray, residents: np.ndarray, assessed_on: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Diagnoses before the assessment: in earlier years (the survivors), and between START and the assessment. Returns day, is_earlier."""
    n, sojourn, years = len(chance), parameter(cancer, "sojourn_years"), parameter(cancer, "before_years")
    order = np.argsort(rng.random(n, dtype=np.float32), kind="stable")
    earlier = systematic(np.where(residents, chance / sojourn * years * 0.7, 0), order, rng)
    since = np.maximum((assessed_on - START).astype(np.int64), 0) / YEAR
    lately = ~earlier & systematic(np.where(residents, chance / sojourn * since, 0), order, rng)
    day = np.full(n, NEVER)
    who = np.flatnonzero(earlier)
    day[who] = START - 1 - (rng.random(len(who)) * years * YEAR).astype("timedelta64[D]")
    who = np.flatnonzero(lately)
    day[who] = START + (rng.random(len(who)) * since[who] * YEAR).astype("timedelta64[D]")
    return day.astype(DAY), earlier


def course(
    cancer: str,
    chance: np.ndarray,
    precursors: dict[int, np.ndarray],
    before: np.ndarray,
    day: np.ndarray,
    first: np.ndarray,
    rng: np.random.Generator,
) -> Course:
    """What happens to everybody from the day on (of the first test, or of the assessment).

    first   a rank: people with a high rank are drawn from first, in a run of their own, so that small provinces stay near their rates
    """
    n, sojourn = len(chance), parameter(cancer, "sojourn_years")
    order = np.argsort(0.1 * rng.random(n, dtype=np.float32) - first, kind="stable")
    free = np.isnat(before)
    onset, surface, precursor = np.full(n, NEVER), np.full(n, NEVER), np.full(n, NONE, dtype=np.int8)
    # preclinical on that day
    now = free & systematic(np.where(free, chance, 0), order, rng)
    tested = np.flatnonzero(first >= 2)
    if len(tested) and not now[tested].any():
        now[tested[np.argmax(chance[tested])]] = True  # the smallest province too has one cancer found by screening
    who = np.flatnonzero(now)
    onset[who] = day[who] - _spans(sojourn, len(who), rng)
    surface[who] = day[who] + _spans(sojourn, len(who), rng)
    # preclinical later, with symptoms before END
    left = np.maximum((END - day).astype(np.int64), 0) / YEAR
    quick = left - sojourn * (1 - np.exp(-left / sojourn))
    later = free & ~now & systematic(np.where(free & ~now, chance / sojourn * quick, 0), order, rng)
    who = np.flatnonzero(later)
    until = left[who] * YEAR * np.sqrt(rng.random(len(who)))
    surface[who] = day[who] + until.astype("timedelta64[D]") + 1
    onset[who] = day[who] + (until * rng.random(len(who))).astype("timedelta64[D]") + 1
    taken = now | later | ~free
    for state in (HIGH, LOW):
        hit = systematic(np.where(taken, 0, precursors[state]), order, rng)
        precursor[hit] = state
        taken |= hit
    return Course(onset.astype(DAY), surface.astype(DAY), precursor, before)


def precursor_chances(cancer: str, risk: np.ndarray, reference: np.ndarray) -> dict[int, np.ndarray]:
    """Chances of the two precursors, so that they have their rates among the reference people."""
    soft = risk**PRECURSOR_POWER
    name = {HIGH: "cervix_precancer_pct" if cancer == "cervix" else f"{cancer}_high_pct", LOW: f"{cancer}_low_pct"}
    return {state: prevalence(cancer, soft, reference, share(name[state])) for state in (HIGH, LOW)}


def outsiders(people: People, risks: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Patients from elsewhere who come because of one of the cancers: day of diagnosis per cancer."""
    n, free = len(people), np.flatnonzero(~people.is_resident)
    first, last = np.datetime64("2022-01-10"), np.datetime64("2025-05-31")
    cases, found = len(free) * share("outside_six_cancers_pct"), {}
    for cancer, risk in risks.items():
        wanted = max(round(cases * parameter(cancer, "outside_share")), int(value("outside_least")))
        # the largest of log risk + Gumbel noise are a draw in proportion to the risk
        with np.errstate(divide="ignore"):
            rank = np.log(risk[free]) + rng.gumbel(size=len(free))
        chosen = np.argsort(-rank, kind="stable")[:wanted]
        chosen = chosen[risk[free[chosen]] > 0]
        day = np.full(n, NEVER)
        day[free[chosen]] = first + (rng.random(len(chosen)) * (last - first).astype(int)).astype("timedelta64[D]")
        found[cancer] = day.astype(DAY)
        free = np.delete(free, chosen)
    return found
