"""From the lake to lake.text_code, to the clerk's workbook, and back as decisions that apply from the next run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml

from infra.settings import Settings
from ingestion import lake, load, ops
from ingestion.codes import stage
from ingestion.codes.worklist import COLUMNS, SHEET, TO_FILL, write_worklists
from tests.dbt.lake_fixture import Province

PG14 = Path(stage.__file__).parents[1] / "mappings" / "organisations" / "PG14.yml"


def diagnoses(*texts: str | None, start: int = 1, code: str | None = None) -> list[dict[str, Any]]:
    return [
        {"person": "li", "diagnosis_no": str(n), "diagnosis_name": t, "diagnosis_date": "2025-03-01", "diagnosis_code": code}
        for n, t in enumerate(texts, start)
    ]


def results(*items: tuple[str, str, str | None]) -> list[dict[str, Any]]:
    return [
        {"person": "li", "report_no": str(n), "item_code": code, "item_name": name, "result_unit": unit, "reported_date": "2025-03-01"}
        for n, (code, name, unit) in enumerate(items, 1)
    ]


@pytest.fixture
def province(settings: Settings) -> Province:
    return Province(settings)


def rows(settings: Settings) -> list[dict[str, Any]]:
    return lake.table(settings, lake.LAKE, "text_code", lake.SUPPORT["text_code"]).scan().to_arrow().to_pylist()


def current(settings: Settings) -> dict[str, list[str | None]]:
    """Codes of every text as last coded."""
    found: dict[str, tuple[int, list[str | None]]] = {}
    for r in sorted(rows(settings), key=lambda r: (r["coded_no"], r["code_no"])):
        number, codes = found.setdefault(r["text"], (r["coded_no"], []))
        if r["coded_no"] > number:
            found[r["text"]] = (r["coded_no"], [r["code"]])
        else:
            codes.append(r["code"])
    return {text: codes for text, (_, codes) in found.items()}


def test_every_distinct_text_is_coded_once_and_again_only_when_something_is_new(settings: Settings, province: Province):
    province.deliver("H1401", "diagnosis", "2025-03-31", diagnoses("肺癌脑转移", "肺癌脑转移", "高血压病", None, "脊索瘤"))
    province.deliver("H1401", "lab_result", "2025-03-31", results(("A", "甲胎蛋白", "ug/L"), ("B", "某酶", "桶")))
    province.deliver("H1402", "diagnosis", "2025-03-31", diagnoses("胃癌"))
    province.close()
    assert stage.run(settings, "H1401") == {"texts": 5, "unmapped": 2, "decided": 0}
    assert current(settings) == {"肺癌脑转移": ["C34.9", "C79.3"], "高血压病": [None], "脊索瘤": [None], "甲胎蛋白": ["afp"], "某酶": [None]}
    before = rows(settings)
    assert stage.run(settings, "H1401") == {"texts": 0, "unmapped": 0, "decided": 0}
    assert rows(settings) == before, "a stage that runs again changes nothing"
    assert stage.run(settings, "H1402")["texts"] == 1
    assert stage.run(settings, "H1499") == {"texts": 0, "unmapped": 0, "decided": 0}


def test_a_text_without_a_site_is_about_the_organ_of_its_form(settings: Settings, province: Province):
    found = [{"person": "li", "screening_no": "1", "exam_date": "2025-03-01", "endoscopic_diagnosis": "占位性病变，考虑癌，待病理"}]
    province.deliver("S1401", "screening_colonoscopy", "2025-03-31", found)
    province.deliver("H1401", "diagnosis", "2025-03-31", diagnoses("癌，待病理"))
    province.close()
    stage.run(settings, "S1401")
    stage.run(settings, "H1401")
    assert {(r["text"], r["code"], r["assertion"]) for r in rows(settings)} == {
        ("占位性病变，考虑癌，待病理", "C18.9", "suspected"),
        ("癌，待病理", None, None),
    }


def test_a_new_batch_brings_its_new_texts_alone(settings: Settings, province: Province):
    province.deliver("H1401", "diagnosis", "2025-03-31", diagnoses("肺癌"))
    province.close()
    stage.run(settings, "H1401")
    more = Province(settings)
    more.batches = 10
    more.deliver("H1401", "diagnosis", "2025-06-30", diagnoses("肺癌", "胃癌", start=10))
    more.close()
    assert stage.run(settings, "H1401")["texts"] == 1
    assert {(r["text"], r["_delivered_on"].isoformat(), r["_batch"]) for r in rows(settings)} == {
        ("肺癌", "2025-03-31", "b001"),
        ("胃癌", "2025-06-30", "b011"),
    }


def test_changed_word_lists_code_every_text_anew_and_keep_what_was(settings: Settings, province: Province, monkeypatch: pytest.MonkeyPatch):
    province.deliver("H1401", "diagnosis", "2025-03-31", diagnoses("肺癌", "胃癌"))
    province.close()
    stage.run(settings, "H1401")
    monkeypatch.setattr(stage.batch, "version", lambda: "other")
    assert stage.run(settings, "H1401")["texts"] == 2
    assert sorted((r["text"], r["coded_no"]) for r in rows(settings)) == [("肺癌", 1), ("肺癌", 2), ("胃癌", 1), ("胃癌", 2)]
    assert stage.run(settings, "H1401")["texts"] == 0


def test_the_checks_count_records_without_a_code_and_records_that_contradict_it(settings: Settings, province: Province):
    texts = diagnoses(*["肺癌"] * 9, "脊索瘤", code="C34.100") + diagnoses("胃癌", start=20, code="C34.1")
    province.deliver("H1401", "diagnosis", "2025-03-31", texts)
    province.deliver("H1401", "lab_result", "2025-03-31", results(("A", "甲胎蛋白", "mmol/L"), ("B", "癌胚抗原", "ng/mL")))
    province.close()
    stage.run(settings, "H1401", "r1")
    found = {
        (r["feed"], r["rule"]): (r["examined"], r["failed"], r["verdict"])
        for r in ops.rows(settings.ops_url, ops.check_result, ops.check_result.c.checkpoint == "codes")
    }
    assert found == {
        ("diagnosis", "text_unmapped"): (11, 1, "fail"),
        ("diagnosis", "text_contradicts_code"): (10, 1, "pass"),
        ("lab_result", "text_unmapped"): (2, 0, "pass"),
        ("lab_result", "unit_unmapped"): (2, 1, "fail"),
    }


def fill(path: Path, **said: dict[str, Any]) -> bytes:
    """The workbook as a clerk fills it in, by text."""
    book = openpyxl.load_workbook(path)
    sheet = book[SHEET]
    names = {cell.value: cell.column for cell in sheet[1]}
    for row in sheet.iter_rows(min_row=2):
        for name, value in said.get(row[names["原文"] - 1].value, {}).items():
            row[names[name] - 1].value = value
    filled = path.parent / "filled.xlsx"
    book.save(filled)
    return filled.read_bytes()


def test_the_clerks_workbook_comes_back_as_it_is_and_applies_from_the_next_run(
    settings: Settings, province: Province, describe: Callable, land: Callable[..., Path]
):
    texts = diagnoses("脊索瘤", "脊索瘤", "髓外某瘤", "肺癌", "=1+癌")
    province.deliver("H1401", "diagnosis", "2025-03-31", texts)
    province.deliver("H1401", "lab_result", "2025-03-31", results(("B", "某酶", "ng/mL"), ("A", "甲胎蛋白", "桶")))
    province.close()
    stage.run(settings, "H1401")
    written = write_worklists(settings)
    assert [p.relative_to(settings.home).as_posix() for p in written] == ["returns/H1401/2025-03-31_待编码.xlsx"]
    sheet = openpyxl.load_workbook(written[0])[SHEET]
    table = [[c.value for c in row] for row in sheet.iter_rows()]
    assert table[0] == [name for name, _ in COLUMNS]
    listed = [(r[2], r[3], r[4]) for r in table[1:]]
    assert listed[0] == ("诊断", "脊索瘤", 2), "the most frequent first"
    assert set(listed[1:]) == {("诊断", "髓外某瘤", 1), ("诊断", "=1+癌", 1), ("检验项目名称", "某酶", 1), ("计量单位", "桶", 1)}
    assert all(cell.data_type != "f" for row in sheet.iter_rows() for cell in row)
    assert all(v is None for r in table[1:] for v, (name, _) in zip(r, COLUMNS, strict=True) if name in TO_FILL)
    assert write_worklists(settings) == [], "written again only when it says something else"

    signed = {"决定人编码": "YS001", "决定日期": "2025-04-10"}
    content = fill(
        written[0],
        脊索瘤={"结论": "已对照", "标准代码": "C41.2", "诊断情况": "可疑", **signed},
        髓外某瘤={"结论": "无对应代码", **signed},
        某酶={"结论": "已对照", "标准代码": "afp", **signed},
        桶={"结论": "已对照", "标准代码": "ug/L", **signed},
    )
    feeds = yaml.safe_load(PG14.read_text(encoding="utf-8"))["feeds"]
    describe("PG14", "programme", {"decision_text_code": feeds["decision_text_code"]})
    land("programme/PG14/decision_text_code/2025-04-11/待编码.xlsx", content)
    books = load.load_organisation(settings, "programme", "PG14", "r2")["feeds"]["decision_text_code"]
    assert (books["rows_accepted"], books["rows_quarantined"], books["rows_without_record"]) == (4, 0, 1)

    assert stage.run(settings, "H1401")["decided"] == 4
    assert {t: c for t, c in current(settings).items() if c != [None]} == {
        "脊索瘤": ["C41.2"], "肺癌": ["C34.9"], "某酶": ["afp"], "甲胎蛋白": ["afp"],
    }  # fmt: skip
    decided = [r for r in rows(settings) if r["coded_no"] == 2 and r["text"] == "脊索瘤"]
    assert [(r["assertion"], r["confidence"], r["_delivered_on"].isoformat()) for r in decided] == [("suspected", 1.0, "2025-04-11")]
    assert [r["_delivered_on"].isoformat() for r in rows(settings) if r["text"] == "肺癌"] == ["2025-03-31"] * 2
    assert [(r["from_unit"], r["unit_status"]) for r in rows(settings) if r["coded_no"] == 2 and r["text"] == "甲胎蛋白"] == [("ug/L", "known")]
    after = write_worklists(settings)
    texts_left = [r[3].value for r in openpyxl.load_workbook(after[0])[SHEET].iter_rows(min_row=2)]
    assert texts_left == ["=1+癌"]


def test_fields_of_texts_are_fields_of_contracts():
    assert {f.feed for f in stage.text_fields()} >= {"diagnosis", "medical_record_front_page", "tumour_report_card", "lab_result", "death"}
    assert {f.kind for f in stage.text_fields()} == {"diagnosis", "morphology", "laboratory"}
