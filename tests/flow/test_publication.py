"""A version is published whole or not at all, and nobody who reads is disturbed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import duckdb
import pytest

from infra import publication
from infra.publication import CopyDiffers, Publication, is_current
from infra.settings import Settings
from ingestion import ops

DAY = date(2026, 6, 30)
Build = Callable[[int], Path]


def publish(settings: Settings, run_id: str, as_of: date) -> Publication:
    """Publish a build that was not made by dbt."""
    return publication.publish(settings, run_id, as_of, refresh=lambda *_: None)


def residents(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute("select count(*) from feat_resident").fetchone()[0]


def batch(settings: Settings, batch_id: str, status: str) -> None:
    row = {"batch_id": batch_id, "source": "hospital", "organisation": "H1", "feed": "patient", "delivered_on": DAY, "status": status}
    with ops.transaction(settings.ops_url) as connection:
        ops.replace(connection, ops.batch_state, [{**row, "decided_at": ops.now()}])


def files(settings: Settings) -> list[str]:
    return sorted(p.name for p in (settings.serving.parent / "versions").iterdir())


def test_readers_see_published_tables_and_views_and_nothing_else(settings: Settings, build: Build) -> None:
    build(7)
    done = publish(settings, "run", DAY)
    with duckdb.connect(str(settings.serving), read_only=True) as connection:
        kinds = dict(connection.execute("select table_name, table_type from information_schema.tables").fetchall())
        assert connection.execute("select m from meta_above").fetchone()[0] == 8
        comment = connection.execute(
            "select comment from duckdb_columns() where table_name = 'feat_resident' and column_name = 'person_id'"
        ).fetchone()[0]
    assert kinds == {
        "feat_resident": "BASE TABLE",
        "meta_check_result": "BASE TABLE",
        "meta_residents": "VIEW",
        "meta_above": "VIEW",
        "meta_private": "BASE TABLE",
    }
    assert comment == "key of a person, 居民编号"
    assert (done.tables, done.rows) == (5, 8)


def test_a_reader_keeps_the_version_it_opened_and_the_next_one_gets_the_new(settings: Settings, build: Build) -> None:
    build(7)
    publish(settings, "first", DAY)
    reader = duckdb.connect(str(settings.serving.resolve()), read_only=True)
    build(9)
    publish(settings, "second", DAY)
    assert reader.execute("select count(*) from feat_resident").fetchone()[0] == 7
    assert residents(settings.serving) == 9
    reader.close()


@pytest.mark.parametrize("killed_in", ["copy", "switch", "record"])
def test_a_run_killed_anywhere_leaves_a_whole_version_and_its_repetition_ends_the_same(
    settings: Settings, build: Build, monkeypatch: pytest.MonkeyPatch, killed_in: str
) -> None:
    build(7)
    publish(settings, "first", DAY)
    build(9)
    with monkeypatch.context() as patched:
        if killed_in == "copy":
            patched.setattr(publication, "_count", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        elif killed_in == "switch":
            patched.setattr(publication, "switch", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        else:
            patched.setattr(ops, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            publish(settings, "killed", DAY)
    assert residents(settings.serving) == (9 if killed_in == "record" else 7)
    assert is_current(settings, DAY) is (killed_in != "record")
    again = publish(settings, "again", DAY)
    assert residents(settings.serving) == 9
    assert settings.serving.resolve() == again.path
    assert len(files(settings)) == 2
    assert not [f for f in files(settings) if not f.endswith(".duckdb")]


def test_a_copy_that_lost_rows_is_not_published(settings: Settings, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    build(7)
    publish(settings, "first", DAY)
    build(9)
    counts = iter(range(100))
    monkeypatch.setattr(publication, "_count", lambda *_: next(counts))
    with pytest.raises(CopyDiffers, match="feat_resident: 0 rows in the build, 1 in the copy"):
        publish(settings, "second", DAY)
    assert residents(settings.serving) == 7


def test_a_build_without_anything_to_publish_is_refused(settings: Settings) -> None:
    settings.warehouse.path.parent.mkdir(parents=True)
    duckdb.connect(str(settings.warehouse.path)).close()
    with pytest.raises(CopyDiffers, match="holds no table to publish"):
        publish(settings, "run", DAY)
    assert not settings.serving.exists()


def test_the_last_three_versions_are_kept(settings: Settings, build: Build) -> None:
    build(7)
    made = [publish(settings, str(n), DAY).path.name for n in range(5)]
    assert files(settings) == sorted(made[2:])


def test_verdicts_of_gates_that_ran_after_dbt_are_published(settings: Settings, build: Build) -> None:
    path = build(7)

    def gates_ran(*_: object) -> None:
        with duckdb.connect(str(path)) as connection:
            connection.execute("insert into meta_check_result values ('c1', 'pass')")

    publication.publish(settings, "run", DAY, refresh=gates_ran)
    with duckdb.connect(str(settings.serving), read_only=True) as connection:
        assert connection.execute("from meta_check_result").fetchall() == [("c1", "pass")]


def test_a_published_version_is_current_until_a_batch_the_day_or_the_code_changes(
    settings: Settings, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(7)
    batch(settings, "b1", "released")
    assert not is_current(settings, DAY)
    publish(settings, "run", DAY)
    assert is_current(settings, DAY)
    batch(settings, "b2", "held")
    assert is_current(settings, DAY), "a held batch is not part of a build"
    assert not is_current(settings, date(2026, 7, 1))
    batch(settings, "b2", "released")
    assert not is_current(settings, DAY)
    publish(settings, "run", DAY)
    monkeypatch.setattr(publication, "code_hash", lambda: "another")
    assert not is_current(settings, DAY)


def test_the_code_hash_follows_models_and_contracts_but_not_what_dbt_writes(tmp_path: Path) -> None:
    for place, text in {"dbt_project/models/a.sql": "select 1", "ingestion/contracts/feeds/f.yaml": "a: 1"}.items():
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_text(text)
    before = publication.code_hash(tmp_path)
    (tmp_path / "dbt_project/target").mkdir()
    (tmp_path / "dbt_project/target/b.sql").write_text("select 2")
    assert publication.code_hash(tmp_path) == before
    (tmp_path / "ingestion/contracts/feeds/f.yaml").write_text("a: 2")
    assert publication.code_hash(tmp_path) != before
