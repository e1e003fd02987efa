"""The seven check-up centres: one examination per visit of a customer, physical and laboratory values as printed, screening tests in words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa

from ingestion.contracts import code_list
from ingestion.mappings import load_mapping
from ingestion.synthetic.cells import (
    DAY,
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
from ingestion.synthetic.life import (
    BREAST_MG,
    BREAST_US,
    CANCERS,
    CHECKUP,
    CHECKUP_CENTRES,
    COLONOSCOPY,
    COLPOSCOPY,
    CYTOLOGY,
    END,
    FIT,
    HPV,
    INVALID,
    LDCT,
    LIVER_US_AFP,
    NEGATIVE,
    NO_RESULT,
    POSITIVE,
    UGI_ENDOSCOPY,
    Lives,
    Tests,
)
from ingestion.synthetic.people import People
from ingestion.synthetic.recorded import as_recorded
from ingestion.synthetic.records import Records, records

AGAIN_SHARE, SAME_VISIT_DAYS = 0.15, 45
# field, median, spread of the logarithm, decimal places, share of examinations that have it
VALUES = (
    ("glucose_mmol_l", 5.4, 0.17, 2, 1.0),
    ("cholesterol_mmol_l", 4.8, 0.19, 2, 1.0),
    ("triglyceride_mmol_l", 1.4, 0.5, 2, 1.0),
    ("hdl_mmol_l", 1.32, 0.2, 2, 1.0),
    ("ldl_mmol_l", 2.8, 0.25, 2, 1.0),
    ("alt_u_l", 21, 0.5, 1, 1.0),
    ("ast_u_l", 22, 0.35, 1, 1.0),
    ("albumin_g_l", 45, 0.06, 1, 1.0),
    ("bilirubin_umol_l", 13, 0.35, 1, 1.0),
    ("creatinine_umol_l", 71, 0.18, 1, 0.95),
    ("uric_acid_umol_l", 320, 0.22, 0, 0.95),
    ("platelet_10e9_l", 218, 0.24, 0, 1.0),
    ("hemoglobin_g_l", 143, 0.1, 0, 1.0),
    ("afp_ng_ml", 2.5, 0.45, 2, 0.6),
    ("cea_ng_ml", 1.8, 0.5, 2, 0.6),
    ("ca125_u_ml", 13, 0.45, 2, 0.25),
    ("ca199_u_ml", 8.5, 0.6, 2, 0.3),
    ("pepsinogen_1_ng_ml", 105, 0.35, 1, 0.15),
    ("pepsinogen_2_ng_ml", 11, 0.4, 1, 0.15),
)
RAISED = {"colorectum": ("cea_ng_ml", 4), "lung": ("cea_ng_ml", 2.5), "liver": ("afp_ng_ml", 60), "upper_gi": ("ca199_u_ml", 3)}
# Results of tests in the words of the code lists.
FIT_CODES = {NEGATIVE: "1", POSITIVE: "2", INVALID: "3", NO_RESULT: "4"}
TEST_CODES = {NEGATIVE: "0", POSITIVE: "1"}
HPV_CODES = {NEGATIVE: "1", POSITIVE: "2", INVALID: "3", NO_RESULT: "3"}
CYTOLOGY_CODES = ("NILM", "ASC-US", "LSIL", "ASC-H", "HSIL", "AGC-NOS", "SCC")
OTHER_HPV = tuple(t for t in code_list("hpv_type") if t not in {"16", "18"})


def _visits(people: People, life: Lives, centre: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Person and day of each examination at a centre: a first one, some again after a year, and those that only a screening test asked for."""
    person = np.flatnonzero((life.checkup_of == centre) & ~missing(life.checkup_date))
    day = life.checkup_date[person]
    again = (rng.random(len(person)) < AGAIN_SHARE) & (day + 350 <= END)
    person, day = np.r_[person, person[again]], np.r_[day, day[again] + days(rng, 330, 349, int(again.sum()))]
    alive = life.alive(person, day)
    person, day = person[alive], day[alive].astype(DAY)
    lone_person, lone_day = [person], [day]
    for cancer in CANCERS:
        tests = life.cancers[cancer].tests.at(CHECKUP, centre)
        other = np.abs((tests.day - life.checkup_date[tests.person]).astype(np.int64)) > SAME_VISIT_DAYS
        other |= life.checkup_of[tests.person] != centre
        lone_person.append(tests.person[other])
        lone_day.append(tests.day[other])
    person, day = np.concatenate(lone_person), np.concatenate(lone_day).astype(DAY)
    _, first = np.unique(np.stack([person, day.astype(np.int64)]), axis=1, return_index=True)
    first = first[np.lexsort((person[first], day[first]))]
    return person[first], day[first]


class _Found:
    """The test of one modality done at each examination, if any: its result, its class, and what it says."""

    def __init__(self, tests: Tests, person: np.ndarray, day: np.ndarray):
        n = len(person)
        self.result, self.category, self.seen = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        if len(tests) == 0 or n == 0:
            return
        # the examination of the same person nearest in time
        order = np.lexsort((day, person))
        key = person[order] * 100_000 + day[order].astype(np.int64)
        wanted = tests.person * 100_000 + tests.day.astype(np.int64)
        after = np.minimum(np.searchsorted(key, wanted), n - 1)
        before = np.maximum(after - 1, 0)
        nearer = np.where(np.abs(key[before] - wanted) < np.abs(key[after] - wanted), before, after)
        fits = np.abs(key[nearer] - wanted) <= SAME_VISIT_DAYS
        at = order[nearer[fits]]
        self.result[at], self.category[at], self.seen[at] = (getattr(tests, name)[fits] for name in ("result", "category", "seen"))

    @property
    def done(self) -> np.ndarray:
        return self.result > 0

    @property
    def positive(self) -> np.ndarray:
        return self.result == POSITIVE

    def coded(self, codes: dict[int, str]) -> Text:
        """The result in the words of a code list."""
        labels = [codes.get(i, "") for i in range(max(codes) + 1)]
        return pick(labels, np.where(np.isin(self.result, list(codes)), np.minimum(self.result, len(labels) - 1), -1))


def _chest(rng: np.random.Generator, found: _Found) -> Text:
    n = len(found.result)
    lobe = pick(["右肺上叶", "右肺中叶", "右肺下叶", "左肺上叶", "左肺下叶"], rng.integers(5, size=n))
    kind = pick(["磨玻璃", "实性", "部分实性"], draw(rng, (5, 4, 1), n))
    small, large = decimal(rng.uniform(2, 5, n), 1), whole(rng.integers(8, 24, n))
    nodule = choose(
        found.positive,
        join(lobe, "见", kind, "结节，直径约", large, "mm，建议专科就诊。"),
        join(lobe, "见微小", kind, "结节，直径约", small, "mm，建议年度复查。"),
    )
    return keep(choose(found.positive | (rng.random(n) < 0.25), nodule, "双肺未见明显实性结节，纵隔未见肿大淋巴结。"), found.done)


def _breast(rng: np.random.Generator, ultrasound: _Found, mammography: _Found) -> dict[str, Text]:
    """Both reports, and the worse of their two classes."""
    n = len(ultrasound.result)
    side = pick(["左乳", "右乳"], rng.integers(2, size=n))
    length, width = decimal(rng.uniform(0.4, 2.2, n), 1), decimal(rng.uniform(0.3, 1.2, n), 1)
    texts = {}
    for name, found, lesion, plain in (
        ("breast_us_text", ultrasound, join(side, "外上象限见低回声结节，大小约", length, "×", width, "cm"), "双乳腺体回声均匀，未见明显占位"),
        ("breast_mg_text", mammography, join(side, "外上象限见结节影，大小约", length, "cm"), "双乳腺体致密，未见明确肿块及恶性钙化"),
    ):
        texts[name] = keep(join(choose(found.category >= 3, lesion, plain), "，BI-RADS ", whole(found.category), "类"), found.done)
    worse = np.maximum(np.where(ultrasound.done, ultrasound.category, -1), np.where(mammography.done, mammography.category, -1))
    return {"breast_bi_rads_code": whole(worse, worse >= 0), **texts}


def _liver(rng: np.random.Generator, found: _Found, fat: np.ndarray) -> Text:
    n = len(found.result)
    usual = choose(fat, "肝脏形态正常，实质回声增强，脂肪肝（轻度）；胆囊、胰腺、脾脏未见明显异常。", constant("肝胆胰脾双肾未见明显异常。", n))
    lesion = join(
        "肝", pick(["右", "左"], rng.integers(2, size=n)), "叶见低回声结节，大小约", decimal(rng.uniform(1, 4, n), 1), "cm，性质待定，建议增强检查。"
    )
    return keep(choose(found.positive, lesion, usual), found.done | (rng.random(n) < 0.7))


def _endoscopy(rng: np.random.Generator, stomach: _Found, bowel: _Found) -> Text:
    n = len(stomach.result)
    upper = choose(stomach.positive, "胃窦黏膜粗糙糜烂，活检送病理。", constant("慢性非萎缩性胃炎。", n))
    cm = whole(rng.integers(8, 60, n))
    lower = choose(bowel.positive, join("距肛", cm, "cm见息肉，予活检。"), constant("进镜至回盲部，所见结直肠黏膜未见异常。", n))
    both = stomach.done & bowel.done
    return keep(
        choose(both, join("胃镜：", upper, "肠镜：", lower), choose(stomach.done, join("胃镜：", upper), join("肠镜：", lower))),
        stomach.done | bowel.done,
    )


def _values(rng: np.random.Generator, life: Lives, person: np.ndarray, found: dict[int, _Found]) -> dict[str, Text]:
    n, printed = len(person), {}
    numbers = {name: np.exp(rng.normal(np.log(median), spread, n)) for name, median, spread, *_ in VALUES}
    for cancer, (marker, times) in RAISED.items():
        numbers[marker] = np.where(life.cancers[cancer].has_cancer[person] & (rng.random(n) < 0.5), numbers[marker] * times, numbers[marker])
    liver = found[LIVER_US_AFP]
    for name, _, _, places, often in VALUES:
        has = rng.random(n) < often
        printed[name] = keep(decimal(numbers[name], places), (has | liver.done) if name == "afp_ng_ml" else has)
    printed["afp_ng_ml"] = choose(
        numbers["afp_ng_ml"] < 0.91, keep(constant("<0.91", n), printed["afp_ng_ml"].is_valid().to_numpy(zero_copy_only=False)), printed["afp_ng_ml"]
    )
    return printed


def _marker(life: Lives, name: str, person: np.ndarray, rng: np.random.Generator, usual: float, tested: float, yes: str, no: str) -> Text:
    """A blood marker where it was tested; by chance where the lives do not tell it."""
    n = len(person)
    positive = life.risk.markers[name][person] if name in life.risk.markers else rng.random(n) < usual
    return keep(flags(positive, yes, no), rng.random(n) < tested)


def exam_records(people: People, life: Lives, seed: int, *, centre: int) -> Iterator[Records]:
    """The examinations of one centre, with the columns that its mapping has; the same person keeps the centre's client number."""
    organisation = CHECKUP_CENTRES[centre]
    rng = stream(seed, "checkup", organisation)
    person, day = _visits(people, life, centre, rng)
    n = len(person)
    customers, client = np.unique(person, return_inverse=True)
    modalities = {
        LDCT: "lung",
        BREAST_US: "breast",
        BREAST_MG: "breast",
        COLPOSCOPY: "cervix",
        UGI_ENDOSCOPY: "upper_gi",
        FIT: "colorectum",
        COLONOSCOPY: "colorectum",
    }
    modalities |= {LIVER_US_AFP: "liver", HPV: "cervix", CYTOLOGY: "cervix"}
    found = {m: _Found(life.cancers[cancer].tests.at(CHECKUP, centre, m), person, day) for m, cancer in modalities.items()}
    systolic = rng.normal(128, 16, n).clip(86, 215)
    pressure_gap = rng.normal(49, 9, n).clip(22, 90)
    fat, high = rng.random(n) < 0.3, systolic >= 140
    said = found[FIT].positive
    summary = choose(
        fat,
        join("脂肪肝；", choose(high, "血压偏高，建议内科随诊。", "建议低脂饮食。")),
        choose(high, "血压偏高，建议内科随诊。", constant("未见明显异常。", n)),
    )
    summary = choose(said, join("便潜血阳性，建议肠镜检查；", summary), summary)
    summary = choose(found[LDCT].positive, join("肺结节，建议胸外科就诊；", summary), summary)
    smoking, past = life.risk.smoking[person], rng.random(n)
    relatives = life.risk.relatives[person] > 0
    hpv = found[HPV]
    hpv_type = choose(hpv.category == 1, pick(["16", "18"], rng.integers(2, size=n)), pick(OTHER_HPV, rng.integers(len(OTHER_HPV), size=n)))
    columns = {
        "exam_no": join("TJ", organisation[-2:], dates(day, "%y%m%d"), padded(np.arange(n), 6)),
        "client_no": join("K", organisation[-2:], padded(client + 100_001, 7)),
        **as_recorded(people, person, organisation, day=day),
        "exam_date": dates(day),
        "height_cm": decimal(life.risk.height_cm[person] + rng.integers(-9, 10, n) / 10, 1),
        "weight_kg": decimal(life.risk.weight_tenths[person] / 10 + rng.normal(0, 1.2, n), 1),
        "waist_cm": whole((life.risk.weight_tenths[person] * 2400 / life.risk.height_cm[person] ** 2 + 26 + rng.normal(0, 3, n)).clip(55, 140)),
        "systolic_mmhg": whole(systolic),
        "diastolic_mmhg": whole((systolic - pressure_gap).clip(45, 125)),
        **_values(rng, life, person, found),
        "fit_result_code": found[FIT].coded(FIT_CODES),
        "hbsag_code": _marker(life, "hbsag", person, rng, 0.05, 0.7, "1", "0"),
        "anti_hcv_code": _marker(life, "anti_hcv", person, rng, 0.006, 0.3, "1", "0"),
        "hp_result_code": _marker(life, "hp", person, rng, 0.42, 0.35, "1", "0"),
        "hpv_result_code": hpv.coded(HPV_CODES),
        "hpv_types": keep(hpv_type, hpv.positive),
        "cytology_code": pick(CYTOLOGY_CODES, np.where(np.isin(found[CYTOLOGY].result, (NEGATIVE, POSITIVE)), found[CYTOLOGY].category, -1)),
        "colposcopy_result_code": found[COLPOSCOPY].coded(TEST_CODES),
        **_breast(rng, found[BREAST_US], found[BREAST_MG]),
        "ldct_category_code": whole(found[LDCT].category, found[LDCT].done & (found[LDCT].category > 0)),
        "liver_us_result_code": found[LIVER_US_AFP].coded(TEST_CODES),
        "chest_ct_text": _chest(rng, found[LDCT]),
        "abdominal_us_text": _liver(rng, found[LIVER_US_AFP], fat),
        "endoscopy_text": _endoscopy(rng, found[UGI_ENDOSCOPY], found[COLONOSCOPY]),
        "smoking_status": keep(whole(smoking), rng.random(n) < 0.9),
        "drinking_status": pick("012", draw(rng, (70, 26, 4), n), rng.random(n) < 0.9),
        "past_history_text": pick(
            ["否认慢性病史", "高血压病史", "2型糖尿病病史", "慢性胃炎病史", "乙型肝炎病史"], np.digitize(past, (0.62, 0.8, 0.88, 0.96))
        ),
        "family_history_text": choose(relatives, "家族中有肿瘤患者", constant("否认肿瘤家族史", n)),
        "summary_text": summary,
        "doctor_code": join("YS", padded(rng.integers(1, 11, n), 3)),
    }
    kept = load_mapping(organisation).resolved("physical_exam").columns
    given = {name: text for name, text in columns.items() if name in kept}
    extra = {"套餐名称": pa.array(["基础套餐", "肿瘤早筛套餐", "单位团检"]).take(pa.array(draw(rng, (50, 20, 30), n)))}
    yield records(organisation, "physical_exam", given, person, day + days(rng, 1, 6, n), **extra)


BUILDERS = {organisation: partial(exam_records, centre=number) for number, organisation in enumerate(CHECKUP_CENTRES)}
