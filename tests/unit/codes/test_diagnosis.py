"""Diagnosis texts to ICD-10: the case table a clinician can read, and what holds for every text."""

from __future__ import annotations

import csv
import random
import re
import time
from pathlib import Path

import pytest

from ingestion.codes import Coded, diagnosis
from ingestion.codes.lexicon import conditions, histologies, names, normalised, sites, words
from ingestion.codes.model import NO_TUMOUR, PARTLY, UNMAPPED

CASES = Path(__file__).parent / "cases" / "diagnosis.csv"
SEED = Path(__file__).resolve().parents[3] / "dbt_project" / "seeds" / "seed_code_prefix.csv"
SIDES = {"1": "R", "2": "L", "3": "B"}


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def told(read: Coded) -> set[str]:
    """Codes as the case table writes them: code, assertion, side, rec for a recurrence, morphology."""
    if read.status == UNMAPPED:
        return {"unmapped"}
    found = set()
    for c in read.codes:
        words_ = [
            c.code,
            "encounter" if c.role == "encounter" else c.assertion,
            SIDES.get(c.laterality_code or ""),
            "rec" if c.is_recurrence else None,
        ]
        found.add(" ".join(w for w in (*words_, c.morphology_code) if w))
    return found or {""}


def expected(text: str) -> tuple[set[str], bool]:
    return set(text.removesuffix(" partly").split(" + ")), text.endswith(" partly")


@pytest.mark.parametrize("case", rows(CASES), ids=lambda c: c["text"])
def test_case(case: dict[str, str]):
    read = diagnosis(case["text"])
    codes, is_partly = expected(case["expected"])
    assert (told(read), read.status == PARTLY) == (codes, is_partly)


def test_there_are_enough_hard_cases():
    assert len({c["text"] for c in rows(CASES)}) >= 150


@pytest.mark.parametrize("text", ["右肺上叶癌", "胃ＣＡ？", "宫颈ＣＩＮⅢ", "肺癌  脑转移", "①胃癌 ②肺癌"])
def test_spans_lie_in_the_raw_text_which_is_kept(text: str):
    read = diagnosis(text)
    assert read.text == text and read.codes
    for code in read.codes:
        assert 0 <= code.start < code.end <= len(text)
    assert diagnosis("高血压；左肺上叶癌").codes[0].start == 5


def test_full_width_latin_letters_and_blanks_change_nothing():
    plain = diagnosis("胃CA?")
    assert [(c.code, c.assertion) for c in diagnosis("胃 ＣＡ ？").codes] == [(c.code, c.assertion) for c in plain.codes] == [("C16.9", "suspected")]


def test_what_is_not_read_lowers_the_confidence_of_its_own_statement_alone():
    sure, unsure = diagnosis("直肠癌"), diagnosis("直肠癌某某样某某改变")
    assert sure.codes[0].confidence == 0.95 > unsure.codes[0].confidence
    assert diagnosis("直肠癌；某某样某某改变").codes[0].confidence == 0.95


def test_empty_texts_and_texts_without_a_tumour_are_told_apart_from_unmapped_ones():
    assert [diagnosis(t).status for t in (None, "", "  ", "腰椎间盘突出", "脊索瘤")] == ["empty", "empty", "empty", NO_TUMOUR, UNMAPPED]


def test_the_column_may_say_the_organ():
    assert diagnosis("腺癌").status == UNMAPPED
    assert told(diagnosis("腺癌", site="stomach")) == {"C16.9 confirmed 8140/3"}


def test_every_code_of_the_six_cancers_has_the_class_that_the_prefixes_of_the_warehouse_give_it():
    """One meaning in lexicon and warehouse: a code that the lexicon calls malignant is malignant there."""
    prefixes = [r for r in rows(SEED) if r["code_system"] == "icd10"]
    known = {"malignant": {"malignant", "malignant_optional"}, "in_situ": {"in_situ"}, "uncertain": {"uncertain"}, "secondary": {"metastasis"}}
    for site in sites().values():
        for codes in (site.codes, *site.parts.values()):
            for kind, code in codes.items():
                row = next((r for r in prefixes if code.replace(".", "").startswith(r["prefix"].replace(".", ""))), None)
                if kind == "secondary":
                    assert row is not None and row["class"] == "metastasis", (site.organ, code)
                elif row is not None and kind in known:
                    assert row["class"] in known[kind], (site.organ, kind, code)
                if site.cancer and kind in ("malignant", "in_situ") and code[:3] not in ("D02", "D01", "C21"):
                    assert row is not None and row["cancer"] == site.cancer, (site.organ, kind, code)


def test_every_code_has_the_form_of_its_system_and_a_chinese_name():
    icd = [c for s in sites().values() for codes in (s.codes, *s.parts.values()) for c in codes.values()] + [c.code for c in conditions()]
    icdo = [c for h in histologies() for c in (h.code, *h.at.values())]
    assert [c for c in icd if not re.fullmatch(r"[A-Z]\d\d(\.\d)?", c)] == []
    assert [c for c in icdo if not re.fullmatch(r"[89]\d{3}/[01236]", c)] == []
    assert [c for c in {*icd, *icdo} if not re.search("[一-鿿]", names()[c])] == []


def test_no_word_means_two_sites_or_two_behaviours():
    for word, meanings in words().meanings.items():
        for kind in ("site", "part", "behaviour", "condition"):
            assert len([m for m in meanings if m.kind == kind]) <= 1, (word, kind)
        assert not ({m.kind for m in meanings} >= {"site", "behaviour"}), word


def test_any_text_is_read_without_error_and_its_spans_hold():
    rng, lexicon = random.Random(7), sorted(words().meanings)
    letters = "癌肺胃（）()；，、？?左右 0129abcＣａⅢ①\n\t术后转移性。/+"
    for _ in range(3_000):
        text = "".join(rng.choice(lexicon) if rng.random() < 0.6 else rng.choice(letters) for _ in range(rng.randint(0, 12)))
        for code in diagnosis(text).codes:
            assert 0 <= code.start < code.end <= len(text) and 0 < code.confidence <= 1, text


def test_normalising_keeps_a_place_for_every_character():
    rng = random.Random(3)
    for _ in range(500):
        text = "".join(
            chr(rng.choice([rng.randint(32, 126), rng.randint(0x4E00, 0x9FFF), rng.randint(0x2160, 0x217F), 0x3000, 0x3316])) for _ in range(20)
        )
        made = normalised(text)
        assert len(made.text) == len(made.places) and list(made.places) == sorted(made.places)


def test_time_grows_with_length_not_faster():
    def seconds(times: int) -> float:
        text = "右肺上叶癌伴脑、骨转移术后？" * times
        start = time.process_time()
        diagnosis(text)
        return time.process_time() - start

    seconds(50)
    assert seconds(800) < 40 * max(seconds(100), 0.002)
