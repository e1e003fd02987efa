"""Sealing: identifying columns of the raw zone are encrypted with keys that lie outside the data folder, and cannot be changed unnoticed.

A run of rows is encrypted as one stream (AES-256-GCM, through `cryptography`) and cut back into cells, so a million rows cost milliseconds and a
single row can still be opened: its place in the stream is stored beside it. The run's tag stands in its seal id, `<key id>.<nonce>.<tag>` in hex;
it holds for the rows in their order, so a cell changed, moved, added or taken away is noticed when the run is opened as a whole (`opened`).
Seals from before the tags (counter mode, 32 hex digits) are still read.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

BLOCK, NONCE, TAG, KEY = 16, 12, 16, 32
# GCM encrypts its first block of text with the counter at 2.
FIRST_COUNTER = 2
FIRST_KEY = "first"
KEY_VARIABLE = "LAKEHOUSE_KEY"


class Tampered(ValueError):
    """Sealed cells are not those that were sealed."""


def read_key(text: str, source: str) -> bytes:
    """A key of 32 bytes in hex. Raises ValueError where the text is none; the message does not tell the text."""
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY:
        raise ValueError(f"{source} does not hold {KEY} bytes in hex")
    return key


def master_key(key_file: Path) -> bytes:
    """The vault's key, from the environment (LAKEHOUSE_KEY) or the key file; that is made at first use, readable by its owner alone.

    Raises PermissionError when others may read the file and ValueError when there are no 32 bytes in hex.
    """
    if said := os.environ.get(KEY_VARIABLE):
        return read_key(said, KEY_VARIABLE)
    try:
        key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(KEY))
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        pass
    if key_file.stat().st_mode & 0o077:
        raise PermissionError(f"the key file {key_file} may be read by others; set its permissions to 600")
    return read_key(key_file.read_text(), f"the key file {key_file}")


def derived(master: bytes, purpose: str) -> bytes:
    """A 32-byte key for one purpose, derived from another (HKDF-SHA256)."""
    return HKDF(algorithm=hashes.SHA256(), length=KEY, salt=None, info=purpose.encode()).derive(master)


def seal(
    cells: pa.ChunkedArray | pa.Array, key: bytes, key_id: str, starts: Sequence[int] = (0,)
) -> tuple[list[str], np.ndarray, pa.Array, pa.Array]:
    """Encrypt a column of texts; null stays null.

    starts  first rows of the runs that are sealed together, in order
    Returns the seal ids, which of them each row has, each cell's offset in its run's stream, and the encrypted cells.
    """
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.combine_chunks()
    plain = cells.cast(pa.large_binary())
    if isinstance(plain, pa.ChunkedArray):
        plain = plain.chunk(0) if plain.num_chunks == 1 else pa.concat_arrays(plain.chunks)
    validity, offsets_buffer, data = plain.buffers()
    n = len(plain)
    offsets = np.frombuffer(offsets_buffer, dtype=np.int64)[plain.offset : plain.offset + n + 1] if n else np.zeros(1, np.int64)
    places = offsets - offsets[0]
    body = memoryview(data or b"").cast("B")[int(offsets[0]) : int(offsets[-1])]
    sealed, cipher = bytearray(len(body)), AESGCM(key)
    first = np.asarray(starts, np.int64)
    bounds = places[np.append(first, n)].tolist()
    ids = []
    for begin, end in zip(bounds, bounds[1:], strict=False):
        nonce = secrets.token_bytes(NONCE)
        said = cipher.encrypt(nonce, body[begin:end], None)
        sealed[begin:end] = said[:-TAG]
        ids.append(f"{key_id}.{nonce.hex()}.{said[-TAG:].hex()}")
    which = np.repeat(np.arange(len(ids), dtype=np.int32), np.diff(np.append(first, n)))
    encrypted = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), n, [_bitmap(plain, validity), pa.py_buffer(np.ascontiguousarray(places)), pa.py_buffer(sealed)]
    )
    return ids, which, pa.array(places[:-1] - np.asarray(bounds[:-1], np.int64)[which], pa.int64()), encrypted


def _bitmap(array: pa.Array, validity: pa.Buffer | None) -> pa.Buffer | None:
    if validity is None or array.null_count == 0:
        return None
    bits = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")[array.offset : array.offset + len(array)]
    return pa.py_buffer(np.packbits(bits, bitorder="little"))


def key_id(seal_id: str) -> str:
    """The id of the key a seal was made with."""
    return seal_id.split(".", 1)[0] if is_authenticated(seal_id) else FIRST_KEY


def unseal(sealed: bytes, seal_id: str, offset: int, keys: Mapping[str, bytes]) -> str:
    """Open one sealed cell, by the key its seal names; whether it was changed shows when its run is opened as a whole."""
    start = int(f"{seal_id.split('.')[1]}{FIRST_COUNTER:08x}" if is_authenticated(seal_id) else seal_id, 16)
    counter = (start + offset // BLOCK) % (1 << 128)
    decryptor = Cipher(algorithms.AES(keys[key_id(seal_id)]), modes.CTR(counter.to_bytes(BLOCK, "big"))).decryptor()
    decryptor.update(b"\0" * (offset % BLOCK))
    return (decryptor.update(sealed) + decryptor.finalize()).decode("utf-8")


def is_authenticated(seal_id: str) -> bool:
    """Whether a seal has a tag."""
    return "." in seal_id


def opened(sealed: Sequence[bytes | None], seal_id: str, offsets: Sequence[int], keys: Mapping[str, bytes]) -> list[str | None]:
    """Open a run of rows as a whole, in their order. Raises Tampered where they are not the rows that were sealed."""
    _, nonce, tag = seal_id.split(".")
    lengths = np.array([len(c or b"") for c in sealed], np.int64)
    if not np.array_equal(np.cumsum(lengths) - lengths, np.asarray(offsets, np.int64)):
        raise Tampered(f"the rows of seal {seal_id} are not in their places")
    try:
        body = AESGCM(keys[key_id(seal_id)]).decrypt(bytes.fromhex(nonce), b"".join(c or b"" for c in sealed) + bytes.fromhex(tag), None)
    except InvalidTag:
        raise Tampered(f"the rows of seal {seal_id} were changed, or some are missing") from None
    ends = np.cumsum(lengths).tolist()
    return [None if c is None else body[end - len(c) : end].decode("utf-8") for c, end in zip(sealed, ends, strict=True)]
