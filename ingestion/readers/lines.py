"""Delivered text as UTF-8 pieces of whole lines; lines that cannot be text are marked, so that they cost themselves and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from ingestion.readers.encoding import WIDE, AsUtf8, Encoding
from ingestion.readers.model import TEXT_BUDGET, TEXT_KEPT, TEXT_KEPT_BEYOND, UnreadableFile
from ingestion.readers.source import Source

PIECE = 4 << 20
LINE_LIMIT = 8 << 20
MARK = re.compile(r"\x00(\d+)\x00")


@dataclass
class Marks:
    """Lines taken out of the text, each replaced by a line that holds its number between NUL characters.

    No delivered NUL gets past the marking, so a mark cannot be forged.
    """

    taken: list[tuple[str, str]] = field(default_factory=list)
    text_kept: int = 0

    def mark(self, code: str, line: bytes, codec: str = "utf-8") -> bytes:
        """Take a line out for a reason of ROW_REASONS, and give what stands in its place."""
        kept = TEXT_KEPT if self.text_kept < TEXT_BUDGET else TEXT_KEPT_BEYOND
        text = line[: kept * 4].decode(codec, "replace")[:kept]
        self.taken.append((code, text + "…" if len(line) > kept * 4 else text))
        self.text_kept += len(text)
        return b"\x00%d\x00" % (len(self.taken) - 1)

    def find(self, text: str) -> tuple[str, str] | None:
        """What a marked line stood for; None for any other text."""
        found = MARK.match(text)
        return self.taken[int(found[1])] if found else None


def pieces(source: Source, encoding: Encoding, marks: Marks) -> Iterator[bytes]:
    """UTF-8 text in pieces of about 4 MB that end with a line end (the last one may not); its byte order mark is gone."""
    with source.open() as opened:
        opened.read(encoding.mark)
        is_utf8 = encoding.is_valid_utf8 or encoding.codec in WIDE
        codec = "utf-8" if is_utf8 else encoding.codec
        stream = AsUtf8(opened, encoding.codec) if encoding.codec in WIDE else opened
        for piece, is_whole in _whole_lines(stream):
            if not is_whole:
                yield marks.mark("line_too_long", piece, codec) + b"\n"
                continue
            clean = _without_nul(piece, codec, marks) if b"\x00" in piece else piece
            yield clean if is_utf8 else _decoded(clean, codec, marks)


def _whole_lines(stream: BinaryIO | AsUtf8) -> Iterator[tuple[bytes, bool]]:
    """Pieces of whole lines, and, told by False, the beginning of a line that is longer than any record can be."""
    held = b""
    while block := stream.read(PIECE):
        held += block
        end = held.rfind(b"\n") + 1 or held.rfind(b"\r", 0, len(held) - 1) + 1
        if end:
            yield held[:end], True
            held = held[end:]
        elif len(held) > LINE_LIMIT:
            yield held[: TEXT_KEPT * 4], False
            held = _rest_after_line(stream)
    if held:
        yield held, True


def _rest_after_line(stream: BinaryIO | AsUtf8) -> bytes:
    """Pass over a line of any length; what was read beyond its end."""
    while block := stream.read(PIECE):
        ends = [at for at in (block.find(b"\n"), block.find(b"\r")) if at >= 0]
        if ends:
            return block[min(ends) + 1 :]
    return b""


def _by_line(piece: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Lines of a piece with their line ends."""
    parts = re.split(rb"(\r\n|\n|\r)", piece)
    yield from zip(parts[0::2], [*parts[1::2], b""], strict=True)


def _without_nul(piece: bytes, codec: str, marks: Marks) -> bytes:
    return b"".join((marks.mark("nul_byte", line, codec) if b"\x00" in line else line) + end for line, end in _by_line(piece))


def _decoded(piece: bytes, codec: str, marks: Marks) -> bytes:
    try:
        return piece.decode(codec).encode("utf-8")
    except UnicodeDecodeError:
        pass
    lines: list[bytes] = []
    bad = above_ascii = 0
    for line, end in _by_line(piece):
        above_ascii += not line.isascii()
        try:
            lines.append(line.decode(codec).encode("utf-8") + end)
        except UnicodeDecodeError:
            bad += 1
            lines.append(marks.mark("bad_bytes", line, codec) + end)
    if bad > 100 and bad * 2 > above_ascii:
        raise UnreadableFile("encoding", f"{bad} of {above_ascii} lines in one stretch are not {codec}")
    return b"".join(lines)
