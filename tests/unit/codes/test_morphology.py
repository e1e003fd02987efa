"""Histology texts to ICD-O-3."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ingestion.codes import morphology
from ingestion.codes.lexicon import histologies

FACTS = Path(__file__).parent / "cases" / "icdo3.csv"

CASES = [
    # text, organ of the column, codes with assertion
    ("浸润性癌（非特殊类型）", None, "8500/3"),
    ("浸润性导管癌Ⅱ级", "breast", "8500/3"),
    ("中分化腺癌", None, "8140/3"),
    ("低分化腺癌，部分为印戒细胞癌", "stomach", "8490/3"),
    ("查见癌，形态符合高分化鳞状细胞癌", None, "8070/3"),
    ("（右乳外上象限）浸润性癌（非特殊类型）。建议完善免疫组化。", None, "8500/3"),
    ("腺癌，以腺泡型为主", "lung", "8551/3"),
    ("浸润性腺癌，贴壁型约占60%，乳头型30%", "lung", "8250/3 + 8260/3"),
    ("微小浸润性腺癌", "lung", "8256/3"),
    ("原位腺癌", "lung", "8140/2"),
    ("腺鳞癌", None, "8560/3"),
    ("小细胞癌", None, "8041/3"),
    ("考虑小细胞癌", None, "8041/3 suspected"),
    ("鳞癌？", None, "8070/3 suspected"),
    ("转移性腺癌", None, "8140/6"),
    ("未见癌", None, "8010/3 negated"),
    ("未见鳞癌。查见腺癌。", None, "8070/3 negated + 8140/3"),
    ("鳞状上皮高级别上皮内瘤变", "oesophagus", "8077/2"),
    ("高级别上皮内瘤变", "stomach", "8148/2"),
    ("胃窦：腺体低级别上皮内瘤变", None, "8148/0"),
    ("高级别上皮内瘤变", "cervix", "8077/2"),
    ("HSIL（CINⅢ）", None, "8077/2"),
    ("CIN1", None, "8077/0"),
    ("管状绒毛状腺瘤", "colon", "8263/0"),
    ("绒毛管状腺瘤伴高级别上皮内瘤变", "colon", "8263/0 + 8148/2"),
    ("管状腺瘤", "colon", "8211/0"),
    ("无蒂锯齿状病变", "colon", "8213/0"),
    ("导管原位癌（DCIS）", None, "8500/2"),
    ("浸润性小叶癌", None, "8520/3"),
    ("原位癌", "breast", "8500/2"),
    ("肝细胞癌", None, "8170/3"),
    ("胆管细胞癌", None, "8160/3"),
    ("混合型肝细胞胆管癌", None, "8180/3"),
    ("粘液腺癌", None, "8480/3"),
    ("大细胞神经内分泌癌", None, "8013/3"),
    ("微乳头状癌", "breast", "8507/3"),
    ("恶性肿瘤", None, "8000/3"),
    ("adenocarcinoma", None, "8140/3"),
]


@pytest.mark.parametrize(("text", "organ", "expected"), CASES, ids=lambda v: str(v))
def test_case(text: str, organ: str | None, expected: str):
    read = morphology(text, organ)
    found = {c.code if c.assertion == "confirmed" else f"{c.code} {c.assertion}" for c in read.codes}
    assert found == set(expected.split(" + "))
    assert all(text[c.start : c.end].strip() for c in read.codes)


def test_a_histology_that_no_list_knows_goes_to_the_clerk_and_no_tumour_does_not():
    assert [morphology(t).status for t in ("某某母细胞瘤", "慢性炎症", "", None)] == ["unmapped", "no_tumour", "empty", "empty"]


def test_every_histology_of_the_fact_table_is_read_from_its_own_chinese_name():
    with FACTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 50
    read = [(r["name"], r["code"], [c.code for c in morphology(r["name"], r["organ"]).codes]) for r in rows]
    assert [said for said in read if said[1] not in said[2]] == []


def test_a_more_exact_histology_makes_others_superfluous_and_all_it_names_are_listed():
    known = {c for h in histologies() for c in (h.code, *h.at.values())}
    assert [c for h in histologies() for c in h.refines if c not in known] == []


def test_a_general_word_is_less_sure_than_a_histology():
    assert morphology("癌").codes[0].confidence < morphology("腺癌").codes[0].confidence
