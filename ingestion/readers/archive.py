"""Zip archives: their tables chained as one stream, nothing ever extracted to disk, nothing inflated beyond its limits."""

from __future__ import annotations

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from ingestion.readers.model import ROW, OpenedFile, UnreadableFile
from ingestion.readers.source import Source

MEMBER_LIMIT = 1_000
INFLATED_LIMIT = 16 << 30
RATIO_LIMIT = 250
RATIO_EXEMPT = 64 << 20
IN_MEMORY_LIMIT = 512 << 20
ENCRYPTED = 0x1
CLUTTER = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$|Thumbs\.db$|desktop\.ini$|\._)", re.IGNORECASE)
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, ValueError)


def open_archive(source: Source, open_member: Callable[[Source], OpenedFile], wanted: str | None = None) -> OpenedFile:
    """Open every table of an archive (those whose names match `wanted`) and chain them; row numbers go on from member to member.

    Raises UnreadableFile.
    """
    members = [open_member(member) for member in member_sources(source, wanted)]
    first = members[0]
    for position, member in enumerate(members, 1):
        if set(member.columns) != set(first.columns):
            raise UnreadableFile("mixed_headers", f"member {position} of {len(members)} has not the columns of the first")
    findings = list(dict.fromkeys(finding for member in members for finding in member.findings))
    return OpenedFile(first.columns, first.encoding, lambda opened: _tables(opened, members), findings)


def _tables(opened: OpenedFile, members: list[OpenedFile]) -> Iterator[pa.Table]:
    for member in members:
        before = opened.last_row
        known = len(member.findings)
        noted = 0
        for table in member.batches():
            for row in member.broken[noted:]:
                opened.reject(before + row.row, row.code, row.text)
            noted = len(member.broken)
            moved = table.set_column(table.column_names.index(ROW), ROW, pc.add(table[ROW], before)) if before else table
            yield opened.count(moved.select([*opened.columns, ROW]), before + member.last_row)
        for row in member.broken[noted:]:
            opened.reject(before + row.row, row.code, row.text)
        opened.last_row = before + member.last_row
        opened.findings += member.findings[known:]


def member_sources(source: Source, wanted: str | None = None) -> list[Source]:
    """The archive's tables as sources, in archive order; those whose name, or whose name without its folders, matches the pattern `wanted`.

    Raises UnreadableFile for anything unsafe about the archive.
    """
    archive = open_zip(source)
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MEMBER_LIMIT:
        raise UnreadableFile("zip_bomb", f"{len(infos)} members")
    for position, info in enumerate(infos, 1):
        if _leaves_folder(info.filename) or _leaves_folder(info.orig_filename):
            raise UnreadableFile("zip_slip", f"member {position} has an absolute path or one that leads outside")
    tables = [info for info in infos if not CLUTTER.search(info.filename)]
    if not tables:
        raise UnreadableFile("empty_file", "the archive holds no file")
    if wanted is not None:
        tables = [info for info in tables if _matches(info.filename, wanted)]
        if not tables:
            raise UnreadableFile("member_missing", f"no member of the archive matches {wanted!r}")
    for position, info in enumerate(tables, 1):
        if info.flag_bits & ENCRYPTED:
            raise UnreadableFile("password", f"member {position} of {len(tables)} is encrypted")
    if sum(info.file_size for info in tables) > INFLATED_LIMIT:
        raise UnreadableFile("zip_bomb", "more than 16 GB when inflated")
    for position, info in enumerate(tables, 1):
        if info.file_size > RATIO_EXEMPT and info.file_size > RATIO_LIMIT * max(info.compress_size, 1):
            raise UnreadableFile("zip_bomb", f"member {position} of {len(tables)} inflates more than {RATIO_LIMIT} times")
    return [Source(info.filename, info.file_size, lambda info=info: Member(archive, info)) for info in tables]


def _matches(name: str, pattern: str) -> bool:
    name = name.replace("\\", "/").lower()
    return any(fnmatchcase(text, pattern.lower()) for text in (name, name.rsplit("/", 1)[-1]))


def gunzipped(source: Source) -> Source:
    """What a gzip file holds, inflated as it is read. Raises UnreadableFile when it is damaged or inflates beyond its limits."""

    def inflated() -> BinaryIO:
        return Gunzip(source)  # type: ignore[return-value]

    size = 0
    with inflated() as stream:
        while block := stream.read(4 << 20):
            size += len(block)
            if size > INFLATED_LIMIT or (size > RATIO_EXEMPT and size > RATIO_LIMIT * max(source.size, 1)):
                raise UnreadableFile("zip_bomb", "the gzip file inflates beyond reason")
    return Source(source.name.removesuffix(".gz").removesuffix(".GZ"), size, inflated)


class Gunzip(io.RawIOBase):
    """A gzip file's inflated bytes, CRC checked."""

    def __init__(self, source: Source) -> None:
        self._file = source.open()
        self._stream = gzip.GzipFile(fileobj=self._file)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        try:
            return self._stream.read(-1 if size is None else size)
        except DAMAGED:
            raise UnreadableFile("truncated", "the gzip file is damaged") from None

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._stream.seek(offset, whence)
        except DAMAGED:
            raise UnreadableFile("truncated", "the gzip file is damaged") from None

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        self._stream.close()
        self._file.close()
        super().close()


def open_zip(source: Source) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(source.open())
    except DAMAGED:
        raise UnreadableFile("truncated", "the archive's directory cannot be read") from None


def check_members(source: Source) -> None:
    """Inflate every member once, without keeping it: none may be damaged or larger than the directory states. Raises UnreadableFile.

    For archives that are handed to a library which would trust the directory.
    """
    with open_zip(source) as archive:
        if any(info.flag_bits & ENCRYPTED for info in archive.infolist()):
            raise UnreadableFile("password", "members are encrypted")
        try:
            damaged = archive.testzip()
        except DAMAGED:
            damaged = "unknown"
    if damaged:
        raise UnreadableFile("truncated", "a member is damaged")


def _leaves_folder(name: str) -> bool:
    name = name.replace("\\", "/")
    return name.startswith("/") or bool(re.match(r"[A-Za-z]:", name)) or ".." in name.split("/") or "\0" in name


class Member(io.RawIOBase):
    """A member's inflated bytes, CRC checked: never more than the directory states, so that a forged directory hides no bomb."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        self._info = info
        try:
            self._stream: BinaryIO = archive.open(info)  # type: ignore[assignment]
        except DAMAGED:
            raise UnreadableFile("truncated", "a member of the archive cannot be opened") from None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        try:
            return self._stream.read(size)
        except DAMAGED:
            raise UnreadableFile("truncated", "a member of the archive is damaged") from None

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._stream.seek(offset, whence)
        except DAMAGED:
            raise UnreadableFile("truncated", "a member of the archive is damaged") from None

    def tell(self) -> int:
        return self._stream.tell()

    def close(self) -> None:
        self._stream.close()
        super().close()


def in_memory(source: Source) -> Source:
    """A member that must be read at random places (Parquet, XLSX), inflated into memory."""
    if source.size > IN_MEMORY_LIMIT:
        raise UnreadableFile("too_large", "Parquet and XLSX inside an archive are read up to 512 MB")
    data = source.head(-1)
    return Source(source.name, len(data), lambda: io.BytesIO(data))
