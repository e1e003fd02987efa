"""Who is one person: small deliveries in, groups of records out, whatever the order in which they came."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.settings import Settings
from ingestion import duck, export
from ingestion.identity import vault
from ingestion.identity.linking import link
from tests.unit.ingestion.lakehouse import ask, load_all


def with_check_digit(first17: str) -> str:
    """A number of the area 149901, which does not exist, made whole."""
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return first17 + "10X98765432"[sum(w * int(d) for w, d in zip(weights, first17, strict=True)) % 11]


WANG = with_check_digit("14990119600101123")
LI = with_check_digit("14990119550202234")
HEADER = "survey_date,person_name,id_card_no,birth_date,sex_code,mobile_phone\n"
COLUMNS = {c: c for c in HEADER.strip().split(",")}
DELIVERIES = {
    "2024-01-31": [
        # a form with a valid number; the same person without it; her neighbour of the same name
        f"2024-01-05,王芳,{WANG},1960-01-01,1,13900000001",
        "2024-01-06,王芳,,1960-01-01,1,13900000001",
        "2024-01-07,王芳,,1962-03-04,2,13900000001",
    ],
    "2024-02-29": [f"2024-02-05,李娜,{LI},1955-02-02,2,13900000002", "2024-02-06,李 娜,,1955-02-02,2,139 0000 0002"],
    "2024-03-31": ["2024-03-01,赵六,,1950-05-05,1,13900000003", "2024-03-02,赵六,,1950-05-05,1,13900000003", "2024-03-03,赵六,,,1,"],
}


GROUPS = """
with current_map as (select * from identity_map qualify row_number() over (partition by identity_id order by change_no desc) = 1)
select list(q.survey_date::varchar order by q.survey_date) from questionnaire as q inner join current_map as m using (identity_id)
group by m.person_id order by 1
"""


@pytest.fixture
def deliver(describe: Callable, land: Callable[..., Path]) -> Callable[[str], None]:
    describe("N1", "national_platform", {"questionnaire": {"columns": COLUMNS}})

    def one(day: str) -> None:
        land(f"national_platform/N1/questionnaire/{day}/forms.csv", HEADER + "\n".join(DELIVERIES[day]) + "\n")

    return one


@pytest.mark.parametrize("order", list(itertools.permutations(DELIVERIES)), ids=lambda o: "-".join(d[5:7] for d in o))
def test_any_order_of_deliveries_gives_the_same_groups_of_records(settings: Settings, deliver: Callable[[str], None], order: tuple[str, ...]) -> None:
    for day in order:
        deliver(day)
        load_all(settings)
    assert [g for (g,) in ask(settings, GROUPS)] == [
        ["2024-01-05", "2024-01-06"],
        ["2024-01-07"],
        ["2024-02-05", "2024-02-06"],
        ["2024-03-01", "2024-03-02"],
        ["2024-03-03"],
    ]


def test_a_person_key_stays_and_a_move_to_another_key_is_an_event(settings: Settings, describe: Callable, land: Callable[..., Path]) -> None:
    describe("N1", "national_platform", {"questionnaire": {"columns": COLUMNS}})
    land("national_platform/N1/questionnaire/2024-01-31/a.csv", HEADER + "2024-01-06,王芳,,1960-01-01,1,13900000001\n")
    load_all(settings)
    before = ask(settings, "select identity_id, person_id from identity_map")
    land("national_platform/N1/questionnaire/2024-02-29/b.csv", HEADER + f"2024-02-05,王芳,{WANG},1960-01-01,1,13900000001\n")
    load_all(settings)
    history = ask(settings, f"select person_id, known_on::varchar from identity_map where identity_id = '{before[0][0]}' order by change_no")
    assert history[0] == (before[0][1], "2024-01-31") and history[1][1] == "2024-02-29"
    assert ask(settings, "select event, person_id, other_person_id from person_event") == [("alias", history[1][0], before[0][1])]


def test_records_of_a_patient_number_follow_the_patient_when_the_card_is_corrected(
    settings: Settings, describe: Callable, land: Callable[..., Path]
) -> None:
    patient = {"columns": {"patient_no": "no", "person_name": "xm", "id_card_no": "zjhm", "birth_date": "csrq", "sex_code": "xb"}}
    diagnosis = {"columns": {"diagnosis_no": "n", "patient_no": "no", "diagnosis_code": "c", "diagnosis_date": "d"}}
    describe("H1", "hospital", {"patient": patient, "diagnosis": diagnosis})
    land("hospital/H1/diagnosis/2024-01-31/d.csv", "n,no,c,d\n1,77,C18.0,2024-01-20\n")
    load_all(settings)
    land("hospital/H1/patient/2024-02-29/p.csv", f"no,xm,zjhm,csrq,xb\n77,王芳,{WANG},1960-01-01,1\n78,王芳,{WANG},1960-01-01,1\n")
    load_all(settings)
    land("hospital/H1/patient/2024-03-31/p.csv", f"no,xm,zjhm,csrq,xb\n77,李娜,{LI},1955-02-02,2\n")
    load_all(settings)
    persons = ask(
        settings, "select m.known_on::varchar, m.person_id from diagnosis as d inner join identity_map as m using (identity_id) order by m.change_no"
    )
    assert [d for d, _ in persons] == ["2024-01-31", "2024-02-29", "2024-03-31"]
    other = ask(settings, "select m.person_id from patient as p inner join identity_map as m using (identity_id) where p._row = 2")
    assert persons[1][1] == other[0][0] and persons[2][1] not in {persons[0][1], persons[1][1]}


def test_linking_again_changes_nothing(settings: Settings, deliver: Callable[[str], None]) -> None:
    deliver("2024-01-31")
    load_all(settings)
    before = ask(settings, "select * from identity_map order by all")
    assert link(settings)["changed"] == 0
    assert export.export(settings) == {"identity_map": 0, "person_event": 0}
    assert ask(settings, "select * from identity_map order by all") == before


def test_the_vault_file_does_not_show_a_name_or_a_number(settings: Settings, deliver: Callable[[str], None]) -> None:
    deliver("2024-01-31")
    load_all(settings)
    content = settings.vault_file.read_bytes()
    assert "王芳".encode() not in content and WANG.encode() not in content
    connection = duck.connect()
    with vault.opened(settings, connection):
        assert connection.execute("select count(*) from vault.claim where person_name = '王芳'").fetchone()[0] == 3


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_a_record_that_fits_two_people_with_numbers_joins_neither(
    settings: Settings, describe: Callable, land: Callable[..., Path], order: tuple[int, ...]
) -> None:
    describe("N1", "national_platform", {"questionnaire": {"columns": COLUMNS}})
    twin = with_check_digit("14990119600101125")
    rows = [
        f"2024-01-05,王芳,{WANG},1960-01-01,1,13900000001",
        f"2024-01-06,王芳,{twin},1960-01-01,1,13900000001",
        "2024-01-07,王芳,,1960-01-01,1,13900000001",
    ]
    for day, row in zip(("2024-01-31", "2024-02-29", "2024-03-31"), order, strict=True):
        land(f"national_platform/N1/questionnaire/{day}/forms.csv", HEADER + rows[row] + "\n")
        load_all(settings)
    assert [g for (g,) in ask(settings, GROUPS)] == [["2024-01-05"], ["2024-01-06"], ["2024-01-07"]]
