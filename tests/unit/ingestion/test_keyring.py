"""The key ring and its rotation: wherever a rotation is interrupted, everything can still be read, and another call takes it to its end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from infra.settings import ROOT, Settings
from ingestion import duck, keyring, lake, raw_zone, sealing
from ingestion.contracts import contract
from ingestion.identity import vault
from tests.unit.ingestion.lakehouse import load_all

PATIENT = {"columns": {"patient_no": "no", "person_name": "xm", "id_card_no": "zjhm"}}


@pytest.fixture
def delivered(settings: Settings, describe: Callable, land: Callable[..., Path]) -> Callable[[str, str], None]:
    """Load a patient of a hospital: `delivered("2024-01-31", "张三丰")`."""
    describe("H1", "hospital", {"patient": PATIENT})

    def one(day: str, name: str) -> None:
        land(f"hospital/H1/patient/{day}/p.csv", f"no,xm,zjhm\n{day},{name},\n")
        load_all(settings)

    return one


def names_in_vault(settings: Settings) -> list[str]:
    connection = duck.connect()
    with vault.opened(settings, connection):
        return [n for (n,) in connection.execute("select person_name from vault.claim order by delivered_on").fetchall()]


def raw_rows(settings: Settings) -> list[dict]:
    rows = lake.table(settings, lake.RAW, "patient", lake.raw_schema(contract("patient"))).scan().to_arrow().to_pylist()
    return sorted(rows, key=lambda r: r["_delivered_on"])


def names_in_raw_zone(settings: Settings) -> list[str]:
    keys = keyring.by_id(settings, keyring.RAW_ZONE)
    return [raw_zone.unsealed(row, keys)["person_name"] for row in raw_rows(settings)]


def test_after_a_rotation_all_is_read_with_the_new_key_and_nothing_with_the_old(settings: Settings, delivered: Callable[[str, str], None]) -> None:
    delivered("2024-01-31", "张三丰")
    old_key, old_ring, old_vault = settings.key_file.read_bytes(), keyring.ring_file(settings).read_bytes(), settings.vault_file.read_bytes()
    salt = keyring.current(settings, keyring.MAPPING_KEYS)
    assert vault.rotate(settings) == "rotated"
    assert settings.key_file.read_bytes() != old_key and settings.key_file.stat().st_mode & 0o077 == 0
    delivered("2024-02-29", "李四光")
    assert names_in_vault(settings) == names_in_raw_zone(settings) == ["张三丰", "李四光"]
    first, second = (sealing.key_id(row["_seal_id"]) for row in raw_rows(settings))
    assert first != second
    assert keyring.current(settings, keyring.MAPPING_KEYS) == salt
    assert settings.vault_file.read_bytes()[:4096] != old_vault[:4096]
    # who has stolen the old key and the old ring does not get into the new vault
    now = keyring.ring_file(settings).read_bytes()
    settings.key_file.write_bytes(old_key)
    with pytest.raises(keyring.KeyringError, match="another master key"):
        names_in_vault(settings)
    keyring.ring_file(settings).write_bytes(old_ring)
    with pytest.raises(keyring.KeyringError, match="no key of the ring opens the vault"):
        names_in_vault(settings)
    assert json.loads(now)["keys"] and b"rotating" not in now


def test_numbers_issued_go_on_after_a_rotation(settings: Settings, delivered: Callable[[str, str], None]) -> None:
    delivered("2024-01-31", "张三丰")
    vault.rotate(settings)
    delivered("2024-02-29", "李四光")
    connection = duck.connect()
    with vault.opened(settings, connection):
        assert connection.execute("select identity_id from vault.identity order by 1").fetchall() == [("I00000000001",), ("I00000000002",)]
        assert connection.execute("select count(distinct person_id) from vault.identity_person").fetchall() == [(2,)]


class Killed(BaseException):
    """Stands for a process that is gone: nothing catches it."""


STEPS = ["the new key is there", "the ring is wrapped with both keys", "the database is replaced", "the key is replaced", "the old wrapping is gone"]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", range(len(STEPS)), ids=STEPS)
def test_a_rotation_killed_at_any_step_loses_nothing_and_is_taken_to_its_end(
    settings: Settings, delivered: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch, step: int, when: str
) -> None:
    delivered("2024-01-31", "张三丰")
    real, calls = keyring.replace, []

    def replace(source: Path, target: Path) -> None:
        calls.append(target.name)
        if when == "before" and len(calls) == step + 1:
            raise Killed
        real(source, target)
        if when == "after" and len(calls) == step + 1:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(keyring, "replace", replace)
        with pytest.raises(Killed):
            vault.rotate(settings)
    assert calls[step:] == [["vault.key.new", "keyring.json", "vault.duckdb", "vault.key", "keyring.json"][step]]
    assert names_in_vault(settings) == names_in_raw_zone(settings) == ["张三丰"]
    delivered("2024-02-29", "李四光")
    vault.rotate(settings)
    assert names_in_vault(settings) == names_in_raw_zone(settings) == ["张三丰", "李四光"]
    ring = json.loads(keyring.ring_file(settings).read_text())
    assert {len(e["wrapped"]) for e in ring["keys"]} == {1} and "rotating_to" not in ring
    assert [e["purpose"] for e in ring["keys"]].count(keyring.DATABASE) == 1
    assert not list(settings.key_file.parent.glob("*.new"))


def test_a_new_key_taken_away_half_way_leaves_the_vault_readable(
    settings: Settings, delivered: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    delivered("2024-01-31", "张三丰")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(vault, "_reencrypt", lambda _: (_ for _ in ()).throw(Killed()))
        vault.rotate(settings)
    settings.key_file.with_name("vault.key.new").unlink()
    assert vault.rotate(settings) == "finished a rotation that was interrupted"
    assert names_in_vault(settings) == names_in_raw_zone(settings) == ["张三丰"]


def test_a_process_killed_while_it_copies_the_vault_loses_nothing(settings: Settings, delivered: Callable[[str, str], None]) -> None:
    delivered("2024-01-31", "张三丰")
    connection = duck.connect()
    with vault.opened(settings, connection):  # enough that copying takes a while
        connection.execute(
            "insert into vault.claim select 'I' || i, null, null, '某' || hash(i), null, null, null, md5(i::varchar) || md5((i + 1)::varchar), 'H1',"
            " date '2000-01-01', i, 'b', true from range(400000) as t (i)"
        )
    process = subprocess.Popen([sys.executable, "-m", "ingestion.identity", "rotate"], cwd=ROOT)
    fresh = settings.vault_file.with_suffix(".fresh")
    while not fresh.exists() and process.poll() is None:
        time.sleep(0.002)
    time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and fresh.exists()
    assert names_in_vault(settings)[-1] == "张三丰" and names_in_raw_zone(settings) == ["张三丰"]
    assert vault.rotate(settings) == "finished a rotation that was interrupted"
    assert len(names_in_vault(settings)) == 400001 and not fresh.exists()


def test_a_home_from_before_the_ring_is_read_loaded_and_rotated(
    settings: Settings, delivered: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    master = sealing.master_key(settings.key_file)
    settings.vault_file.parent.mkdir(parents=True)
    connection = duckdb.connect()
    duck.load_extensions(connection, ["httpfs"])
    vault._attach_file(connection, settings.vault_file, "vault", keyring.Key("first", sealing.derived(master, "identity vault")))
    connection.execute(vault.SCHEMA)
    connection.close()
    delivered("2024-01-31", "张三丰")
    assert keyring.current(settings, keyring.MAPPING_KEYS).secret == sealing.derived(master, "mapping keys")
    assert [sealing.key_id(r["_seal_id"]) for r in raw_rows(settings)] == ["first"]
    vault.rotate(settings)
    delivered("2024-02-29", "李四光")
    assert names_in_vault(settings) == names_in_raw_zone(settings) == ["张三丰", "李四光"]
    assert keyring.current(settings, keyring.MAPPING_KEYS).secret == sealing.derived(master, "mapping keys")


def test_a_key_from_the_environment_is_rotated_to_the_one_beside_it(
    settings: Settings, delivered: Callable[[str, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKEHOUSE_KEY", "11" * 32)
    delivered("2024-01-31", "张三丰")
    with pytest.raises(ValueError, match="LAKEHOUSE_NEW_KEY does not hold"):
        vault.rotate(settings)
    monkeypatch.setenv("LAKEHOUSE_NEW_KEY", "11" * 32)
    with pytest.raises(ValueError, match="is the key that is in use"):
        vault.rotate(settings)
    monkeypatch.setenv("LAKEHOUSE_NEW_KEY", "22" * 32)
    assert vault.rotate(settings) == "rotated"
    with pytest.raises(keyring.KeyringError, match="LAKEHOUSE_KEY"):
        names_in_vault(settings)
    monkeypatch.setenv("LAKEHOUSE_KEY", "22" * 32)
    assert names_in_vault(settings) == ["张三丰"] and not settings.key_file.exists()


def test_a_key_moved_to_another_place_of_the_ring_is_not_accepted(settings: Settings, delivered: Callable[[str, str], None]) -> None:
    delivered("2024-01-31", "张三丰")
    path = keyring.ring_file(settings)
    ring = json.loads(path.read_text())
    database, raw = (next(e for e in ring["keys"] if e["purpose"] == p) for p in (keyring.DATABASE, keyring.RAW_ZONE))
    database["wrapped"], raw["wrapped"] = raw["wrapped"], database["wrapped"]
    path.write_text(json.dumps(ring))
    with pytest.raises(keyring.KeyringError, match="was changed"):
        names_in_vault(settings)
