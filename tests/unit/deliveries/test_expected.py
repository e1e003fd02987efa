"""Expected deliveries: in time, late, missing, and not yet due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from infra.settings import Settings
from ingestion import ops
from ingestion.deliveries import check, due_deliveries
from ingestion.deliveries.expected import due, periods
from ingestion.mappings import load_mapping
from tests.unit.ingestion.lakehouse import ask, load_all

D = date


def told(every: str, grace: int, first: date, as_of: date, *delivered: date) -> list[tuple[str, str, int]]:
    return [(d.period.name, d.state, d.days_late) for d in due(every, grace, first, as_of, delivered)]


@pytest.mark.parametrize(
    ("case", "delivered", "expected"),
    [
        ("on the last day", [D(2025, 6, 30)], [("2025年第2季度", "in_time", 0)]),
        ("within the grace", [D(2025, 7, 15)], [("2025年第2季度", "in_time", 0)]),
        ("a day after the grace", [D(2025, 7, 16)], [("2025年第2季度", "late", 1)]),
        ("nearer to the end of the running period", [D(2025, 8, 20)], [("2025年第2季度", "missing", 46), ("2025年第3季度", "in_time", 0)]),
        (
            "a second in the running period is the late one",
            [D(2025, 8, 20), D(2025, 8, 22)],
            [("2025年第2季度", "late", 38), ("2025年第3季度", "in_time", 0)],
        ),
        ("never", [], [("2025年第2季度", "missing", 46)]),
        ("after the business date does not count", [D(2025, 9, 1)], [("2025年第2季度", "missing", 46)]),
        ("a second before the end changes nothing", [D(2025, 6, 30), D(2025, 6, 30)], [("2025年第2季度", "in_time", 0)]),
        ("before the first period does not count", [D(2025, 3, 31)], [("2025年第2季度", "missing", 46)]),
    ],
)  # fmt: skip
def test_a_delivery_answers_its_period_by_its_date(case: str, delivered: list[date], expected: list[tuple]) -> None:
    assert told("quarter", 15, D(2025, 4, 1), D(2025, 8, 30), *delivered) == expected, case


def test_a_period_is_due_when_its_grace_is_over_and_not_a_day_before() -> None:
    assert told("month", 10, D(2025, 6, 1), D(2025, 7, 10)) == []
    assert told("month", 10, D(2025, 6, 1), D(2025, 7, 11)) == [("2025年6月", "missing", 1)]


def test_one_delivery_in_the_grace_answers_the_past_period_and_not_the_running_one_too() -> None:
    found = told("month", 10, D(2025, 6, 1), D(2025, 9, 30), D(2025, 7, 3))
    assert found == [("2025年6月", "in_time", 0), ("2025年7月", "missing", 51), ("2025年8月", "missing", 20)]


def test_a_missed_month_does_not_make_the_following_ones_late() -> None:
    monthly = [D(2025, m, 28) for m in (5, 7, 8)]
    assert told("month", 5, D(2025, 5, 1), D(2025, 9, 3), *monthly) == [
        ("2025年5月", "in_time", 0),
        ("2025年6月", "missing", 60),
        ("2025年7月", "in_time", 0),
        ("2025年8月", "in_time", 0),
    ]


def test_periods_are_those_of_the_calendar() -> None:
    assert [(p.first, p.last) for p in periods("month", D(2024, 2, 10), D(2024, 3, 1))] == [
        (D(2024, 2, 1), D(2024, 2, 29)),
        (D(2024, 3, 1), D(2024, 3, 31)),
    ]
    assert [(p.first.isoweekday(), p.last.isoweekday()) for p in periods("week", D(2025, 1, 1), D(2025, 1, 1))] == [(1, 7)]
    assert len(periods("day", D(2025, 1, 1), D(2025, 12, 31))) == 365
    assert [p.name for p in periods("year", D(2024, 12, 31), D(2025, 1, 1))] == ["2024年", "2025年"]


SURGERY = {"columns": {"surgery_no": "no", "patient_no": "p", "surgery_date": "d", "procedure_name": "n"}}
EXPECT = {"expect": {"every": "month", "grace_days": 5, "from": D(2025, 5, 1)}}


@pytest.fixture
def landed(describe: Callable, land: Callable[..., Path], settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A province of three: H1 delivered May in time and June not; H2 delivered one file that is refused; nothing is expected of H3."""
    describe("H1", "hospital", {"surgery": {**SURGERY, **EXPECT}})
    describe("H2", "hospital", {"surgery": {**SURGERY, **EXPECT}})
    describe("H3", "hospital", {"surgery": SURGERY})
    for organisation, day in (("H1", "2025-06-02"), ("H3", "2025-07-20")):
        land(f"hospital/{organisation}/surgery/{day}/s.csv", "no,p,d,n\n1,a,2025-05-01,阑尾切除术\n")
    land("hospital/H2/surgery/2025-06-02/s.csv", "")
    load_all(settings)
    monkeypatch.setattr("ingestion.deliveries.arrivals.all_mappings", lambda: map(load_mapping, ("H1", "H2", "H3")))
    return settings


def test_every_due_delivery_is_a_check_result_with_a_name(landed: Settings) -> None:
    assert check(landed, D(2025, 7, 20), "run-1") == {"due": 4, "late": 0, "missing": 3}
    found = ask(
        landed, "select organisation, verdict, severity, observed, description_zh from check_result where checkpoint = 'delivery' order by 1, 5"
    )
    assert [f[:4] for f in found] == [
        ("H1", "pass", "info", 0),
        ("H1", "fail", "warning", 15),
        ("H2", "fail", "warning", 45),
        ("H2", "fail", "warning", 15),
    ]
    assert found[0][4] == "测试机构（合成）（H1）“手术记录”每月上报，2025年5月应于2025-06-05前交付，2025-06-02收到，按时"
    assert "2025年6月应于2025-07-05前交付，至今未收到，已逾期15天" in found[1][4]
    assert "2025-06-02曾收到文件但整份拒收" in found[2][4]
    assert ask(landed, "select distinct organisation from check_result where checkpoint = 'delivery' order by 1") == [("H1",), ("H2",)]


def test_a_check_of_the_same_day_leaves_the_same_rows_and_one_of_a_past_day_those_of_that_day(landed: Settings) -> None:
    def ids() -> list[str]:
        return [r["check_id"] for r in ops.rows(landed.ops_url, ops.check_result, ops.check_result.c.checkpoint == "delivery")]

    check(landed, D(2025, 7, 20), "run-1")
    first = ids()
    check(landed, D(2025, 7, 20), "run-2")
    assert ids() == first
    assert check(landed, D(2025, 6, 6), "run-3") == {"due": 2, "late": 0, "missing": 1}


def test_deliveries_of_one_organisation_can_be_asked_for(landed: Settings) -> None:
    assert {d.organisation for d in due_deliveries(landed, D(2025, 7, 20), "H1")} == {"H1"}
