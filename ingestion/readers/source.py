"""Where bytes come from: a file on disk, or a member of an archive, opened as often as a reader needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO


@dataclass(frozen=True)
class Source:
    """One readable stretch of bytes.

    name  for its suffix only; it may come from outside and is never used as a path
    size  bytes
    open  gives a fresh, seekable stream at the first byte
    """

    name: str
    size: int
    open: Callable[[], BinaryIO]

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.name.replace("\\", "/")).suffix.lower()

    def head(self, size: int) -> bytes:
        """The first bytes, fewer when the source is shorter."""
        with self.open() as stream:
            return stream.read(size)


def file_source(path: Path) -> Source:
    return Source(path.name, path.stat().st_size, lambda: path.open("rb"))
