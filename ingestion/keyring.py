"""The keyring: random data keys, each wrapped with the vault's master key, so that a rotation wraps them anew and leaves the data where they are.

The master key comes from the environment (LAKEHOUSE_KEY, 64 hex digits) or from the key file; both lie outside the data folder. The ring lies beside
the vault and is of no use without the master key. A data key has an id, a purpose and a birth; the newest of a purpose is used to write, the others
still read. A home from before the ring used keys derived from the master key: they become the first keys of its ring, under the id `first`.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from filelock import FileLock

from infra.settings import Settings
from ingestion import sealing

DATABASE, RAW_ZONE, MAPPING_KEYS = "identity vault", "raw zone", "mapping keys"
# While a rotation replaces the master key, a reader may hold the old key and the new ring for a moment.
TRIES, PAUSE_SECONDS = 5, 0.2


class KeyringError(RuntimeError):
    """The ring cannot be opened with the master key."""


@dataclass(frozen=True)
class Key:
    """A data key; its id stands beside what was encrypted with it."""

    id: str
    secret: bytes


def ring_file(settings: Settings) -> Path:
    """Where the wrapped keys lie: in the vault's folder."""
    return settings.vault_file.parent / "keyring.json"


def current(settings: Settings, purpose: str) -> Key:
    """The newest key of a purpose, made at first use."""
    if found := keys(settings, purpose):
        return found[-1]
    with _locked(settings):
        if not (found := keys(settings, purpose)):
            ring = _read(settings)
            _add(ring, purpose, _new(ring, purpose), [sealing.master_key(settings.key_file)])
            _write(settings, ring)
            found = keys(settings, purpose)
    return found[-1]


def keys(settings: Settings, purpose: str) -> list[Key]:
    """The keys of a purpose, oldest first. Raises KeyringError where the master key opens none of the ring."""
    for tried in range(TRIES):
        ring, master = _read(settings), sealing.master_key(settings.key_file)
        entries = [e for e in ring["keys"] if e["purpose"] == purpose]
        if all(_kek_id(master) in e["wrapped"] for e in entries):
            return [Key(e["id"], _unwrapped(e, master)) for e in entries]
        if tried < TRIES - 1:
            time.sleep(PAUSE_SECONDS)
    raise KeyringError(f"the key ring {ring_file(settings)} was wrapped with another master key than that of {_source(settings)}")


def by_id(settings: Settings, purpose: str) -> dict[str, bytes]:
    """All keys of a purpose by their ids."""
    return {k.id: k.secret for k in keys(settings, purpose)}


@contextlib.contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    path = ring_file(settings)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(path.with_suffix(".lock"), timeout=600):
        yield


def _source(settings: Settings) -> str:
    return sealing.KEY_VARIABLE if _from_environment() else str(settings.key_file)


def _read(settings: Settings) -> dict[str, Any]:
    """The ring as it lies there; of a home that has none, one with the derived keys it has used so far, or an empty one."""
    try:
        return json.loads(ring_file(settings).read_text())
    except FileNotFoundError:
        ring: dict[str, Any] = {"keys": []}
    if settings.vault_file.exists():
        master = sealing.master_key(settings.key_file)
        for purpose in (DATABASE, RAW_ZONE, MAPPING_KEYS):
            _add(ring, purpose, Key(sealing.FIRST_KEY, sealing.derived(master, purpose)), [master])
    return ring


def _new(ring: dict[str, Any], purpose: str) -> Key:
    taken = {e["id"] for e in ring["keys"] if e["purpose"] == purpose}
    return Key(next(i for i in iter(lambda: secrets.token_hex(4), "") if i not in taken), secrets.token_bytes(32))


def _kek_id(master: bytes) -> str:
    """What names a master key without telling anything of it."""
    return sealing.derived(master, "name of the master key").hex()[:16]


def _label(purpose: str, key_id: str) -> bytes:
    return f"{purpose}/{key_id}".encode()


def _wrapped(purpose: str, key: Key, master: bytes) -> str:
    nonce = secrets.token_bytes(12)
    return (nonce + AESGCM(sealing.derived(master, "key wrapping")).encrypt(nonce, key.secret, _label(purpose, key.id))).hex()


def _unwrapped(entry: dict[str, Any], master: bytes) -> bytes:
    whole = bytes.fromhex(entry["wrapped"][_kek_id(master)])
    try:
        return AESGCM(sealing.derived(master, "key wrapping")).decrypt(whole[:12], whole[12:], _label(entry["purpose"], entry["id"]))
    except InvalidTag:
        raise KeyringError(f"key {entry['id']} for {entry['purpose']} was changed in the key ring") from None


def _add(ring: dict[str, Any], purpose: str, key: Key, masters: list[bytes]) -> None:
    ring["keys"].append(
        {
            "id": key.id,
            "purpose": purpose,
            "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "wrapped": {_kek_id(m): _wrapped(purpose, key, m) for m in masters},
        }
    )


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file in one step, readable by its owner alone: after a crash it holds the old or the new content."""
    part = path.with_name(path.name + ".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    replace(part, path)


def replace(source: Path, target: Path) -> None:
    """Rename a file over another, and make that last."""
    source.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def rotate(settings: Settings, reencrypt: Callable[[], None]) -> str:
    """Give the vault a new master key, the database a new key, and what is sealed from now on another one. Returns what was done.

    reencrypt  brings the database under its newest key, and does nothing where it is already
    From the environment the new master key is LAKEHOUSE_NEW_KEY; otherwise it is made, and lies as `<key file>.new` beside the old one until it takes
    its place. Killed after any step, everything can still be read with the key that is in place, and another call takes the rotation to its end.
    """
    with _locked(settings):
        old, ring = sealing.master_key(settings.key_file), _read(settings)
        if any(_kek_id(old) not in e["wrapped"] for e in ring["keys"]):
            raise KeyringError(f"the key ring {ring_file(settings)} was wrapped with another master key than that of {_source(settings)}")
        new_file = None if _from_environment() else settings.key_file.with_name(settings.key_file.name + ".new")
        done = "finished a rotation that was interrupted"
        if new_file and not new_file.exists() and any(len(e["wrapped"]) > 1 for e in ring["keys"]):
            new, new_file = old, None
        else:
            new = _new_master(old, new_file)
            if ring.get("rotating_to") != _kek_id(new):
                done = "rotated"
            _wrap_anew(settings, ring, old, new)
        reencrypt()
        if new_file:
            replace(new_file, settings.key_file)
        ring["keys"] = [e for e in ring["keys"] if e["purpose"] != DATABASE] + [e for e in ring["keys"] if e["purpose"] == DATABASE][-1:]
        for e in ring["keys"]:
            e["wrapped"] = {_kek_id(new): e["wrapped"][_kek_id(new)]}
        ring.pop("rotating_to", None)
        _write(settings, ring)
    return done


def _from_environment() -> bool:
    return bool(os.environ.get(sealing.KEY_VARIABLE))


def _new_master(old: bytes, new_file: Path | None) -> bytes:
    if new_file is None:
        new = sealing.read_key(os.environ.get("LAKEHOUSE_NEW_KEY", ""), "LAKEHOUSE_NEW_KEY")
        if new == old:
            raise ValueError("LAKEHOUSE_NEW_KEY is the key that is in use; set it to another (openssl rand -hex 32)")
        return new
    if not new_file.exists():
        write_whole(new_file, secrets.token_bytes(32).hex().encode())
    return sealing.read_key(new_file.read_text(), str(new_file))


def _wrap_anew(settings: Settings, ring: dict[str, Any], old: bytes, new: bytes) -> None:
    """Wrap every key with both master keys, and add keys for the database and for what is sealed from now on, once a rotation."""
    for e in ring["keys"]:
        if _kek_id(new) not in e["wrapped"]:
            e["wrapped"][_kek_id(new)] = _wrapped(e["purpose"], Key(e["id"], _unwrapped(e, old)), new)
    if ring.get("rotating_to") != _kek_id(new):
        for purpose in (DATABASE, RAW_ZONE):
            _add(ring, purpose, _new(ring, purpose), [old, new])
        ring["rotating_to"] = _kek_id(new)
    _write(settings, ring)


def _write(settings: Settings, ring: dict[str, Any]) -> None:
    write_whole(ring_file(settings), json.dumps(ring, indent=1).encode())
