"""Pathology and cytology reports: what was sent, what it is, and how the hospital words it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ingestion.synthetic import visits as v_
from ingestion.synthetic.calibration import document
from ingestion.synthetic.cells import Text, choose, constant, dates, days, decimal, draw, flags, join, keep, padded, pick, systematic, whole
from ingestion.synthetic.imaging import CERVIX_UTERI, HIGHER, LOWER, NORMAL, POLYP, POLYPS, STOMACH, choose_at
from ingestion.synthetic.life import CANCER, CANCERS, CYTOLOGY, HIGH, LOW, histologies, sites, stages
from ingestion.synthetic.records import Records, records
from ingestion.synthetic.tumours import ORGANS, organ_of_site, stage_group
from ingestion.synthetic.wording import NAMED, mistyped, written

if TYPE_CHECKING:
    from ingestion.synthetic.hospital import Hospital

KINDS = ("biopsy_benign", "biopsy_low", "biopsy_high", "biopsy_cancer", "resection", "endoscopic", "cytology")
BENIGN, LOW_GRADE, HIGH_GRADE, BIOPSY, RESECTED, REMOVED, SMEAR = range(len(KINDS))
CODED = ("biopsy", "biopsy", "biopsy", "biopsy", "resection", "endoscopic", "cytology")
LAYERS = {
    "Tis": "局限于黏膜层",
    "T1": "浸润至黏膜下层",
    "T2": "浸润至固有肌层",
    "T3": "侵及浆膜下层",
    "T4a": "侵及浆膜层",
    "T4b": "侵及浆膜层并累及邻近组织",
    "T4": "侵及浆膜层",
}
HOLLOW = ("esophagus", "stomach", "colorectum")
SITE_CODES = {"esophagus": "oesophagus"}


def _depth(organ: str, t: str) -> str:
    if organ == "colorectum" or organ in HOLLOW:
        return LAYERS.get(t) or LAYERS.get(t[:2], "浸润深度不详")
    return {
        "lung": "未侵及脏层胸膜" if t[:2] in ("T1", "Ti") else "侵及脏层胸膜",
        "cervix": "浸润间质深度<1/2" if t[:2] in ("T1", "Ti") else "浸润间质深度>1/2",
        "breast": "乳头及皮肤未见癌" if t[:2] != "T4" else "侵及皮肤",
        "liver": "包膜不完整",
    }[organ]


def pathology_reports(hospital: Hospital) -> Records:
    """The pathology reports of a hospital: biopsies of endoscopies and work-ups, specimens of operations, smears."""
    v, life, rng = hospital.visits, hospital.life, hospital.stream("pathology")
    taken, plan = rng.random(len(v)), hospital.endoscopies
    # (visit, kind, cancer) of every specimen
    parts: list[tuple[np.ndarray, np.ndarray | int, np.ndarray | int]] = []
    lesion = np.isin(plan.finding, (POLYP, POLYPS, LOWER, HIGHER)) & (taken[plan.visit] < 0.88) & (v.kind[plan.visit] == v_.EXAM)
    at = np.flatnonzero(lesion)
    cancer = np.array([3, 2, CERVIX_UTERI, 0])[plan.kind[at]]
    seen = v.finding[plan.visit[at]]
    grade = np.select([seen == HIGH, seen == LOW], [HIGH_GRADE, LOW_GRADE], BENIGN)
    parts.append((plan.visit[at], grade, cancer))
    at = plan.visit[(plan.kind == STOMACH) & (plan.finding == NORMAL) & (taken[plan.visit] < 0.3)]
    parts.append((at, BENIGN, 2))
    parts.append((np.flatnonzero((v.kind == v_.EXAM) & (v.modality == CYTOLOGY)), SMEAR, CERVIX_UTERI))
    found = (v.kind == v_.EXAM) & (v.finding == CANCER) & np.isin(v.cancer, (2, 3, 5)) & (v.modality != CYTOLOGY)
    for number, name in enumerate(CANCERS):
        own, ill = v.cancer == number, life.cancers[name].has_cancer[v.person]
        # a liver cancer is often told from images alone
        share = 0.35 if name == "liver" else 0.97
        parts.append((np.flatnonzero(own & (v.kind == v_.WORKUP) & (taken < share) & ill), BIOPSY, number))
        parts.append((np.flatnonzero(own & (v.kind == v_.SURGERY) & ill), RESECTED, number))
        if name not in ("lung", "liver"):
            parts.append((np.flatnonzero(own & (v.kind == v_.RESECTION)), REMOVED, number))
    parts.append((np.flatnonzero(found & (taken < 0.5)), BIOPSY, v.cancer[np.flatnonzero(found & (taken < 0.5))]))
    visit = np.concatenate([p[0] for p in parts])
    kind = np.concatenate([np.broadcast_to(p[1], len(p[0])) for p in parts]).astype(np.int64)
    cancer = np.concatenate([np.broadcast_to(p[2], len(p[0])) for p in parts]).astype(np.int64)
    real = np.ones(len(visit), dtype=bool)
    for number, name in enumerate(CANCERS):
        real &= ~((cancer == number) & np.isin(kind, (BIOPSY, RESECTED))) | life.cancers[name].has_cancer[v.person[visit]]
    order = np.lexsort((kind, visit))
    order = order[real[order]]
    visit, kind, cancer = visit[order], kind[order], cancer[order]
    person, n = v.person[visit], len(visit)
    columns, stated, sampled, reported = _written(hospital, visit, kind, cancer, rng)
    room = np.full(n, hospital.room("病理科"))
    columns = {
        "report_no": join("BL", dates(sampled, "%y"), padded(np.arange(n), 7)),
        **hospital.of_visit(visit),
        **columns,
        "doctor_code": hospital.doctor(room, rng),
    }
    made = records(hospital.name, "pathology_report", columns, person, reported + days(rng, 0, 2, n))
    made.stated = stated
    return made


def _empty(n: int) -> Text:
    return constant(None, n)


def _written(
    hospital: Hospital, visit: np.ndarray, kind: np.ndarray, cancer: np.ndarray, rng: np.random.Generator
) -> tuple[dict[str, Text], pa.Table, np.ndarray, np.ndarray]:
    v, life, n, book = hospital.visits, hospital.life, len(visit), document("pathology_texts")
    person = v.person[visit]
    ill = np.zeros(n, dtype=bool)
    organ, size, width = np.zeros(n, dtype=np.int64), rng.integers(4, 16, n), rng.integers(3, 10, n)
    text = {name: constant("", n) for name in ("site", "short", "histology", "t", "n", "m", "depth", "ihc", "stage", "code", "system")}
    number = {name: np.zeros(n, dtype=np.int64) for name in ("positive", "examined", "grade", "mvi", "her2", "ki67", "pd_l1", "side")}
    truth = {
        name: np.zeros(n, dtype=bool) for name in ("er", "pr", "fish", "egfr", "alk", "kras", "dmmr", "vessel", "nerve", "margin", "treated_before")
    }
    diagnosed = np.full(n, np.datetime64("NaT", "D"))
    operated, removed = diagnosed.copy(), diagnosed.copy()
    for c, name in enumerate(CANCERS):
        at = np.flatnonzero(cancer == c)
        own = life.cancers[name]
        site = own.site[person[at]].astype(np.int64)
        organ[at] = organ_of_site(name)[site]
        for slot, key in (("site", "name_zh"), ("short", "short_zh")):
            text[slot] = choose_at(text[slot], at, pick([s[key] for s in sites(name)], site))
        operated[at], removed[at] = own.surgery_date[person[at]], own.resection_date[person[at]]
        has = own.has_cancer[person[at]]
        at = at[has]
        if len(at) == 0:
            continue
        ill[at] = True
        diagnosed[at] = own.diagnosis_date[person[at]]
        tumour = hospital.tumours[name]
        row, stage = tumour.row(person[at]), own.tnm[person[at]].astype(np.int64)
        for slot in ("positive", "examined", "grade", "mvi", "her2", "ki67", "pd_l1", "side"):
            number[slot][at] = getattr(tumour, slot)[row]
        for slot in ("er", "pr", "fish", "egfr", "alk", "kras", "dmmr", "vessel", "nerve", "margin"):
            truth[slot][at] = getattr(tumour, slot)[row]
        truth["treated_before"][at] = ~np.isnat(own.neoadjuvant_date[person[at]])
        size[at], width[at] = tumour.size_mm[row], tumour.width_mm[row]
        for slot in "tnm":
            text[slot] = choose_at(text[slot], at, pick([r[slot] for r in stages(name)], stage))
        depths = [_depth(ORGANS[o], r["t"]) for r in stages(name) for o in range(len(ORGANS))]
        text["depth"] = choose_at(text["depth"], at, pick(depths, stage * len(ORGANS) + tumour.organ[row]))
        kinds = histologies(name) or ({"name_zh": "腺癌", "code": "8140/3"},)
        text["histology"] = choose_at(text["histology"], at, pick([h["name_zh"] for h in kinds], own.histology[person[at]].astype(np.int64)))
        text["code"] = choose_at(text["code"], at, pick([h["code"] for h in kinds], own.histology[person[at]].astype(np.int64)))
        text["stage"] = choose_at(text["stage"], at, stage_group(life, name, person[at], tumour))
    organs = [book["organs"][o] for o in ORGANS]

    def by_organ(key: str) -> Text:
        """One of the words of an organ, per specimen."""
        pools = [o[key] if isinstance(o[key], list) else [o[key]] for o in organs]
        starts = np.cumsum([0, *(len(p) for p in pools[:-1])])
        lengths = np.array([len(p) for p in pools])
        return pick([w for p in pools for w in p], starts[organ] + (rng.random(n) * lengths[organ]).astype(np.int64))

    grade = pick(["", "高分化", "中分化", "低分化"], np.where(ill, number["grade"], 0))
    plain = pa.compute.match_substring_regex(text["histology"], "^(腺癌|鳞状细胞癌|胃腺癌|肝细胞癌|宫颈腺癌|管状腺癌)$").to_numpy(
        zero_copy_only=False
    )
    grade = choose(plain, grade, constant("", n))
    graded = pa.compute.not_equal(grade, "").to_numpy(zero_copy_only=False)
    nodes = join(whole(number["positive"]), "/", whole(number["examined"]))
    spread = number["positive"] > 0
    prefix = choose(truth["treated_before"], "yp", constant("p", n))
    tnm = join(prefix, text["t"], text["n"], text["m"])
    upper = join(choose(truth["treated_before"], "ypT", constant("PT", n)), pa.compute.utf8_slice_codeunits(text["t"], 1), text["n"], text["m"])
    ihc = _ihc(cancer, organ, number, truth, n)
    low, high = by_organ("low"), by_organ("high")
    smear = np.clip(v.category[visit], 0, 6)
    smear = np.where(
        v.category[visit] >= 0, smear, np.select([v.finding[visit] == LOW, v.finding[visit] == HIGH], [2, 4], np.where(rng.random(n) < 0.06, 1, 0))
    )
    removed_of_ill = join(
        grade, text["histology"], choose(np.isin(organ, [ORGANS.index(o) for o in HOLLOW]), "，浸润至黏膜下层（pT1Nx）", constant("", n))
    )
    slots = {
        "site": text["site"],
        "short": text["short"],
        "histology": text["histology"],
        "grade": grade,
        "growth": by_organ("growth"),
        "grade_brackets": choose(graded, join("（", grade, "）"), ""),
        "grade_comma": choose(graded, join("，", grade), ""),
        "a": whole(size),
        "b": whole(width),
        "acm": decimal(size / 10, 1),
        "bcm": decimal(width / 10, 1),
        "depth": text["depth"],
        "vessel": flags(truth["vessel"], "脉管内可见癌栓", "脉管内未见癌栓"),
        "nerve": flags(truth["nerve"], "神经可见侵犯", "神经未见侵犯"),
        "margin": choose(truth["margin"], constant("切缘可见癌", n), by_organ("margin")),
        "node_region": by_organ("region"),
        "specimen": by_organ("specimen"),
        "nodes": nodes,
        "examined": whole(number["examined"]),
        "node_state": flags(spread, "可见癌转移", "未见癌转移"),
        "node_short": flags(spread, "见转移", "阴性"),
        "tnm": tnm,
        "tnm_spaced": join(prefix, text["t"], " ", text["n"], " ", text["m"]),
        "tnm_upper": upper,
        "ihc": ihc,
        "mvi": join("微血管侵犯（MVI）分级：M", whole(number["mvi"])),
        "benign": by_organ("benign"),
        "low": low,
        "high": high,
        "removed": choose(ill, removed_of_ill, high),
        "cytology": pick([book["cytology"][str(c)] for c in range(7)], smear),
        "cytology_advice": pick(["按期筛查", "HPV分流", "转诊阴道镜"], np.clip(smear, 0, 2)),
    }
    style = (hospital.number + draw(rng, (70, 20, 10), n)) % len(book["styles"])
    combinations, where = np.unique(np.stack([style, kind, organ]), axis=1, return_inverse=True)
    templates = [book["styles"][s].get(f"{KINDS[k]}@{ORGANS[o]}") or book["styles"][s][KINDS[k]] for s, k, o in combinations.T]
    diagnosis = written(where.ravel(), templates, slots, rng)
    diagnosis, slipped = mistyped(diagnosis, rng)
    index = pa.array(person)
    name, phone = hospital.people.name.take(index), hospital.people.phone.take(index)
    call = choose(style < 2, join("已电话通知患者", name, "，", phone, "。"), join("（联系电话：", phone, "）"))
    diagnosis = choose(systematic(np.full(n, NAMED), np.arange(n), rng), join(diagnosis, call), diagnosis)
    resected, smeared = kind == RESECTED, kind == SMEAR
    sampled = np.select([resected & ~np.isnat(operated), (kind == REMOVED) & ~np.isnat(removed)], [operated, removed], v.start[visit])
    reported = sampled + days(rng, 2, 7, n)
    first = (kind == BIOPSY) & (diagnosed > sampled) & (v.kind[visit] == v_.WORKUP)
    reported = np.where(first, diagnosed, reported)
    biopsy = kind < RESECTED
    gross = choose(
        biopsy,
        join("灰白色碎组织", whole(rng.integers(1, 6, n)), "粒，直径0.2cm。"),
        choose(
            resected,
            join("送检", text["site"], "切除标本，切面见肿物，大小约", decimal(size / 10, 1), "cm，灰白质硬。"),
            join("组织一块，大小约", decimal(size / 10, 1), "cm。"),
        ),
    )
    structured = resected & ill
    staged, breast = structured & (number["examined"] > 0), (cancer == 1) & ill & (kind >= BIOPSY)
    lung, stomach = (cancer == 0) & ill & (kind >= BIOPSY), (organ == ORGANS.index("stomach")) & ill & resected
    her2 = breast | stomach
    bowel = (cancer == 3) & structured

    def receptor(name: str, where: np.ndarray) -> Text:
        return keep(flags(truth[name], "positive", "negative"), where)

    def gene(name: str, where: np.ndarray, changed: str, unchanged: str) -> Text:
        return keep(flags(truth[name], changed, unchanged), where)

    columns = {
        "specimen_text": choose(
            smeared, constant("宫颈脱落细胞", n), choose(biopsy, join(text["short"], "活检组织"), join(text["site"], "切除标本"))
        ),
        "sampled_date": dates(sampled),
        "reported_date": dates(reported),
        "gross_text": keep(gross, ~smeared),
        "diagnosis_text": diagnosis,
        "pathology_kind_code": pick(CODED, kind),
        "specimen_site_code": pick([SITE_CODES.get(o, o) for o in ORGANS], organ),
        "entered_morphology_code": keep(text["code"], ill & (kind >= BIOPSY) & ~smeared),
        "differentiation_code": keep(whole(number["grade"]), ill & graded & (kind >= BIOPSY) & ~smeared),
        "tumour_size_mm": keep(whole(size), structured),
        "entered_t_category": keep(text["t"], structured),
        "entered_n_category": keep(text["n"], structured),
        "entered_m_category": keep(text["m"], structured),
        "entered_stage_group": keep(text["stage"], structured),
        "entered_nodes_positive": whole(number["positive"], staged),
        "entered_nodes_examined": whole(number["examined"], staged),
        "margin_status_code": keep(flags(truth["margin"], "R1", "R0"), structured),
        "has_vascular_invasion": keep(flags(truth["vessel"]), structured),
        "has_perineural_invasion": keep(flags(truth["nerve"]), structured),
        "mvi_grade_code": keep(join("M", whole(number["mvi"])), structured & (cancer == 4)),
        "er_status_code": receptor("er", breast),
        "er_pct": whole(np.where(truth["er"], 80, 0), breast),
        "pr_status_code": receptor("pr", breast),
        "pr_pct": whole(np.where(truth["pr"], 60, 0), breast),
        "her2_ihc_code": keep(pick(("0", "1+", "2+", "3+"), np.clip(number["her2"], 0, 3)), her2),
        "her2_fish_code": receptor("fish", breast & (number["her2"] == 2)),
        "ki67_pct": whole(number["ki67"], breast | bowel),
        "egfr_status_code": gene("egfr", lung, "mutated", "wild"),
        "alk_status_code": gene("alk", lung, "fusion", "negative"),
        "kras_status_code": gene("kras", bowel, "mutated", "wild"),
        "pd_l1_pct": whole(number["pd_l1"], lung),
        "mmr_status_code": keep(flags(truth["dmmr"], "dMMR", "pMMR"), bowel),
        "p16_status_code": keep(constant("positive", n), (cancer == 5) & structured),
    }
    stated = pa.table(
        {
            "kind": pick(KINDS, kind),
            "style": pa.array(style.astype(np.int8)),
            "finding": choose(
                ill & (kind >= BIOPSY), constant("cancer", n), pick(("benign", "low", "high", "cancer", "cancer", "high", "cytology"), kind)
            ),
            "site": text["site"],
            "category": keep(whole(smear), smeared),
            "size_mm": pa.array(size.astype(float), mask=~(resected | (kind == REMOVED))),
            "histology_code": keep(text["code"], ill & (kind >= BIOPSY) & ~smeared),
            "differentiation": keep(whole(number["grade"]), ill & graded & np.isin(kind, (BIOPSY, RESECTED)) & ~((style == 3) & (kind == BIOPSY))),
            "t_category": keep(text["t"], structured),
            "n_category": keep(text["n"], structured),
            "m_category": keep(text["m"], structured),
            "nodes_positive": pa.array(number["positive"].astype(np.int32), mask=~staged),
            "nodes_examined": pa.array(number["examined"].astype(np.int32), mask=~staged),
            "is_affirmed": pa.array(ill & (kind >= BIOPSY)),
            "is_uncertain": pa.array(np.zeros(n, dtype=bool)),
            "is_compared": pa.array(np.zeros(n, dtype=bool)),
            "is_copied": pa.array(np.zeros(n, dtype=bool)),
            "has_typing_error": pa.array(slipped),
        }
    )
    return columns, stated, sampled, reported


def _ihc(cancer: np.ndarray, organ: np.ndarray, number: dict[str, np.ndarray], truth: dict[str, np.ndarray], n: int) -> Text:
    """Stains and genes a report of an operation lists, by cancer."""
    ki67 = join("Ki-67（", whole(np.maximum(number["ki67"], 5)), "%）")
    her2 = join("HER2（", pick(("0", "1+", "2+", "3+"), np.clip(number["her2"], 0, 3)), "）")
    mmr = pick(["MLH1（+），MSH2（+），MSH6（+），PMS2（+）", "MLH1（-），PMS2（-），MSH2（+），MSH6（+）"], truth["dmmr"].astype(np.int64))
    lung = join("TTF-1（+），NapsinA（+），EGFR", flags(truth["egfr"], "基因突变", "野生型"), "，ALK（", flags(truth["alk"], "+", "-"), "）")
    breast = join("ER（", flags(truth["er"], "80%+", "-"), "），PR（", flags(truth["pr"], "60%+", "-"), "），", her2, "，", ki67)
    upper = join("CK（+），P40", pick(["（+）", "（-）"], (organ != ORGANS.index("esophagus")).astype(np.int64)), "，", her2, "，", ki67)
    return _by_cancer(
        cancer, lung, breast, upper, join(mmr, "，", ki67), constant("Hepatocyte（+），GPC-3（+），CD34（血管+）", n), join("P16（+），", ki67)
    )


def _by_cancer(cancer: np.ndarray, *texts: Text) -> Text:
    out = texts[0]
    for c, text in enumerate(texts[1:], 1):
        out = choose(cancer == c, text, out)
    return out
