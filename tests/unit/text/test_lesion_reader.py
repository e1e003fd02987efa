"""Lesions of chest CT and breast reports: every wording of the generator is read, time grows with length, odd texts do not fail."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
import yaml

from ingestion.text.structure import Structured, structure

WORDING = yaml.safe_load((Path(__file__).parents[3] / "ingestion/synthetic/data/report_texts.yml").read_text(encoding="utf-8"))
KINDS = {"chest_ct": "ldct", "breast_us": "breast_ultrasound", "breast_mg": "mammography"}
LOBES = {"右肺上叶": "RUL", "右肺中叶": "RML", "右肺下叶": "RLL", "左肺上叶": "LUL", "左肺下叶": "LLL"}
DENSITIES = {"实性": "solid", "部分实性": "part_solid", "磨玻璃": "ground_glass", "混合密度": "part_solid", "纯磨玻璃": "ground_glass"}
COMPOSITIONS = {"脂肪": "a", "散在纤维腺体": "b", "不均匀致密": "c", "极度致密": "d"}
ROMAN = {"1": "Ⅰ", "2": "Ⅱ", "3": "Ⅲ", "4A": "Ⅳa", "4B": "Ⅳb", "5": "Ⅴ"}
SIDES = {"左": "left", "右": "right"}
# Reports that name no lesion, or one that the slots do not describe.
WITHOUT = {"normal", "post", "relapse"}


def slots(rng: random.Random) -> dict[str, str]:
    """Values of one report."""
    long_ = rng.randint(4, 40)
    short = max(3, long_ - rng.randint(0, long_ // 3))
    bi_rads = rng.choice(list(ROMAN))
    return {
        "side": rng.choice("左右"),
        "quadrant": rng.choice(["外上象限", "内上象限", "外下象限", "内下象限"]),
        "clock": str(rng.randint(1, 12)),
        "lobe": rng.choice(list(LOBES)),
        "segment": rng.choice(["尖段", "前段", "背段", "外基底段", ""]),
        "density": rng.choice(list(DENSITIES)),
        "a": str(long_),
        "b": str(short),
        "acm": f"{long_ / 10:.1f}",
        "bcm": f"{short / 10:.1f}",
        "mean": f"{(long_ + short) / 2:.1f}",
        "count": str(rng.randint(2, 8)),
        "prior": "2023-04-17",
        "trend": rng.choice(["略增大", "未见明显变化", "相仿", "缩小"]),
        "birads": bi_rads,
        "roman": ROMAN[bi_rads],
        "composition": rng.choice(list(COMPOSITIONS)),
        "nodes_ct": "区域见多发肿大淋巴结，较大者短径约12mm。",
        "nodes_us": "双腋下未见肿大淋巴结。",
        "metastasis_ct": "",
        "stage_ct": "",
        "relapse_ct": "",
    }


def values(result: Structured, name: str) -> set[object]:
    return {one.value for one in result.fields if one.name == name}


# Slot of a template -> field that must have its value.
STATED = {
    "lobe": ("lobe", LOBES.get),
    "density": ("density", DENSITIES.get),
    "side": ("side", SIDES.get),
    "quadrant": ("quadrant", str),
    "clock": ("clock", str),
    "birads": ("bi_rads", str),
    "roman": ("bi_rads", {written: code for code, written in ROMAN.items()}.get),
    "composition": ("composition", COMPOSITIONS.get),
    "a": ("long_diameter_mm", float),
    "b": ("short_diameter_mm", float),
    "acm": ("long_diameter_mm", lambda written: round(float(written) * 10, 1)),
    "bcm": ("short_diameter_mm", lambda written: round(float(written) * 10, 1)),
    "mean": ("mean_diameter_mm", float),
}
TEMPLATES = [
    pytest.param(kind, template, id=f"{group}-{style}-{part}-{finding}-{number}")
    for group, kind in KINDS.items()
    for style, texts in enumerate(WORDING[group])
    for part in ("findings", "impression")
    for finding, templates in texts[part].items()
    if finding not in WITHOUT
    for number, template in enumerate(templates)
]


@pytest.mark.parametrize(("kind", "template"), TEMPLATES)
def test_what_the_generator_words_is_read(kind: str, template: str) -> None:
    rng = random.Random(7)
    for _ in range(5):
        given = slots(rng)
        text = template.format(**given)
        result = structure(kind, text)
        for slot, (name, meaning) in STATED.items():
            if f"{{{slot}}}" not in template:
                continue
            got = values(result, name)
            if name == "side":
                got |= {side for side in SIDES.values() if values(result, f"assessment_{side}")}
            assert meaning(given[slot]) in got, f"{slot} {given[slot]} of {text!r} is not in {result.fields}"


@pytest.mark.parametrize("kind", KINDS.values())
@pytest.mark.parametrize("finding", ["normal", "post"])
def test_a_report_without_a_lesion_has_none(kind: str, finding: str) -> None:
    group = next(group for group, named in KINDS.items() if named == kind)
    for texts in WORDING[group]:
        for template in texts["findings"][finding]:
            text = template.format(**slots(random.Random(3)))
            assert structure(kind, text).lesions == [], text


WORDS = (
    *("左", "右乳", "双肺", "上叶", "3点", "结节", "低回声", "，", "。", "1、", "BI-RADS", "4A类", "5mm×"),
    *("3cm", "较大者", "未见", "其内", "对侧", "(-)", "：", "及", "０", "Ⅳ", "腋下", "淋巴结"),
)
PIECES = ("左乳3点、", "右肺上叶及", "bi-rads ", "4类", "1、", "结节", "(", "距", "0.5×", "，", "较大者", "前次检查", "两肺散在多发小结节，")


@pytest.mark.parametrize("kind", KINDS.values())
@pytest.mark.parametrize("piece", PIECES)
def test_time_grows_with_the_length_of_the_text(kind: str, piece: str) -> None:
    """Ten times the text may take thirty times as long at most: no pattern runs away."""

    def seconds(text: str) -> float:
        best = 9.0
        for _ in range(2):
            start = time.process_time()
            structure(kind, text)
            best = min(best, time.process_time() - start)
        return best

    count = 600 // len(piece)
    assert seconds(piece * count * 10) < 30 * max(seconds(piece * count), 0.002)


@pytest.mark.parametrize("kind", KINDS.values())
def test_no_text_fails_and_evidence_stays_in_the_text(kind: str) -> None:
    rng = random.Random(11)
    words = [*WORDS, "\n", " "]
    for _ in range(400):
        text = "".join(rng.choices(words, k=rng.randint(1, 40)))
        for one in structure(kind, text).fields:
            assert 0 <= one.evidence.start < one.evidence.end <= len(text), (text, one)
