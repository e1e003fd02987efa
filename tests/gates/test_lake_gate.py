"""The lake gate: what holds a batch, what releases it, and what is written about it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from expectations.gates import judge_again, release_batch, run_checkpoint
from infra.settings import Settings
from ingestion import ops

from .conftest import DELIVERED, Deliver, fit_row

QUARANTINED = "lake.books.quarantined"


def states(settings: Settings) -> dict[str, str]:
    return {b["batch_id"]: b["status"] for b in ops.rows(settings.ops_url, ops.batch_state)}


def results(settings: Settings, **where: Any) -> list[dict[str, Any]]:
    return ops.rows(settings.ops_url, ops.check_result, *(ops.check_result.c[k] == v for k, v in where.items()))


def fit_rows(count: int = 60, **changed: Any) -> list[dict[str, Any]]:
    return [fit_row(n, **changed) for n in range(count)]


def bad_deliveries() -> dict[str, tuple[list[dict[str, Any]], dict[str, Any]]]:
    """For every rule of the lake suites: rows and ledger of a delivery that breaks it."""
    later = date(2025, 7, 1)
    return {
        "lake.books.balanced": (fit_rows(), {"rows_read": 70}),
        "lake.books.arrived_in_lake": (fit_rows(), {"rows_accepted": 61, "rows_read": 61}),
        "lake.books.some_rows": ([], {"quarantined": 1}),
        "lake.books.deleted": (fit_rows(29) + [fit_row(n, _deleted=True) for n in range(29, 60)], {}),
        QUARANTINED: (fit_rows(), {"quarantined": 16}),
        "lake.books.quarantined_notice": (fit_rows(), {"quarantined": 4}),
        "lake.files.rejected": ([], {"status": "rejected"}),
        "lake.files.repeated": ([], {"status": "duplicate"}),
        "lake.feeds.record_key": (fit_rows(59) + [fit_row(59, record_key=None)], {}),
        "lake.feeds.record_key_repeated": (fit_rows() + fit_rows(8), {}),
        "lake.feeds.required": (fit_rows(59) + [fit_row(59, test_date=None)], {}),
        "lake.feeds.code": (fit_rows(59) + [fit_row(59, fit_result_code="阳性")], {}),
        "lake.feeds.range_minimum": (fit_rows(59) + [fit_row(59, fit_value_ng_ml=-1)], {}),
        "lake.feeds.range_maximum": (fit_rows(59) + [fit_row(59, fit_value_ng_ml=10**9)], {}),
        "lake.feeds.column_empty": (fit_rows(500, survey_no=None), {}),
        "lake.feeds.basics": (fit_rows(50) + [fit_row(n, birth_date=None) for n in range(50, 60)], {}),
        "lake.feeds.dated_after_delivery": (fit_rows(59) + [fit_row(59, test_date=later)], {}),
        "lake.feeds.dated_long_ago": (fit_rows(59) + [fit_row(59, test_date=date(1900, 1, 1))], {}),
        "lake.feeds.dated_one_day": (fit_rows(500, test_date=date(2025, 5, 1)), {}),
        "lake.identity.identity_missing": (fit_rows(56) + [fit_row(n, identity_id=None) for n in range(56, 60)], {}),
        "lake.identity.person_alone": (fit_rows(56) + [fit_row(n, identity_id=f"alone{n}") for n in range(56, 60)], {}),
        "lake.identity.person_missing": (fit_rows(59) + [fit_row(59, identity_id="nobody")], {"persons": False}),
    }


def test_every_rule_of_the_lake_suites_passes_a_good_delivery_and_fails_its_bad_one(settings: Settings, deliver: Deliver) -> None:
    optional = {"age_years": 60, "kit_no": "k", "entered_by_code": "e", "entered_date": date(2025, 5, 30)}
    deliver(fit_rows(500, survey_no="q", fit_value_ng_ml=10, **optional), organisation="GOOD")
    bad = {rule: f"BAD{n:02d}" for n, rule in enumerate(bad_deliveries())}
    for rule, (rows, how) in bad_deliveries().items():
        deliver(rows, organisation=bad[rule], **how)

    run_checkpoint(settings, "lake", "run-1")

    of_good = results(settings, organisation="GOOD")
    assert {r["rule"] for r in of_good} == set(bad)
    assert {r["verdict"] for r in of_good} == {"pass"}
    for rule, organisation in bad.items():
        failed = [r for r in results(settings, organisation=organisation, rule=rule) if r["verdict"] == "fail"]
        assert failed and failed[0]["failed"] > 0 and failed[0]["examined"] >= failed[0]["failed"], rule


def test_a_held_batch_leaves_the_others_released_and_says_who_what_and_why_in_chinese(settings: Settings, deliver: Deliver) -> None:
    good = deliver(fit_rows())
    bad = deliver(fit_rows(), organisation="S1402", quarantined=40)

    outcome = run_checkpoint(settings, "lake", "run-1")

    assert states(settings) == {good: "released", bad: "held"}
    (held,) = outcome.held
    assert outcome.ok
    assert (held["organisation"], held["feed"], held["batch_id"], held["delivered_on"]) == ("S1402", "screening_fit", bad, DELIVERED)
    assert held["rule"] == QUARANTINED
    for said in ("S1402", "粪便免疫化学检测记录", "隔离行", "20%", "检查 100 项", "不合格 40 项"):
        assert said in held["reason_zh"]


def test_a_decided_batch_is_not_judged_again_until_it_is_asked_for(settings: Settings, deliver: Deliver) -> None:
    batch = deliver(fit_rows(), quarantined=40)
    run_checkpoint(settings, "lake", "run-1")
    other = deliver(fit_rows(), organisation="S1402")

    second = run_checkpoint(settings, "lake", "run-2")

    assert second.held == [] and states(settings) == {batch: "held", other: "released"}
    assert {r["run_id"] for r in results(settings, batch_id=batch)} == {"run-1"}

    judge_again(settings, batch)
    third = run_checkpoint(settings, "lake", "run-3")

    assert [h["batch_id"] for h in third.held] == [batch]
    assert {r["run_id"] for r in results(settings, batch_id=batch)} == {"run-3"}


def test_a_release_by_hand_keeps_who_why_and_the_reason_it_was_held_for(settings: Settings, deliver: Deliver) -> None:
    batch = deliver(fit_rows(), quarantined=40)
    run_checkpoint(settings, "lake", "run-1")

    release_batch(settings, batch, "质控员 017", "机构已说明")

    (state,) = ops.rows(settings.ops_url, ops.batch_state)
    assert state["status"] == "released"
    assert all(said in state["reason_zh"] for said in ("质控员 017", "机构已说明", "隔离行"))


def test_a_release_by_hand_needs_a_held_batch_and_a_reason(settings: Settings, deliver: Deliver) -> None:
    batch = deliver(fit_rows())
    with pytest.raises(ValueError, match="who decides and why"):
        release_batch(settings, batch, "质控员 017", " ")
    with pytest.raises(ValueError, match="not held"):
        release_batch(settings, batch, "质控员 017", "x")
    with pytest.raises(LookupError):
        release_batch(settings, "unknown", "质控员 017", "x")


def test_records_of_nobody_hold_the_whole_delivery_of_the_organisation_and_no_other_delivery(settings: Settings, deliver: Deliver) -> None:
    nobody = deliver([fit_row(n, identity_id=None) for n in range(60)])
    same_day = deliver([{"record_key": "l1", "screening_no": "s1", "lesion_no": 1}], feed="screening_colonoscopy_lesion")
    earlier = deliver(fit_rows(), delivered_on=date(2025, 5, 30))

    outcome = run_checkpoint(settings, "lake", "run-1")

    assert states(settings) == {nobody: "held", same_day: "held", earlier: "released"}
    assert "同一次交付的" in next(h for h in outcome.held if h["batch_id"] == same_day)["reason_zh"]


def test_an_identity_without_a_person_stops_publication_and_leaves_the_batch_waiting(settings: Settings, deliver: Deliver) -> None:
    batch = deliver(fit_rows(), persons=False)

    outcome = run_checkpoint(settings, "lake", "run-1")

    assert not outcome.ok and outcome.held == []
    assert [f["rule"] for f in outcome.failed_critical] == ["lake.identity.person_missing"]
    assert states(settings) == {batch: "loaded"}


def test_a_share_of_few_rows_is_not_examined_rather_than_passed_or_failed(settings: Settings, deliver: Deliver) -> None:
    batch = deliver([fit_row(1)], quarantined=1)

    outcome = run_checkpoint(settings, "lake", "run-1")

    (row,) = results(settings, batch_id=batch, rule=QUARANTINED)
    assert (row["verdict"], row["examined"], row["failed"]) == ("not_examined", 2, 1)
    assert states(settings) == {batch: "released"} and outcome.ok


def test_a_rejected_file_without_any_batch_is_reported_once(settings: Settings, deliver: Deliver) -> None:
    deliver([], status="rejected", rows_read=0, reason_code="empty_file")

    first = run_checkpoint(settings, "lake", "run-1")
    second = run_checkpoint(settings, "lake", "run-2")

    (row,) = results(settings, rule="lake.files.rejected")
    assert (row["verdict"], row["severity"], row["run_id"]) == ("fail", "warning", "run-1")
    assert first.ok and first.examined and second.examined == 0


def test_a_repeated_judgement_replaces_its_rows(settings: Settings, deliver: Deliver) -> None:
    batch = deliver(fit_rows(), quarantined=40)
    run_checkpoint(settings, "lake", "run-1")
    before = {r["check_id"] for r in results(settings)}
    judge_again(settings, batch)

    run_checkpoint(settings, "lake", "run-2")

    assert {r["check_id"] for r in results(settings)} == before


def test_every_result_names_what_it_is_about(settings: Settings, deliver: Deliver) -> None:
    deliver(fit_rows())

    outcome = run_checkpoint(settings, "lake", "run-1")

    rows = results(settings)
    assert outcome.examined == sum(r["verdict"] in {"pass", "fail"} for r in rows)
    for row in rows:
        batch = ("batch_id",) if not row["rule"].startswith("lake.files.") else ()
        wanted = ("run_id", "rule", "description_zh", "organisation", "feed", "examined", "failed", "checked_at", *batch)
        assert all(row[name] is not None for name in wanted)
        assert row["severity"] in {"critical", "warning", "info"} and row["scope"] in {"organisation", "province"}


def test_nothing_new_is_nothing_examined_and_costs_no_great_expectations(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def _must_not(*_: Any) -> None:
        raise AssertionError("Great Expectations was started for nothing")

    monkeypatch.setattr("expectations.great.validate", _must_not)

    outcome = run_checkpoint(settings, "lake", "run-1")

    assert (outcome.examined, outcome.ok, outcome.held) == (0, True, [])


def test_a_table_whose_rows_hold_no_record_of_the_feed_is_no_empty_delivery(settings: Settings, deliver: Deliver) -> None:
    deliver([], organisation="NONE", rows_delivered=40, rows_without_record=40)
    deliver([], organisation="EMPTY", rows_delivered=0, rows_without_record=0)
    held = run_checkpoint(settings, "lake", "run-1").held
    assert [(h["organisation"], h["rule"]) for h in held] == [("EMPTY", "lake.books.some_rows")]


def test_a_deleted_record_is_asked_for_nothing_but_its_key(settings: Settings, deliver: Deliver) -> None:
    bare = {"record_key": "k1", "identity_id": None, "_deleted": True}
    deliver([*fit_rows(), bare])
    outcome = run_checkpoint(settings, "lake", "run-1")
    assert outcome.held == [] and outcome.ok
