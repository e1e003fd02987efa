"""People's decisions on codes stand before the mapping file, from the next load on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from infra.settings import Settings
from ingestion import load
from ingestion.mappings.decisions import CodeDecision, decided, decisions_of, in_force
from tests.unit.mappings.reshaping import mapping_of

ON = date(2024, 6, 30)
SAID = {"columns": {"visit_no": "v", "visit_type_code": {"source": "lx", "codes": {"MZ": "1", "ZY": "2"}}}}


def decision(number: str, local: str, canonical: str | None = None, verdict: str = "mapped", **more: Any) -> CodeDecision:
    told = {"feed": "visit", "field": "visit_type_code", "decided_at": date(2024, 1, 1), **more}
    return CodeDecision(number=number, local_code=local, canonical_code=canonical, verdict=verdict, **told)


def codes(*decisions: CodeDecision, feed: str = "visit") -> dict[str, str]:
    return decided(mapping_of(feed, SAID), decisions, ON).feeds[feed].columns["visit_type_code"].codes


def test_a_decision_adds_a_code_and_overrules_the_file() -> None:
    assert codes(decision("1", "JZ", "3"), decision("2", "MZ", "4")) == {"MZ": "4", "ZY": "2", "JZ": "3"}


def test_the_newest_decision_that_is_not_superseded_counts() -> None:
    newer = decision("1", "MZ", "4", decided_at=date(2024, 3, 1))
    assert codes(newer, decision("2", "MZ", "3")) == {"MZ": "4", "ZY": "2"}
    assert codes(newer, decision("2", "MZ", "3", supersedes="1")) == {"MZ": "3", "ZY": "2"}


def test_a_decision_counts_while_it_is_valid() -> None:
    assert codes(decision("1", "MZ", "4", valid_from=date(2024, 7, 1)), decision("2", "ZY", "4", valid_to=date(2024, 6, 29)))["MZ"] == "1"
    assert in_force([decision("1", "MZ", "4", valid_from=ON, valid_to=ON)], ON)


def test_no_equivalent_takes_the_files_code_away_and_withdrawn_gives_it_back() -> None:
    none = decision("1", "MZ", verdict="no_equivalent")
    assert codes(none) == {"ZY": "2"}
    assert codes(none, decision("2", "MZ", verdict="withdrawn", decided_at=date(2024, 2, 1))) == {"MZ": "1", "ZY": "2"}


def test_every_table_of_the_feed_is_meant_and_no_other_feed_or_field() -> None:
    mapping = mapping_of("visit@mz", SAID, feeds={"visit@zy": SAID, "surgery": {"columns": {"surgery_no": "s"}}})
    after = decided(mapping, [decision("1", "JZ", "3"), decision("2", "JZ", "3", feed="surgery"), decision("3", "x", "y", field="doctor_code")], ON)
    assert [m.columns["visit_type_code"].codes.get("JZ") for e, m in after.feeds.items() if e.startswith("visit")] == ["3", "3"]
    assert after.said("visit@mz") != mapping.said("visit@mz")
    assert after.said("surgery") == mapping.said("surgery")


def test_without_decisions_the_mapping_is_the_same_object() -> None:
    mapping = mapping_of("visit", SAID)
    assert decided(mapping, [], ON) is mapping


def test_a_decision_delivered_by_the_programme_works_from_the_next_load_on(settings: Settings, describe: Callable, land: Callable[..., Path]) -> None:
    names = ["decision_no", "organisation_code", "feed", "field_name", "local_code", "verdict_code", "canonical_code", "decided_by", "decided_at"]
    describe("P9", "programme", {"decision_code_mapping": {"columns": {n: n for n in names}}})
    describe("H9", "hospital", {"visit": {"columns": {**SAID["columns"], "patient_no": "p", "visit_start_date": "d"}}})

    def visits(day: str, number: int) -> dict[str, int]:
        land(f"hospital/H9/visit/{day}/v.csv", f"v,p,lx,d\n{number},9,MZ,2024-05-01\n{number + 1},9,KZ,2024-05-01\n")
        return load.load_organisation(settings, "hospital", "H9", day)["feeds"]["visit"]

    assert visits("2024-06-01", 1)["rows_accepted"] == 1
    row = "1,H9,visit,visit_type_code,KZ,mapped,3,D7,2024-06-10"
    land("programme/P9/decision_code_mapping/2024-06-10/d.csv", ",".join(names) + "\n" + row + "\n")
    load.load_organisation(settings, "programme", "P9", "p")
    assert [(d.local_code, d.canonical_code) for d in decisions_of(settings, "H9")] == [("KZ", "3")]
    assert decisions_of(settings, "H8") == []
    assert visits("2024-06-20", 3)["rows_accepted"] == 1 + 2
