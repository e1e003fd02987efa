"""Who is assessed, invited and screened, where, with which tests, and what the tests show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from ingestion.synthetic.calibration import rows, share
from ingestion.synthetic.cells import DAY, NEVER, days, draw, missing, systematic
from ingestion.synthetic.life import (
    BREAST_MG,
    BREAST_US,
    BY_HOSPITAL,
    BY_PLATFORM,
    BY_REGION,
    CANCER,
    CHECKUP,
    COLONOSCOPY,
    COLPOSCOPY,
    CYTOLOGY,
    END,
    FIT,
    FREE_INSTITUTIONS,
    HIGH,
    HOSPITAL_OPPORTUNISTIC,
    HOSPITAL_OWN,
    HPV,
    INCOMPLETE,
    INVALID,
    LDCT,
    LIVER_US_AFP,
    LOW,
    MODALITIES,
    NATIONAL_FREE,
    NATIONAL_STANDARD,
    NEGATIVE,
    NO_RESULT,
    NONE,
    NOWHERE,
    POSITIVE,
    STANDARD_CENTRES,
    UGI_ENDOSCOPY,
    Tests,
)
from ingestion.synthetic.life_history import Course
from ingestion.synthetic.life_rules import RULES, of_age
from ingestion.synthetic.people import People, counties

SOURCE_WEIGHTS = (45, 25, 30)
# Correlation of the readiness to come to two tests: who comes to one mostly comes to all.
WILLING = 0.93
# Share of check-up customers who take the test as part of their package.
CHECKUP_SHARES = {"lung": 0.2, "breast": 0.45, "upper_gi": 0.0, "colorectum": 0.35, "liver": 0.3, "cervix": 0.15}
# Rounds: months after the round before, share of those with a negative result who come again.
ROUNDS = {"lung": (12, 0.4), "breast": (12, 0.25), "upper_gi": (0, 0.0), "colorectum": (12, 0.25), "liver": (6, 0.5), "cervix": (0, 0.0)}
LAST_TEST = END - 12


@dataclass
class Assessment:
    """Who was judged for one cancer and how: the arrays of the same names in `CancerLife`."""

    eligible: np.ndarray
    high_risk: np.ndarray
    channel: np.ndarray


@dataclass
class Plan:
    """Who comes to the first round of tests of one cancer.

    day       day of the first test, missing for people who do not come
    source, organisation, channel   as in `Tests`
    invited, declined               as in `CancerLife`
    by_fit    colorectum: comes to FIT rather than to colonoscopy
    """

    day: np.ndarray
    source: np.ndarray
    organisation: np.ndarray
    channel: np.ndarray
    invited: np.ndarray
    declined: np.ndarray
    by_fit: np.ndarray

    @property
    def comes(self) -> np.ndarray:
        return ~missing(self.day)


@dataclass
class Book:
    """Tests as they are done, in parts; `tests` puts them together."""

    parts: list[dict[str, np.ndarray]] = field(default_factory=list)

    def note(self, plan: Plan, person: np.ndarray, day: np.ndarray, modality: int, round_: int, **results: np.ndarray) -> None:
        """Note tests of one kind; results are result, category and seen."""
        n = len(person)
        self.parts.append(
            {
                "person": person,
                "day": day,
                "modality": np.full(n, modality, dtype=np.int8),
                "source": plan.source[person],
                "organisation": plan.organisation[person],
                "channel": plan.channel[person],
                "round": np.full(n, round_, dtype=np.int8),
                **{name: np.asarray(values, dtype=np.int8) for name, values in results.items()},
            }
        )

    def tests(self, death: np.ndarray, diagnosed: np.ndarray) -> Tests:
        """All tests of the living up to END, none after the diagnosis was made."""
        if not self.parts:
            return Tests.none()
        merged = Tests(**{name: np.concatenate([part[name] for part in self.parts]) for name in self.parts[0]})
        last = np.where(missing(death), END, np.minimum(death - 1, END))
        last = np.where(missing(diagnosed), last, np.minimum(diagnosed, last))
        merged = merged.where(merged.day <= last[merged.person])
        return merged.where(np.lexsort((merged.modality, merged.person, merged.day)))


def assess(cancer: str, people: People, lives: dict[str, np.ndarray], risk: object, known: np.ndarray) -> Assessment:
    """The platform judges those who answered; hospital and region judge their people who did not."""
    judged = people.is_surveyed | lives["is_patient"] | lives["in_region"]
    channel = np.where(people.is_surveyed, BY_PLATFORM, np.where(lives["is_patient"], BY_HOSPITAL, BY_REGION)).astype(np.int8)
    eligible = judged & ~known & of_age(cancer, people, risk)
    return Assessment(eligible, eligible & RULES[cancer](people, risk), np.where(eligible, channel, np.int8(NOWHERE)))


# Hospitals with a screening programme of their own (positions in HOSPITALS): H1402, H1404, H1406.
OWN_SCREENERS = (1, 3, 5)


@cache
def _regions() -> np.ndarray:
    """Per county a number that is the same within a prefecture."""
    parents = sorted({c.parent for c in counties()})
    return np.array([parents.index(c.parent) for c in counties()])


def plan(
    cancer: str,
    people: People,
    made: Assessment,
    assessed_on: np.ndarray,
    willing: np.ndarray,
    places: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> Plan:
    """First round: of the high-risk those most willing come, up to the participation rate; check-up customers come by their package."""
    n = len(people)
    rates = {BY_HOSPITAL: share("hospital_assessed_participation_pct"), BY_REGION: share("region_assessed_participation_pct")}
    if cancer == "colorectum":
        rates[BY_PLATFORM] = share("direct_colonoscopy_pct")
    else:
        rates[BY_PLATFORM] = share(f"{cancer}_participation_pct")
    lot = WILLING * willing + np.sqrt(1 - WILLING**2) * rng.standard_normal(n, dtype=np.float32)
    comes = np.zeros(n, dtype=bool)
    for channel, rate in rates.items():
        asked = np.flatnonzero(made.high_risk & (made.channel == channel))
        if len(asked):
            comes[asked[np.argsort(-lot[asked], kind="stable")[: round(rate * len(asked))]]] = True
    by_fit = np.zeros(n, dtype=bool)
    if cancer == "colorectum":
        others = made.eligible & (made.channel == BY_PLATFORM) & ~comes
        for group, rate in ((made.high_risk, share("fit_after_high_risk_pct")), (~made.high_risk, share("fit_of_others_pct"))):
            asked = np.flatnonzero(others & group)
            by_fit[asked[np.argsort(-lot[asked], kind="stable")[: round(rate * len(asked))]]] = True
    # where: one of the national programme's places, or the hospital; in-hospital assessment leads to a test in that hospital
    by_platform = draw(rng, SOURCE_WEIGHTS, n)
    source = np.where(by_platform == 2, HOSPITAL_OWN, by_platform)
    source = np.where(made.channel == BY_HOSPITAL, HOSPITAL_OPPORTUNISTIC, source).astype(np.int8)
    region = _regions()[people.county]
    organisation = np.select(
        [source == NATIONAL_FREE, source == NATIONAL_STANDARD, source == HOSPITAL_OWN],
        [region % len(FREE_INSTITUTIONS), region % len(STANDARD_CENTRES), np.array(OWN_SCREENERS)[region % len(OWN_SCREENERS)]],
        places["hospital_of"],
    ).astype(np.int8)
    day = np.where(comes, assessed_on + days(rng, 14, 130, n), NEVER)
    day = np.where(by_fit, assessed_on + days(rng, 5, 60, n), day)
    # check-up customers, high-risk or not
    package = (places["checkup_of"] >= 0) & ~comes & ~by_fit & made.eligible & (rng.random(n) < CHECKUP_SHARES[cancer])
    package &= places["checkup_date"] > assessed_on
    day = np.where(package, places["checkup_date"], day)
    source = np.where(package, CHECKUP, source).astype(np.int8)
    organisation = np.where(package, places["checkup_of"], organisation).astype(np.int8)
    channel = np.where(made.high_risk, made.channel, NOWHERE).astype(np.int8)
    by_fit |= package & (cancer == "colorectum")
    invited = made.high_risk.copy()
    declined = invited & ~comes & ~by_fit & (rng.random(n) < 0.12)
    return Plan(np.where(day <= LAST_TEST, day, NEVER).astype(DAY), source, organisation, channel, invited, declined, by_fit)


@cache
def _class_table(modality: int, state: int) -> tuple[np.ndarray, np.ndarray]:
    found = [r for r in rows("test_classes") if r["modality"] == MODALITIES[modality] and int(r["state"]) == state]
    return np.array([int(r["class"]) for r in found], dtype=np.int8), np.array([float(r["weight"]) for r in found])


def classes(modality: int, state: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Class of a test by what is there, in the shares of test_classes.csv; spread evenly, so that rare classes keep their share."""
    out = np.zeros(len(state), dtype=np.int8)
    for s in (NONE, LOW, HIGH, CANCER):
        where = np.flatnonzero(state == s)
        values, weights = _class_table(modality, s)
        edges = np.cumsum(weights) / weights.sum()
        # the worst class comes first, so that a single cancer in a small province is seen
        lots = 1 - (rng.permutation(len(where)) + 0.3 * rng.random()) / max(len(where), 1)
        out[where] = values[np.minimum(np.searchsorted(edges, lots, side="left"), len(values) - 1)]
    return out


def _share_of(where: np.ndarray, chance: np.ndarray | float, rng: np.random.Generator, sure: np.ndarray | None = None) -> np.ndarray:
    """A share of those where the condition holds, to within one among those of equal chance; at least one of those to be `sure` of."""
    chances = np.where(where, chance, 0.0)
    chosen = systematic(chances, np.lexsort((rng.random(len(chances)), chances)), rng)
    if sure is not None and sure.any() and not (chosen & sure).any():
        chosen[np.flatnonzero(sure)[0]] = True
    return chosen


Round = Callable[[Book, Plan, Course, np.ndarray, np.ndarray, int, np.random.Generator], np.ndarray]


def _ldct(book: Book, plan: Plan, course: Course, person: np.ndarray, day: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    there = course.visible(person, day)
    category = classes(LDCT, there, rng)
    positive = category >= 3
    seen = np.where(positive | (there == LOW), there, NONE)
    broken = (rng.random(len(person)) < 0.003) & (there != CANCER)
    result = np.where(broken, INVALID, np.where(positive, POSITIVE, NEGATIVE))
    book.note(plan, person, day, LDCT, number, result=result, category=np.where(broken, 0, category), seen=np.where(broken, NONE, seen))
    return positive & (there == CANCER)


def _breast(book: Book, plan: Plan, course: Course, person: np.ndarray, day: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    there, n = course.visible(person, day), len(person)
    us = classes(BREAST_US, there, rng)
    mg_done = rng.random(n) < np.where(us >= 3, 0.85, 0.42)
    mg = classes(BREAST_MG, there, rng)
    for modality, category, done, at in ((BREAST_US, us, np.ones(n, dtype=bool), day), (BREAST_MG, mg, mg_done, day + days(rng, 0, 6, n))):
        positive = category >= 4
        seen = np.where(positive | ((category >= 3) & (there == LOW)), there, NONE)
        result = np.where(positive, POSITIVE, NEGATIVE)
        book.note(plan, person[done], at[done], modality, number, result=result[done], category=category[done], seen=seen[done])
    return ((us >= 4) | (mg_done & (mg >= 4))) & (there == CANCER)


def _endoscopy(book: Book, plan: Plan, course: Course, person: np.ndarray, day: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    there, n = course.visible(person, day), len(person)
    chance = np.where(there == CANCER, share("sensitivity_upper_gi_pct"), share("sensitivity_upper_gi_precursor_pct"))
    hit = _share_of(there > NONE, chance, rng, there == CANCER)
    seen = np.where(hit, there, NONE)
    broken = (rng.random(n) < 0.01) & (there != CANCER)
    positive = (seen > NONE) | (rng.random(n) < 0.1)
    result = np.where(broken, INCOMPLETE, np.where(positive, POSITIVE, NEGATIVE))
    book.note(plan, person, day, UGI_ENDOSCOPY, number, result=result, category=np.zeros(n), seen=np.where(broken, NONE, seen))
    return seen == CANCER


def _liver(book: Book, plan: Plan, course: Course, person: np.ndarray, day: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    there, n = course.visible(person, day), len(person)
    chance = np.array([0.006, 0.04, 0.55, share("sensitivity_liver_pct")])[there]
    positive = _share_of(np.ones(n, dtype=bool), chance, rng, there == CANCER)
    hit = positive & (there == CANCER)
    seen = np.where(positive | (there == LOW), there, NONE)
    book.note(plan, person, day, LIVER_US_AFP, number, result=np.where(positive, POSITIVE, NEGATIVE), category=np.zeros(n), seen=seen)
    return hit


def _cervix(book: Book, plan: Plan, course: Course, person: np.ndarray, day: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """HPV first with cytology for types other than 16 and 18, or cytology first; colposcopy with biopsy for the abnormal."""
    there, n = course.visible(person, day), len(person)
    by_hpv = rng.random(n) < share("hpv_first_pct")
    severe = there >= HIGH
    infected = np.where(severe, share("sensitivity_hpv_pct"), np.where(there == LOW, 0.85, 0.0))
    p_clear = max(share("hpv_positive_pct") - float(infected.mean() if n else 0), 0.0) / max(float((there == NONE).mean() if n else 1), 1e-9)
    hpv = _share_of(by_hpv, np.where(there == NONE, p_clear, infected), rng)
    leading = hpv & (rng.random(n) < np.select([there == CANCER, there == HIGH, there == LOW], [0.85, 0.62, 0.25], 0.22))
    category = np.where(leading, 1, np.where(hpv, 2, 0))
    at = np.flatnonzero(by_hpv)
    invalid = rng.random(len(at)) < 0.004
    result = np.where(hpv[at], POSITIVE, np.where(invalid, INVALID, NEGATIVE))
    book.note(plan, person[at], day[at], HPV, number, result=result, category=category[at], seen=np.where(hpv[at], there[at], NONE))

    smear = ~by_hpv | (hpv & ~leading & (rng.random(n) < 0.9))
    class_ = classes(CYTOLOGY, there, rng)
    smeared = np.where(by_hpv, day + days(rng, 10, 30, n), day)
    at = np.flatnonzero(smear)
    abnormal = smear & (class_ > 0)
    bad = (rng.random(len(at)) < 0.006) & ~abnormal[at]
    result = np.where(abnormal[at], POSITIVE, np.where(bad, INVALID, NEGATIVE))
    seen = np.where(abnormal[at], there[at], NONE)
    book.note(plan, person[at], smeared[at], CYTOLOGY, number, result=result, category=np.where(bad, 0, class_[at]), seen=seen)

    sent = leading | abnormal
    goes = _share_of(sent, share("colposcopy_attendance_pct"), rng, sent & (there == CANCER))
    at = np.flatnonzero(goes)
    looked = np.where(smear, smeared, day)[at] + days(rng, 12, 45, len(at))
    shown = there[at] > NONE
    positive = shown | (rng.random(len(at)) < 0.12)
    book.note(
        plan,
        person[at],
        looked,
        COLPOSCOPY,
        number,
        result=np.where(positive, POSITIVE, NEGATIVE),
        category=np.zeros(len(at)),
        seen=np.where(shown, there[at], NONE),
    )
    return goes & (there == CANCER)


def _bowel(book: Book, plan: Plan, course: Course, person: np.ndarray, day: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Colonoscopy at once, or FIT and colonoscopy for some of the positive."""
    there, n = course.visible(person, day), len(person)
    by_fit = plan.by_fit[person] | (number > 0)
    sensitivity = np.array(
        [0.0, share("fit_sensitivity_non_advanced_pct"), share("fit_sensitivity_advanced_pct"), share("fit_sensitivity_cancer_pct")]
    )[there]
    tested = by_fit.sum()
    of_lesions = float(sensitivity[by_fit].sum())
    clear = float((by_fit & (there == NONE)).sum())
    false_positive = max(share("fit_positive_pct") * tested - of_lesions, 0) / max(clear, 1.0)
    positive = _share_of(by_fit, np.where(there == NONE, false_positive, sensitivity), rng)
    broken = by_fit & ~positive & (rng.random(n) < share("fit_invalid_pct"))
    result = np.select([positive, broken], [POSITIVE, np.where(rng.random(n) < 0.6, INVALID, NO_RESULT)], NEGATIVE)
    at = np.flatnonzero(by_fit)
    seen = np.where(positive, there, NONE)
    book.note(plan, person[at], day[at], FIT, number, result=result[at], category=np.zeros(len(at)), seen=seen[at])
    checkup = plan.source[person] == CHECKUP
    after = _share_of(positive & ~checkup, share("colonoscopy_after_fit_pct"), rng)
    scoped = np.flatnonzero(after | ~by_fit)
    on = np.where(after, day + days(rng, 8, 75, n), day)[scoped]
    there = course.visible(person[scoped], on)
    done = (rng.random(len(scoped)) >= share("colonoscopy_incomplete_pct")) | (there == CANCER)
    seen = np.where(done, there, NONE)
    result = np.where(~done, INCOMPLETE, np.where((seen > NONE) | (rng.random(len(scoped)) < 0.06), POSITIVE, NEGATIVE))
    book.note(plan, person[scoped], on, COLONOSCOPY, number, result=result, category=np.zeros(len(scoped)), seen=seen)
    found = np.zeros(n, dtype=bool)
    found[scoped] = seen == CANCER
    return found


TESTS_OF: dict[str, Round] = {
    "lung": _ldct,
    "breast": _breast,
    "upper_gi": _endoscopy,
    "colorectum": _bowel,
    "liver": _liver,
    "cervix": _cervix,
}


def screen(cancer: str, plan: Plan, course: Course, rng: np.random.Generator) -> tuple[Book, np.ndarray]:
    """All rounds of one cancer. Returns the tests, and per person the day of the test that found the cancer."""
    book, n = Book(), len(plan.day)
    found_on, due = np.full(n, NEVER), plan.day.copy()
    months, again = ROUNDS[cancer]
    for number in range(3):
        person = np.flatnonzero(~missing(due))
        if not len(person):
            break
        day, parts = due[person], len(book.parts)
        # who fell ill before this round does not come
        well = ~(course.surface[person] <= day)
        person, day = person[well], day[well]
        hit = TESTS_OF[cancer](book, plan, course, person, day, number, rng)
        last = np.full(n, NEVER)
        for part in book.parts[parts:]:
            last[part["person"]] = np.fmax(last[part["person"]], part["day"])
        who = person[hit]
        found_on[who] = last[who]
        due = np.full(n, NEVER)
        if months:
            stays = ~hit & (rng.random(len(person)) < again)
            next_day = day + days(rng, months * 30, months * 30 + 40, len(person))
            due[person[stays & (next_day <= LAST_TEST)]] = next_day[stays & (next_day <= LAST_TEST)]
    return book, found_on.astype(DAY)
