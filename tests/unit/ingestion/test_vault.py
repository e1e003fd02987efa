"""What the vault keeps of a person, and what it does not make a key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from infra.settings import Settings
from ingestion import duck
from ingestion.identity import vault
from tests.unit.ingestion.lakehouse import ask, load_all

PATIENT = {"columns": {"patient_no": "no", "person_name": "xm", "id_card_no": "zjhm", "birth_date": "csrq", "sex_code": "xb"}}
HEADER = "no,xm,zjhm,csrq,xb\n"


def kept(settings: Settings, query: str) -> list[tuple]:
    """Rows of a query over the vault."""
    connection = duck.connect()
    with vault.opened(settings, connection):
        return connection.execute(query).fetchall()


def test_a_passport_is_kept_and_brings_nobody_together(settings: Settings, describe: Callable, land: Callable[..., Path]) -> None:
    for hospital, name in (("H1", "ANNA LEE"), ("H2", "JOHN DOE")):
        describe(hospital, "hospital", {"patient": PATIENT})
        for day in ("2024-01-31", "2024-02-29"):
            land(f"hospital/{hospital}/patient/{day}/p.csv", HEADER + f"77,{name},护照E12345678,1960-01-01,1\n")
            load_all(settings)
    documents = "select kind, number, organisation, delivered_on::varchar from vault.document order by all"
    assert kept(settings, documents) == [("passport", "E12345678", h, "2024-01-31") for h in ("H1", "H2")]
    assert kept(settings, "select count(*) from vault.claim where id_card_no is not null") == [(0,)]
    assert ask(settings, "select count(distinct person_id) from identity_map") == [(2,)]


def test_documents_of_a_delivery_that_is_taken_back_are_taken_back(settings: Settings, describe: Callable, land: Callable[..., Path]) -> None:
    describe("H1", "hospital", {"patient": PATIENT})
    for day, number in (("2024-01-31", "E12345678"), ("2024-02-29", "G12345678")):
        land(f"hospital/H1/patient/{day}/p.csv", HEADER + f"77,ANNA LEE,{number},1960-01-01,1\n")
        load_all(settings)
    batch = kept(settings, "select batch_id from vault.document where number = 'G12345678'")[0][0]
    connection = duck.connect()
    vault.prepare(connection)
    with vault.opened(settings, connection):
        vault.take_back(connection, [batch])
    assert kept(settings, "select number from vault.document") == [("E12345678",)]
