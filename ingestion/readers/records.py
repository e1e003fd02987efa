"""Chunks of whole CSV records, with unbalanced quotes caught before a parser could swallow rows.

A record is accepted when each field either starts with a quote, and then ends with its closing quote, or does not start with one, and then
holds any quotes as plain characters. A record that breaks this rule, or whose quoted field never ends within the limits, is broken at its
first line, and reading goes on with the very next line: at worst a damaged record costs its own lines, never its neighbours'. Quotes that
look right but hide whole rows are caught too: a record over several lines of which every line has the delimiters of a full row is broken.

Well-formed chunks are recognised by a few vectorised comparisons; only a chunk that fails them is looked at record by record.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ingestion.readers.lines import Marks

RECORD_LIMIT = 1 << 20
LINES_LIMIT = 5_000
TELLING_COLUMNS = 5
NEWLINE, RETURN, NUL = 10, 13, b"\x00"


@dataclass(frozen=True)
class Dialect:
    """Delimiter and quote character of a CSV file, both one ASCII character; an empty quote means that nothing is quoted."""

    delimiter: str = ","
    quote: str = '"'

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or len(self.quote) > 1 or not self.quote.isascii():
            raise ValueError(f"delimiter {self.delimiter!r} and quote {self.quote!r} must be single ASCII characters")

    def record(self) -> re.Pattern[bytes]:
        """A whole well-formed record with its line end."""
        return re.compile(rb"%s(?:%s%s)*+(?:\r\n|\n|\r|\Z)" % (self._field(), self._delimiter, self._field()))

    def unfinished(self) -> re.Pattern[bytes]:
        """The beginning of a record, up to a quoted field that is still open at the end of the text."""
        q = re.escape(self.quote.encode())
        return re.compile(rb"(?:%s%s)*+%s(?:[^%s\x00]|%s%s)*+\Z" % (self._field(), self._delimiter, q, q, q, q))

    @property
    def _delimiter(self) -> bytes:
        return re.escape(self.delimiter.encode())

    def _field(self) -> bytes:
        d = self._delimiter
        if not self.quote:
            return rb"[^\r\n%s]*+" % d
        q = re.escape(self.quote.encode())
        return rb"(?:%s(?:[^%s\x00]++|%s%s)*+%s|(?!%s)[^\r\n%s]*+)" % (q, q, q, q, q, q, d)


def chunks(pieces: Iterable[bytes], dialect: Dialect, columns: int, marks: Marks) -> Iterator[bytes]:
    """Regroup pieces of whole lines into chunks of whole records."""
    if not dialect.quote:
        yield from pieces
        return
    quote = dialect.quote.encode()
    held = b""
    previous: bytes | None = None
    for piece in pieces:
        if previous is not None:
            chunk, held = _whole_records(held + previous, dialect, columns, marks, quote, is_last=False)
            if chunk:
                yield chunk
        previous = piece
    if held or previous:
        yield _whole_records(held + (previous or b""), dialect, columns, marks, quote, is_last=True)[0]


def _whole_records(text: bytes, dialect: Dialect, columns: int, marks: Marks, quote: bytes, is_last: bool) -> tuple[bytes, bytes]:
    """Split text that ends with a line end into whole records and the beginning of a record that goes on in the next piece."""
    if quote not in text:
        return text, b""
    if NUL not in text:
        end = _end_of_sound_records(text, dialect, columns)
        if end is not None and (end == len(text) or (not is_last and len(text) - end <= RECORD_LIMIT)):
            return text[:end], text[end:]
    return _mended(text, dialect, columns, marks, quote, is_last)


def _end_of_sound_records(text: bytes, dialect: Dialect, columns: int) -> int | None:
    """Where the last whole record ends, or None when any quote stands where a strict writer would not have put it."""
    codes = np.frombuffer(text, np.uint8)
    quote, delimiter = ord(dialect.quote), ord(dialect.delimiter)
    at = np.flatnonzero(codes == quote)
    opening, closing = at[0::2], at[1::2]
    before = codes[opening - 1]
    if opening[0] == 0:
        before[0] = NEWLINE
    after = codes[np.minimum(closing + 1, len(codes) - 1)]
    if len(closing) and closing[-1] == len(codes) - 1:
        after[-1] = NEWLINE
    border = np.zeros(256, bool)
    border[[quote, delimiter, NEWLINE, RETURN]] = True
    if not (border[before].all() and border[after].all()):
        return None
    breaks = np.flatnonzero(codes == NEWLINE)
    if len(breaks) == 0:
        breaks = np.flatnonzero(codes == RETURN)
    inside = (np.searchsorted(at, breaks) & 1).astype(bool)
    if inside.any() and _hides_rows(codes, breaks, inside, delimiter, columns):
        return None
    if len(at) % 2 == 0:
        return len(text)
    outside = breaks[~inside]
    return int(outside[-1]) + 1 if len(outside) else 0


def _hides_rows(codes: np.ndarray, breaks: np.ndarray, inside: np.ndarray, delimiter: int, columns: int) -> bool:
    """Whether some record over several lines is long beyond reason, or consists of lines that each look like a full row of the table."""
    ends_record = np.flatnonzero(~inside)
    starts = np.concatenate(([0], ends_record + 1))
    starts = starts[starts < len(breaks)]
    lines = np.diff(np.concatenate((starts, [len(breaks)])))
    if lines.max() > LINES_LIMIT:
        return True
    if columns < TELLING_COLUMNS:
        return False
    delimiters = np.searchsorted(np.flatnonzero(codes == delimiter), breaks)
    full = np.diff(delimiters, prepend=0) == columns - 1
    return bool((np.logical_and.reduceat(full, starts) & (lines > 1)).any())


def _looks_like_rows(record: bytes, delimiter: bytes, columns: int) -> bool:
    lines = record.rstrip(b"\r\n").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    if len(lines) > LINES_LIMIT:
        return True
    return len(lines) > 1 and columns >= TELLING_COLUMNS and all(line.count(delimiter) == columns - 1 for line in lines)


def _mended(text: bytes, dialect: Dialect, columns: int, marks: Marks, quote: bytes, is_last: bool) -> tuple[bytes, bytes]:
    """Walk the lines that hold quotes; a broken record's first line is replaced by its mark."""
    record, unfinished, delimiter = dialect.record(), dialect.unfinished(), dialect.delimiter.encode()
    line_end = re.compile(rb"\r\n|\n|\r|\Z")
    out: list[bytes] = []
    position, size = 0, len(text)
    while position < size:
        at = text.find(quote, position)
        if at < 0:
            out.append(text[position:])
            position = size
            break
        start = max(text.rfind(b"\n", position, at), text.rfind(b"\r", position, at), position - 1) + 1
        out.append(text[position:start])
        found = record.match(text, start)
        if found and found.end() - start <= RECORD_LIMIT and not _looks_like_rows(found[0], delimiter, columns):
            out.append(found[0])
            position = found.end()
        elif not found and not is_last and size - start <= RECORD_LIMIT and unfinished.match(text, start):
            return b"".join(out), text[start:]
        else:
            end = line_end.search(text, start)
            out.append(marks.mark("quote", text[start : end.start()]) + end[0])
            position = end.end()
    return b"".join(out), b""
