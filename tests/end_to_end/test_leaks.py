"""What a run leaves outside the vault identifies nobody: every byte is searched for every value that the vault and the generator know."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import duckdb
import pytest

from ingestion.identity.scanner import ADDRESS, ID_NUMBER, NAME, PHONE, Needles, Value, of_vault, project_text, scan, scan_home
from tests.end_to_end.lakehouse import Lakehouse


@pytest.fixture(scope="module")
def needles(lakehouse: Lakehouse) -> Needles:
    """Names, numbers, phones and addresses of everybody in the truth, and all that the vault knows, organisations' own patient numbers included."""
    columns = {NAME: "person_name", ID_NUMBER: "id_card_no", PHONE: "mobile_phone", ADDRESS: "residence_address"}
    people = duckdb.sql(f"select {', '.join(columns.values())} from '{lakehouse.truth / 'person.parquet'}'").fetchall()
    values = [Value(kind, text) for row in people for kind, text in zip(columns, row, strict=True) if text]
    assert len(values) > 5000
    made = Needles([*values, *of_vault(lakehouse.settings())], words=project_text())
    assert made.left_out < len(people) / 100
    return made


def test_no_byte_outside_the_vault_identifies_a_person(lakehouse: Lakehouse, needles: Needles) -> None:
    assert {p.name for p in lakehouse.home.iterdir()} >= {"lake", "warehouse", "serving", "reports", "logs", "ops", "airflow", "returns", "docs"}
    assert [str(f) for f in scan_home(lakehouse.settings(), needles)] == []


def test_the_scan_of_a_run_is_shown_to_fail_when_one_value_is_planted(lakehouse: Lakehouse, needles: Needles, tmp_path: Path) -> None:
    number, phone, name = duckdb.sql(
        f"select id_card_no, mobile_phone, person_name from '{lakehouse.truth / 'person.parquet'}' where length(person_name) = 2 limit 1"
    ).fetchone()
    for part in ("ops", "airflow", "reports"):
        shutil.copytree(lakehouse.home / part, tmp_path / part)
    shutil.copy((lakehouse.home / "serving" / "lakehouse.duckdb").resolve(), tmp_path / "published.duckdb")
    with sqlite3.connect(tmp_path / "airflow" / "airflow.db") as connection:
        connection.execute("create table planted (v)")
        connection.execute("insert into planted values (?)", [name])
    connection.close()
    with duckdb.connect(str(tmp_path / "published.duckdb")) as published:
        published.execute(f"update meta_quarantine set value_class = '{phone}' where rowid = (select min(rowid) from meta_quarantine)")
    page = tmp_path / "reports" / "index.html"
    page.write_text(page.read_text(encoding="utf-8").replace("</body>", f"<p>{number}</p></body>"), encoding="utf-8")
    found = {(f.place.split(" › ")[0], f.kind) for f in scan(tmp_path, needles)}
    assert found == {("airflow/airflow.db", NAME), ("published.duckdb", PHONE), ("reports/index.html", ID_NUMBER)}
