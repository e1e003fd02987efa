"""What a delivered file is, by its content, and the reader for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ingestion.readers.archive import check_members, gunzipped, in_memory, open_archive, open_zip
from ingestion.readers.delimited import open_csv
from ingestion.readers.json_lines import open_json_lines
from ingestion.readers.model import OpenedFile, UnreadableFile
from ingestion.readers.parquet import open_parquet
from ingestion.readers.source import Source, file_source
from ingestion.readers.xlsx import open_workbook

HEAD = 64 << 10
JSON_SUFFIXES = {".json", ".jsonl", ".ndjson"}
FOREIGN = (
    (b"%PDF", "PDF"),
    (b"Rar!", "RAR"),
    (b"7z\xbc\xaf", "7-Zip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"SQLite format 3", "SQLite"),
    (b"ORC", "ORC"),
    (b"Obj\x01", "Avro"),
)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
INFLATED_WORKBOOK_LIMIT = 2 << 30


def open_file(
    path: Path | str,
    *,
    encoding: str | None = None,
    delimiter: str = ",",
    quote: str = '"',
    sheet: str | None = None,
    header: tuple[str, ...] = (),
    skip_rows: int = 0,
    member: str | None = None,
) -> OpenedFile:
    """Open a delivered table of any format; the file's first bytes decide which, not its extension.

    encoding   declared encoding of text; detected when None, and never believed against the bytes
    sheet      worksheet of a workbook; its first visible one when None
    header     names of the columns of delimited text or a worksheet that has no header
    skip_rows  lines of delimited text, rows of a worksheet, above the header (or above the first row of data)
    member     pattern of the names of an archive's members that are the table; all of them when None

    Raises UnreadableFile, whose `code` is one of `ingestion.readers.model.REASONS`; FileNotFoundError when there is no such file.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise UnreadableFile("unsupported", "not a regular file")
    return _open(file_source(path), _Layout(encoding, delimiter, quote, sheet, header, skip_rows, member), inside_archive=False)


@dataclass(frozen=True)
class _Layout:
    """What was said about a file."""

    encoding: str | None
    delimiter: str
    quote: str
    sheet: str | None
    header: tuple[str, ...]
    skip_rows: int
    member: str | None


def _open(source: Source, said: _Layout, *, inside_archive: bool) -> OpenedFile:
    head = source.head(HEAD)
    if not head:
        raise UnreadableFile("empty_file", "0 bytes")
    at_random: Callable[[Source], Source] = in_memory if inside_archive else lambda same: same
    if head.startswith(b"PK\x05\x06"):
        raise UnreadableFile("empty_file", "an archive without members")
    if head.startswith(b"PK\x03\x04"):
        return _open_zip(at_random(source), said, inside_archive)
    if head.startswith(b"\x1f\x8b"):
        return _open(gunzipped(source), said, inside_archive=True)
    if head.startswith(b"PAR1"):
        return open_parquet(at_random(source))
    if head.startswith(b"PARE"):
        raise UnreadableFile("password", "an encrypted Parquet file")
    if head.startswith(OLE):
        return _open_ole(at_random(source), said)
    if kind := next((name for start, name in FOREIGN if head.startswith(start)), None):
        raise UnreadableFile("unsupported", f"the content is {kind}")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text[:1] == b"<" and text[:14].lower().startswith((b"<html", b"<!doctype", b"<?xml", b"<table", b"<meta")):
        raise UnreadableFile("unsupported", "the content is HTML or XML")
    if text[:1] in (b"{", b"[") and (source.suffix in JSON_SUFFIXES or _is_json(text)):
        if text[:1] == b"[":
            raise UnreadableFile("unsupported", "one JSON array; JSON lines, one object a line, are read")
        return open_json_lines(source, said.encoding)
    return open_csv(source, said.encoding, said.delimiter, said.quote, said.header, said.skip_rows)


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text.split(b"\n", 1)[0])
    except (ValueError, RecursionError):
        return False
    return True


def _open_zip(source: Source, said: _Layout, inside_archive: bool) -> OpenedFile:
    with open_zip(source) as archive:
        names = set(archive.namelist())
        inflated = sum(info.file_size for info in archive.infolist())
    if "[Content_Types].xml" in names:
        if not any(name.startswith("xl/") for name in names):
            raise UnreadableFile("unsupported", "an Office document that is not a workbook")
        if inflated > INFLATED_WORKBOOK_LIMIT or inflated > 200 * max(source.size, 1 << 20):
            raise UnreadableFile("zip_bomb", "the workbook inflates beyond reason")
        check_members(source)
        return open_workbook(source, said.sheet, said.header, said.skip_rows)
    if "mimetype" in names:
        raise UnreadableFile("unsupported", "an OpenDocument file")
    if inside_archive:
        raise UnreadableFile("nested_zip", "an archive inside an archive")

    def open_member(member: Source) -> OpenedFile:
        return _open(member, said, inside_archive=True)

    return open_archive(source, open_member, said.member)


def _open_ole(source: Source, said: _Layout) -> OpenedFile:
    with source.open() as stream:
        start = stream.read(4 << 20)
    if "EncryptedPackage".encode("utf-16-le") in start:
        raise UnreadableFile("password", "an encrypted Office document")
    if "Workbook".encode("utf-16-le") in start or "Book".encode("utf-16-le") in start:
        return open_workbook(source, said.sheet, said.header, said.skip_rows)
    raise UnreadableFile("unsupported", "an old Office document that is not a workbook")
