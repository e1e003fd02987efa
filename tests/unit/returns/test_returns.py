"""Defect returns: what an organisation is told, and what closes a defect."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from infra.settings import Settings
from ingestion import ops, returns
from ingestion.mappings import load_mapping
from ingestion.returns import store
from ingestion.returns.files import defect_number
from tests.unit.ingestion.lakehouse import load_all

SURGERY = {
    "columns": {"surgery_no": "流水号", "patient_no": "病案号", "surgery_date": "日期", "procedure_name": "术式"},
    "deleted": {"column": "状态", "values": ["作废"]},
}
PATIENT = {"columns": {"patient_no": "no", "person_name": "xm", "id_card_no": "zjhm", "birth_date": "csrq", "sex_code": "xb", "mobile_phone": "sjhm"}}
HEADER = "流水号,病案号,日期,术式,状态\n"
SECRET = "某某某"


@pytest.fixture(autouse=True)
def hospital(describe: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """The only organisation of its province."""
    describe("H1", "hospital", {"surgery": SURGERY, "patient": PATIENT})
    monkeypatch.setattr("ingestion.deliveries.arrivals.all_mappings", lambda: iter([load_mapping("H1")]))


@pytest.fixture
def deliver(settings: Settings, land: Callable[..., Path]) -> Callable[..., None]:
    """Deliver surgeries: `deliver("2025-01-31", "s.csv", "1,a,2024-05-01,x,")`, load them, and bring returns up to date."""

    def put(day: str, file: str, *rows: str, feed: str = "surgery", header: str = HEADER) -> None:
        land(f"hospital/H1/{feed}/{day}/{file}", header + "\n".join(rows) + "\n")
        load_all(settings)
        returns.enter(settings)
        returns.write_files(settings)

    return put


def told(settings: Settings) -> list[tuple[Any, ...]]:
    """Defects by row: row, field, reason, state."""
    found = ops.rows(settings.ops_url, ops.defect)
    return sorted((d["row"] or 0, d["field"] or "", d["reason_code"], d["state"]) for d in found)


def sheets(settings: Settings, day: str) -> dict[str, list[tuple]]:
    book = load_workbook(settings.home / "returns" / "H1" / f"{day}.xlsx")
    return {s.title: list(s.iter_rows(values_only=True)) for s in book}


def test_a_quarantined_row_is_returned_with_file_row_field_reason_advice_and_deadline(settings: Settings, deliver: Callable) -> None:
    deliver("2025-01-31", "s.csv", "1,a,2024-05-01,x,", "2,b,20240199,x,", "3,c", "1,a,2024-05-01,x,")
    assert told(settings) == [(2, "surgery_date", "not_a_date", "open"), (3, "", "column_count", "open")], "a repeated row asks nobody for anything"
    found = sheets(settings, "2025-01-31")["需更正"]
    assert "测试机构（合成）（H1）" in found[0][0]
    row = dict(zip(found[2], found[3], strict=True))
    assert (row["数据表"], row["文件"], row["行号"], row["字段"], row["贵方列名"]) == ("手术记录", "s.csv", 2, "手术日期", "日期")
    assert (row["原因"], row["怎么办"], row["值的类别"]) == ("不是有效日期", "按“年-月-日”填写", "数值")
    assert (row["反馈日期"].date(), row["期限"].date(), row["状态"]) == (date(2025, 1, 31), date(2025, 2, 10), "待处理")
    defect = next(d for d in ops.rows(settings.ops_url, ops.defect) if d["row"] == 2)
    assert row["缺陷编号"] == defect_number(defect["defect_id"])
    path = settings.home / "returns" / "H1" / "2025-01-31.csv"
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert [r["缺陷编号"] for r in csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines())][0] == row["缺陷编号"]


def test_a_later_record_of_the_same_key_closes_the_defect(settings: Settings, deliver: Callable) -> None:
    deliver("2025-01-31", "s.csv", "1,a,20240199,x,", "2,b,20240199,x,")
    deliver("2025-02-28", "s.csv", "2,b,2024-01-19,x,")
    assert told(settings) == [(1, "surgery_date", "not_a_date", "overdue"), (2, "surgery_date", "not_a_date", "closed")]
    closed = next(d for d in ops.rows(settings.ops_url, ops.defect) if d["state"] == "closed")
    latest = max(ops.rows(settings.ops_url, ops.batch_state), key=lambda b: b["delivered_on"])
    assert (closed["closed_by"], closed["closed_on"]) == (latest["batch_id"], date(2025, 2, 28))
    assert [r[1] for r in sheets(settings, "2025-02-28")["需更正"][3:]] == ["已超期", "已核销"]


def test_a_record_that_is_wrong_again_stays_open_and_one_answered_and_wrong_again_is_open_again(settings: Settings, deliver: Callable) -> None:
    deliver("2025-01-31", "s.csv", "1,a,20240199,x,", "2,b,20240199,x,")
    deliver("2025-02-05", "s.csv", "1,a,20240198,x,", "2,b,2024-01-19,x,")
    assert told(settings) == [(1, "surgery_date", "not_a_date", "open"), (2, "surgery_date", "not_a_date", "closed")]
    assert ops.rows(settings.ops_url, ops.defect, ops.defect.c.state == "open")[0]["deadline"] == date(2025, 2, 10), "not put off"
    deliver("2025-02-20", "s.csv", "7,z,2024-01-01,x,", "2,b,20240199,x,")
    found = ops.rows(settings.ops_url, ops.defect, ops.defect.c.state == "open")
    assert [(d["row"], d["first_seen"], d["deadline"]) for d in found] == [(2, date(2025, 1, 31), date(2025, 3, 2))]


def test_an_older_delivery_that_comes_later_answers_nothing_and_opens_nothing_that_is_answered(settings: Settings, deliver: Callable) -> None:
    deliver("2025-02-28", "s.csv", "1,a,20240199,x,", "2,b,2024-01-19,x,")
    deliver("2025-01-31", "old.csv", "1,a,2024-01-19,x,", "2,b,20240199,x,")
    assert told(settings) == [(1, "surgery_date", "not_a_date", "open"), (2, "surgery_date", "not_a_date", "closed")]


def test_a_deleted_record_withdraws_its_defects(settings: Settings, deliver: Callable) -> None:
    deliver("2025-01-31", "s.csv", "1,a,20240199,x,")
    deliver("2025-02-28", "s.csv", "1,a,,,作废")
    assert [t[3] for t in told(settings)] == ["withdrawn"]
    assert [r[1] for r in sheets(settings, "2025-02-28")["需更正"][3:]] == ["已撤回"]


@pytest.mark.parametrize(
    ("first", "again", "closes"),
    [
        (("2025-01-31", "s.csv"), ("2025-01-31", "s_更正.csv"), True),
        (("2025-01-31", "s.csv"), ("2025-02-28", "s.csv"), False),
        (("2025-01-31", "s_202501.csv"), ("2025-02-28", "s_202501.csv"), True),
        (("2025-01-31", "s_202501.csv"), ("2025-02-28", "s_202501_resubmitted.csv"), True),
        (("2025-01-31", "s_202501.csv"), ("2025-02-28", "s_202502.csv"), False),
    ],
)
def test_a_row_without_a_key_is_answered_by_the_redelivered_file(
    settings: Settings, deliver: Callable, first: tuple, again: tuple, closes: bool
) -> None:
    deliver(*first, "1,a,2024-05-01,x,", "2,b")
    assert told(settings) == [(2, "", "column_count", "open")]
    deliver(*again, "1,a,2024-05-01,x,", "2,b,2024-05-01,x,")
    assert told(settings)[0][3] == ("closed" if closes else "overdue" if again[0] > "2025-02-10" else "open")


def test_a_row_without_a_key_is_answered_by_a_file_that_names_the_defect(settings: Settings, deliver: Callable) -> None:
    deliver("2025-01-31", "s.csv", "1,a,2024-05-01,x,", "2,b")
    number = defect_number(ops.rows(settings.ops_url, ops.defect)[0]["defect_id"])
    deliver("2025-02-28", f"补报{number}.csv", "2,b,2024-05-01,x,")
    assert told(settings)[0][3] == "closed"


def test_a_rejected_file_is_answered_by_one_of_its_feed_and_delivery_date(settings: Settings, deliver: Callable) -> None:
    deliver("2025-01-31", "s.csv", "1", header="完全不同\n")
    assert told(settings) == [(0, "", "missing_columns", "open")]
    assert "缺少映射所需的列" in sheets(settings, "2025-01-31")["需更正"][3][11]
    deliver("2025-01-31", "other.csv", "1,a,2024-05-01,x,")
    assert told(settings)[0][3] == "closed"


def test_a_file_loaded_beside_a_rejected_one_does_not_answer_it(settings: Settings, land: Callable, deliver: Callable) -> None:
    land("hospital/H1/surgery/2025-01-31/bad.csv", "完全不同\n1\n")
    deliver("2025-01-31", "good.csv", "1,a,2024-05-01,x,")
    assert told(settings) == [(0, "", "missing_columns", "open")]
    deliver("2025-02-05", "good.csv", "2,a,2024-05-01,x,")
    assert told(settings) == [(0, "", "missing_columns", "open")]
    deliver("2025-01-31", "bad_更正.csv", "3,a,2024-05-01,x,")
    assert told(settings)[0][3] == "closed"


def test_a_held_batch_is_told_until_it_is_released_or_replaced(settings: Settings, deliver: Callable) -> None:
    deliver("2025-01-31", "s.csv", "1,a,2024-05-01,x,")
    batch = ops.rows(settings.ops_url, ops.batch_state)[0]
    for status, state in (("held", "open"), ("released", "closed"), ("held", "open")):
        with ops.transaction(settings.ops_url) as connection:
            ops.replace(connection, ops.batch_state, [{**batch, "status": status, "reason_zh": "行数过少"}])
        returns.enter(settings)
        assert [(d["kind"], d["state"], d["reason_zh"]) for d in ops.rows(settings.ops_url, ops.defect)] == [("batch", state, "行数过少")]


def test_values_set_aside_are_returned_on_a_sheet_of_their_own_and_never_shown(settings: Settings, deliver: Callable) -> None:
    header = "no,xm,zjhm,csrq,xb,sjhm\n"
    deliver("2025-01-31", "p.csv", f"a,{SECRET},14990119500101001A,1950-01-01,1,139", feed="patient", header=header)
    found = sheets(settings, "2025-01-31")
    assert found["需更正"][3:] == []
    shown = [dict(zip(found["请核对"][2], r, strict=True)) for r in found["请核对"][3:]]
    assert len(shown) == 2 and {(r["值的类别"], r["状态"]) for r in shown} == {("个人信息（不显示）", "待处理")}
    assert {r["期限"].date() for r in shown} == {date(2025, 3, 2)}
    for path in (settings.home / "returns").rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes() and b"14990119500101001" not in path.read_bytes()
    deliver("2025-02-28", "p.csv", f"a,{SECRET},,1950-01-01,1,13900001111", feed="patient", header=header)
    assert {t[3] for t in told(settings)} == {"closed"}


def test_a_second_call_changes_nothing_and_a_killed_one_is_done_again(
    settings: Settings, deliver: Callable, monkeypatch: pytest.MonkeyPatch, land: Callable
) -> None:
    deliver("2025-01-31", "s.csv", "1,a,20240199,x,", "2,b")
    before = ops.rows(settings.ops_url, ops.defect)
    assert returns.enter(settings) == returns.Entered(0, 0, 0, 0)
    assert returns.write_files(settings) == []
    assert ops.rows(settings.ops_url, ops.defect) == before

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    land("hospital/H1/surgery/2025-02-28/s.csv", HEADER + "1,a,2024-01-19,x,\n")
    load_all(settings)
    with monkeypatch.context() as patched:
        patched.setattr(store, "_expire", killed)
        with pytest.raises(KeyboardInterrupt):
            returns.enter(settings)
    assert ops.rows(settings.ops_url, ops.defect) == before
    assert returns.enter(settings).answered == 1
    with monkeypatch.context() as patched:
        patched.setattr("os.replace", killed)
        with pytest.raises(KeyboardInterrupt):
            returns.write_files(settings)
    assert [p.name for p in returns.write_files(settings)] == ["2025-02-28.xlsx"]
    assert [p for p in (settings.home / "returns").rglob("*.part")] == []


def test_a_sheet_shows_the_most_urgent_and_says_where_the_rest_is(settings: Settings, deliver: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    from ingestion.returns import wording

    monkeypatch.setattr(wording, "limits", lambda: wording.Limits(error=10, warning=30, sheet_rows=3))
    deliver("2025-01-31", "s.csv", *(f"{n},a,20240199,x," for n in range(5)))
    found = sheets(settings, "2025-01-31")["需更正"]
    assert len(found[3:]) == 3 and "共 5 条" in found[1][0] and "2025-01-31.csv" in found[1][0]
    text = (settings.home / "returns" / "H1" / "2025-01-31.csv").read_text(encoding="utf-8-sig")
    assert len(text.splitlines()) == 6


def test_a_missing_delivery_is_told_with_the_defects(settings: Settings, describe: Callable, deliver: Callable) -> None:
    expected = {**SURGERY, "expect": {"every": "month", "grace_days": 5, "from": date(2024, 12, 1)}}
    describe("H1", "hospital", {"surgery": expected})
    deliver("2025-01-31", "s.csv", "1,a,2024-05-01,x,")
    found = sheets(settings, "2025-01-31")["应交未交"]
    assert [r[:2] + r[3:4] for r in found[3:]] == [("手术记录", "2024年12月", 26)]
