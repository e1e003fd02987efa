"""The scanner: searches every byte that a run leaves outside the vault for values that identify a person.

Raw bytes are searched as they lie, and containers are opened: Parquet (dictionaries of its pages too), Avro, DuckDB, SQLite with their logs, zip and
XLSX, gzip, bzip2, xz and zstandard, one inside the other; escapes of JSON, HTML and URLs and inline base64 are undone. What claims to be a container
and cannot be opened is a finding: nothing is passed over in silence. A finding tells the place and the kind of value, never the value.

A value is searched for anywhere where it is long enough not to occur by chance (ID numbers with their 15-digit form and the first 16 places that
column statistics keep, phones, addresses with a house number, names of three characters, an organisation's numbers of eight). A shorter name is
searched for as a whole cell, or behind a label. Words that stand in the project's own files can be told from no name and are left out.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import html
import io
import lzma
import re
import shutil
import sqlite3
import tempfile
import urllib.parse
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import ahocorasick_rs
import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from infra.settings import ROOT, Settings
from ingestion import duck
from ingestion.identity import vault

NAME, ID_NUMBER, PHONE, ADDRESS, OWN_NUMBER, DOCUMENT = "name", "id_card_no", "mobile_phone", "residence_address", "own_number", "document"
UNREADABLE = "unreadable"
LONG_NAME, LONG_LATIN_NAME, LONG_NUMBER, SHORTEST_NUMBER, LONG_ADDRESS = 3, 6, 8, 5, 8
# PyIceberg keeps this many characters of a column's least and greatest text.
KEPT_IN_STATISTICS = 16
HOUSE = re.compile("[0-9０-９]|[路街巷村号组室]")
LABELS = ("姓名：", "姓名:", "姓名", "患者", "病人", "联系人：", "联系人:")
CELLS = ('"{}"', "'{}'", ">{}<", ",{},", "\t{}\t", "|{}|", "\n{},", ",{}\n", "\n{}\n")
WORD = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
DIGIT = frozenset(b"0123456789")
DEEPEST = 8
# Numbers that may be a phone, an ID number or a patient's number.
MANY_DIGITS, TOO_MANY_DIGITS = 10**7, 10**19
# What a container inside a cell begins with.
MAGIC = (b"PAR1", b"Obj\x01", b"SQLite format 3\0", b"PK\x03\x04", b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"%PDF-")


@dataclass(frozen=True)
class Value:
    """An identifying value and what it is."""

    kind: str
    text: str


@dataclass(frozen=True)
class Finding:
    """How often values of a kind stand at a place; of an unreadable container, why."""

    place: str
    kind: str
    hits: int = 1

    def __str__(self) -> str:
        return f"{self.place}: {self.kind} × {self.hits}"


@dataclass(frozen=True)
class _Pattern:
    kind: str
    left: frozenset[int] = frozenset()
    right: frozenset[int] = frozenset()
    """Bytes that may not stand right before and behind it."""


class Needles:
    """The values to search for, made ready once."""

    def __init__(self, values: Iterable[Value], *, words: str = ""):
        """values may repeat; names that stand in `words` can be told from no word and are left out, `left_out` of them."""
        self.patterns: dict[bytes, _Pattern] = {}
        self.cells: dict[str, str] = {}
        given = {Value(v.kind, v.text.strip()) for v in values if v.text.strip()}
        ambiguous = _standing_in(words, sorted(v.text for v in given if v.kind == NAME))
        self.left_out = len(ambiguous)
        for value in sorted(given, key=lambda v: (v.kind, v.text)):
            if value.kind != NAME or value.text not in ambiguous:
                self._add(value)
        found = list(self.patterns.items())
        self._bytes, self._said = [p for p, _ in found], [s for _, s in found]
        self._automaton = ahocorasick_rs.BytesAhoCorasick(self._bytes) if found else None
        self._cells = pa.array(list(self.cells), pa.string())

    def __len__(self) -> int:
        return len(self.patterns) + len(self.cells)

    def _add(self, value: Value) -> None:
        text = value.text
        match value.kind:
            case "name":
                self._name(text)
            case "id_card_no":
                self._anywhere(value, DIGIT, DIGIT)
                if len(text) == 18:
                    self._anywhere(Value(value.kind, text[:6] + text[8:17]), DIGIT, DIGIT)
                    self._anywhere(Value(value.kind, text[:KEPT_IN_STATISTICS]), DIGIT, frozenset())
            case "mobile_phone":
                if len(text) >= LONG_NUMBER:
                    self._anywhere(value, DIGIT, DIGIT)
            case "residence_address":
                if len(text) >= LONG_ADDRESS and HOUSE.search(text):
                    self._anywhere(value)
                    if len(text) > KEPT_IN_STATISTICS and re.search("[0-9０-９]", text[:KEPT_IN_STATISTICS]):
                        self._anywhere(Value(value.kind, text[:KEPT_IN_STATISTICS]))
            case _:
                if len(text) >= LONG_NUMBER:
                    self._anywhere(value, WORD, WORD)
                if len(text) >= SHORTEST_NUMBER:
                    self.cells[text] = value.kind

    def _name(self, text: str) -> None:
        latin = text.isascii()
        if len(text) >= (LONG_LATIN_NAME if latin else LONG_NAME):
            self._anywhere(Value(NAME, text), WORD if latin else frozenset(), WORD if latin else frozenset())
        elif len(text) > 1 and not latin:
            self.cells[text] = NAME
            for around in (*CELLS, *(label + "{}" for label in LABELS)):
                self._anywhere(Value(NAME, around.format(text)))

    def _anywhere(self, value: Value, left: frozenset[int] = frozenset(), right: frozenset[int] = frozenset()) -> None:
        said = _Pattern(value.kind, left, right)
        for encoding in ("utf-8",) if value.text.isascii() else ("utf-8", "gb18030"):
            self.patterns.setdefault(value.text.encode(encoding), said)

    def in_bytes(self, data: bytes | memoryview) -> Counter[str]:
        """How often values of each kind stand in the bytes."""
        found: Counter[str] = Counter()
        if self._automaton is None:
            return found
        for which, start, end in self._automaton.find_matches_as_indexes(data, overlapping=True):
            said = self._said[which]
            if (start and data[start - 1] in said.left) or (end < len(data) and data[end] in said.right):
                continue
            found[said.kind] += 1
        return found

    def in_cells(self, cells: pa.Array) -> Counter[str]:
        """How often values of each kind are the whole of a cell."""
        if not len(self._cells):
            return Counter()
        hits = cells.filter(pc.is_in(cells, value_set=self._cells))
        return Counter(self.cells[text] for text in hits.to_pylist())


def _standing_in(text: str, names: list[str]) -> set[str]:
    return set(ahocorasick_rs.AhoCorasick(names).find_matches_as_strings(text, overlapping=True)) if names and text else set()


@cache
def project_text() -> str:
    """The project's own files that reach a lakehouse: contracts, mappings, rules, models, wording."""
    endings = {".py", ".yml", ".yaml", ".csv", ".sql", ".txt", ".html", ".md"}
    folders = ("ingestion", "dbt_project", "expectations", "infra", "dags")
    skipped = {"synthetic", "target", "logs", ".venv", "surnames.yml"}
    files = (p for f in folders for p in sorted((ROOT / f).rglob("*")) if p.suffix in endings and not skipped & set(p.relative_to(ROOT).parts))
    return "\n".join(p.read_text(encoding="utf-8", errors="replace") for p in files)


def of_vault(settings: Settings) -> list[Value]:
    """Every identifying value the vault knows."""
    connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
    columns = {NAME: "person_name", ID_NUMBER: "id_card_no", PHONE: "mobile_phone", ADDRESS: "residence_address"}
    queries = [(kind, f"select distinct {c} from vault.claim where {c} is not null") for kind, c in columns.items()]
    queries += [
        (OWN_NUMBER, "select distinct key from vault.identity where kind = 'local'"),
        (DOCUMENT, "select distinct number from vault.document"),
    ]
    with vault.opened(settings, connection):
        return [Value(kind, text) for kind, query in queries for (text,) in connection.execute(query).fetchall()]


def scan(home: Path, needles: Needles, *, without: Iterable[Path] = ()) -> list[Finding]:
    """Search every file under a folder, but for some folders. Returns what was found, by place."""
    left_out = [p.resolve() for p in without]
    found: list[Finding] = []
    for path in sorted(p for p in home.rglob("*") if p.is_file() and not p.is_symlink()):
        if not any(path.resolve().is_relative_to(p) for p in left_out):
            name = str(path.relative_to(home))
            found += _Look(needles, path).findings(name)
            found += [Finding(f"name of {name}", kind, hits) for kind, hits in needles.in_bytes(name.encode()).items()]
    return found


def scan_home(settings: Settings, needles: Needles) -> list[Finding]:
    """Search everything a run leaves under LAKEHOUSE_HOME but the vault and the landing folder, which is the sources'."""
    return scan(settings.home, needles, without=[settings.vault_file.parent, settings.home / "extracts", settings.extracts])


class _Look:
    """One file on the disk, and all that is inside it."""

    def __init__(self, needles: Needles, path: Path):
        self.needles, self.path = needles, path
        self.found: Counter[tuple[str, str]] = Counter()

    def findings(self, place: str) -> list[Finding]:
        self._bytes(self.path.read_bytes(), place, self.path)
        return [Finding(p, kind, hits) for (p, kind), hits in self.found.items()]

    def _note(self, place: str, counts: Counter[str]) -> None:
        for kind, hits in counts.items():
            self.found[place, kind] += hits

    def _bytes(self, data: bytes, place: str, path: Path | None = None, depth: int = 0) -> None:
        """Search bytes as they are, with escapes undone, and open them where they are a container."""
        self._note(place, self.needles.in_bytes(data))
        try:
            if depth > DEEPEST:
                raise ValueError("containers inside one another")
            self._opened(data, place, path, depth)
        except Exception as error:  # whatever a broken file makes a library raise: what cannot be looked into is told
            self._note(f"{place} ({type(error).__name__})", Counter({UNREADABLE: 1}))

    def _opened(self, data: bytes, place: str, path: Path | None, depth: int) -> None:
        if data[:4] == b"PAR1":
            self._parquet(data, place, depth)
        elif data[:4] == b"Obj\x01":
            for block in avro_blocks(data):
                self._bytes(block, f"{place} › block", depth=depth + 1)
        elif data[:16] == b"SQLite format 3\0":
            self._sqlite(data, place, path, depth)
        elif data[8:12] == b"DUCK":
            self._duckdb(data, place, path, depth)
        elif data[:4] == b"PK\x03\x04":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for name in archive.namelist():
                    self._bytes(archive.read(name), f"{place} › {name}", depth=depth + 1)
        elif data[:3] == b"\x1f\x8b\x08":
            self._bytes(gzip.decompress(data), f"{place} › gzip", depth=depth + 1)
        elif data[:3] == b"BZh":
            self._bytes(bz2.decompress(data), f"{place} › bzip2", depth=depth + 1)
        elif data[:6] == b"\xfd7zXZ\0":
            self._bytes(lzma.decompress(data), f"{place} › xz", depth=depth + 1)
        elif data[:4] == b"\x28\xb5\x2f\xfd":
            with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(data), read_across_frames=True) as stream:
                self._bytes(stream.read(), f"{place} › zstandard", depth=depth + 1)
        elif data[:5] == b"%PDF-":
            raise ValueError("text drawn in a PDF cannot be read here")
        else:
            for undone, text in _unescaped(data):
                self._note(f"{place} › {undone}", self.needles.in_bytes(text))
            for inline in re.findall(rb"base64,([A-Za-z0-9+/=\s]{16,})", data):
                self._bytes(base64.b64decode(inline), f"{place} › base64", depth=depth + 1)

    def _parquet(self, data: bytes, place: str, depth: int) -> None:
        texts = [f.name for f in pq.read_schema(pa.BufferReader(data)) if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
        file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=texts)
        for number in range(file.num_row_groups):
            self._table(file.read_row_group(number), place, depth)

    def _table(self, table: pa.Table, place: str, depth: int) -> None:
        for name, column in zip(table.column_names, table.columns, strict=True):
            for chunk in column.chunks:
                self._column(chunk, f"{place} › {name}", depth)

    def _column(self, column: pa.Array, place: str, depth: int) -> None:
        """Search a column's distinct values; of a dictionary also those no row points to."""
        kind = column.type
        if pa.types.is_dictionary(kind):
            self._column(column.dictionary, place, depth)
        elif pa.types.is_struct(kind):
            for number, field in enumerate(kind):
                self._column(column.field(number), f"{place}.{field.name}", depth)
        elif pa.types.is_map(kind):
            self._column(column.keys, place, depth)
            self._column(column.items, place, depth)
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
            self._column(column.flatten(), place, depth)
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
            distinct = column.cast(pa.large_string()).unique().drop_null()
            self._note(place, self.needles.in_cells(distinct.cast(pa.string())))
            self._joined("\n".join(distinct.to_pylist()).encode(), place)
        elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
            self._cells(set(column.unique().drop_null().to_pylist()), place, depth)
        elif pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_floating(kind):
            # as they would be written without a fraction: a phone may stand in a column of numbers
            whole = {int(v) for v in column.unique().drop_null().to_pylist() if MANY_DIGITS < v < TOO_MANY_DIGITS}
            self._joined("\n".join(map(str, whole)).encode(), place)

    def _sqlite(self, data: bytes, place: str, path: Path | None, depth: int) -> None:
        with _copy(data, path, ("-wal",)) as file:
            connection = sqlite3.connect(file)
            connection.text_factory = bytes
            try:
                for (said,) in connection.execute("select sql from sqlite_master where sql is not null").fetchall():
                    self._note(f"{place} › schema", self.needles.in_bytes(said))
                for (name,) in connection.execute("select name from sqlite_master where type = 'table'").fetchall():
                    table = name.decode()
                    answer = connection.execute(f'select * from "{table}"')
                    columns = [c[0] for c in answer.description]
                    for column, cells in zip(columns, zip(*answer.fetchall(), strict=True), strict=False):
                        self._cells({c for c in cells if c is not None}, f"{place} › {table}.{column}", depth)
            finally:
                connection.close()

    def _cells(self, cells: set[bytes | int | float], place: str, depth: int) -> None:
        texts = [c if isinstance(c, bytes) else str(c).encode() for c in cells]
        self._note(place, self.needles.in_cells(pa.array([t.decode("utf-8", "replace") for t in texts], pa.string())))
        self._joined(b"\n".join(texts), place)
        for text in texts:
            if text.startswith(MAGIC):
                self._bytes(text, place, depth=depth + 1)

    def _joined(self, data: bytes, place: str) -> None:
        self._note(place, self.needles.in_bytes(data))
        for undone, text in _unescaped(data):
            self._note(f"{place} › {undone}", self.needles.in_bytes(text))

    def _duckdb(self, data: bytes, place: str, path: Path | None, depth: int) -> None:
        with _copy(data, path, (".wal",)) as file, duckdb.connect(str(file), config={"threads": 2, "autoload_known_extensions": False}) as connection:
            said = connection.execute("select sql from duckdb_tables() union all select sql from duckdb_views() where not internal").fetchall()
            self._note(f"{place} › schema", self.needles.in_bytes("\n".join(s for (s,) in said if s).encode()))
            tables = connection.execute("select schema_name, table_name from duckdb_tables() where not internal and not temporary").fetchall()
            for schema, table in tables:
                columns = connection.execute(f'select * from "{schema}"."{table}" limit 0').description
                for column in (c[0] for c in columns):
                    quoted = column.replace('"', '""')
                    distinct = connection.execute(f'select distinct "{quoted}" as v from "{schema}"."{table}"').to_arrow_table()
                    for chunk in distinct["v"].chunks:
                        self._column(chunk, f"{place} › {table}.{column}", depth)


class _copy:  # noqa: N801
    """A container as a file that may be opened and written to, with its logs beside it; the original is left alone."""

    def __init__(self, data: bytes, path: Path | None, logs: tuple[str, ...]):
        self.data, self.path, self.logs = data, path, logs

    def __enter__(self) -> Path:
        self.folder = Path(tempfile.mkdtemp(prefix="scan"))
        file = self.folder / "container"
        file.write_bytes(self.data)
        for log in self.logs if self.path else ():
            beside = self.path.with_name(self.path.name + log)
            if beside.exists():
                shutil.copy(beside, self.folder / f"container{log}")
        return file

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder)


def _unescaped(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The bytes with the escapes undone that occur in them."""
    if b"\\u" in data:
        yield "JSON escapes", re.sub(rb"(?:\\u[0-9a-fA-F]{4})+", lambda m: _json(m[0]), data)
    if b"&#" in data:
        yield "HTML escapes", html.unescape(data.decode("utf-8", "replace")).encode()
    if re.search(rb"%[EeCcDdBb][0-9A-Fa-f]%", data):
        yield "URL escapes", urllib.parse.unquote_to_bytes(data)


def _json(escaped: bytes) -> bytes:
    units = bytes.fromhex(escaped.decode().replace("\\u", ""))
    return units.decode("utf-16-be", "replace").encode()


def avro_blocks(data: bytes) -> Iterator[bytes]:
    """The blocks of an Avro container file, decompressed. Raises ValueError for a codec that is not known."""
    stream = io.BytesIO(data)
    stream.seek(4)
    metadata: dict[bytes, bytes] = {}
    while count := _long(stream):
        if count < 0:
            count = -count
            _long(stream)
        for _ in range(count):
            key = stream.read(_long(stream))
            metadata[key] = stream.read(_long(stream))
    stream.seek(16, io.SEEK_CUR)
    codec = metadata.get(b"avro.codec", b"null").decode()
    while stream.tell() < len(data):
        _long(stream)
        block = stream.read(_long(stream))
        stream.seek(16, io.SEEK_CUR)
        match codec:
            case "null":
                yield block
            case "deflate":
                yield zlib.decompress(block, -15)
            case "gzip":
                yield gzip.decompress(block)
            case "zstandard":
                yield zstandard.ZstdDecompressor().stream_reader(io.BytesIO(block)).read()
            case "bzip2":
                yield bz2.decompress(block)
            case _:
                raise ValueError(f"codec {codec}")


def _long(stream: io.BytesIO) -> int:
    value = shift = 0
    while True:
        (byte,) = stream.read(1)
        value |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            return (value >> 1) ^ -(value & 1)
