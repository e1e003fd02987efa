"""The national platform's risk questionnaire: all 111 fields, answered as the person lived, with skip logic and female section."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from ingestion.contracts import contract
from ingestion.synthetic.calibration import document
from ingestion.synthetic.cells import Text, choose, constant, dates, decimal, draw, flags, join, keep, missing, padded, pick, stream, whole
from ingestion.synthetic.life import FAMILY_SLOTS, Life
from ingestion.synthetic.life_risk import BOWEL, RESPIRATORY, UPPER_GI
from ingestion.synthetic.people import FEMALE, MALE, People, counties, names
from ingestion.synthetic.recorded import as_recorded
from ingestion.synthetic.records import Records, records

ORGANISATION = "NP14"
STAFF = 400
# A part of the questionnaires, with its 111 columns of text, is held in memory at a time.
PART_ROWS = 200_000


def _several(rng: np.random.Generator, where: np.ndarray, options: dict[str, float]) -> Text:
    """Multiple choice: each option with its own chance, at least one, in code order, joined by a semicolon."""
    n, chances = len(where), np.array(list(options.values()))
    chosen = rng.random((n, len(options))) < chances
    chosen[np.arange(n), draw(rng, chances, n)] |= ~chosen.any(axis=1)
    bits = chosen @ (1 << np.arange(len(options)))
    labels = [";".join(code for i, code in enumerate(options) if mask >> i & 1) for mask in range(1 << len(options))]
    return pick(labels, bits, where)


def _family(life: Life, person: np.ndarray) -> dict[str, Text]:
    """Relatives with cancer, their cancers and ages, in parallel lists."""

    def listed(values: np.ndarray) -> Text:
        text = whole(values[:, 0], values[:, 0] > 0)
        for slot in range(1, FAMILY_SLOTS):
            text = choose(values[:, slot] > 0, join(text, ";", whole(values[:, slot])), text)
        return text

    risk = life.risk
    return {
        "fh_any_cancer": flags(risk.relatives[person] > 0),
        "fh_relation": listed(risk.relation[person]),
        "fh_cancer_type": listed(risk.relative_cancer[person]),
        "fh_age_at_dx": listed(risk.relative_age[person]),
    }


def _answer(life: Life, person: np.ndarray, name: str) -> np.ndarray:
    return life.risk.answers[name][person]


def _codes(life: Life, person: np.ndarray, name: str, options: Sequence[str]) -> Text:
    """A multiple-choice answer as lived: the codes in order, joined by a semicolon; null where none applies."""
    bits = np.zeros(len(person), dtype=np.int64)
    for i, code in enumerate(options):
        bits |= _answer(life, person, f"{name}.{code}").astype(np.int64) << i
    labels = [";".join(code for i, code in enumerate(options) if mask >> i & 1) for mask in range(1 << len(options))]
    return pick(labels, bits, bits > 0)


def _diet(life: Life, person: np.ndarray, rng: np.random.Generator) -> dict[str, Text]:
    n, out = len(person), {}
    shares = rng.dirichlet([8, 5, 5, 3, 2, 1.5, 1.5, 1], n)
    foods = ["vegetable", "fruit", "meat_egg_milk", "bean", "pickled_veg", "processed_meat", "fried"]
    often = [(70, 18, 9, 3), (38, 27, 22, 13), (46, 28, 18, 8), (22, 30, 30, 18), (), (4, 8, 25, 63), (4, 9, 27, 60)]
    for i, (food, weights) in enumerate(zip(foods, often, strict=True)):
        eaten = draw(rng, weights, n) if weights else _answer(life, person, "diet_pickled_veg_freq") - 1
        out[f"diet_{food}_freq"] = pick("1234", eaten)
        out[f"diet_{food}_share_pct"] = decimal(np.floor(shares[:, i] * 1000) / 10, 1)
    out["diet_garlic_freq"] = pick("1234", draw(rng, (28, 26, 25, 21), n))
    out["diet_salt_preference"] = whole(_answer(life, person, "diet_salt_preference"))
    out["diet_hot_scalding"] = flags(_answer(life, person, "diet_hot_scalding"))
    return out


def _smoking(life: Life, person: np.ndarray, female: np.ndarray) -> dict[str, Text]:
    status = life.risk.smoking[person]
    ever, stopped, never_woman = status > 0, status == 2, female & (status == 0)
    smoked = ("smoking_start_age", "cigarettes_per_day", "smoking_years", "smoking_months")
    return {
        "smoking_status": whole(status),
        **{name: whole(_answer(life, person, name), ever) for name in smoked},
        **{name: whole(_answer(life, person, name), stopped) for name in ("quit_years", "quit_months")},
        **{name: keep(flags(_answer(life, person, name)), never_woman) for name in ("shs_home_30py_20y", "shs_work_30py_20y")},
    }


def _drinking(life: Life, person: np.ndarray, rng: np.random.Generator, age: np.ndarray) -> dict[str, Text]:
    n, regular = len(person), _answer(life, person, "alcohol_regular")
    options = {"1": 0.35, "2": 0.25, "5": 0.5, "3": 0.08, "4": 0.06}
    kinds = _several(rng, regular, options)
    out = {"alcohol_regular": flags(regular), "alcohol_types": kinds}
    drinks = {
        "1": ("beer_ml_per_day", "beer_years", [300, 500, 600, 1000]),
        "2": ("liquor_low_liang_per_day", "liquor_low_years", [1, 2, 3]),
        "5": ("liquor_high_liang_per_day", "liquor_high_years", [1, 1.5, 2, 3, 4]),
        "3": ("wine_ml_per_day", "wine_years", [100, 150, 200]),
        "4": ("rice_wine_liang_per_day", "rice_wine_years", [1, 2, 3]),
    }
    chosen = pa.compute.fill_null(kinds, "")
    for code, (amount, years, sizes) in drinks.items():
        takes = pa.compute.match_substring(chosen, code).to_numpy(zero_copy_only=False)
        out[amount] = pick([f"{s:g}" for s in sizes], rng.integers(len(sizes), size=n), takes)
        out[years] = whole(1 + (rng.random(n) * np.minimum(35, age - 20)).astype(int), takes)
    return out


def _history(life: Life, person: np.ndarray, survey: np.ndarray, rng: np.random.Generator) -> dict[str, Text]:
    n = len(person)
    resp, ugi = _codes(life, person, "hx_resp_diseases", tuple(RESPIRATORY)), _codes(life, person, "hx_ugi_diseases", tuple(UPPER_GI))
    liver, bowel = _codes(life, person, "hx_liver_diseases", ("1", "2", "3", "99")), _codes(life, person, "hx_bowel_diseases", tuple(BOWEL))
    other = rng.random(n) < 0.36

    def has(name: str) -> np.ndarray:
        return _answer(life, person, name)

    def given(kinds: Text) -> Text:
        return flags(kinds.is_valid().to_numpy(zero_copy_only=False))

    upper = ugi.is_valid().to_numpy(zero_copy_only=False)
    return {
        "hx_any_cancer": flags(life.known_cancer(person, survey)),
        "hx_chronic_resp": given(resp),
        "hx_resp_diseases": resp,
        "hx_resp_other": keep(pick(["支气管哮喘", "慢性支气管炎", "支气管扩张"], rng.integers(3, size=n)), has("hx_resp_diseases.99")),
        "tb_cured_ge2y": keep(flags(rng.random(n) < 0.9), has("hx_resp_diseases.4")),
        "hx_ugi": flags(upper),
        "hx_ugi_diseases": ugi,
        "hx_ugi_other": keep(pick(["浅表性胃炎", "胃窦炎", "十二指肠球炎"], rng.integers(3, size=n)), has("hx_ugi_diseases.99")),
        "hx_ugi_hgin": keep(flags(has("hx_ugi_hgin")), upper),
        "hx_liver": given(liver),
        "hx_liver_diseases": liver,
        "hx_liver_other": keep(pick(["脂肪肝", "肝囊肿", "肝血管瘤"], rng.integers(3, size=n)), has("hx_liver_diseases.99")),
        "hx_bowel": given(bowel),
        "hx_bowel_diseases": bowel,
        "hx_bowel_other": keep(pick(["阑尾炎术后", "肠易激综合征", "痔疮"], rng.integers(3, size=n)), has("hx_bowel_diseases.99")),
        "fdr_fap": flags(rng.random(n) < 0.0008),
        "hx_other": flags(other),
        "hx_other_diseases": _several(rng, other, {"1": 0.65, "2": 0.35, "3": 0.28}),
    }


def _female(life: Life, person: np.ndarray, female: np.ndarray) -> dict[str, Text]:
    def has(name: str) -> np.ndarray:
        return _answer(life, person, name)

    stopped, birth, fed, biopsy = has("menopause_flag"), has("live_birth_flag"), has("breastfeeding_flag"), has("breast_biopsy_count") > 0
    breast, ovary = has("sdr_breast_cancer_lt50_count"), has("sdr_ovarian_cancer_lt50_count")
    return {
        "menarche_age": whole(has("menarche_age"), female),
        "menopause_flag": keep(flags(stopped), female),
        "menopause_age": whole(has("menopause_age"), stopped),
        "hrt_type": whole(has("hrt_type"), female),
        "hrt_years": decimal(has("hrt_half_years") / 2, 1, female & (has("hrt_type") > 0)),
        "live_birth_flag": keep(flags(birth), female),
        "first_live_birth_age": whole(has("first_live_birth_age"), birth),
        "breastfeeding_flag": keep(flags(fed), female),
        "breastfeeding_months": whole(has("breastfeeding_months"), fed),
        "breast_biopsy_flag": keep(flags(biopsy), female),
        "breast_biopsy_count": whole(has("breast_biopsy_count"), biopsy),
        "fdr_breast_cancer": keep(flags(has("fdr_breast_cancer")), female),
        "sdr_breast_cancer_lt50": keep(flags(breast > 0), female),
        "sdr_breast_cancer_lt50_count": whole(breast, breast > 0),
        "sdr_ovarian_cancer_lt50": keep(flags(ovary > 0), female),
        "sdr_ovarian_cancer_lt50_count": whole(ovary, ovary > 0),
    }


def survey_numbers(person: np.ndarray) -> Text:
    """Number of a person's first questionnaire, as the screening centre quotes it."""
    return join("Q14", padded(person, 8))


def asked(people: People, life: Life) -> tuple[np.ndarray, np.ndarray]:
    """Person and day of every questionnaire: the first ones in order of persons, then those of people asked again a year later."""
    first, again = np.flatnonzero(people.is_surveyed), np.zeros(0, dtype=np.int64)
    if people.resurvey_date is not None:
        again = np.flatnonzero(~missing(people.resurvey_date))
        again = again[life.alive(again, people.resurvey_date[again])]
    person = np.r_[first, again]
    day = people.survey_date[person].copy()
    if people.resurvey_date is not None:
        day[len(first) :] = people.resurvey_date[again]
    return person, day


def questionnaires(people: People, life: Life, seed: int) -> Iterator[Records]:
    """The filled questionnaires, one per surveyed resident and a second one for some, in parts of PART_ROWS."""
    person, survey = asked(people, life)
    parts = range(0, max(len(person), 1), PART_ROWS)
    for number, start in enumerate(parts):
        made = _filled(people, life, person[start : start + PART_ROWS], survey[start : start + PART_ROWS], seed, number)
        made.part = (number, len(parts))
        yield made


def _filled(people: People, life: Life, person: np.ndarray, survey: np.ndarray, seed: int, part: int) -> Records:
    """Questionnaires of some people."""
    rng = stream(seed, "questionnaire", part)
    n, pools = len(person), document("pools")
    sex, age, who = people.sex[person], life.risk.age[person], as_recorded(people, person, ORGANISATION, day=survey)
    female = sex == FEMALE
    county = [c.code for c in counties()]
    native = people.county[person]
    minority = rng.random(n) < 0.004
    exposed = _answer(life, person, "occ_exposure_ge1y")
    cook = rng.random(n) < np.where(female, 0.93, 0.45)
    height, weight = life.risk.height_cm[person], life.risk.weight_tenths[person]
    staff_sex = np.where(stream(seed, "interviewers").random(STAFF) < 0.3, MALE, FEMALE)
    staff_names = names(stream(seed, "interviewers", "names"), staff_sex).to_pylist()
    interviewer, reviewer = rng.integers(STAFF, size=n), rng.integers(STAFF // 10, size=n)
    landline = join("0351-0", padded(rng.integers(0, 10**6, n), 6))
    occupation = draw(rng, (9, 5, 9, 7, 38, 14, 7, 9, 2), n)
    columns = {
        "person_name": who["person_name"],
        "id_card_no": who["id_card_no"],
        "birth_date": dates(people.birth[person]),
        "sex_code": whole(sex),
        "mobile_phone": who["mobile_phone"],
        "landline_phone": keep(landline, rng.random(n) < 0.08),
        "native_province": pick(["14"], np.zeros(n, dtype=int)),
        "native_city": pick([c[:4] for c in county], native),
        "native_county": pick(county, native),
        "ethnicity_code": choose(minority, pick("345678", rng.integers(6, size=n)), constant("1", n)),
        "residence_address": who["residence_address"],
        "employer": keep(pick(pools["employers"], rng.integers(len(pools["employers"]), size=n)), (age < 60) & (rng.random(n) < 0.5)),
        "contact1_phone": keep(people.phone.take(pa.array(np.maximum(person - 1, 0))), rng.random(n) < 0.7),
        "contact2_phone": keep(people.phone.take(pa.array(np.maximum(person - 2, 0))), rng.random(n) < 0.15),
        "height_cm": whole(height),
        "weight_kg": decimal(weight / 10, 1),
        "waist_cm": whole((weight * 1000 / height**2 * 2.4 + 26 + rng.normal(0, 4, n)).clip(55, 140)),
        "education_level": pick("123456", draw(rng, (4, 22, 41, 21, 8, 4), n)),
        "marital_status": pick("123456", draw(rng, (1.5, 87, 3, 3, 5, 0.5), n)),
        "occupation": pick(["1", "2", "3", "4", "5", "6", "7", "8", "99"], occupation),
        "occupation_other": pick(["自由职业", "司机", "个体"], rng.integers(3, size=n), occupation == 8),
        "occ_exposure_ge1y": flags(exposed),
        "occ_exposure_agents": _several(rng, exposed, {"1": 0.12, "2": 0.3, "3": 0.7}),
        **_diet(life, person, rng),
        "kitchen_fume_level": pick("1234", draw(rng, (16, 58, 20, 6), n)),
        "cooking_years": whole((rng.random(n) * (age - 18)).astype(int), cook),
        "cooking_months": whole(rng.integers(0, 12, n), cook),
        "cooking_times_per_week": whole(rng.choice([3, 5, 7, 10, 14, 21], n), cook),
        **_smoking(life, person, female),
        **_drinking(life, person, rng, age),
        "exercise_regular": flags(rng.random(n) < 0.32),
        **_history(life, person, survey, rng),
        **_family(life, person),
        **_female(life, person, female),
        "respondent_signature": who["person_name"],
        "survey_date": dates(survey),
        "interviewer_code": join("D", padded(interviewer, 4)),
        "interviewer_name": pick(staff_names, interviewer),
        "reviewer_code": join("S", padded(reviewer, 3)),
        "reviewer_name": pick(staff_names, reviewer),
    }
    columns["ethnicity_other"] = keep(
        constant("土家族", n), pa.compute.fill_null(pa.compute.equal(columns["ethnicity_code"], "8"), False).to_numpy(zero_copy_only=False)
    )
    ordered = {f.name: columns[f.name] for f in contract("questionnaire").fields if not f.derivation}
    return records(ORGANISATION, "questionnaire", ordered, person, survey + rng.integers(1, 10, n).astype("timedelta64[D]"))


BUILDERS = {ORGANISATION: questionnaires}
