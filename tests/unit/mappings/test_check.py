"""The check of a mapping says in Chinese what is missing, unmapped or suspicious, and never shows a person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from infra.settings import Settings
from ingestion.mapping_check.__main__ import main
from ingestion.mapping_check.check import checked, landed
from ingestion.mapping_check.findings import Report, as_html, as_markdown
from ingestion.mappings import load_mapping

TODAY = date(2024, 12, 31)
VISIT = {
    "columns": {
        "visit_no": "v",
        "patient_no": "p",
        "visit_type_code": {"source": "lx", "codes": {"门诊": 1}},
        "visit_start_date": "d",
        "department_code": "ks",
    }
}


def lines(*rows: str) -> str:
    return "\n".join(rows) + "\n"


@pytest.fixture
def report(settings: Settings, describe: Callable, tmp_path: Path) -> Callable[..., Report]:
    """Check a mapping of organisation H9 against a file: `report("visit", VISIT, text, encoding="gb18030")`."""

    def run(feed: str, said: dict, text: str, encoding: str = "utf-8", source: str = "hospital", **more: object) -> Report:
        describe("H9", source, {feed: said, **more.pop("feeds", {})}, **more)
        path = tmp_path / "sample.csv"
        path.write_bytes(text.encode(encoding))
        return checked(settings, load_mapping("H9"), {feed: [path]}, today=TODAY)

    return run


def said(found: Report, weight: str) -> list[str]:
    return [f"{f.kind}：{f.text}" for t in found.tables for f in t.findings if f.weight == weight]


def test_a_sample_in_order_has_no_problem(report: Callable[..., Report]) -> None:
    found = report("visit", VISIT, lines("v,p,lx,d,ks", "1,9,门诊,2024-05-06,K1", "2,8,1,2024-05-07,K2"))
    assert not found.has_problems
    assert found.tables[0].counts == {"样本行数": 2, "记录数": 2, "可接收": 2, "将隔离": 0}
    assert "没有会导致拒收或隔离的问题" in as_markdown(found)


def test_required_fields_that_nobody_fills_come_first(report: Callable[..., Report]) -> None:
    columns = {k: v for k, v in VISIT["columns"].items() if k not in ("visit_start_date", "department_code")}
    found = report("visit", {"columns": columns}, lines("v,p,lx", "1,9,门诊"))
    problems = said(found, "problem")
    assert problems[0] == "必填字段没有映射：就诊开始日期（visit_start_date）；所有记录将被隔离"
    assert "隔离：就诊开始日期：必填项为空，1 条记录（100.0%）" in problems
    assert any("科室编码（department_code）" in text for text in said(found, "note"))


def test_a_field_that_another_table_of_the_feed_fills_is_not_called_empty(report: Callable[..., Report]) -> None:
    other = {"folder": "zy", "columns": {"visit_no": "v", "visit_end_date": "cy"}}
    found = report("visit", VISIT, lines("v,p,lx,d,ks", "1,9,门诊,2024-05-06,K1"), feeds={"visit@zy": other})
    assert not any("visit_end_date" in text for text in said(found, "note"))


def test_columns_that_the_mapping_needs_and_the_file_lacks_reject_it(report: Callable[..., Report]) -> None:
    found = report("visit", VISIT, lines("v,p,lx,ks", "1,9,门诊,K1"))
    assert said(found, "problem") == ["文件缺少映射所需的列：d；整个文件将被拒收"]


def test_an_unmapped_column_is_named_with_what_it_probably_is(report: Callable[..., Report]) -> None:
    found = report("visit", VISIT, lines("v,p,lx,d,ks,出院日期,主诉", "1,9,门诊,2024-05-06,K1,2024-05-07,咳嗽", "2,9,门诊,2024-05-06,K1,2024-05-07,"))
    assert (
        "未映射的列：列“出院日期”没有映射，也没有列入 ignore；可能是 就诊结束日期（visit_end_date，同义“出院日期”）" in said(found, "suspicious")[0]
    )
    assert any("可能是 主诉（chief_complaint，与中文名相同）" in text for text in said(found, "suspicious"))


def test_codes_in_no_list_are_counted_with_a_proposal(report: Callable[..., Report]) -> None:
    rows = [f"{n},9,{kind},2024-05-06,K1" for n, kind in enumerate(["住院"] * 3 + ["急诊"] * 2 + ["门诊"])]
    found = report("visit", VISIT, lines("v,p,lx,d,ks", *rows))
    assert "代码不在值域内：就诊类型代码（visit_type_code，代码表 visit_type）：“住院”×3、“急诊”×2；建议 codes: {住院: 2, 急诊: 3}" in said(
        found, "suspicious"
    )
    assert "隔离：就诊类型代码：代码不在值域内，5 条记录（83.3%）" in said(found, "problem")


def test_values_of_persons_are_never_shown(report: Callable[..., Report]) -> None:
    rows = [f"{n},9,13812345{n:03d},2024-05-06,11010119500101{n:03d}X" for n in range(100, 130)]
    found = report("visit", VISIT, lines("v,p,lx,d,ks", *rows))
    text = as_markdown(found) + as_html(found)
    assert "13812345" not in text and "110101195" not in text
    assert any("疑似个人信息：科室编码（department_code）← ks：取值像身份证号" in t for t in said(found, "problem"))


def test_names_mapped_to_an_open_field_are_a_problem(report: Callable[..., Report]) -> None:
    names = [f"{family}{given}" for family in "王李张刘陈杨" for given in ("伟", "芳", "娜", "秀英", "敏")]
    found = report("visit", VISIT, lines("v,p,lx,d,ks", *(f"{n},9,门诊,2024-05-06,{who}" for n, who in enumerate(names))))
    assert any("取值像姓名" in text for text in said(found, "problem"))
    assert not any(who in as_markdown(found) for who in names if len(who) > 2)


def test_another_encoding_than_declared_is_told(report: Callable[..., Report]) -> None:
    text = lines("v,p,lx,d,ks", *(f"{n},9,门诊,2024-05-06,呼吸内科病房" for n in range(30)))
    found = report("visit", {**VISIT, "encoding": "utf-8"}, text, encoding="gb18030")
    assert "编码：映射写的是 utf-8，文件实为 gb18030；按文件实际编码读取" in said(found, "suspicious")


def test_dates_in_another_format_are_told_with_the_format_that_reads_them(report: Callable[..., Report]) -> None:
    found = report("visit", VISIT, lines("v,p,lx,d,ks", *(f"{n},9,门诊,{n + 1:02d}/05/2024,K{n}" for n in range(28))))
    assert any("28 条读不成日期；格式 %d/%m/%Y 可读" in text for text in said(found, "suspicious"))


def test_day_and_month_read_in_the_wrong_order_are_suspected(report: Callable[..., Report]) -> None:
    days = [(day, month) for day in (1, 2, 3, 4) for month in range(1, 13)]
    rows = [f"{n},9,门诊,{month:02d}/{day:02d}/2024,K{n}" for n, (day, month) in enumerate(days)]
    found = report("visit", {**VISIT, "date_format": "%m/%d/%Y"}, lines("v,p,lx,d,ks", *rows))
    assert any(text.startswith("日月颠倒：就诊开始日期") for text in said(found, "suspicious"))


def test_shifted_dates_are_suspected(report: Callable[..., Report]) -> None:
    found = report("visit", VISIT, lines("v,p,lx,d,ks", *(f"{n},9,门诊,2180-05-{n + 1:02d},K{n}" for n in range(28))))
    assert any("请在映射中写 date_shift" in text for text in said(found, "suspicious"))


def test_empty_and_constant_columns_are_told(report: Callable[..., Report]) -> None:
    found = report("visit", VISIT, lines("v,p,lx,d,ks", *(f"{n},9,门诊,2024-05-06," for n in range(30))))
    assert any(text.startswith("全为空：科室编码") for text in said(found, "note"))
    assert any(text.startswith("取值恒定：就诊开始日期") for text in said(found, "suspicious"))


def test_heights_in_metres_and_results_in_another_unit_are_suspected(report: Callable[..., Report]) -> None:
    exam = {"columns": {"exam_no": "no", "height_cm": "sg", "creatinine_umol_l": "jg"}}
    rows = [f"{n},1.{60 + n},0.{60 + n}" for n in range(30)]
    found = report("physical_exam", exam, lines("no,sg,jg", *rows), source="checkup")
    assert any("多数身高以米填写" in text for text in said(found, "suspicious"))
    assert any("像是 mg/dL，换算系数 88.4" in text for text in said(found, "suspicious"))
    results = {"columns": {"report_no": "no", "item_code": "it", "patient_no": "p", "result": "val", "reported_date": "d"}}
    rows = [f"{n},CREA,9,1.{n:02d},2024-05-{n + 1:02d}" for n in range(20)]
    found = report("lab_result", results, lines("no,it,p,val,d", *rows))
    assert any(text.startswith("单位可疑：CREA（CREA）：中位数为 1.095") for text in said(found, "suspicious"))


def test_keys_that_find_no_row_in_the_joined_table_are_counted(report: Callable[..., Report], land: Callable[..., Path]) -> None:
    land("hospital/H9/head/2024-06-01/h.csv", lines("no,kh,rq", "1,p1,2024-06-01"))
    results = {
        "join": {"folder": "head", "on": "no", "columns": {"pid": "kh", "day": "rq"}},
        "columns": {"report_no": "no", "item_code": "it", "patient_no": "pid", "reported_date": "day", "result": "val"},
    }
    found = report("lab_result", results, lines("no,it,val", "1,WBC,5", "2,WBC,5", "3,WBC,5", ",WBC,5"))
    assert "关联：3 行有关联键（no），其中 2 行在 head 中找不到（66.7%）" in said(found, "suspicious")
    assert "关联：1 行没有关联键（no）" in said(found, "suspicious")


def test_a_joined_table_that_is_missing_is_a_problem(report: Callable[..., Report]) -> None:
    joined = {**VISIT, "join": {"folder": "head", "on": "v", "columns": "x"}}
    found = report("visit", joined, lines("v,p,lx,d,ks", "1,9,门诊,2024-05-06,K1"))
    assert said(found, "problem") == ["关联：缺少需要关联的表：head；整个文件将被拒收"]


def test_a_key_that_stands_for_several_records_is_suspected(report: Callable[..., Report]) -> None:
    found = report("visit", VISIT, lines("v,p,lx,d,ks", "1,9,门诊,2024-05-06,K1", "1,9,门诊,2024-05-07,K1", "2,9,门诊,2024-05-07,K1"))
    assert any(text.startswith("主键重复：1 个主键值（就诊流水号）") for text in said(found, "suspicious"))


def test_the_command_ends_with_0_1_or_2(settings: Settings, describe: Callable, land: Callable[..., Path], tmp_path: Path, capsys: object) -> None:
    describe("H9", "hospital", {"visit": VISIT, "surgery": {"columns": {"surgery_no": "s"}}})
    land("hospital/H9/visit/2024-06-01/old.csv", lines("v,p,lx,d,ks", "1,9,x,2024-05-06,K1"))
    path = land("hospital/H9/visit/2024-06-02/new.csv", lines("v,p,lx,d,ks", "1,9,门诊,2024-05-06,K1"))
    assert landed(settings, load_mapping("H9")) == {"visit": [path]}
    out = tmp_path / "report.html"
    assert main(["check", "--org", "H9", "--out", str(out)]) == 0
    assert "surgery：落地区没有文件" in capsys.readouterr().out
    assert "<html" in out.read_text(encoding="utf-8")
    assert main(["check", "--org", "H9", "--file", str(path.parents[1] / "2024-06-01" / "old.csv"), "--feed", "visit"]) == 1
    assert main(["check", "--org", "H9", "--file", str(tmp_path / "none.csv"), "--feed", "visit"]) == 2
    assert main(["check", "--org", "H8"]) == 2
    (tmp_path / "mappings" / "H7.yml").write_text("organisation: H7\nfeeds: {visit: {columns: {visit_no: {sorce: a}}}}\n", encoding="utf-8")
    assert main(["check", "--org", "H7"]) == 1
    assert "field visit_no: sorce: this word is not part of the grammar" in capsys.readouterr().out
