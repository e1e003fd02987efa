"""A record delivered, then corrected, then deleted: features and marts follow on each day, and a past day still shows what was known then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from expectations.gates import run_checkpoint
from infra.dbt_runner import run_dbt
from infra.settings import Settings
from ingestion import ops, returns
from tests.unit.ingestion.lakehouse import load_all
from tests.unit.ingestion.test_linking import LI, WANG

FORM = "survey_date,person_name,id_card_no,birth_date,sex_code,smoking_status,state\n"
PATIENT = "patient_no,person_name,id_card_no,birth_date,sex_code\n"
DIAGNOSIS = "diagnosis_no,patient_no,diagnosis_date,diagnosis_code,diagnosis_name,state\n"
DELETED = {"deleted": {"column": "state", "values": ["D"]}}
DELIVERED, CORRECTED, WITHDRAWN = date(2025, 1, 31), date(2025, 2, 28), date(2025, 3, 31)
DAYS = (DELIVERED, CORRECTED, WITHDRAWN)

FORMS = {
    DELIVERED: [f"2025-01-10,王芳,{WANG},1960-01-01,1,1,", f"2025-01-11,李娜,{LI},1955-02-02,2,1,"],
    CORRECTED: [f"2025-01-10,王芳,{WANG},1960-01-01,1,2,"],
    WITHDRAWN: [f"2025-01-10,,{WANG},,,,D"],
}
DIAGNOSES = {
    DELIVERED: ["d1,p1,2025-01-12,C18.900,结肠恶性肿瘤,", "d2,p2,2025-01-20,C18.900,结肠恶性肿瘤,"],
    CORRECTED: ["d1,p1,2025-01-12,I10.x00,高血压,"],
    WITHDRAWN: ["d2,p2,,,,D"],
}


READ = ("+feat_resident", "+feat_patient", "+mart_cockpit__funnel")


def columns(header: str, **codes: dict[str, str]) -> dict[str, Any]:
    return {c: {"source": c, **({"codes": codes[c]} if c in codes else {})} for c in header.strip().split(",") if c != "state"}


@pytest.fixture
def deliver(describe: Callable, land: Callable[..., Path]) -> Callable[[date], None]:
    """Lay down one day's deliveries of the platform and a hospital."""
    describe("N1", "national_platform", {"questionnaire": {"columns": columns(FORM), **DELETED}})
    describe("H1", "hospital", {"patient": {"columns": columns(PATIENT)}, "diagnosis": {"columns": columns(DIAGNOSIS), **DELETED}})

    def one(day: date) -> None:
        land(f"national_platform/N1/questionnaire/{day}/forms.csv", FORM + "\n".join(FORMS[day]) + "\n")
        land(f"hospital/H1/diagnosis/{day}/d.csv", DIAGNOSIS + "\n".join(DIAGNOSES[day]) + "\n")
        if day == DELIVERED:
            people = f"p1,王芳,{WANG},1960-01-01,1\np2,李娜,{LI},1955-02-02,2\n"
            land(f"hospital/H1/patient/{day}/p.csv", PATIENT + people)

    return one


def seen(settings: Settings, as_of: date) -> dict[str, Any]:
    """What the warehouse says, built for a day: smoking by birth year, who has cancer, and the funnel's counts."""
    broken = [
        f"{n.name}: {n.message}" for n in run_dbt(settings, "build", "--select", *READ, "--exclude-resource-type", "test", as_of=as_of) if not n.ok
    ]
    assert broken == []
    with duckdb.connect(str(settings.warehouse.path), read_only=True) as connection:
        ask = connection.execute
        residents = "from feat_resident"
        return {
            "smoking": dict(ask(f"select birth_year, smoking_status_code {residents} where assessment_count > 0 order by 1").fetchall()),
            "patients": ask("select r.birth_year from feat_patient as p inner join feat_resident as r using (person_id) order by 1").fetchall(),
            "funnel": ask("select sum(assessed), sum(diagnosed) from mart_cockpit__funnel where cancer = 'colorectum'").fetchone(),
        }


def take_in(settings: Settings) -> None:
    """Load what has landed and have it judged."""
    load_all(settings)
    run_checkpoint(settings, "lake", "test")
    assert {b["status"] for b in ops.rows(settings.ops_url, ops.batch_state)} == {"released"}


KNOWN = {
    DELIVERED: {"smoking": {1955: "1", 1960: "1"}, "patients": [(1955,), (1960,)], "funnel": (2, 2)},
    CORRECTED: {"smoking": {1955: "1", 1960: "2"}, "patients": [(1955,)], "funnel": (2, 1)},
    WITHDRAWN: {"smoking": {1955: "1"}, "patients": [], "funnel": (1, 0)},
}


def test_features_and_marts_follow_a_record_that_is_corrected_and_deleted_and_a_past_day_stays_as_it_was(
    settings: Settings, deliver: Callable[[date], None]
) -> None:
    for day in DAYS:
        deliver(day)
        take_in(settings)
        assert seen(settings, day) == KNOWN[day], day
    assert seen(settings, DELIVERED) == KNOWN[DELIVERED]
    assert returns.enter(settings).found == 0, "a deleted row is asked for nothing but its key"
