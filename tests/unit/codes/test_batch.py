"""Many texts at once, and what people have decided about them."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from ingestion.codes import batch
from ingestion.codes.decisions import TextDecision, in_force, is_usable

ON = date(2025, 6, 30)


def decision(number: str, text: str, *codes: str, kind: str = "diagnosis", **more: Any) -> TextDecision:
    said = {"organisation": "H1", "verdict": "mapped", "assertion": "confirmed", "decided_at": date(2025, 1, 1), "known_on": date(2025, 1, 2), **more}
    return TextDecision(number=number, kind=kind, text=text, codes=codes, **said)


def coded(texts: list[str], *decisions: TextDecision, kind: str = "diagnosis") -> list[tuple]:
    rows = batch.code_texts(kind, pa.array(texts, pa.string()), in_force(decisions, ON)).to_pylist()
    return [(r["text_no"], r["status"], r["code_no"], r["code"], r["method"], r["confidence"]) for r in rows]


def test_every_code_is_a_row_and_a_text_without_a_code_one_row():
    assert coded(["肺癌脑转移", "高血压病", "脊索瘤", ""]) == [
        (0, "coded", 1, "C34.9", "words", 0.95),
        (0, "coded", 2, "C79.3", "words", 0.95),
        (1, "no_tumour", 0, None, "words", None),
        (2, "unmapped", 0, None, "words", None),
        (3, "empty", 0, None, "words", None),
    ]


def test_a_decision_stands_before_the_word_lists_in_any_width_and_case():
    said = decision("D1", "脊索瘤（ＣＡ）", "C41.2")
    assert coded(["脊索瘤 (ca)"], said) == [(0, "coded", 1, "C41.2", "decision", 1.0)]
    assert coded(["肺癌"], decision("D1", "肺癌", "C34.9", "C79.3"))[1][3] == "C79.3"


def test_a_decision_says_how_certain_the_text_is_and_the_text_its_side():
    made = batch.code_texts(
        "diagnosis", pa.array(["左乳癌肉瘤样变"]), in_force([decision("D1", "左乳癌肉瘤样变", "C50.9", assertion="suspected")], ON)
    )
    row = made.to_pylist()[0]
    assert (row["assertion"], row["laterality_code"], row["behaviour"], row["cancer"], row["decision_no"]) == (
        "suspected",
        "2",
        "malignant",
        "breast",
        "D1",
    )


def test_no_equivalent_takes_a_text_off_the_list_and_withdrawn_gives_it_back():
    none = decision("D1", "脊索瘤", verdict="no_equivalent")
    assert coded(["脊索瘤"], none) == [(0, "no_tumour", 0, None, "decision", None)]
    assert coded(["脊索瘤"], none, decision("D2", "脊索瘤", verdict="withdrawn", decided_at=date(2025, 2, 1)))[0][1] == "unmapped"


def test_the_newest_valid_decision_that_is_not_superseded_counts_and_the_organisations_own_before_one_for_all():
    old, new = decision("D1", "某瘤", "C41.2"), decision("D2", "某瘤", "C41.4", decided_at=date(2025, 3, 1))
    assert in_force([new, old], ON)["diagnosis", "某瘤"] is new
    assert in_force([decision("D3", "某瘤", "C41.9", supersedes="D2"), new], ON)["diagnosis", "某瘤"].number == "D3"
    for_all = decision("D4", "某瘤", "C41.0", organisation=None, decided_at=date(2025, 5, 1))
    assert in_force([for_all, old], ON)["diagnosis", "某瘤"] is old
    assert in_force([decision("D5", "某瘤", "C41.0", valid_from=date(2025, 7, 1))], ON) == {}
    assert in_force([decision("D5", "某瘤", "C41.0", valid_to=date(2025, 6, 29))], ON) == {}


@pytest.mark.parametrize(
    ("kind", "codes", "usable"),
    [
        ("diagnosis", ("C34.1",), True),
        ("diagnosis", ("C34.9", "C79.3"), True),
        ("diagnosis", ("C20.x00",), True),
        ("diagnosis", ("肺癌",), False),
        ("diagnosis", (), False),
        ("morphology", ("8140/3",), True),
        ("morphology", ("C34.1",), False),
        ("laboratory", ("afp",), True),
        ("laboratory", ("afp", "cea"), False),
        ("laboratory", ("AFP",), False),
        ("unit", ("ng/mL",), True),
        ("unit", ("ng",), False),
    ],
)
def test_a_slip_of_the_pen_is_no_code(kind: str, codes: tuple[str, ...], usable: bool):
    said = decision("D1", "某", *codes, kind=kind)
    assert is_usable(said) is usable
    assert bool(in_force([said], ON)) is usable


ITEM = {"text": "某酶", "item_code": "", "delivered_loinc_code": "", "printed_unit": "桶", "specimen": ""}


def item(*decisions: TextDecision, **more: str) -> dict[str, Any]:
    return batch.code_items(pa.Table.from_pylist([{**ITEM, **more}]), in_force(decisions, ON)).to_pylist()[0]


def test_a_laboratory_name_and_a_unit_are_decided_each_for_itself():
    named, united = decision("D1", "某酶", "afp", kind="laboratory"), decision("D2", "桶", "ug/L", kind="unit")
    assert [item()[c] for c in ("status", "code", "unit_status")] == ["unmapped", None, "no_item"]
    assert [item(named)[c] for c in ("status", "code", "unit_status", "method")] == ["coded", "afp", "unknown_unit", "decision"]
    both = item(named, united)
    assert [both[c] for c in ("code", "from_unit", "unit_status", "confidence")] == ["afp", "ug/L", "known", 1.0]
    assert item(united, text="甲胎蛋白")["from_unit"] == "ug/L"
    assert item(decision("D3", "甲胎蛋白", kind="laboratory", verdict="no_equivalent"), text="甲胎蛋白")["status"] == "no_tumour"


def test_the_version_changes_with_the_word_lists(monkeypatch: pytest.MonkeyPatch, tmp_path):
    before = batch.version()
    batch.version.cache_clear()
    (tmp_path / "seed_unit.csv").write_text("printed,unit\n", encoding="utf-8")
    monkeypatch.setattr(batch, "SEEDS", tmp_path)
    assert batch.version() != before
    batch.version.cache_clear()
