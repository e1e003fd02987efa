"""Imaging and endoscopy reports: which are written at a visit, what they show, and how the hospital words it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.synthetic import visits as v_
from ingestion.synthetic.calibration import document, numbers
from ingestion.synthetic.cells import Text, choose, constant, dates, days, decimal, draw, flags, join, keep, missing, padded, pick, whole
from ingestion.synthetic.life import (
    BREAST_MG,
    BREAST_US,
    CANCER,
    CANCERS,
    COLONOSCOPY,
    COLPOSCOPY,
    HIGH,
    LDCT,
    LIVER_US_AFP,
    LOW,
    NONE,
    UGI_ENDOSCOPY,
    sites,
)
from ingestion.synthetic.records import Records, records
from ingestion.synthetic.tumours import CNLC, ORGANS, organ_of_site, stage_text
from ingestion.synthetic.wording import Used, copied, mistyped, named, written

if TYPE_CHECKING:
    from ingestion.synthetic.hospital import Hospital

FINDINGS = ("normal", "small", "benign", "low", "cirrhosis", "nodule", "suspect", "high", "polyp", "polyps", "mass", "post", "relapse")
NORMAL, SMALL, BENIGN, LOWER, CIRRHOSIS, NODULE, SUSPECT, HIGHER, POLYP, POLYPS, MASS, POST, RELAPSE_SEEN = range(len(FINDINGS))
IMAGING = ("chest_ct", "breast_us", "breast_mg", "abdomen_us", "abdomen_ct", "liver_mr", "pelvis_mr", "brain_mr", "bone_scan")
CHEST_CT, US_BREAST, MG, ABDOMEN_US, ABDOMEN_CT, LIVER_MR, PELVIS_MR, BRAIN_MR, BONE_SCAN = range(len(IMAGING))
TYPES = ("CT", "US", "MG", "US", "CT", "MR", "MR", "MR", "NM")
PARTS = ("胸部", "乳腺", "乳腺", "肝胆脾胰", "胸腹部", "肝脏", "盆腔", "头颅", "全身骨")
ITEMS = ("胸部CT平扫", "乳腺彩超", "乳腺钼靶", "腹部彩超", "胸腹部增强CT", "肝脏MR增强", "盆腔MR增强", "头颅MR增强", "全身骨显像")
ENDOSCOPY = ("colonoscopy", "gastroscopy", "colposcopy", "bronchoscopy")
COLON, STOMACH, CERVIX, BRONCHI = range(len(ENDOSCOPY))
LUNG, BREAST, UPPER_GI, BOWEL, LIVER, CERVIX_UTERI = range(len(CANCERS))
LOBES = ("右肺上叶", "右肺中叶", "右肺下叶", "左肺上叶", "左肺下叶")
SEGMENTS = ("尖段", "前段", "后段", "背段", "内基底段", "外基底段", "")
DENSITY = ("实性", "部分实性", "磨玻璃", "混合密度", "纯磨玻璃")
LIVER_LOBES = {"肝右叶": "右叶", "肝左叶": "左叶", "肝尾状叶": "尾状叶", "肝内胆管": "左叶"}
QUADRANTS = ("外上象限", "内上象限", "外下象限", "内下象限", "乳晕区")
TRENDS = ("略增大", "未见明显变化", "相仿", "缩小")
COMPOSITIONS = ("脂肪", "散在纤维腺体", "不均匀致密", "极度致密")
ROMAN = {"0": "0", "1": "Ⅰ", "2": "Ⅱ", "3": "Ⅲ", "4A": "Ⅳa", "4B": "Ⅳb", "4C": "Ⅳc", "5": "Ⅴ"}
BI_RADS = ("0", "1", "2", "3", "4A", "4B", "4C", "5")
UNCERTAIN, COMPARED = "考虑|可能|待定|除外|？|疑似|可疑", "较前|对比|比较|前片|前次"
# What staging orders for each cancer besides its own examination.
WORKUP_IMAGES = {
    LUNG: (CHEST_CT, BRAIN_MR, ABDOMEN_US, BONE_SCAN),
    BREAST: (US_BREAST, MG, CHEST_CT, ABDOMEN_US, BONE_SCAN),
    UPPER_GI: (ABDOMEN_CT,),
    BOWEL: (ABDOMEN_CT,),
    LIVER: (ABDOMEN_US, LIVER_MR, CHEST_CT),
    CERVIX_UTERI: (PELVIS_MR, ABDOMEN_US),
}
MAIN_IMAGE = {LUNG: CHEST_CT, BREAST: US_BREAST, UPPER_GI: ABDOMEN_CT, BOWEL: ABDOMEN_CT, LIVER: LIVER_MR, CERVIX_UTERI: PELVIS_MR}


@dataclass
class Plan:
    """Reports to be written: the visit each belongs to, its kind and what it shows."""

    visit: np.ndarray
    kind: np.ndarray
    finding: np.ndarray

    @staticmethod
    def of(parts: list[tuple[np.ndarray, int, np.ndarray | int]]) -> Plan:
        visit = np.concatenate([p[0] for p in parts])
        kind = np.concatenate([np.full(len(p[0]), p[1]) for p in parts])
        finding = np.concatenate([np.broadcast_to(p[2], len(p[0])) for p in parts])
        order = np.lexsort((kind, visit))
        return Plan(visit[order], kind[order], finding[order])


def _by_state(finding: np.ndarray, normal: int | np.ndarray, low: int, high: int) -> np.ndarray:
    return np.select([finding == LOW, finding == HIGH, finding == CANCER], [low, high, MASS], normal)


def imaging_plan(hospital: Hospital, rng: np.random.Generator) -> Plan:
    """Which images are taken at which visit."""
    v, n = hospital.visits, len(hospital.visits)
    lots, parts = rng.random(n), []
    exam = v.kind == v_.EXAM
    for modality, kind, low, high, incidental, share in (
        (LDCT, CHEST_CT, NODULE, NODULE, SMALL, 0.25),
        (BREAST_US, US_BREAST, BENIGN, SUSPECT, BENIGN, 0.14),
        (BREAST_MG, MG, BENIGN, SUSPECT, BENIGN, 0.1),
        (LIVER_US_AFP, ABDOMEN_US, CIRRHOSIS, SUSPECT, BENIGN, 0.12),
    ):
        at = np.flatnonzero(exam & (v.modality == modality))
        normal = np.where(lots[at] < share, incidental, NORMAL)
        if modality in (BREAST_US, BREAST_MG):  # the class of a screening test decides
            normal = np.where(v.category[at] >= 0, np.where(v.category[at] == 3, BENIGN, np.where(v.category[at] >= 4, SUSPECT, NORMAL)), normal)
        if modality == LDCT:
            normal = np.where(v.category[at] >= 0, np.where(v.category[at] == 2, SMALL, np.where(v.category[at] > 2, NODULE, NORMAL)), normal)
        parts.append((at, kind, _by_state(v.finding[at], normal, low, high)))
    general = v.kind == v_.GENERAL
    at = np.flatnonzero(general & (lots < 0.09))
    parts.append((at, CHEST_CT, np.where(rng.random(len(at)) < 0.25, SMALL, NORMAL)))
    at = np.flatnonzero(general & (lots >= 0.09) & (lots < 0.2))
    parts.append((at, ABDOMEN_US, np.where(rng.random(len(at)) < 0.15, BENIGN, NORMAL)))
    for number in range(len(CANCERS)):
        own = v.cancer == number
        life = hospital.life.cancers[CANCERS[number]]
        work = np.flatnonzero(own & np.isin(v.kind, (v_.WORKUP, v_.SECOND_OPINION)))
        spread = life.metastasis_site[v.person[work]]
        for kind in WORKUP_IMAGES[number]:
            share = 0.93 if kind == MAIN_IMAGE[number] else 0.8
            done = rng.random(len(work)) < share
            shown = {
                BRAIN_MR: np.where(spread == 5, MASS, NORMAL),
                BONE_SCAN: np.where(spread == 4, MASS, NORMAL),
                ABDOMEN_US: np.full(len(work), NORMAL),
            }
            finding = shown.get(kind, np.full(len(work), MASS))
            if kind == CHEST_CT and number != LUNG:
                finding = np.where(rng.random(len(work)) < 0.2, SMALL, NORMAL)
            if kind == ABDOMEN_US and number == LIVER:
                finding = np.full(len(work), MASS)
            parts.append((work[done], kind, finding[done]))
        if number == BOWEL:
            rectal = np.char.startswith(np.array([s["icd10"] for s in sites("colorectum")]), "C20")[life.site[v.person[work]]]
            parts.append((work[rectal & (rng.random(len(work)) < 0.7)], PELVIS_MR, MASS))
        again = np.flatnonzero(own & (v.kind == v_.FOLLOW_UP) & (rng.random(n) < 0.35) & (life.first_treatment[v.person] < v.start))
        parts.append((again, MAIN_IMAGE[number], POST))
        parts.append((np.flatnonzero(own & (v.kind == v_.RELAPSE)), MAIN_IMAGE[number], RELAPSE_SEEN))
    return Plan.of(parts)


def endoscopy_plan(hospital: Hospital, rng: np.random.Generator) -> Plan:
    """Which endoscopies are done at which visit."""
    v, n = hospital.visits, len(hospital.visits)
    exam, parts = v.kind == v_.EXAM, []
    at = np.flatnonzero(exam & (v.modality == COLONOSCOPY))
    several = rng.random(len(at)) < 0.3
    polyp = np.where(several, POLYPS, POLYP)
    normal = np.where(rng.random(len(at)) < 0.08, polyp, NORMAL)
    parts.append((at, COLON, np.select([v.finding[at] == CANCER, v.finding[at] > NONE], [MASS, polyp], normal)))
    at = np.flatnonzero(exam & (v.modality == UGI_ENDOSCOPY))
    parts.append((at, STOMACH, _by_state(v.finding[at], NORMAL, LOWER, HIGHER)))
    at = np.flatnonzero(exam & (v.modality == COLPOSCOPY))
    parts.append((at, CERVIX, _by_state(v.finding[at], NORMAL, LOWER, HIGHER)))
    at = np.flatnonzero((v.kind == v_.GENERAL) & (hospital.reason_department == "消化内科") & (rng.random(n) < 0.2))
    parts.append((at, STOMACH, NORMAL))
    for number, kind, share in ((BOWEL, COLON, 1.0), (UPPER_GI, STOMACH, 0.97), (LUNG, BRONCHI, 0.5)):
        own = v.cancer == number
        parts.append((np.flatnonzero(own & (v.kind == v_.WORKUP) & (rng.random(n) < share)), kind, MASS))
        if number != LUNG:
            life = hospital.life.cancers[CANCERS[number]]
            operated = ~missing(life.surgery_date[v.person]) & (life.surgery_date[v.person] < v.start)
            parts.append((np.flatnonzero(own & (v.kind == v_.FOLLOW_UP) & (rng.random(n) < 0.2) & operated), kind, POST))
            local = operated & (life.recurrence_site[v.person] == 0)
            parts.append((np.flatnonzero(own & (v.kind == v_.RELAPSE) & local), kind, RELAPSE_SEEN))
    return Plan.of(parts)


@dataclass
class Shown:
    """What each report shows, in numbers: columns for texts and for the truth."""

    site: Text
    short: Text
    side: Text
    size_mm: np.ndarray
    width_mm: np.ndarray
    count: np.ndarray
    density: np.ndarray
    bi_rads: np.ndarray
    slots: dict[str, Text]


def _sizes(plan: Plan, rng: np.random.Generator) -> np.ndarray:
    n = len(plan.visit)
    ranges = {
        SMALL: (3, 5),
        BENIGN: (5, 22),
        LOWER: (4, 10),
        CIRRHOSIS: (5, 10),
        NODULE: (6, 22),
        SUSPECT: (8, 26),
        HIGHER: (6, 20),
        POLYP: (3, 12),
        POLYPS: (4, 14),
    }
    size = rng.integers(8, 31, n)
    for finding, (low, high) in ranges.items():
        size = np.where(plan.finding == finding, rng.integers(low, high + 1, n), size)
    return size


def _shown(hospital: Hospital, plan: Plan, cancer: np.ndarray, rng: np.random.Generator) -> Shown:
    """Site, size and the rest of what the text prints. `cancer` is the cancer a report is about, per report."""
    v, life, n = hospital.visits, hospital.life, len(plan.visit)
    person = v.person[plan.visit]
    size = _sizes(plan, rng)
    width = np.maximum(size - rng.integers(0, np.maximum(size // 3, 1) + 1), 2)
    count, nodes, spread, relapse, stage, cnlc, hp = (
        rng.integers(2, 9, n),
        np.zeros(n, dtype=int),
        np.full(n, -1),
        np.zeros(n, dtype=int),
        constant("", n),
        constant("Ia", n),
        rng.random(n) < 0.4,
    )
    serosa, thrombus, nodules = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool), np.ones(n, dtype=int)
    names: list[str] = [""]
    shorts: list[str] = [""]
    place = np.zeros(n, dtype=np.int64)
    organ = np.full(n, -1)
    for number, name in enumerate(CANCERS):
        at = np.flatnonzero(cancer == number)
        own, start = life.cancers[name], len(names)
        names += [s["name_zh"] for s in sites(name)]
        shorts += [s["short_zh"] for s in sites(name)]
        # a lesion sits where the life says; what nobody has sits anywhere
        given = own.state[person[at]] > NONE
        anywhere = draw(rng, [float(s["weight"]) for s in sites(name)], len(at))
        site = np.where(given | own.has_cancer[person[at]], own.site[person[at]], anywhere)
        place[at] = start + site
        organ[at] = organ_of_site(name)[site]
        ill = at[own.has_cancer[person[at]]]
        if len(ill) == 0:
            continue
        tumour = hospital.tumours[name]
        row = tumour.row(person[ill])
        is_mass = plan.finding[ill] == MASS
        size[ill] = np.where(is_mass, tumour.size_mm[row], size[ill])
        width[ill] = np.where(is_mass, tumour.width_mm[row], width[ill])
        nodes[ill] = (tumour.positive[row] > 0).astype(int)
        spread[ill] = own.metastasis_site[person[ill]]
        relapse[ill] = own.recurrence_site[person[ill]]
        nodules[ill] = tumour.nodules[row]
        cnlc = choose_at(cnlc, ill, pick(CNLC, tumour.cnlc[row]))
        thrombus[ill] = (tumour.cnlc[row] == 4) if name == "liver" else False
        serosa[ill] = tumour.size_mm[row] > 45
        told = tumour.told[row] & is_mass
        stage = choose_at(stage, ill, choose(told, join("（c", stage_text(life, name, person[ill]), "）"), constant("", len(ill))))
    at = np.flatnonzero(cancer == LUNG)
    site, short = pick(names, place), pick(shorts, place)
    lobe = choose(cancer == LUNG, site, pick(LOBES, rng.integers(5, size=n)))
    side = pick(["左", "右"], np.char.startswith(np.array(names), "右")[place].astype(np.int64))
    quadrant = pick([x[2:] if x[:2] in ("左乳", "右乳") else "外上象限" for x in names], place)
    bi_rads = np.select(
        [plan.finding == NORMAL, plan.finding == BENIGN, plan.finding == SUSPECT, plan.finding == MASS],
        [1, np.where(rng.random(n) < 0.2, 2, 3), 4 + draw(rng, (6, 3, 1), n), np.where(rng.random(n) < 0.5, 7, 6)],
        2,
    )
    density = draw(rng, (35, 20, 30, 10, 5), n)
    near, far = np.array(numbers("colon_sites", "near_cm")), np.array(numbers("colon_sites", "far_cm"))
    colon = np.clip(place - (names.index(sites("colorectum")[0]["name_zh"])), 0, len(near) - 1)
    prior = v.start[plan.visit] - days(rng, 90, 400, n)
    is_eso = organ == ORGANS.index("esophagus")
    deep = whole(rng.integers(24, 39, n))
    low_stomach = pick(["胃窦小弯见片状黏膜发红，略粗糙", "胃体黏膜变薄，血管透见，散在灰白色扁平隆起"], rng.integers(2, size=n))
    spots = {
        -1: "",
        0: "",
        1: "腹膜后多发肿大淋巴结。",
        2: "双肺多发结节，考虑转移。",
        3: "肝内多发低密度灶，考虑转移。",
        4: "椎体见溶骨性破坏，考虑转移。",
        5: "",
        6: "腹膜多发结节，考虑种植转移。",
    }
    again = (
        "吻合口或术区软组织增厚",
        "腹膜后淋巴结肿大，短径约15mm",
        "双肺见新发结节，较大者约12mm",
        "肝内见低密度结节，约18mm",
        "椎体骨质破坏",
        "颅内见强化结节",
        "腹膜多发结节",
    )
    slots = {
        "site": site,
        "short": short,
        "side": side,
        "quadrant": quadrant,
        "lobe": lobe,
        "segment": pick(SEGMENTS, rng.integers(len(SEGMENTS), size=n)),
        "density": pick(DENSITY, density),
        "a": whole(size),
        "b": whole(width),
        "acm": decimal(size / 10, 1),
        "bcm": decimal(width / 10, 1),
        "mean": decimal((size + width) / 2, 1),
        "a_small": whole(rng.integers(5, 25, n)),
        "count": whole(count),
        "count_liver": whole(nodules),
        "prior": dates(prior),
        "trend": pick(TRENDS, rng.integers(4, size=n)),
        "clock": whole(rng.integers(1, 13, n)),
        "birads": pick(BI_RADS, bi_rads),
        "roman": pick([ROMAN[b] for b in BI_RADS], bi_rads),
        "composition": pick(COMPOSITIONS, draw(rng, (10, 40, 40, 10), n)),
        "liver_lobe": pick([LIVER_LOBES.get(x, "右叶") for x in names], place),
        "depth": whole(rng.integers(8, 26, n)),
        "serosa": choose(serosa, constant("毛糙，周围脂肪间隙模糊", n), "光整"),
        "nodes_ct": choose(nodes > 0, constant("区域见多发肿大淋巴结，较大者短径约12mm。", n), "区域未见明显肿大淋巴结。"),
        "nodes_us": choose(nodes > 0, constant("同侧腋下见肿大淋巴结，皮髓质分界不清。", n), "双腋下未见肿大淋巴结。"),
        "metastasis_ct": pick(list(spots.values()), np.clip(spread, -1, 6) + 1),
        "relapse_ct": pick(again, np.clip(relapse, 0, 6)),
        "thrombus_us": choose(thrombus, constant("门静脉右支内见实性回声。", n), "门静脉内未见栓子。"),
        "thrombus_ct": choose(thrombus, constant("门静脉右支见癌栓。", n), "门静脉未见充盈缺损。"),
        "parametrium": choose(serosa, constant("宫旁或系膜受侵", n), "宫旁及系膜脂肪间隙清晰"),
        "stage_ct": stage,
        "cnlc": cnlc,
        "brain": pick(["右侧额叶", "左侧顶叶", "小脑"], rng.integers(3, size=n)),
        "bone": pick(["胸椎", "腰椎", "骨盆", "肋骨"], rng.integers(4, size=n)),
        "cm": whole(np.rint(near[colon] + rng.random(n) * (far - near)[colon])),
        "yamada": pick(["山田I型", "山田Ⅱ型", "山田Ⅲ型", "山田IV型"], draw(rng, (30, 40, 20, 10), n)),
        "clean": pick(["肠道准备良好", "肠道准备尚可", "肠腔内少许粪水，冲洗后观察"], draw(rng, (60, 30, 10), n)),
        "hp": flags(hp, "+", "-"),
        "growth": pick(["隆起型", "溃疡型", "菜花样"], rng.integers(3, size=n)),
        "eso_place": choose(is_eso, join("距门齿", deep, "cm", site), site),
        "eso_or_stomach_low": choose(is_eso, join("食管距门齿", deep, "cm见黏膜粗糙"), low_stomach),
        "eso_or_stomach_high": choose(is_eso, join("食管距门齿", deep, "cm见黏膜发红，碘染色不着色"), join(site, "见0-Ⅱc型病变，黏膜凹陷，边界清楚")),
    }
    return Shown(site, short, side, size, width, count, density, bi_rads, slots)


def choose_at(text: Text, rows: np.ndarray, values: Text) -> Text:
    """The text with other values in some rows."""
    mask = np.zeros(len(text), dtype=bool)
    mask[rows] = True
    index = np.zeros(len(text), dtype=np.int64)
    index[rows] = np.arange(len(rows))
    return choose(mask, values.take(pa.array(index)), text) if len(rows) else text


@dataclass
class Said:
    """Texts of reports and what they say."""

    findings: Text
    impression: Text
    advice: Text
    stated: pa.Table
    is_positive: np.ndarray


def worded(hospital: Hospital, names: tuple[str, ...], plan: Plan, cancer: np.ndarray, rng: np.random.Generator) -> tuple[Said, Shown]:
    """Findings, impression and advice in the hospital's styles."""
    book, shown = document("report_texts"), _shown(hospital, plan, cancer, rng)
    n, v = len(plan.visit), hospital.visits
    person, day = v.person[plan.visit], v.start[plan.visit]
    styles = np.array([len(book[name]) for name in names])[plan.kind] if n else np.zeros(0, dtype=int)
    style = (hospital.number + draw(rng, (70, 20, 10), n)) % np.maximum(styles, 1)
    combinations, where = np.unique(np.stack([plan.kind, style, plan.finding]), axis=1, return_inverse=True)
    where = where.ravel()
    chosen = [(book[names[k]][s], FINDINGS[f]) for k, s, f in combinations.T]
    used: Used = {}
    opening = written(where, [c["open"] for c, _ in chosen], shown.slots, rng)
    body = written(where, [c["findings"][f] for c, f in chosen], shown.slots, rng, used)
    impression = written(where, [c["impression"][f] for c, f in chosen], shown.slots, rng, used)
    advice = written(where, [c["advice"][f] for c, f in chosen], shown.slots, rng)
    findings, is_copied = copied(join(opening, body), person, day, plan.kind, style, rng)
    findings, slipped = mistyped(findings, rng)
    impression, slipped_too = mistyped(impression, rng)
    in_words = hospital.people.name.take(pa.array(person))
    findings = named(findings, lambda: choose(style < 2, join("患者", in_words, "，"), join("姓名：", in_words, "；")), rng)
    positive = np.isin(plan.finding, (NODULE, SUSPECT, HIGHER, POLYP, POLYPS, MASS, RELAPSE_SEEN, LOWER, CIRRHOSIS)) & (rng.random(n) < 0.97)

    def prints(*slots: str) -> np.ndarray:
        return np.any([used.get(slot, np.zeros(n, dtype=bool)) for slot in slots], axis=0)

    place = constant(None, n)
    for slot in ("site", "short", "eso_place", "quadrant", "liver_lobe", "lobe"):
        place = choose(prints(slot), shown.slots[slot], place)
    long_, wide = prints("a", "acm"), prints("b", "bcm")
    mean = prints("mean") & ~long_
    stated = pa.table(
        {
            "kind": pick(names, plan.kind),
            "style": pa.array(style.astype(np.int8)),
            "finding": pick(FINDINGS, plan.finding),
            "site": place,
            "laterality": keep(shown.side, prints("side")),
            "category": keep(pick(BI_RADS, shown.bi_rads), prints("birads", "roman")),
            "size_mm": pa.array(np.where(mean, (shown.size_mm + shown.width_mm) / 2, shown.size_mm).astype(float), mask=~(long_ | mean)),
            "width_mm": pa.array(shown.width_mm.astype(float), mask=~wide),
            "lesion_count": pa.array(shown.count.astype(np.int32), mask=~prints("count")),
            "density": keep(pick(DENSITY, shown.density), prints("density")),
            "is_affirmed": pa.array(~np.isin(plan.finding, (NORMAL, POST))),
            "is_uncertain": pc.match_substring_regex(impression, UNCERTAIN),
            "is_compared": pc.match_substring_regex(findings, COMPARED),
            "is_copied": pa.array(is_copied),
            "has_typing_error": pa.array(slipped | slipped_too),
        }
    )
    return Said(findings, impression, advice, stated, positive), shown


def _cancer_of_image(hospital: Hospital, plan: Plan) -> np.ndarray:
    """The cancer an image is about: that of the visit, or of the organ examined."""
    by_kind = np.array([LUNG, BREAST, BREAST, LIVER, UPPER_GI, LIVER, CERVIX_UTERI, LUNG, BREAST])
    cancer = hospital.visits.cancer[plan.visit]
    of_organ = np.isin(plan.kind, (CHEST_CT, US_BREAST, MG, ABDOMEN_US)) | (cancer < 0)
    return np.where(of_organ, by_kind[plan.kind], cancer)


def imaging_reports(hospital: Hospital) -> Records:
    """The radiology and ultrasound reports of a hospital."""
    rng = hospital.stream("imaging")
    plan = imaging_plan(hospital, rng)
    n, v = len(plan.visit), hospital.visits
    said, shown = worded(hospital, IMAGING, plan, _cancer_of_image(hospital, plan), rng)
    day, later = v.start[plan.visit], days(rng, 0, 1, n)
    low_dose = (plan.kind == CHEST_CT) & v.is_test[plan.visit]
    contrast = np.isin(plan.kind, (ABDOMEN_CT, LIVER_MR, PELVIS_MR, BRAIN_MR)) | ((plan.kind == CHEST_CT) & (plan.finding == MASS))
    ultrasound = np.isin(plan.kind, (US_BREAST, ABDOMEN_US))
    room = np.where(ultrasound, hospital.room("超声科"), hospital.room("放射科"))
    asking = hospital.department()[plan.visit]
    columns = {
        "report_no": join("YX", padded(np.arange(n), 8)),
        **hospital.of_visit(plan.visit),
        "imaging_type_code": choose(low_dose, constant("LDCT", n), pick(TYPES, plan.kind)),
        "body_part_name": pick(PARTS, plan.kind),
        "exam_item_code": join("JC", padded(plan.kind + 1, 3)),
        "exam_item_name": choose(low_dose, constant("胸部低剂量CT筛查", n), pick(ITEMS, plan.kind)),
        "requested_date": dates(day - days(rng, 0, 1, n)),
        "exam_date": dates(day),
        "reported_date": dates(day + later),
        "clinical_diagnosis_text": hospital.main_diagnosis_name().take(pa.array(plan.visit)),
        "findings_text": said.findings,
        "impression_text": said.impression,
        "advice_text": keep(said.advice, pa.compute.not_equal(said.advice, "").to_numpy(zero_copy_only=False)),
        "is_positive": flags(said.is_positive),
        "is_critical": flags((plan.finding == MASS) & (rng.random(n) < 0.03)),
        "has_contrast": flags(contrast),
        "bi_rads_code": keep(pick(BI_RADS, shown.bi_rads), np.isin(plan.kind, (US_BREAST, MG)) & ~np.isin(plan.finding, (POST, RELAPSE_SEEN))),
        "device_model": pick(["GE Revolution", "Siemens SOMATOM", "联影 uCT760", "Philips EPIQ7", "迈瑞 Resona7"], rng.integers(5, size=n)),
        "requesting_department_code": join("KS", padded(asking + 1, 2)),
        "department_code": join("KS", padded(room + 1, 2)),
        "doctor_code": hospital.doctor(room, rng),
        "reviewing_doctor_code": hospital.doctor(room, rng),
    }
    made = records(hospital.name, "imaging_report", columns, v.person[plan.visit], day + later + days(rng, 0, 2, n))
    made.stated = said.stated
    return made


def endoscopy_reports(hospital: Hospital) -> Records:
    """The endoscopy reports of a hospital."""
    rng = hospital.stream("endoscopy")
    plan = endoscopy_plan(hospital, rng)
    hospital.endoscopies = plan
    n, v = len(plan.visit), hospital.visits
    cancer = np.array([BOWEL, UPPER_GI, CERVIX_UTERI, LUNG])[plan.kind]
    said, _ = worded(hospital, ENDOSCOPY, plan, cancer, rng)
    day, later = v.start[plan.visit], days(rng, 0, 1, n)
    room = np.where(plan.kind == CERVIX, hospital.room("妇科"), np.where(plan.kind == BRONCHI, hospital.room("呼吸内科"), hospital.room("内镜中心")))
    columns = {
        "report_no": join("NJ", padded(np.arange(n), 8)),
        **hospital.of_visit(plan.visit),
        "exam_type_code": pick(ENDOSCOPY, plan.kind),
        "exam_date": dates(day),
        "reported_date": dates(day + later),
        "findings_text": said.findings,
        "impression_text": said.impression,
        "advice_text": keep(said.advice, pa.compute.not_equal(said.advice, "").to_numpy(zero_copy_only=False)),
        "doctor_code": hospital.doctor(room, rng),
        "has_biopsy": flags(~np.isin(plan.finding, (NORMAL, POST))),
        "is_sedated": flags((plan.kind < 2) & (rng.random(n) < 0.6)),
        "is_positive": flags(said.is_positive),
        "department_code": join("KS", padded(room + 1, 2)),
    }
    made = records(hospital.name, "endoscopy_report", columns, v.person[plan.visit], day + later + days(rng, 0, 2, n))
    made.stated = said.stated
    return made
