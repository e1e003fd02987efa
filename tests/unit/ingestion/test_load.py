"""Deliveries as they come: good rows, bad rows, bad files, repeats and corrections; the books balance in every case."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from infra.settings import Settings
from ingestion import duck, keyring, lake, load, ops, raw_zone
from ingestion.identity import vault
from ingestion.readers import OpenedFile, UnreadableFile
from ingestion.readers.pull_model import PullFailed
from ingestion.reshape import Reshaped, Reshaper
from tests.unit.ingestion.lakehouse import ask, load_all

SURGERY = {"columns": {"surgery_no": "流水号", "patient_no": "病案号", "surgery_date": "日期", "procedure_name": "术式"}}
PATIENT = {"columns": {"patient_no": "no", "person_name": "xm", "id_card_no": "zjhm", "birth_date": "csrq", "sex_code": "xb", "mobile_phone": "sjhm"}}
HEADER = "流水号,病案号,日期,术式\n"


@pytest.fixture
def hospital(describe: Callable) -> None:
    describe("H1", "hospital", {"surgery": {**SURGERY, "encoding": "gb18030"}, "patient": PATIENT})


def books(settings: Settings) -> list[tuple]:
    return [
        (r["file_name"], r["status"], r["reason_code"], r["rows_read"], r["rows_accepted"], r["rows_quarantined"])
        for r in sorted(ops.rows(settings.ops_url, ops.file_ledger), key=lambda r: (r["delivered_on"], r["file_name"]))
    ]


@pytest.mark.usefixtures("hospital")
def test_a_bad_row_goes_to_quarantine_with_its_reasons_and_its_neighbours_go_on(settings: Settings, land: Callable[..., Path]) -> None:
    text = (
        HEADER + "1,a,2024-05-01,乙状结肠切除术\n2,,2024-05-01,阑尾切除术\n3,c,20240199,胃大部切除术\n4,d,2024-05-02\n5,e,2024-05-03,右半结肠切除术\n"
    )
    land("hospital/H1/surgery/2024-12-31/s.csv", text, encoding="gb18030")
    load_all(settings)
    assert books(settings) == [("s.csv", "loaded", None, 5, 2, 3)]
    assert ask(settings, "select surgery_no, procedure_name from surgery order by 1") == [("1", "乙状结肠切除术"), ("5", "右半结肠切除术")]
    assert ask(settings, "select _organisation, feed, _file, _row, field, reason_code from quarantine order by _row") == [
        ("H1", "surgery", "s.csv", 2, "patient_no", "missing_required"),
        ("H1", "surgery", "s.csv", 3, "surgery_date", "not_a_date"),
        ("H1", "surgery", "s.csv", 4, None, "column_count"),
    ]


@pytest.mark.usefixtures("hospital")
def test_a_repeated_row_is_quarantined_once_and_the_first_stays(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H1/surgery/2024-12-31/s.csv", HEADER + "1,a,2024-05-01,x\n1,a,2024-05-01,x\n2,a,2024-05-02,x\n")
    load_all(settings)
    assert books(settings) == [("s.csv", "loaded", None, 3, 2, 1)]
    assert ask(settings, "select _row, reason_code, value_class from quarantine") == [(2, "duplicate_row", "row")]


class _Halves(Reshaper):
    """Two records of every row, told apart by their number; rows of procedure `-` are no operations."""

    def apply(self, batch: pa.Table, delivered_on: date) -> Reshaped:
        kept = batch.filter(pc.not_equal(batch["术式"], "-"))
        table = kept.take([i // 2 for i in range(2 * len(kept))])
        part = pa.array([0, 1] * len(kept), pa.int32())
        number = pc.binary_join_element_wise(table["流水号"], part.cast(pa.string()), ".")
        table = table.set_column(0, "流水号", number).append_column("_part", part)
        return Reshaped(table, {"other_kind": len(batch) - len(kept)})


@pytest.mark.usefixtures("hospital")
def test_rows_are_booked_as_delivered_and_their_records_as_read(
    settings: Settings, land: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "Reshaper", _Halves)
    land("hospital/H1/surgery/2024-12-31/s.csv", HEADER + "1,a,2024-05-01,x\n2,a,2024-05-01,-\n3,,2024-05-01,y\n4,a\n")
    load_all(settings)
    ledger = ops.rows(settings.ops_url, ops.file_ledger)[0]
    assert [ledger[k] for k in ("rows_delivered", "rows_without_record", "rows_read", "rows_accepted", "rows_quarantined")] == [4, 1, 5, 2, 3]
    assert ask(settings, "select record_key, _row, _part, _deleted from surgery order by 1") == [("H1|1.0", 1, 0, False), ("H1|1.1", 1, 1, False)]
    quarantined = ask(settings, "select _row, _part, record_key, reason_code from quarantine order by 1, 2")
    assert quarantined == [
        (3, 0, "H1|3.0", "missing_required"),
        (3, 1, "H1|3.1", "missing_required"),
        (4, 0, None, "column_count"),
    ]
    assert ask(settings, "select examined, failed, verdict from check_result where rule = 'without_record_other_kind'") == [(4, 1, "pass")]
    raw = lake.table(settings, lake.RAW, "surgery", lake.raw_schema(load.contract("surgery"))).scan().to_arrow()
    assert sorted(zip(raw["_row"].to_pylist(), raw["_part"].to_pylist(), strict=True)) == [(1, 0), (1, 1), (3, 0), (3, 1), (4, 0)]


@pytest.mark.usefixtures("hospital")
def test_a_row_that_reshaping_loses_without_a_word_stops_the_load(
    settings: Settings, land: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Forgetful(_Halves):
        def apply(self, batch: pa.Table, delivered_on: date) -> Reshaped:
            return Reshaped(super().apply(batch, delivered_on).table, {})

    monkeypatch.setattr(load, "Reshaper", Forgetful)
    land("hospital/H1/surgery/2024-12-31/s.csv", HEADER + "1,a,2024-05-01,x\n2,a,2024-05-01,-\n")
    with pytest.raises(RuntimeError, match="1 of 2 rows"):
        load_all(settings)
    assert books(settings) == []


@pytest.mark.usefixtures("hospital")
def test_the_key_of_a_quarantined_record_is_told_unless_it_may_be_a_person(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H1/surgery/2024-12-31/s.csv", HEADER + "S1,,2024-05-01,x\n欧阳锋,,2024-05-01,x\n,,2024-05-01,x\n")
    load_all(settings)
    assert ask(settings, "select distinct _row, record_key from quarantine order by 1") == [(1, "H1|S1"), (2, None), (3, None)]


@pytest.mark.usefixtures("hospital")
def test_a_quarantined_record_keyed_by_its_person_has_the_key_of_a_person_known_already(settings: Settings, land: Callable[..., Path]) -> None:
    twice = "77,诸葛青,,1949-12-31,2,13912345678\n" * 2 + "78,,,,,\n" * 2
    land("hospital/H1/patient/2024-12-31/p.csv", "no,xm,zjhm,csrq,xb,sjhm\n" + twice)
    load_all(settings)
    keys = ask(settings, "select record_key from patient order by 1")
    assert ask(settings, "select record_key from quarantine where reason_code = 'duplicate_row' order by 1") == keys
    assert len(keys) == 2


def test_a_table_gains_the_columns_that_its_schema_has_gained(settings: Settings) -> None:
    first, now = pa.schema([("a", pa.string())]), pa.schema([("b", pa.int32()), ("a", pa.string())])
    lake.append(lake.table(settings, lake.LAKE, "t", first), "x", [pa.table({"a": ["1"]}, schema=first)])
    lake.append(lake.table(settings, lake.LAKE, "t", now), "y", [pa.table({"b": [2], "a": ["2"]}, schema=now)])
    assert sorted(lake.table(settings, lake.LAKE, "t", now).scan().to_arrow().to_pylist(), key=str) == [{"a": "1", "b": None}, {"a": "2", "b": 2}]


def test_an_operations_store_from_before_a_column_gains_it(settings: Settings, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'old.db'}"
    ops.engine(url)
    with ops.transaction(url) as connection:
        connection.exec_driver_sql("alter table file_ledger drop column rows_delivered")
    ops.engine.cache_clear()
    assert ops.rows(url, ops.file_ledger) == []


@pytest.mark.usefixtures("hospital")
def test_the_same_content_under_another_name_or_date_is_recognised_and_skipped(settings: Settings, land: Callable[..., Path]) -> None:
    text = HEADER + "1,a,2024-05-01,x\n"
    land("hospital/H1/surgery/2024-12-31/s.csv", text)
    load_all(settings)
    land("hospital/H1/surgery/2025-01-31/again.csv", text)
    load_all(settings)
    assert books(settings) == [("s.csv", "loaded", None, 1, 1, 0), ("again.csv", "duplicate", "repeated_content", 0, 0, 0)]
    assert ask(settings, "select count(*) from surgery") == [(1,)]


@pytest.mark.usefixtures("hospital")
def test_a_corrected_record_keeps_its_key_and_the_old_one_stays_readable(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H1/surgery/2024-12-31/s.csv", HEADER + "1,a,2024-05-01,x\n")
    land("hospital/H1/surgery/2025-01-31/s.csv", HEADER + "1,a,2024-05-11,x\n")
    load_all(settings)
    assert ask(settings, "select record_key, surgery_date::varchar, _delivered_on::varchar from surgery order by 3") == [
        ("H1|1", "2024-05-01", "2024-12-31"),
        ("H1|1", "2024-05-11", "2025-01-31"),
    ]


@pytest.mark.usefixtures("hospital")
def test_a_file_that_cannot_be_read_goes_whole_to_quarantine_and_its_neighbours_are_loaded(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H1/surgery/2024-12-31/a.csv", HEADER + "1,a,2024-05-01,x\n")
    land("hospital/H1/surgery/2024-12-31/b.csv", "流水号,病案号,时间\n2,a,2024-05-01\n")
    land("hospital/H1/surgery/2024-12-31/c.csv", b"")
    land("hospital/H1/surgery/2024-12-31/d.xlsx", b"PK\x03\x04 not a workbook")
    land("hospital/H1/nowhere/2024-12-31/e.csv", "a,b\n1,2\n")
    land("hospital/H9/surgery/2024-12-31/f.csv", "a,b\n1,2\n")
    load_all(settings)
    assert [(name, status) for name, status, *_ in books(settings)] == [
        ("a.csv", "loaded"),
        ("b.csv", "rejected"),
        ("c.csv", "rejected"),
        ("d.xlsx", "rejected"),
        ("e.csv", "rejected"),
        ("f.csv", "rejected"),
    ]
    whole = ask(settings, "select _file, reason_code, value_class from quarantine order by 1")
    assert [(f, c) for f, c, _ in whole][:2] == [("b.csv", "missing_columns"), ("c.csv", "empty_file")]
    assert {(f, c) for f, c, _ in whole} >= {("e.csv", "unknown_folder"), ("f.csv", "no_mapping")}
    assert {v for _, _, v in whole} == {"file"}


@pytest.mark.usefixtures("hospital")
def test_a_rejected_file_is_taken_once_its_mapping_is_mended(settings: Settings, land: Callable[..., Path], describe: Callable) -> None:
    land("hospital/H1/surgery/2024-12-31/b.csv", "流水号,病案号,时间\n2,a,2024-05-01\n")
    load_all(settings)
    describe("H1", "hospital", {"surgery": {"columns": {"surgery_no": "流水号", "patient_no": "病案号", "surgery_date": "时间"}}})
    load_all(settings)
    assert books(settings) == [("b.csv", "loaded", None, 1, 1, 0)]


@pytest.mark.usefixtures("hospital")
def test_a_file_that_breaks_after_its_first_rows_leaves_nobody_in_the_vault(
    settings: Settings, land: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "ROWS_PER_CHUNK", 2)
    header = "no,xm,zjhm,csrq,xb,sjhm\n"
    land("hospital/H1/patient/2024-06-30/p.csv", header + "1,诸葛青,,1949-12-31,2,13912345678\n")
    land("hospital/H1/surgery/2024-06-30/s.csv", HEADER + "1,1,2024-05-01,x\n2,2,2024-05-01,x\n")
    load_all(settings)
    known = vault_rows(settings)

    def breaking(opened: OpenedFile) -> Iterator[pa.Table]:
        yield from real_batches(opened)
        if "x" in opened.columns:
            raise UnreadableFile("truncated")

    real_batches = OpenedFile.batches
    monkeypatch.setattr(OpenedFile, "batches", breaking)
    rows = "".join(f"{n},欧阳锋,,1950-01-0{n},1,1381234567{n},y\n" for n in (1, 2, 3, 4, 5))
    land("hospital/H1/patient/2024-03-31/p.csv", header.strip() + ",x\n" + rows)
    load_all(settings)
    assert [(name, status) for name, status, *_ in books(settings)] == [("p.csv", "rejected"), ("p.csv", "loaded"), ("s.csv", "loaded")]
    assert vault_rows(settings) == known


def vault_rows(settings: Settings) -> list[tuple]:
    connection = duck.connect()
    with vault.opened(settings, connection):
        return connection.execute(
            "select identity_id, key, first_seen, person_name from vault.identity left join vault.claim using (identity_id) order by 1"
        ).fetchall()


@pytest.mark.usefixtures("hospital")
def test_rows_repeated_in_a_later_chunk_or_file_of_the_day_are_found_and_those_of_another_day_are_not(
    settings: Settings, land: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "ROWS_PER_CHUNK", 3)
    rows = [f"{n},a,2024-05-0{n},x\n" for n in range(1, 8)]
    land("hospital/H1/surgery/2024-12-31/a.csv", HEADER + "".join(rows) + rows[0] + rows[5])
    land("hospital/H1/surgery/2024-12-31/b.csv", HEADER + "9,a,2024-05-01,x\n" + rows[2] + rows[2])
    land("hospital/H1/surgery/2025-01-31/c.csv", HEADER + rows[3] + "8,a,2024-05-01,x\n")
    load_all(settings)
    repeated = ask(settings, "select _file, _row, record_key from quarantine where reason_code = 'duplicate_row' order by 1, 2")
    assert repeated == [("a.csv", 8, "H1|1"), ("a.csv", 9, "H1|6"), ("b.csv", 2, "H1|3"), ("b.csv", 3, "H1|3")]
    assert ask(settings, "select count(*) from surgery") == [(10,)]


@pytest.mark.usefixtures("hospital")
def test_a_person_known_under_a_number_is_found_again_in_the_next_load(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H1/surgery/2024-12-31/s.csv", HEADER + "1,77,2024-05-01,x\n2,78,2024-05-01,x\n3,,2024-05-01,x\n")
    load_all(settings)
    land("hospital/H1/patient/2024-10-31/p.csv", "no,xm,zjhm,csrq,xb,sjhm\n77,诸葛青,,1949-12-31,2,13912345678\n")
    land("hospital/H1/surgery/2025-01-31/s.csv", HEADER + "4,77,2024-05-02,诸葛青\n5,79,2024-05-02,x\n")
    load_all(settings)
    found = ask(settings, "select surgery_no, identity_id, procedure_name from surgery order by 1")
    assert [n for n, _, _ in found] == ["1", "2", "4", "5"]
    by_number = {n: i for n, i, _ in found}
    assert by_number["1"] == by_number["4"] and len(set(by_number.values())) == 3
    assert found[2][2] == "***"
    assert [str(day) for _, key, day, _ in vault_rows(settings) if key == "77"] == ["2024-10-31"]


@pytest.mark.usefixtures("hospital")
def test_a_load_tells_where_its_time_went(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H1/surgery/2024-12-31/s.csv", HEADER + "1,a,2024-05-01,x\n2,,2024-05-01,x\n")
    stages = load.load_organisation(settings, "hospital", "H1", "test")["stages"]
    assert {"read", "reshape", "qc", "identify", "text", "raw write", "lake write", "exceptions", "duplicates"} <= set(stages)
    assert all(cpu >= 0 and wall >= 0 for stage, (wall, cpu) in stages.items() if stage != "waiting for writers")


@pytest.mark.usefixtures("hospital")
def test_loading_again_changes_nothing(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H1/surgery/2024-12-31/s.csv", HEADER + "1,a,2024-05-01,x\n1,a,2024-05-01,x\n")
    load_all(settings)
    state = [ops.rows(settings.ops_url, t) for t in (ops.file_ledger, ops.batch_state, ops.check_result)]
    rows = ask(settings, "select * from surgery")
    load_all(settings, "another run")
    assert [ops.rows(settings.ops_url, t) for t in (ops.file_ledger, ops.batch_state, ops.check_result)] == state
    assert ask(settings, "select * from surgery") == rows


KILLED_AT = ["raw", "lake", "quarantine", "form_answer", "books"]


@pytest.mark.usefixtures("hospital")
@pytest.mark.parametrize("moment", KILLED_AT)
def test_a_load_killed_between_two_tables_ends_the_same_when_run_again(
    settings: Settings, land: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    land("hospital/H1/surgery/2024-12-31/s.csv", HEADER + "1,a,2024-05-01,x\n2,,2024-05-01,x\n")

    class Killed(BaseException):
        pass

    with monkeypatch.context() as patch:
        if moment in {"quarantine", "form_answer"}:
            real_commit_file = lake.commit_file

            def commit_file(table: lake.Table, *args: object) -> None:
                if table.name()[-1] == moment:
                    raise Killed
                real_commit_file(table, *args)

            patch.setattr(lake, "commit_file", commit_file)
        elif moment == "books":
            patch.setattr(load, "_keep_books", lambda *_: (_ for _ in ()).throw(Killed))
        else:
            from pyiceberg.table import Transaction

            real_commit = Transaction.commit_transaction

            def commit(self: Transaction) -> object:
                if self._table.name()[0] == moment and self._table.name()[1] == "surgery":
                    raise Killed
                return real_commit(self)

            patch.setattr(Transaction, "commit_transaction", commit)
        with pytest.raises(Killed):
            load_all(settings)
    assert books(settings) == []
    load_all(settings)
    assert books(settings) == [("s.csv", "loaded", None, 2, 1, 1)]
    assert ask(settings, "select count(*) from surgery") == [(1,)]
    assert ask(settings, "select count(*) from quarantine") == [(1,)]
    raw = lake.table(settings, lake.RAW, "surgery", lake.raw_schema(load.contract("surgery")))
    assert raw.scan().to_arrow().num_rows == 2


@pytest.mark.usefixtures("hospital")
def test_identifying_cells_are_sealed_in_the_raw_zone_and_absent_from_the_lake(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H1/patient/2024-12-31/p.csv", "no,xm,zjhm,csrq,xb,sjhm,备注\n77,诸葛青,11010519491231002X,1949-12-31,2,13912345678,家属诸葛白\n")
    load_all(settings)
    raw = lake.table(settings, lake.RAW, "patient", lake.raw_schema(load.contract("patient"))).scan().to_arrow().to_pylist()[0]
    keys = keyring.by_id(settings, keyring.RAW_ZONE)
    assert raw_zone.unsealed(raw, keys) == {
        "patient_no": "77",
        "person_name": "诸葛青",
        "id_card_no": "11010519491231002X",
        "mobile_phone": "13912345678",
        "?备注": "家属诸葛白",
    }
    files = [p for p in settings.home.rglob("*") if p.is_file()]
    assert len(files) > 10
    for secret in ("诸葛", "11010519491231002X", "13912345678"):
        assert not [p for p in files if secret.encode() in p.read_bytes()], f"{len(secret)} characters that identify a person lie open"


@pytest.mark.usefixtures("hospital")
def test_names_and_numbers_inside_texts_are_scrubbed_before_the_lake(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H1/patient/2024-12-31/p.csv", "no,xm,zjhm,csrq,xb,sjhm\n77,诸葛青,11010519491231002X,1949-12-31,2,13912345678\n")
    land("hospital/H1/surgery/2024-12-31/s.csv", HEADER + "1,77,2024-05-01,为诸葛青行右半结肠切除术 电话：13912345678 证11010519491231002X\n")
    load_all(settings)
    assert ask(settings, "select procedure_name from surgery") == [("为***行右半结肠切除术 电话：*** 证***",)]


@pytest.mark.usefixtures("hospital")
def test_a_wrong_declaration_of_encoding_is_noticed_and_the_text_is_right(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H1/surgery/2024-12-31/s.csv", HEADER + "1,a,2024-05-01,直肠前切除术\n", encoding="utf-8")
    load_all(settings)
    assert ask(settings, "select procedure_name from surgery") == [("直肠前切除术",)]
    assert ask(settings, "select organisation, feed, failed from check_result where rule = 'encoding_mismatch'") == [("H1", "surgery", 1)]


def test_a_database_is_pulled_into_the_landing_folder_and_loaded_like_a_file(
    settings: Settings, describe: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = sqlite3.connect(tmp_path / "his.db")
    database.execute("create table operations (no integer primary key, patient text, day text)")
    database.executemany("insert into operations values (?, ?, ?)", [(1, "a", "2024-05-01"), (2, None, "2024-05-02")])
    database.commit()
    monkeypatch.setenv("HIS_URL", f"sqlite:///{tmp_path / 'his.db'}")
    columns = {"surgery_no": "no", "patient_no": "patient", "surgery_date": "day"}
    pulled = {"kind": "database", "url_env": "HIS_URL", "table": "operations", "order_by": ["no"], "attempts": 1}
    describe("H2", "hospital", {"surgery": {"columns": columns, "pull": pulled}})
    assert load_all(settings)["H2"]["surgery"]["rows_quarantined"] == 1
    assert ask(settings, "select surgery_no from surgery") == [("1",)]
    assert load_all(settings)["H2"]["surgery"]["files"] == 1


def test_a_source_that_cannot_be_pulled_is_named_after_the_landed_files_are_loaded(
    settings: Settings, describe: Callable, land: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIS_URL", "sqlite:////nowhere/his.db")
    pulled = {"kind": "database", "url_env": "HIS_URL", "table": "operations", "order_by": ["no"], "attempts": 1}
    describe("H2", "hospital", {"surgery": {**SURGERY, "pull": pulled}})
    land("hospital/H2/surgery/2024-12-31/s.csv", HEADER + "1,a,2024-05-01,x\n")
    with pytest.raises(PullFailed, match="H2.*surgery"):
        load_all(settings)
    assert books(settings) == [("s.csv", "loaded", None, 1, 1, 0)]


SHIFTED = {
    "columns": {
        "report_no": "rid",
        "item_code": "item",
        "patient_no": "pid",
        "visit_no": "vid",
        "item_name": "name",
        "result": "val",
        "result_unit": "unit",
        "reference_range": "ref",
        "reported_date": "at",
    }
}


def test_cells_in_wrong_columns_carry_nobody_into_the_lake(settings: Settings, describe: Callable, land: Callable[..., Path]) -> None:
    describe("H3", "hospital", {"lab_result": SHIFTED, "patient": PATIENT})
    land("hospital/H3/patient/2024-12-31/p.csv", "no,xm,zjhm,csrq,xb,sjhm\nP1,欧阳锋,11010519491231002X,1949-12-31,2,13912345678\n")
    head = "rid,item,pid,vid,name,val,unit,ref,at\n"
    shifted = "r1,CEA,P1,欧阳锋,太原市迎泽区某路1号,欧阳锋,1101051949123100213912345678,139-1234-5678,2024-05-01\n"
    in_key = "11010519491231002X,CEA,P1,V1,癌胚抗原,1.2,ng/mL,0-5,2024-05-01\n"
    good = "r3,CEA,P1,V202405010000001,癌胚抗原(CEA),1.2,ng/mL,0-5,2024-05-01\n"
    land("hospital/H3/lab_result/2024-12-31/l.csv", head + shifted + in_key + good)
    load_all(settings)
    rows = ask(settings, "select visit_no, item_name, result_text, result_unit, reference_range from lab_result order by report_no")
    assert rows[0] == tuple(["［已隐去］"] * 5)
    assert rows[1] == ("V202405010000001", "癌胚抗原(CEA)", None, "ng/mL", "0-5")
    assert ask(settings, "select reason_code from quarantine") == [("person_number",)]
    raw = lake.table(settings, lake.RAW, "lab_result", lake.raw_schema(load.contract("lab_result"))).scan().to_arrow().to_pylist()
    quarantined = next(r for r in raw if r["_status"] == "quarantined")
    assert quarantined["report_no"] is None
    assert raw_zone.unsealed(quarantined, keyring.by_id(settings, keyring.RAW_ZONE))["?rid"] == "11010519491231002X"


TEXTS = [
    ("患者王小明行右半结肠切除术", "患者***行右半结肠切除术"),
    ("姓名：张 三，行切除术", "姓名：***，行切除术"),
    ("病案号P778899 腹腔镜", "病案号*** 腹腔镜"),
    ("电话１３８００１３８０００ 证110105 19491231 002X", "电话*** 证***"),
    ("左乳外上象限1.2cm×0.8cm，距肛12cm", "左乳外上象限1.2cm×0.8cm，距肛12cm"),
]


@pytest.mark.usefixtures("hospital")
@pytest.mark.parametrize(("said", "kept"), TEXTS)
def test_a_text_is_scrubbed_also_of_a_patient_nobody_has_named_yet(settings: Settings, land: Callable[..., Path], said: str, kept: str) -> None:
    land("hospital/H1/surgery/2024-12-31/s.csv", HEADER + f'1,77,2024-05-01,"{said}"\n')
    load_all(settings)
    assert ask(settings, "select procedure_name from surgery") == [(kept,)]


ODD = [
    ("surgery/2024-12-31/case.csv", "流水号,NO,no,日期\n1,x,a,2024-05-01\n", "duplicate_header"),
    ("surgery/2024-12-31/ours.csv", "流水号,病案号,日期,_file_no\n1,a,2024-05-01,3\n", "reserved_header"),
    ("surgery/2024-1-5/place.csv", HEADER + "1,a,2024-01-01,x\n", "bad_date_folder"),
    ("surgery/loose.csv", HEADER + "1,a,2024-01-01,x\n", "bad_date_folder"),
    ("surgery/2999-01-01/future.csv", HEADER + "1,a,2024-01-01,x\n", "delivery_in_future"),
]


@pytest.mark.usefixtures("hospital")
@pytest.mark.parametrize(("place", "text", "reason"), ODD)
def test_an_odd_file_is_booked_with_its_reason_and_its_neighbour_is_loaded(
    settings: Settings, land: Callable[..., Path], place: str, text: str, reason: str
) -> None:
    land(f"hospital/H1/{place}", text)
    land("hospital/H1/surgery/2024-12-31/zz_good.csv", HEADER + "9,a,2024-05-01,x\n")
    load_all(settings)
    assert {(s, c) for _, s, c, *_ in books(settings)} == {("loaded", None), ("rejected", reason)}
    assert ask(settings, "select surgery_no from surgery") == [("9",)]
    assert load.latest_business_date(settings).isoformat() == "2024-12-31"


@pytest.mark.usefixtures("hospital")
def test_words_that_a_database_reads_as_dates_are_no_dates(settings: Settings, land: Callable[..., Path]) -> None:
    land("hospital/H1/surgery/2024-12-31/s.csv", HEADER + "1,a,infinity,x\n2,a,epoch,x\n")
    load_all(settings)
    assert ask(settings, "select count(*) from surgery") == [(0,)]
