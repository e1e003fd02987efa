"""Sealed cells: unreadable without the key, openable one by one with it, and not to be changed unnoticed."""

import secrets
from pathlib import Path

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ingestion import sealing

CELLS = ["张三", None, "", "149901196001011234", "山西省太原市" * 40, "x"]
KEYS = {"k1": secrets.token_bytes(32), "k2": secrets.token_bytes(32)}


def sealed(cells: pa.Array | pa.ChunkedArray, *starts: int, key_id: str = "k1") -> list[tuple[bytes | None, str, int]]:
    """Sealed cell, seal id and offset of each row."""
    ids, which, offsets, encrypted = sealing.seal(cells, KEYS[key_id], key_id, starts or (0,))
    return list(zip(encrypted.to_pylist(), [ids[w] for w in which], offsets.to_pylist(), strict=True))


def whole(rows: list[tuple[bytes | None, str, int]]) -> list[str | None]:
    """The rows of one seal, opened together."""
    cells, ids, offsets = zip(*rows, strict=True)
    assert len(set(ids)) == 1
    return sealing.opened(cells, ids[0], offsets, KEYS)


@pytest.mark.parametrize("starts", [(0,), (0, 3), (0, 1, 2, 3, 4, 5)])
def test_each_cell_can_be_opened_alone(starts: tuple[int, ...]) -> None:
    rows = sealed(pa.chunked_array([CELLS[:2], CELLS[2:]]), *starts)
    assert [None if c is None else sealing.unseal(c, seal_id, o, KEYS) for c, seal_id, o in rows] == CELLS
    assert len({seal_id for _, seal_id, _ in rows}) == len(starts)


def test_a_run_of_rows_can_be_opened_together() -> None:
    rows = sealed(pa.array(CELLS), 0, 3)
    assert whole(rows[:3]) == CELLS[:3] and whole(rows[3:]) == CELLS[3:]


def test_a_slice_of_a_column_seals_like_the_whole() -> None:
    rows = sealed(pa.array(["left out", *CELLS]).slice(1), 0, 4)
    assert [None if c is None else sealing.unseal(c, s, o, KEYS) for c, s, o in rows] == CELLS and whole(rows[4:]) == CELLS[4:]


@pytest.mark.parametrize("column", [pa.array([], pa.string()), pa.nulls(3, pa.large_string()), pa.array(["", ""])])
def test_a_column_without_text_is_sealed_too(column: pa.Array) -> None:
    rows = sealed(column)
    assert [c for c, _, _ in rows] == [None if c is None else b"" for c in column.to_pylist()]
    assert not rows or whole(rows) == column.to_pylist()


def _changed(rows: list) -> list:
    return [(bytes([rows[0][0][0] ^ 1]) + rows[0][0][1:], *rows[0][1:]), *rows[1:]]


CHANGES = {
    "a bit": _changed,
    "a row taken away at the end": lambda rows: rows[:-1],
    "a row taken away at the beginning": lambda rows: rows[1:],
    "a row twice": lambda rows: [*rows, rows[-1]],
    "two rows exchanged": lambda rows: [rows[1], rows[0], *rows[2:]],
    "two cells exchanged": lambda rows: [(rows[1][0], *rows[0][1:]), (rows[0][0], *rows[1][1:]), *rows[2:]],
    "a cell emptied": lambda rows: [(None, *rows[0][1:]), *rows[1:]],
    "another offset": lambda rows: [*rows[:-1], (*rows[-1][:2], 0)],
    "another tag": lambda rows: [(c, s[:-1] + ("0" if s[-1] != "0" else "1"), o) for c, s, o in rows],
    "another key": lambda rows: [(c, "k2" + s[2:], o) for c, s, o in rows],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed(change: str) -> None:
    rows = sealed(pa.array(["甲乙丙丁", "戊己庚辛", "壬癸"]))
    with pytest.raises(sealing.Tampered):
        whole(CHANGES[change](rows))


def test_sealed_bytes_do_not_hold_the_plain_text_and_differ_each_time() -> None:
    first, second = (sealed(pa.array(["14990119600101123X"]))[0][0] for _ in range(2))
    assert b"149901" not in first and first != second


def test_another_key_opens_nothing() -> None:
    cell, seal_id, offset = sealed(pa.array(["zhang san, taiyuan, xiaodian; " * 20]))[0]
    with pytest.raises(UnicodeDecodeError):
        sealing.unseal(cell, seal_id, offset, {"k1": KEYS["k2"]})


def test_seals_from_before_the_tags_are_still_read() -> None:
    seal_id = "00112233445566778899aabb00000000"
    stream = Cipher(algorithms.AES(KEYS["k1"]), modes.CTR(bytes.fromhex(seal_id))).encryptor()
    cell = stream.update("前面十七个字节ab张三，太原市".encode())[23:]
    assert sealing.unseal(cell, seal_id, 23, {sealing.FIRST_KEY: KEYS["k1"]}) == "张三，太原市"
    assert not sealing.is_authenticated(seal_id) and sealing.is_authenticated(sealed(pa.array(["x"]))[0][1])


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    sealing.master_key(path)
    path.chmod(0o644)
    with pytest.raises(PermissionError, match="may be read by others"):
        sealing.master_key(path)


def test_the_key_may_come_from_the_environment_and_is_not_told_when_it_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_KEY", "ab" * 32)
    assert sealing.master_key(tmp_path / "vault.key") == b"\xab" * 32 and not (tmp_path / "vault.key").exists()
    monkeypatch.setenv("LAKEHOUSE_KEY", "secret" * 12)
    with pytest.raises(ValueError, match="LAKEHOUSE_KEY does not hold 32 bytes") as caught:
        sealing.master_key(tmp_path / "vault.key")
    assert "secret" not in str(caught.value)
