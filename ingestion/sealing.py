"""Sealing: identifying columns of the raw zone are encrypted with a key that lies outside the data folder.

A chunk's cells are encrypted as one stream (AES-256 in counter mode, through `cryptography`) and cut back into cells, so a million rows
cost milliseconds and a single row can still be opened: its place in the stream is stored beside it.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import numpy as np
import pyarrow as pa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

BLOCK = 16


def master_key(key_file: Path) -> bytes:
    """The vault's key; made at first use, readable by its owner alone.

    Raises PermissionError when others may read the file and ValueError when it does not hold 32 bytes.
    """
    try:
        key_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        pass
    if key_file.stat().st_mode & 0o077:
        raise PermissionError(f"the key file {key_file} may be read by others; set its permissions to 600")
    key = bytes.fromhex(key_file.read_text().strip())
    if len(key) != 32:
        raise ValueError(f"the key file {key_file} does not hold 32 bytes in hex")
    return key


def derived_key(key_file: Path, purpose: str) -> bytes:
    """A 32-byte key for one purpose, derived from the vault's key (HKDF-SHA256)."""
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=purpose.encode()).derive(master_key(key_file))


def _stream(key: bytes, seal_id: str, offset: int) -> Cipher:
    start = (int(seal_id, 16) + offset // BLOCK) % (1 << 128)
    return Cipher(algorithms.AES(key), modes.CTR(start.to_bytes(BLOCK, "big")))


def seal(cells: pa.ChunkedArray | pa.Array, key: bytes) -> tuple[str, pa.Array, pa.Array]:
    """Encrypt a column of texts. Returns the seal's id, each cell's offset in the stream, and the encrypted cells; null stays null."""
    if isinstance(cells, pa.ChunkedArray):
        cells = cells.combine_chunks()
    plain = cells.cast(pa.large_binary())
    if isinstance(plain, pa.ChunkedArray):
        plain = plain.chunk(0) if plain.num_chunks == 1 else pa.concat_arrays(plain.chunks)
    validity, offsets_buffer, data = plain.buffers()
    offsets = np.frombuffer(offsets_buffer, dtype=np.int64)[plain.offset : plain.offset + len(plain) + 1] if len(plain) else np.zeros(1, np.int64)
    first = int(offsets[0])
    body = np.frombuffer(data, np.uint8)[first : int(offsets[-1])] if data is not None and len(data) else b""
    seal_id = secrets.token_bytes(12).hex() + "00000000"
    encryptor = _stream(key, seal_id, 0).encryptor()
    sealed = encryptor.update(body) + encryptor.finalize()
    places = offsets - first
    encrypted = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(plain), [_bitmap(plain, validity), pa.py_buffer(np.ascontiguousarray(places)), pa.py_buffer(sealed)]
    )
    return seal_id, pa.array(places[:-1], pa.int64()), encrypted


def _bitmap(array: pa.Array, validity: pa.Buffer | None) -> pa.Buffer | None:
    if validity is None or array.null_count == 0:
        return None
    bits = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")[array.offset : array.offset + len(array)]
    return pa.py_buffer(np.packbits(bits, bitorder="little"))


def unseal(sealed: bytes, seal_id: str, offset: int, key: bytes) -> str:
    """Open one sealed cell."""
    decryptor = _stream(key, seal_id, offset).decryptor()
    decryptor.update(b"\0" * (offset % BLOCK))
    return (decryptor.update(sealed) + decryptor.finalize()).decode("utf-8")
