"""Which encoding a text file is in: the declared one when the bytes bear it out, otherwise the one they show.

UTF-8 proves itself (text in another encoding is hardly ever valid UTF-8), so the whole file is tried as UTF-8, which stops at the first
byte that does not fit. GB18030 accepts almost anything, so what it decodes to must also look like Chinese.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import BinaryIO

import pyarrow as pa
from charset_normalizer import from_bytes

from ingestion.readers.model import Finding, UnreadableFile
from ingestion.readers.source import Source

BLOCK = 4 << 20
WINDOW = 256 << 10
READABLE_SHARE = 0.5
COMMON_SHARE = 0.6
TOO_FEW = 20

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (b"\x84\x31\x95\x33", "gb18030"),
)
WIDE = {"utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"}
LONG_CHARACTER = re.compile(rb"[\xe0-\xf4]")
SUBSETS_OF_GB18030 = {"gbk", "gb2312"}


@dataclass(frozen=True)
class Encoding:
    """How to read a text: its codec, the bytes of its byte order mark, whether it was proved to be valid UTF-8, and what was noticed."""

    codec: str
    mark: int = 0
    is_valid_utf8: bool = False
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True)
class _Utf8Trial:
    valid: bool
    is_ascii: bool
    has_chinese: bool
    failed_at: int


def normal_name(declared: str) -> str:
    """The codec a declared name stands for; GBK and GB2312 are read as GB18030, their superset. UnreadableFile for an unknown name."""
    try:
        name = codecs.lookup(declared.strip()).name
    except LookupError:
        raise UnreadableFile("encoding", f"the declared encoding {declared[:40]!r} is not known") from None
    if name in SUBSETS_OF_GB18030:
        return "gb18030"
    return {"utf-8-sig": "utf-8", "ascii": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(name, name)


def find_encoding(source: Source, declared: str | None = None) -> Encoding:
    """Decide how to read a text. Raises UnreadableFile('encoding') when no encoding fits."""
    wanted = normal_name(declared) if declared else None
    head = source.head(WINDOW)
    for mark, codec in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            if codec == "utf-8":
                trial = _try_utf8(source)
                return Encoding(codec, len(mark), trial.valid, _mismatch(wanted, codec))
            return Encoding(codec, len(mark), False, _mismatch(wanted, codec))
    if wide := _wide_without_mark(head):
        return Encoding(wide, 0, False, _mismatch(wanted, wide))
    if wanted in WIDE and "\n" in head[: len(head) // 4 * 4].decode(wanted, "replace"):
        return Encoding(wanted)

    trial = _try_utf8(source)
    if trial.valid and wanted == "gb18030" and not trial.is_ascii and not trial.has_chinese:
        lines = _lines_that_tell(source, 0)
        if _readable_share(lines, "gb18030") == 1.0 and _looks_chinese(lines, 1):
            return Encoding("gb18030")
    if trial.valid:
        return Encoding("utf-8", 0, True, () if trial.is_ascii else _mismatch(wanted, "utf-8"))
    lines = _lines_that_tell(source, trial.failed_at)
    if _readable_share(lines, "utf-8") > READABLE_SHARE:
        return Encoding("utf-8", 0, False, _mismatch(wanted, "utf-8"))
    share, looks_chinese = _readable_share(lines, "gb18030"), _looks_chinese(lines, TOO_FEW)
    if looks_chinese and share > READABLE_SHARE:
        return Encoding("gb18030", findings=_mismatch(wanted, "gb18030"))
    if wanted not in {None, "utf-8", "gb18030", *WIDE} and _readable_share(lines, wanted) > READABLE_SHARE:
        return Encoding(wanted)
    if _looks_chinese(lines, 1) and share > READABLE_SHARE:
        return Encoding("gb18030", findings=_mismatch(wanted, "gb18030"))
    if share == 1.0 and wanted == "gb18030":
        return Encoding(wanted, findings=(Finding("encoding_doubtful", "valid gb18030, but most characters are not everyday Chinese"),))
    guessed = _guess(lines)
    return Encoding(guessed, findings=_mismatch(wanted, guessed) or (Finding("encoding_guessed", f"read as {guessed}"),))


def _mismatch(declared: str | None, found: str) -> tuple[Finding, ...]:
    if declared is None or declared == found:
        return ()
    return (Finding("encoding_mismatch", f"declared {declared}, found {found}"),)


def _wide_without_mark(head: bytes) -> str | None:
    """UTF-16 without a mark shows as NUL bytes that stand nearly all on even, or nearly all on odd, places."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if even + odd < max(2, len(head) // 20):
        return None
    if odd > 20 * even and odd * 2 > len(head) // 10:
        return "utf-16-le"
    if even > 20 * odd and even * 2 > len(head) // 10:
        return "utf-16-be"
    return None


def whole_characters(block: bytes) -> int:
    """How many bytes of a block of UTF-8 belong to characters that are complete in it."""
    for back in range(1, min(4, len(block)) + 1):
        byte = block[-back]
        if byte < 0x80:
            return len(block)
        if byte >= 0xC0:
            need = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(block) if back >= need else len(block) - back
    return len(block)


def _is_utf8(block: bytes) -> bool:
    try:
        pa.array([block], pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        return False
    return True


def _try_utf8(source: Source) -> _Utf8Trial:
    """Try a whole file as UTF-8; Chinese is told by the bytes that begin characters of three bytes and more."""
    offset, carry, is_ascii, has_chinese = 0, b"", True, False
    with source.open() as stream:
        while block := stream.read(BLOCK):
            block = carry + block
            if block.isascii():
                offset, carry = offset + len(block), b""
                continue
            is_ascii = False
            has_chinese = has_chinese or LONG_CHARACTER.search(block) is not None
            whole = whole_characters(block)
            if not _is_utf8(block[:whole]):
                try:
                    block[:whole].decode("utf-8")
                except UnicodeDecodeError as error:
                    return _Utf8Trial(False, False, has_chinese, offset + error.start)
            carry = block[whole:]
            offset += whole
    return _Utf8Trial(not carry, is_ascii, has_chinese, offset)


def _lines_that_tell(source: Source, failed_at: int) -> list[bytes]:
    """Lines with bytes above ASCII from the head, the middle, the end, and around the first byte that is not UTF-8."""
    starts = sorted({0, max(0, failed_at - WINDOW // 2), source.size // 2, max(0, source.size - WINDOW)})
    lines: list[bytes] = []
    with source.open() as stream:
        end = 0
        for start in starts:
            start = max(start, end)
            stream.seek(start)
            window = stream.read(WINDOW)
            end = start + len(window)
            parts = window.replace(b"\r", b"\n").split(b"\n")
            inner = parts[(1 if start and len(parts) > 2 else 0) : (len(parts) - 1 if end < source.size and len(parts) > 1 else len(parts))]
            lines += [line for line in inner if not line.isascii()]
    return lines


SOME_LINES = 4000


def _decodes(line: bytes, codec: str) -> bool:
    try:
        line.decode(codec)
    except (UnicodeDecodeError, LookupError):
        return False
    return True


def _readable_share(lines: list[bytes], codec: str) -> float:
    """Share of lines that are text in a codec, from some thousands of them; 1 only where all are."""
    if not lines:
        return 0.0
    if _decodes(b"\n".join(lines), codec):
        return 1.0
    some = lines[:: len(lines) // SOME_LINES + 1]
    return min(sum(_decodes(line, codec) for line in some) / len(some), 1 - 1 / len(lines))


def _looks_chinese(lines: list[bytes], at_least: int) -> bool:
    """Most characters above ASCII are in the everyday set of GB 2312, as in any Chinese text and in hardly any text misread as Chinese.

    at_least  how many such characters there must be; when there are fewer than TOO_FEW, they tell nothing and are taken for Chinese
    """
    above = re.sub(r"[\x00-\x7f]+", "", b"\n".join(lines).decode("gb18030", "ignore"))
    everyday = len(above.encode("gb2312", "ignore")) // 2
    return len(above) >= at_least and (len(above) < TOO_FEW or everyday >= COMMON_SHARE * len(above))


def _guess(lines: list[bytes]) -> str:
    sample = b"\n".join(lines)[:WINDOW]
    best = from_bytes(sample).best() if sample else None
    codec = codecs.lookup(best.encoding).name if best else ""
    if not codec or not _keeps_ascii(codec) or _readable_share(lines, codec) <= READABLE_SHARE:
        raise UnreadableFile("encoding", "neither UTF-8 nor GB18030 nor any other encoding fits")
    return codec


def _keeps_ascii(codec: str) -> bool:
    """Whether lines can be told apart before decoding, which a wide or stateful encoding does not allow."""
    plain = bytes([9, 10, 13, *range(32, 127)])
    return codec not in WIDE and plain.decode(codec, "replace") == plain.decode("ascii")


class AsUtf8:
    """A stream in a wide encoding, read as UTF-8; `read` gives at least one byte until the end."""

    def __init__(self, stream: BinaryIO, codec: str) -> None:
        self._stream = stream
        self._codec = codec
        self._decoder = codecs.getincrementaldecoder(codec)()

    def read(self, size: int) -> bytes:
        while True:
            block = self._stream.read(size)
            try:
                text = self._decoder.decode(block, final=not block)
                out = text.encode("utf-8")
            except UnicodeError as error:
                raise UnreadableFile("encoding" if block else "truncated", f"not valid {self._codec}: {error.reason}") from None
            if out or not block:
                return out
