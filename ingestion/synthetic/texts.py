"""Chinese report texts of hospital endoscopy and pathology, in the writing styles of the two hospitals.

All sentences are this project's own. `style` 0 and 1 belong to H1401, 2 and 3 to H1402.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingestion.synthetic.calibration import column, rows
from ingestion.synthetic.cells import Text, choose, constant, decimal, draw, join, pick, systematic, whole

NORMAL, POLYP, POLYPS, MASS, SURGERY_BED = range(5)
POLYP_BIOPSY, CANCER_BIOPSY, RESECTION, ENDOSCOPIC_RESECTION, GASTRIC = range(5)
HISTOLOGY_ZH = ("腺癌", "黏液腺癌", "印戒细胞癌")
SERIES = ("中分化", "高-中分化", "低分化", "中-低分化")
# Share of reports whose text names the patient.
NAMED = 0.05
LAYERS = {"T1": "黏膜下层", "T2": "固有肌层", "T3": "浆膜下层", "T4a": "浆膜层", "T4b": "浆膜层并累及邻近组织"}


@dataclass
class Lesion:
    """What the endoscopist sees, per report."""

    kind: np.ndarray
    site: np.ndarray
    distance_cm: np.ndarray
    size_mm: np.ndarray
    width_mm: np.ndarray
    count: np.ndarray


def _by_style(style: np.ndarray, *texts: Text) -> Text:
    out = texts[0]
    for number, text in enumerate(texts[1:], 1):
        out = choose(style == number, text, out)
    return out


def _by_kind(kind: np.ndarray, texts: dict[int, Text], n: int) -> Text:
    out = constant("", n)
    for code, text in texts.items():
        out = choose(kind == code, text, out)
    return out


def colonoscopy(lesion: Lesion, style: np.ndarray, person: Text, rng: np.random.Generator) -> tuple[Text, Text]:
    """Findings and impression of colonoscopies; some findings open with the patient's name, as typed by the clinic."""
    n = len(style)
    site, place = pick(column("colon_sites", "name_zh"), lesion.site), pick(column("colon_sites", "short_zh"), lesion.site)
    far, cm = whole(lesion.distance_cm), decimal(lesion.size_mm / 10, 1)
    wide, mm = decimal(lesion.width_mm / 10, 1), whole(lesion.size_mm)
    wide_mm = whole(lesion.width_mm)
    clean = pick(["肠道准备良好", "肠道准备尚可", "肠腔内少许粪水，冲洗后观察"], draw(rng, (60, 30, 10), n))
    shape = pick(["山田I型", "山田Ⅱ型", "山田Ⅲ型", "山田IV型"], draw(rng, (30, 40, 20, 10), n))
    words = {
        0: (
            join("循腔进镜至回盲部，阑尾开口及回盲瓣清晰，", clean, "。"),
            {
                NORMAL: constant("所见回肠末端及各段结肠、直肠黏膜光滑，血管纹理清晰，未见溃疡及新生物。", n),
                POLYP: join(
                    "距肛缘约",
                    far,
                    "cm",
                    place,
                    "见一枚",
                    shape,
                    "息肉，大小约",
                    cm,
                    "cm×",
                    wide,
                    "cm，表面光滑，予活检钳除。余结直肠黏膜未见明显异常。",
                ),
                POLYPS: join(
                    place,
                    "等处见",
                    whole(lesion.count),
                    "枚息肉，较大者位于距肛",
                    far,
                    "cm，约",
                    cm,
                    "cm×",
                    wide,
                    "cm，",
                    shape,
                    "，予取检。余未见异常。",
                ),
                MASS: join(
                    "距肛缘约",
                    far,
                    "cm",
                    site,
                    "见一隆起型肿物，大小约",
                    cm,
                    "cm×",
                    wide,
                    "cm，占肠腔约1/2周，表面凹凸不平伴溃疡，质脆，触之易出血，取活检5块。",
                ),
                SURGERY_BED: join("距肛", far, "cm可见吻合口，黏膜光滑，未见复发征象。"),
            },
            {
                NORMAL: constant("结直肠未见明显异常", n),
                POLYP: join(place, "息肉（已取检）"),
                POLYPS: constant("结直肠多发息肉", n),
                MASS: join(site, "占位，考虑恶性，待病理回报"),
                SURGERY_BED: constant("结直肠术后，吻合口未见异常", n),
            },
        ),
        1: (
            join("【进镜】达回肠末端15cm；【准备】", clean, "；"),
            {
                NORMAL: constant("【所见】回肠末端淋巴滤泡散在，全结肠黏膜未见糜烂、溃疡、息肉及肿物；直肠黏膜光滑。", n),
                POLYP: join(
                    "【所见】", site, "（距肛门", far, "厘米）可见", shape, "息肉1枚，直径", mm, "mm，NBI呈NICE 2型。余肠段未见异常。"
                ),
                POLYPS: join(
                    "【所见】全结肠散在息肉", whole(lesion.count), "枚，最大者位于", place, "，直径约", mm, "mm，", shape, "；余未见。"
                ),
                MASS: join(
                    "【所见】",
                    site,
                    "（距肛",
                    far,
                    "厘米）环腔生长肿块，范围约",
                    mm,
                    "×",
                    wide_mm,
                    "mm，表面污秽苔，内镜勉强通过，活检6块送病理。",
                ),
                SURGERY_BED: join("【所见】吻合口位于距肛", far, "厘米，通畅，未见肿物。"),
            },
            {
                NORMAL: constant("1.结肠镜检查未见异常", n),
                POLYP: join("1.", site, "息肉（", mm, "mm）"),
                POLYPS: join("1.结肠多发息肉（", whole(lesion.count), "枚）"),
                MASS: join("1.", site, "癌？待病理"),
                SURGERY_BED: constant("1.结直肠癌术后改变", n),
            },
        ),
        2: (
            join("插镜至盲肠，", clean, "，退镜观察："),
            {
                NORMAL: constant("各段肠黏膜色泽正常，血管网清，未发现息肉、肿物。肛管见内痔。", n),
                POLYP: join(place, "距肛", far, "CM见", cm, "*", wide, "cm大小息肉，亚蒂，予以圈套切除送检。"),
                POLYPS: join("见息肉", whole(lesion.count), "枚，大者", cm, "*", wide, "cm，位于", place, "，分次钳除。"),
                MASS: join(site, "距肛", far, "CM可见菜花样肿物，约", cm, "*", wide, "cm，质硬，蠕动消失，取材4块。"),
                SURGERY_BED: join("距肛", far, "CM处吻合口光整。"),
            },
            {
                NORMAL: constant("内痔；余结肠未见异常", n),
                POLYP: join(place, "息肉切除术"),
                POLYPS: constant("大肠息肉（多发）", n),
                MASS: join(site, "CA可能性大，请结合病理"),
                SURGERY_BED: constant("肠癌术后复查", n),
            },
        ),
        3: (
            join("进镜顺利到达回盲瓣。", clean, "。"),
            {
                NORMAL: constant("所见黏膜正常，未见占位性病变，未及狭窄。", n),
                POLYP: join(site, "见扁平隆起一处，长径", mm, "毫米，边界清，行EMR。其余未见。"),
                POLYPS: join("多发小息肉，共", whole(lesion.count), "处，最大长径", mm, "毫米（", place, "）。"),
                MASS: join(site, "见溃疡型肿块，占据肠腔2/3，长约", cm, "厘米，宽约", wide, "厘米，周边堤样隆起，活检质脆。"),
                SURGERY_BED: join("吻合口距肛", far, "厘米，见缝钉，无新生物。"),
            },
            {
                NORMAL: constant("结肠镜未见明显器质性病变", n),
                POLYP: join(site, "LST？EMR术后，待病理"),
                POLYPS: constant("结肠多发息肉，建议择期内镜下治疗", n),
                MASS: join(site, "恶性肿瘤，建议外科就诊"),
                SURGERY_BED: constant("结肠癌术后", n),
            },
        ),
    }
    findings = _by_style(style, *(join(words[s][0], _by_kind(lesion.kind, words[s][1], n)) for s in words))
    impression = _by_style(style, *(_by_kind(lesion.kind, words[s][2], n) for s in words))
    opening = choose(style < 2, join("患者", person, "，"), join("姓名：", person, "；"))
    return choose(systematic(np.full(n, NAMED), np.arange(n), rng), join(opening, findings), findings), impression


def gastroscopy(style: np.ndarray, rng: np.random.Generator) -> tuple[Text, Text]:
    """Findings and impression of gastroscopies, all without cancer."""
    n = len(style)
    kind = draw(rng, (60, 25, 15), n)
    findings = pick(
        [
            "食管通过顺利，黏膜光滑，齿状线清晰；胃窦黏膜红白相间，以红为主，未见溃疡；十二指肠球部未见异常。",
            "食管下段黏膜未见破损；胃窦黏膜花斑样，可见点状糜烂，幽门圆；十二指肠降部未见异常。",
            "胃角形态正常；胃窦黏膜变薄、血管透见，散在颗粒样隆起，取活检2块。",
        ],
        kind,
    )
    impression = pick(["慢性非萎缩性胃炎", "慢性非萎缩性胃炎伴糜烂", "慢性萎缩性胃炎？待病理"], kind)
    return findings, impression


def complaint_colon(n: int, rng: np.random.Generator) -> Text:
    """Chief complaints of people who come for a colonoscopy."""
    return pick(
        ["间断便血2月", "大便习惯改变半年", "腹痛腹胀1月", "体检便潜血阳性", "便秘加重3月", "要求肠镜检查"], rng.integers(6, size=n)
    )


@dataclass
class Specimen:
    """What the pathologist gets and finds, per report. `tnm` is a row of tnm.csv, `prefix` p or yp."""

    kind: np.ndarray
    site: np.ndarray
    histology: np.ndarray
    tnm: np.ndarray
    after_neoadjuvant: np.ndarray
    nodes_positive: np.ndarray
    nodes_examined: np.ndarray
    size_mm: np.ndarray
    adenoma: np.ndarray


def pathology(spec: Specimen, style: np.ndarray, person: Text, phone: Text, rng: np.random.Generator) -> tuple[Text, Text, Text]:
    """Specimen, gross and diagnosis text; some diagnoses end with a call note that holds name and phone."""
    n = len(style)
    site, short = pick(column("colon_sites", "name_zh"), spec.site), pick(column("colon_sites", "short_zh"), spec.site)
    histology, grade = pick(HISTOLOGY_ZH, spec.histology), pick(SERIES, draw(rng, (60, 18, 12, 10), n))
    grade = choose(spec.histology == 0, grade, constant("", n))
    t, nn, m = (pick([row[k] for row in rows("tnm")], spec.tnm) for k in "tnm")
    layer = pick([LAYERS[row["t"]] for row in rows("tnm")], spec.tnm)
    prefix = choose(spec.after_neoadjuvant, "yp", "p")
    nodes = join(whole(spec.nodes_positive), "/", whole(spec.nodes_examined))
    positive = spec.nodes_positive > 0
    cm, mm = decimal(spec.size_mm / 10, 1), whole(spec.size_mm)
    ki67 = join(whole(rng.integers(3, 9, n) * 10), "%")
    mmr = pick(["MLH1（+），MSH2（+），MSH6（+），PMS2（+）", "MLH1（-），PMS2（-），MSH2（+），MSH6（+）"], draw(rng, (90, 10), n))
    adenoma = pick(
        [
            "管状腺瘤",
            "管状绒毛状腺瘤",
            "绒毛状腺瘤",
            "管状腺瘤伴高级别上皮内瘤变",
            "增生性息肉",
            "慢性炎性改变",
            "高分化腺癌，浸润至黏膜下层（pT1Nx）",
        ],
        spec.adenoma,
    )
    tnm_plain = join(prefix, t, nn, m)
    tnm_spaced = join(prefix, t, " ", nn, " ", m)
    tnm_upper = choose(
        spec.after_neoadjuvant,
        join("ypT", pick([r["t"][1:] for r in rows("tnm")], spec.tnm), nn, m),
        join("PT", pick([r["t"][1:] for r in rows("tnm")], spec.tnm), nn, m),
    )
    gastric = pick(
        ["（胃窦）黏膜慢性炎，活动性（+），未见肠化及异型增生。", "（胃窦）黏膜慢性萎缩性胃炎，轻度肠化，Hp（-）。"], draw(rng, (70, 30), n)
    )
    words = {
        0: {
            POLYP_BIOPSY: join("（", short, "）", adenoma, "。"),
            CANCER_BIOPSY: join("（", site, "）", grade, histology, "。建议完善免疫组化。"),
            RESECTION: join(
                "（",
                site,
                "根治标本）溃疡型",
                grade,
                histology,
                "，肿瘤大小约",
                cm,
                "cm，侵及",
                layer,
                "；脉管内未见癌栓，神经未见侵犯；两侧切缘未见癌；肠周淋巴结",
                choose(positive, "可见癌转移", "未见癌转移"),
                "（",
                nodes,
                "）。",
                "病理分期：",
                tnm_plain,
                "（AJCC第8版）。免疫组化：",
                mmr,
                "，Ki-67（",
                ki67,
                "）。",
            ),
            ENDOSCOPIC_RESECTION: join("（", short, "ESD标本）", adenoma, "，大小", mm, "mm，水平切缘及垂直切缘未见病变。"),
            GASTRIC: gastric,
        },
        1: {
            POLYP_BIOPSY: join("送检", short, "息肉：", adenoma, "，切缘净。"),
            CANCER_BIOPSY: join("送检", site, "活检组织：查见癌，形态符合", grade, histology, "。"),
            RESECTION: join(
                "1.",
                site,
                grade,
                histology,
                "，浸润至",
                layer,
                "。2.上下切缘净。3.淋巴结转移情况：共检出",
                whole(spec.nodes_examined),
                "枚，淋巴结转移",
                nodes,
                "。4.",
                tnm_spaced,
                "。5.",
                mmr,
                "。",
            ),
            ENDOSCOPIC_RESECTION: join(short, "内镜切除标本：", adenoma, "（", cm, "cm），切缘阴性。"),
            GASTRIC: gastric,
        },
        2: {
            POLYP_BIOPSY: join(short, "：", adenoma),
            CANCER_BIOPSY: join(short, "：", histology, choose(spec.histology == 0, join("（", grade, "）"), "")),
            RESECTION: join(
                short,
                "肿物切除标本：",
                grade,
                histology,
                "，",
                cm,
                "cm，累及",
                layer,
                "，断端（-），淋巴结 ",
                nodes,
                " ",
                choose(positive, "见转移", "阴性"),
                "，",
                tnm_upper,
            ),
            ENDOSCOPIC_RESECTION: join(short, "EMR标本：", adenoma, "，基底净"),
            GASTRIC: gastric,
        },
        3: {
            POLYP_BIOPSY: join("病理诊断：", site, adenoma, "，请结合临床。"),
            CANCER_BIOPSY: join("病理诊断：", site, "黏膜组织内见异型腺体浸润，符合", histology, "。"),
            RESECTION: join(
                "病理诊断：（",
                site,
                "）",
                histology,
                choose(spec.histology == 0, join("，", grade), ""),
                "，浸润深度达",
                layer,
                "。区域淋巴结",
                nodes,
                "枚",
                choose(positive, "有癌转移", "未见癌转移"),
                "。远近切缘均未见癌组织。TNM分期：",
                tnm_plain,
                "。",
            ),
            ENDOSCOPIC_RESECTION: join("病理诊断：", site, "病变切除标本，", adenoma, "，最大径", mm, "毫米，切缘未见肿瘤。"),
            GASTRIC: gastric,
        },
    }
    diagnosis = _by_style(style, *(_by_kind(spec.kind, words[s], n) for s in words))
    call = choose(style < 2, join("已电话通知患者", person, "，", phone, "。"), join("（联系电话：", phone, "）"))
    diagnosis = choose(systematic(np.full(n, NAMED), np.arange(n), rng), join(diagnosis, call), diagnosis)
    biopsy = np.isin(spec.kind, (POLYP_BIOPSY, CANCER_BIOPSY, GASTRIC))
    specimen = choose(spec.kind == GASTRIC, constant("胃窦黏膜", n), choose(biopsy, join(short, "活检组织"), join(site, "切除标本")))
    gross = choose(
        biopsy,
        join("灰白色碎组织", whole(rng.integers(1, 6, n)), "粒，直径0.2cm。"),
        choose(
            spec.kind == RESECTION,
            join(
                "肠管一段，长",
                whole(rng.integers(12, 32, n)),
                "cm，距一侧切缘",
                whole(rng.integers(3, 9, n)),
                "cm见肿物，",
                cm,
                "cm，切面灰白质硬。",
            ),
            join("黏膜组织一块，大小约", cm, "cm，表面呈结节状。"),
        ),
    )
    return specimen, gross, diagnosis
