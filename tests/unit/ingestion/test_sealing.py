"""Sealed cells: unreadable without the key, openable one by one with it."""

from pathlib import Path

import pyarrow as pa
import pytest

from ingestion import sealing

CELLS = ["张三", None, "", "149901196001011234", "山西省太原市" * 40, "x"]


@pytest.fixture
def key(tmp_path: Path) -> bytes:
    return sealing.derived_key(tmp_path / "keys" / "vault.key", "test")


def test_each_cell_can_be_opened_alone(key: bytes) -> None:
    seal_id, offsets, sealed = sealing.seal(pa.chunked_array([CELLS[:2], CELLS[2:]]), key)
    opened = [None if c is None else sealing.unseal(c, seal_id, o, key) for c, o in zip(sealed.to_pylist(), offsets.to_pylist(), strict=True)]
    assert opened == CELLS


def test_a_slice_of_a_column_seals_like_the_whole(key: bytes) -> None:
    seal_id, offsets, sealed = sealing.seal(pa.array(["left out", *CELLS]).slice(1), key)
    assert sealed[1].as_py() is None
    assert sealing.unseal(sealed[3].as_py(), seal_id, offsets[3].as_py(), key) == CELLS[3]


def test_sealed_bytes_do_not_hold_the_plain_text_and_differ_each_time(key: bytes) -> None:
    first, second = (sealing.seal(pa.array(["14990119600101123X"]), key)[2][0].as_py() for _ in range(2))
    assert b"149901" not in first and first != second


def test_another_key_opens_nothing(key: bytes, tmp_path: Path) -> None:
    seal_id, offsets, sealed = sealing.seal(pa.array(["zhang san, taiyuan, xiaodian; " * 20]), key)
    other = sealing.derived_key(tmp_path / "keys" / "vault.key", "another purpose")
    with pytest.raises(UnicodeDecodeError):
        sealing.unseal(sealed[0].as_py(), seal_id, offsets[0].as_py(), other)


def test_a_key_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "vault.key"
    sealing.master_key(path)
    path.chmod(0o644)
    with pytest.raises(PermissionError, match="may be read by others"):
        sealing.master_key(path)
