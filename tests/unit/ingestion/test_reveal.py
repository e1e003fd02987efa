"""Re-identification: told to whom, for what, and never without a trace; and seals that show what was changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from infra.settings import Settings
from ingestion import duck, lake, ops
from ingestion.contracts import contract
from ingestion.identity import vault
from ingestion.identity.__main__ import main
from ingestion.identity.reveal import LogBroken, entries
from tests.unit.ingestion.lakehouse import ask, load_all
from tests.unit.ingestion.test_linking import LI, WANG

PATIENT = {"columns": {"patient_no": "no", "person_name": "xm", "id_card_no": "zjhm", "residence_address": "dz"}}
WHO, WHY = "王医生 0417", "阳性结果通知本人"


@pytest.fixture
def people(settings: Settings, describe: Callable, land: Callable[..., Path]) -> dict[str, str]:
    """Person key by name."""
    describe("H1", "hospital", {"patient": PATIENT})
    land("hospital/H1/patient/2024-01-31/p.csv", f"no,xm,zjhm,dz\n77,王芳芳,{WANG},太原市某路一号\n78,李娜娜,{LI},\n79,ANNA LEE,护照E12345678,\n")
    load_all(settings)
    found = ask(settings, "select _row, person_id from patient inner join identity_map using (identity_id) order by 1")
    return dict(zip(("王芳芳", "李娜娜", "ANNA LEE"), (p for _, p in found), strict=True))


def changed(settings: Settings, statement: str) -> None:
    """Change the vault behind the log's back."""
    connection = duck.connect()
    with vault.opened(settings, connection):
        connection.execute(statement)


def test_the_identity_of_one_person_is_told_and_nobody_elses(people: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reveal", "--person", people["王芳芳"], "--who", WHO, "--why", WHY]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["claims"] == [
        {"person_name": "王芳芳", "id_card_no": WANG, "residence_address": "太原市某路一号", "birth_date": "1960-01-01", "sex_code": "1",
         "organisation": "H1", "delivered_on": "2024-01-31"}
    ]  # fmt: skip
    assert [i["own_number"] for i in told["identities"]] == ["77"] and told["documents"] == []
    assert main(["reveal", "--person", people["ANNA LEE"], "--who", WHO, "--why", WHY]) == 0
    assert [(d["kind"], d["number"]) for d in json.loads(capsys.readouterr().out)["documents"]] == [("passport", "E12345678")]


def test_who_when_why_and_which_are_logged_and_operations_see_no_identity_and_no_reason(
    settings: Settings, people: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("王芳芳", "李娜娜"):
        main(["reveal", "--person", people[name], "--who", WHO, "--why", f"通知{name}复查"])
    log = entries(settings)
    assert [(e.entry_no, e.who, e.why, e.person_id, len(e.identities)) for e in log] == [
        (i, WHO, f"通知{name}复查", people[name], 1) for i, name in enumerate(("王芳芳", "李娜娜"), 1)
    ]
    lines = ops.rows(settings.ops_url, ops.reidentification)
    assert [(r["entry_no"], r["who"], r["person_id"], r["digest"]) for r in lines] == [(e.entry_no, e.who, e.person_id, e.digest) for e in log]
    assert "芳芳" not in str(lines) and "复查" not in str(lines) and WANG not in str(lines)
    assert main(["revealed"]) == 0
    assert "通知李娜娜复查" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--who", WHO],
        ["--why", WHY],
        ["--who", "  ", "--why", WHY],
        ["--who", WHO, "--why", "   "],
        ["--who", WHO, "--why", "看"],
    ],
)
def test_without_asker_or_reason_nothing_is_told_and_nothing_logged(
    settings: Settings, people: dict[str, str], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["reveal", "--person", people["王芳芳"], *arguments])
    except SystemExit as exit_:
        code = exit_.code
    assert code == 2 and capsys.readouterr().out == "" and entries(settings) == []


@pytest.mark.parametrize("person", ["P9999999999", WANG, "王芳芳"])
@pytest.mark.usefixtures("people")
def test_nobody_is_looked_up_by_anything_but_a_key_that_exists(settings: Settings, person: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reveal", "--person", person, "--who", WHO, "--why", WHY]) == 2
    said = capsys.readouterr()
    assert said.out == "" and "refused" in said.err and WANG not in said.err and entries(settings) == []


def test_a_key_that_was_given_up_names_the_one_that_holds_now(settings: Settings, people: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    changed(
        settings,
        f"insert into vault.identity_person select 999, identity_id, '{people['王芳芳']}', 'test', 99, known_on from vault.identity_person"
        f" where person_id = '{people['李娜娜']}' limit 1",
    )
    assert main(["reveal", "--person", people["李娜娜"], "--who", WHO, "--why", WHY]) == 2
    assert f"{people['李娜娜']} is now {people['王芳芳']}" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        "update vault.reidentification set why = '别的理由' where entry_no = 1",
        "update vault.reidentification set who = '别人' where entry_no = 2",
        "update vault.reidentification set revealed_at = revealed_at + interval 1 second where entry_no = 2",
        "delete from vault.reidentification where entry_no = 1",
        "delete from vault.reidentification where entry_no = 2",
        "delete from vault.reidentification",
    ],
)
def test_an_entry_changed_or_taken_away_is_noticed_and_stops_further_reveals(
    settings: Settings, people: dict[str, str], change: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        main(["reveal", "--person", people["王芳芳"], "--who", WHO, "--why", WHY])
    changed(settings, change)
    capsys.readouterr()
    with pytest.raises(LogBroken):
        entries(settings)
    assert main(["reveal", "--person", people["王芳芳"], "--who", WHO, "--why", WHY]) == 1
    assert capsys.readouterr().out == ""


def test_what_operations_cannot_record_is_not_told(settings: Settings, people: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(ops, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        main(["reveal", "--person", people["王芳芳"], "--who", WHO, "--why", WHY])


@pytest.mark.usefixtures("people")
def test_seals_of_the_raw_zone_are_checked_and_a_change_shows(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-seals"]) == 0
    assert capsys.readouterr().out.startswith("1 runs of sealed rows are intact, 0 are not; 0 rows")
    stored = lake.table(settings, lake.RAW, "patient", lake.raw_schema(contract("patient")))
    rows = stored.scan().to_arrow()
    cells = rows["_sealed"].to_pylist()
    at = rows.column_names.index("_sealed")
    stored.overwrite(rows.set_column(at, "_sealed", pa.array([cells[0][:-1] + bytes([cells[0][-1] ^ 1]), *cells[1:]], rows["_sealed"].type)))
    assert main(["check-seals"]) == 1
    said = capsys.readouterr()
    assert "0 runs of sealed rows are intact, 1 are not" in said.out and "feed patient" in said.err and "王芳芳" not in said.err
