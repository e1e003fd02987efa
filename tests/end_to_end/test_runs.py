"""Runs repeated, killed, resumed, set back in time, and given bad deliveries."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.end_to_end.lakehouse import RUN_TABLES, Lakehouse, differences, groups, tables, without_keys


def test_a_run_that_finds_nothing_new_changes_nothing(lakehouse: Lakehouse) -> None:
    link = lakehouse.home / "serving" / "lakehouse.duckdb"
    before = (link.resolve(), hashlib.sha256(link.read_bytes()).hexdigest())
    done = lakehouse.run(SCALE="2000", SEED="11")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing new" in done.stdout
    assert (link.resolve(), hashlib.sha256(link.read_bytes()).hexdigest()) == before


# One organisation of each kind and of different dialects: a run's time follows the number of organisations and feeds.
SOME = ("REF", "NP14", "H1401", "T1401", "S1401", "F1403", "CR14", "PG14")


@pytest.fixture(scope="module")
def undisturbed(lakehouse: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """What some of the organisations deliver, in a lakehouse of its own."""
    root: Path = tmp_path_factory.mktemp("undisturbed")
    landing = lakehouse.home / "extracts" / "landing"
    for folder in (f for f in landing.glob("*/*") if f.name in SOME):
        shutil.copytree(folder, root / "landing" / folder.relative_to(landing))
    made = Lakehouse(root / "home", root / "keys" / "vault.key", root / "landing")
    done = made.run()
    assert done.returncode == 0, done.stdout + done.stderr
    return made


@pytest.fixture(scope="module")
def resumed(undisturbed: Lakehouse, tmp_path_factory: pytest.TempPathFactory) -> Lakehouse:
    """The same extracts in another lakehouse, by runs killed while loading, while building and while publishing, then one to the end."""
    root: Path = tmp_path_factory.mktemp("resumed")
    made = Lakehouse(root / "home", root / "keys" / "vault.key", undisturbed.extracts)
    for line, seconds_later in (("NP14", 1.0), ("gate lake", 4.0), ("gate marts", 0.3)):
        made.run_until_killed(line, seconds_later)
        assert not (made.home / "serving" / "lakehouse.duckdb").exists()
    done = made.run()
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def test_runs_killed_in_the_middle_end_like_an_undisturbed_one(undisturbed: Lakehouse, resumed: Lakehouse) -> None:
    assert groups(resumed) == groups(undisturbed)
    left, right = without_keys(tables(undisturbed.published())), without_keys(tables(resumed.published()))
    assert differences(left, right, without=RUN_TABLES) == []


def test_a_past_day_is_rebuilt_as_it_was_known_then(resumed: Lakehouse, tmp_path: Path) -> None:
    landing = resumed.extracts
    assert landing
    for day in landing.glob("*/*/*/2024-12-31"):
        shutil.copytree(day, tmp_path / "landing" / day.relative_to(landing))
    then = Lakehouse(tmp_path / "home", tmp_path / "keys" / "vault.key", tmp_path / "landing")
    done = then.run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert then.summary["as_of_date"] == "2024-12-31"
    done = resumed.run(AS_OF="2024-12-31")
    assert done.returncode == 0, done.stdout + done.stderr
    left, right = (without_keys({n: t for n, t in tables(x.published()).items() if n.startswith(("feat_", "mart_"))}) for x in (then, resumed))
    assert len(left["feat_resident"]) > 1000
    assert differences(left, right) == []


def test_a_bad_delivery_is_held_named_and_leaves_the_last_good_data(resumed: Lakehouse) -> None:
    done = resumed.run()
    assert done.returncode == 0, done.stdout + done.stderr
    before = tables(resumed.published())
    landing = resumed.extracts
    assert landing
    bad = landing / "checkup" / "T1401" / "physical_exam" / "2025-07-31" / "garbled.csv"
    bad.parent.mkdir(parents=True)
    good = sorted((landing / "checkup" / "T1401" / "physical_exam" / "2024-12-31").iterdir())[0].read_bytes()
    lines = good.splitlines(keepends=True)
    bad.write_bytes(lines[0] + b"".join(b"," + line.split(b",", 1)[1] for line in lines[1:]))  # every row has lost its number
    try:
        done = resumed.run(AS_OF="2025-06-30")
        assert done.returncode == 0, done.stdout + done.stderr
        held = resumed.summary["held"]
        assert [(h["organisation"], h["feed"]) for h in held] == [("T1401", "physical_exam")] and held[0]["rule"]
        assert done.stdout.rstrip().splitlines()[-1].find("T1401") >= 0 or "T1401" in done.stdout.split("published")[-1]
        after = tables(resumed.published())
        assert (
            differences(
                {n: t for n, t in before.items() if n.startswith(("feat_", "mart_"))},
                {n: t for n, t in after.items() if n.startswith(("feat_", "mart_"))},
            )
            == []
        )
        assert resumed.run(AS_OF="2025-06-30", STRICT="1").returncode != 0
    finally:
        shutil.rmtree(bad.parent)
