"""The scanner finds a value planted in any kind of file, container or encoding, and nothing where nothing was planted."""

from __future__ import annotations

import base64
import bz2
import gzip
import html
import io
import json
import lzma
import sqlite3
import urllib.parse
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from infra.settings import Settings
from ingestion.identity.__main__ import main
from ingestion.identity.scanner import (
    ADDRESS,
    DOCUMENT,
    ID_NUMBER,
    NAME,
    OWN_NUMBER,
    PHONE,
    UNREADABLE,
    Needles,
    Value,
    avro_blocks,
    scan,
)
from tests.unit.ingestion.lakehouse import load_all
from tests.unit.ingestion.test_linking import WANG

PHONE_NO, LONG, SHORT, HOME = "15412345678", "诸葛孔明", "王芳", "太原市小店区平阳路96号3单元"
NEEDLES = Needles(
    [Value(ID_NUMBER, WANG), Value(PHONE, PHONE_NO), Value(NAME, LONG), Value(NAME, SHORT), Value(ADDRESS, HOME), Value(OWN_NUMBER, "ZY00012345")]
)


def found(home: Path, needles: Needles = NEEDLES) -> set[str]:
    """Kinds of what is found under a folder."""
    return {f.kind for f in scan(home, needles)}


def parquet(table: pa.Table, **more: object) -> bytes:
    stream = io.BytesIO()
    pq.write_table(table, stream, **{"compression": "zstd", "write_statistics": False, **more})
    return stream.getvalue()


def pointing_to_the_first(texts: list[str]) -> pa.Array:
    """A column whose rows all have the first text of its dictionary."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * 9, pa.int32()), pa.array(texts))


def filler(value: str) -> list[str]:
    """The value among others that make compression worth while."""
    return [f"row {i % 7} of something" for i in range(500)] + [value]


def zipped(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def avro(content: bytes, codec: str) -> bytes:
    """An Avro container with one block."""
    packed = {"deflate": lambda b: zlib.compress(b)[2:-4], "zstandard": zstandard.compress, "null": bytes, "gzip": gzip.compress}[codec](content)

    def number(n: int) -> bytes:
        n, out = n << 1, b""
        while n > 0x7F:
            out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
        return out + bytes([n])

    def text(b: bytes) -> bytes:
        return number(len(b)) + b

    head = b"Obj\x01" + number(1) + text(b"avro.codec") + text(codec.encode()) + number(0) + b"S" * 16
    return head + number(1) + text(packed) + b"S" * 16


def workbook(path: Path, value: str) -> None:
    book = openpyxl.Workbook()
    book.active.append(["姓名", "号码"])
    book.active.append(["x", value])
    book.save(path)


def in_sqlite(path: Path, value: object, *, statements: tuple[str, ...] = ()) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("pragma secure_delete = off")
        connection.execute("create table xcom (key text, value blob)")
        connection.execute("insert into xcom values ('return_value', ?)", [value])
        for statement in statements:
            connection.execute(statement)
    connection.close()


def in_sqlite_log(path: Path, value: str) -> None:
    """A row that is in the write-ahead log alone, as a database that is open leaves it."""
    other = path.with_name("other.db")
    connection = sqlite3.connect(other)
    connection.execute("pragma journal_mode = wal")
    connection.execute("create table t (v blob)")
    connection.execute("insert into t values (?)", [gzip.compress("\n".join(filler(value)).encode())])
    connection.commit()
    for ending in ("", "-wal"):
        path.with_name(path.name + ending).write_bytes(other.with_name(other.name + ending).read_bytes())
    connection.close()
    other.unlink()


def in_duckdb(path: Path, value: str, statement: str) -> None:
    connection = duckdb.connect(str(path))
    connection.execute("create table filler as select 'row ' || i % 7 as v from range(5000) as t (i)")
    connection.execute(statement.replace("?", f"'{value}'"))
    connection.close()


def in_duckdb_log(path: Path, value: str) -> None:
    connection = duckdb.connect(str(path))
    connection.execute("set checkpoint_threshold = '1GB'; pragma disable_checkpoint_on_shutdown; create table t (v varchar)")
    connection.execute(f"insert into t select '{value}' from range(3)")
    connection.close()
    assert path.with_name(path.name + ".wal").exists()


PLACES: dict[str, Callable[[Path, str], object]] = {
    "log": lambda p, v: (p / "run.log").write_text(f"2025-06-30 loading {v} of H1402\n"),
    "name of a file": lambda p, v: (p / f"报告_{v}.txt").write_text("x"),
    "csv in gb18030": lambda p, v: (p / "a.csv").write_bytes(f"行,值\n1,{v}\n".encode("gb18030")),
    "json": lambda p, v: (p / "a.json").write_text(json.dumps({"a": [f"见{v}。"]}), encoding="ascii"),
    "html": lambda p, v: (p / "a.html").write_text("<td>见" + "".join(f"&#{ord(c)};" for c in v) + "</td>"),
    "url in a log": lambda p, v: (p / "access.log").write_text(f"GET /people?q={urllib.parse.quote('见' + v)}&x=1\n"),
    "inline base64": lambda p, v: (p / "a.html").write_text(f'<img src="data:text/plain;base64,{base64.b64encode(f"见{v}。".encode()).decode()}">'),
    "gzip": lambda p, v: (p / "a.log.gz").write_bytes(gzip.compress("\n".join(filler(v)).encode())),
    "bzip2": lambda p, v: (p / "a.bz2").write_bytes(bz2.compress("\n".join(filler(v)).encode())),
    "xz": lambda p, v: (p / "a.xz").write_bytes(lzma.compress("\n".join(filler(v)).encode())),
    "zstandard": lambda p, v: (p / "a.zst").write_bytes(zstandard.compress("\n".join(filler(v)).encode())),
    "zip in a zip": lambda p, v: (p / "a.zip").write_bytes(zipped("b.zip", zipped("c.csv", "\n".join(filler(v)).encode()))),
    "workbook": lambda p, v: workbook(p / "a.xlsx", v),
    "parquet": lambda p, v: (p / "a.parquet").write_bytes(parquet(pa.table({"v": filler(v)}), use_dictionary=False)),
    "parquet dictionary": lambda p, v: (p / "a.parquet").write_bytes(parquet(pa.table({"v": filler(v)}))),
    "parquet dictionary, no row": lambda p, v: (p / "a.parquet").write_bytes(
        parquet(pa.table({"v": pointing_to_the_first([*map(str, range(900)), v])}), store_schema=False)
    ),
    "parquet statistics": lambda p, v: (p / "a.parquet").write_bytes(parquet(pa.table({"v": [v]}), write_statistics=True)),
    "parquet list": lambda p, v: (p / "a.parquet").write_bytes(parquet(pa.table({"v": [[{"w": t}] for t in filler(v)]}))),
    "parquet map": lambda p, v: (p / "a.parquet").write_bytes(
        parquet(pa.table({"v": pa.array([[(t, 1)] for t in filler(v)], pa.map_(pa.string(), pa.int32()))}))
    ),
    "gzip in a parquet cell": lambda p, v: (p / "a.parquet").write_bytes(parquet(pa.table({"v": [gzip.compress("\n".join(filler(v)).encode())]}))),
    "avro, null": lambda p, v: (p / "a.avro").write_bytes(avro("\n".join(filler(v)).encode(), "null")),
    "avro, deflate": lambda p, v: (p / "a.avro").write_bytes(avro("\n".join(filler(v)).encode(), "deflate")),
    "avro, gzip": lambda p, v: (p / "a.avro").write_bytes(avro("\n".join(filler(v)).encode(), "gzip")),
    "avro, zstandard": lambda p, v: (p / "a.avro").write_bytes(avro("\n".join(filler(v)).encode(), "zstandard")),
    "sqlite": lambda p, v: in_sqlite(p / "airflow.db", v),
    "sqlite, large cell": lambda p, v: in_sqlite(p / "airflow.db", ("x" * 3999 + v) * 3),
    "sqlite, deleted": lambda p, v: in_sqlite(p / "airflow.db", v, statements=("delete from xcom",)),
    "sqlite, gzip in a cell": lambda p, v: in_sqlite(p / "airflow.db", gzip.compress("\n".join(filler(v)).encode())),
    "sqlite, log": lambda p, v: in_sqlite_log(p / "ops.db", v),
    "duckdb": lambda p, v: in_duckdb(p / "a.duckdb", v, "create table t as select 'row ' || i as v from range(5000) as t (i) union all select ?"),
    "duckdb, list": lambda p, v: in_duckdb(p / "a.duckdb", v, "create table t as select [{'a': 'x' || i}, {'a': ?}] as v from range(50) as t (i)"),
    "duckdb, view": lambda p, v: in_duckdb(p / "a.duckdb", v, "create view w as select v = ? as x from filler"),
    "duckdb, log": lambda p, v: in_duckdb_log(p / "a.duckdb", v),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), [(ID_NUMBER, WANG), (NAME, LONG), (ADDRESS, HOME)], ids=["number", "name", "address"])
@pytest.mark.parametrize("place", PLACES)
def test_a_value_is_found_wherever_it_was_planted_and_nothing_where_it_was_not(tmp_path: Path, place: str, kind: str, value: str) -> None:
    for folder, planted in (("clean", "无关的文字"), ("planted", value)):
        (tmp_path / folder).mkdir()
        PLACES[place](tmp_path / folder, planted)
    assert found(tmp_path / "clean") == set()
    assert found(tmp_path / "planted") == {kind}


PACKED = [p for p in PLACES if p.startswith(("gzip", "bzip2", "xz", "zstandard", "zip", "workbook", "avro, d", "avro, g", "avro, z", "html", "url"))]


@pytest.mark.parametrize("place", [*PACKED, "parquet", "parquet dictionary, no row", "sqlite, gzip in a cell", "sqlite, log", "sqlite, large cell"])
def test_these_plants_do_not_show_in_the_bytes_of_the_file(tmp_path: Path, place: str) -> None:
    PLACES[place](tmp_path, HOME)
    raw = [p.read_bytes() for p in tmp_path.iterdir()]
    assert place == "sqlite, large cell" or not any(HOME.encode() in b for b in raw)


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.decimal128(22, 2)], ids=str)
def test_a_phone_in_a_column_of_numbers_is_found(tmp_path: Path, kind: pa.DataType) -> None:
    (tmp_path / "a.parquet").write_bytes(parquet(pa.table({"v": pa.array([1, 2, int(PHONE_NO)]).cast(kind)})))
    in_duckdb(tmp_path / "a.duckdb", PHONE_NO, "create table t as select cast(? as bigint) as v from range(3)")
    assert [f.place for f in scan(tmp_path, NEEDLES) if f.kind == PHONE] == ["a.duckdb › t.v", "a.parquet › v"]


FORMS = [
    # text, kinds found
    (WANG, {ID_NUMBER}),
    (WANG[:6] + WANG[8:17], {ID_NUMBER}),  # as it was before 1999
    (WANG[:16], {ID_NUMBER}),  # as statistics keep it
    (WANG[:15], set()),
    ("7" + WANG, set()),  # part of a longer number
    (f"tel{PHONE_NO}", {PHONE}),
    (f"{PHONE_NO}0", set()),
    ("ZY00012345", {OWN_NUMBER}),
    ("ZY000123456", set()),
    ("AZY00012345", set()),
    (HOME[:16], {ADDRESS}),
    (HOME[:8], set()),
    (f"患者{SHORT}，女", {NAME}),
    (f"姓名：{SHORT}", {NAME}),
    (f'{{"a": "{SHORT}"}}', {NAME}),
    (f"1,{SHORT},2", {NAME}),
    (f"<td>{SHORT}</td>", {NAME}),
    (f"君{SHORT}草", set()),
]


@pytest.mark.parametrize(("text", "kinds"), FORMS)
def test_a_value_is_told_from_a_part_of_another(tmp_path: Path, text: str, kinds: set[str]) -> None:
    (tmp_path / "a.log").write_text(text, encoding="utf-8")
    assert found(tmp_path) == kinds


def test_a_short_name_or_number_is_found_as_a_whole_cell(tmp_path: Path) -> None:
    needles = Needles([Value(NAME, SHORT), Value(OWN_NUMBER, "70123"), Value(DOCUMENT, "E12345678"), Value(OWN_NUMBER, "77")])
    (tmp_path / "a.parquet").write_bytes(parquet(pa.table({"a": [SHORT, "x"], "b": ["70123", "y"], "c": ["君王芳草", "170123"], "d": ["77", "E1"]})))
    in_sqlite(tmp_path / "a.db", SHORT)
    assert {(f.place, f.kind) for f in scan(tmp_path, needles)} == {
        ("a.parquet › a", NAME), ("a.parquet › b", OWN_NUMBER), ("a.db › xcom.value", NAME),
    }  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        b"PAR1 and then nothing of it",
        b"\x1f\x8b\x08 broken",
        b"PK\x03\x04 broken",
        avro(b"x", "null").replace(b"null", b"odd!"),
        b"%PDF-1.7 text drawn with fonts",
    ],
    ids=["parquet", "gzip", "zip", "avro", "pdf"],
)
def test_what_cannot_be_opened_is_a_finding(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    assert found(tmp_path) == {UNREADABLE}


def test_a_finding_never_tells_the_value(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text(f"{WANG} {LONG} {HOME} {PHONE_NO}", encoding="utf-8")
    said = "\n".join(map(str, scan(tmp_path, NEEDLES)))
    assert said.count("a.log") == 4 and not any(v in said for v in (WANG, LONG, HOME, PHONE_NO))


def test_a_name_that_is_a_word_of_the_project_is_left_out_and_counted() -> None:
    needles = Needles([Value(NAME, "高平市"), Value(NAME, LONG)], words="高平市是县级市")
    assert needles.left_out == 1 and not needles.in_bytes("高平市".encode()) and needles.in_bytes(LONG.encode())


def test_folders_may_be_left_out(tmp_path: Path) -> None:
    for folder in ("vault", "lake"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.log").write_text(WANG)
    assert [f.place for f in scan(tmp_path, NEEDLES, without=[tmp_path / "vault"])] == ["lake/a.log"]


def test_avro_blocks_are_those_written() -> None:
    assert [list(avro_blocks(avro(b"abc" * 99, codec))) for codec in ("null", "deflate", "gzip", "zstandard")] == [[b"abc" * 99]] * 4


@pytest.fixture
def loaded(settings: Settings, describe: Callable, land: Callable[..., Path]) -> Iterator[Settings]:
    patient = {"columns": {"patient_no": "no", "person_name": "xm", "id_card_no": "zjhm", "mobile_phone": "sj", "residence_address": "dz"}}
    describe("H1", "hospital", {"patient": patient})
    row = f"ZY00012345,{LONG},{WANG},{PHONE_NO},{HOME}"
    land("hospital/H1/patient/2024-01-31/p.csv", f"no,xm,zjhm,sj,dz,备注\n{row},家属{LONG}\n,{LONG},{WANG},{PHONE_NO},{HOME},\n")
    load_all(settings)
    yield settings


def test_the_command_finds_nothing_in_what_a_load_leaves_and_something_when_it_is_planted(
    loaded: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["scan"]) == 0
    assert "0 findings" in capsys.readouterr().out
    (loaded.home / "logs").mkdir(exist_ok=True)
    (loaded.home / "logs" / "x.log").write_text(html.escape(f"no ZY00012345, {PHONE_NO}"))
    assert main(["scan"]) == 1
    said = capsys.readouterr()
    assert "2 findings" in said.out and said.err.count("logs/x.log") == 2 and PHONE_NO not in said.out + said.err
