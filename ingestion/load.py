"""Load deliveries: read, map, check, seal, identify, and append to raw zone and lake; every file's books are kept in the ledger.

A batch is what one organisation delivered of one feed on one date (the new files of it). The tables of a feed are appended one after the other, each
commit carrying its batch ids; the ledger is written last. Killed anywhere and run again, what is there is recognised and the rest is done.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from infra.settings import Settings
from ingestion import duck, field_qc, keyring, lake, ops, raw_zone, timing
from ingestion.check import PLACE, check
from ingestion.contracts import Contract, contract, contracts
from ingestion.encoded import one, written
from ingestion.exceptions import exceptions, form_answer, quarantine
from ingestion.identity import vault
from ingestion.identity.subjects import identities
from ingestion.lake_rows import lake_rows, lake_texts, record_keys
from ingestion.mappings import FeedMapping, Mapping, UnknownOrganisation, all_mappings, feed_of, load_mapping
from ingestion.mappings.decisions import decided, decisions_of
from ingestion.readers import OpenedFile, UnreadableFile, open_file
from ingestion.readers.model import REASONS
from ingestion.readers.pull import pull
from ingestion.readers.pull_model import PullFailed
from ingestion.repeats import Repeats
from ingestion.reshape import Reshaped, Reshaper, Unjoinable, joined_deliveries
from ingestion.table_file import TableFile
from ingestion.text import scrub

FAMILIES = (
    "reference",
    "national_platform",
    "hospital",
    "checkup",
    "screening_centre",
    "free_screening",
    "regional_platform",
    "registry",
    "programme",
)
IGNORED_ENDINGS = (".part", ".tmp", ".crc", ".ok")


@dataclass(frozen=True)
class Delivered:
    """One file in the landing folder, seen as one canonical feed (None where nobody says which); `entry` is the mapping's table of that feed."""

    source: str
    organisation: str
    folder: str
    feed: str | None
    delivered_on: date
    path: Path
    sha256: str
    entry: str = ""

    @property
    def ledger_id(self) -> str:
        return _digest(self.organisation, self.entry or self.feed or self.folder, self.delivered_on.isoformat(), self.path.name, self.sha256)


class FileRejected(Exception):
    """A file that goes whole to quarantine."""

    def __init__(self, delivered: Delivered, code: str, reason_zh: str):
        super().__init__(f"{delivered.organisation} {delivered.feed or delivered.folder} {delivered.delivered_on} {delivered.path.name}: {code}")
        self.delivered, self.code, self.reason_zh = delivered, code, reason_zh


@dataclass
class Books:
    """What became of one file: rows delivered = rows of which records were made + rows without a record; records read = accepted + quarantined.

    without_record  rows of which the mapping makes no record of the feed, by reason
    """

    rows_delivered: int = 0
    without_record: dict[str, int] = field(default_factory=dict)
    rows_read: int = 0
    accepted: int = 0
    quarantined: int = 0
    encoding: str | None = None
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)

    def add(self, accepted: int, quarantined: int, counts: dict[tuple[str, str], int]) -> None:
        self.rows_read += accepted + quarantined
        self.accepted += accepted
        self.quarantined += quarantined
        for key, n in counts.items():
            self.counts[key] = self.counts.get(key, 0) + n

    def reshaped(self, delivered: pa.Table, made: Reshaped) -> None:
        """Enter what reshaping made of rows. Raises RuntimeError where rows are neither records nor said to be without one."""
        with_record = int(np.count_nonzero(np.diff(made.table["_row"].to_numpy(), prepend=-1)))
        missing = len(delivered) - with_record - sum(made.without_record.values())
        if missing:
            raise RuntimeError(f"reshaping left {missing} of {len(delivered)} rows without a record and without a reason; nothing was stored")
        for reason, n in made.without_record.items():
            self.without_record[reason] = self.without_record.get(reason, 0) + n

    @property
    def rows_without_record(self) -> int:
        return sum(self.without_record.values())


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def organisations(settings: Settings, family: str) -> list[str]:
    """Organisations of a source family that have a landing folder or a source to pull from, in order of their codes."""
    root = settings.extracts / family
    landed = {p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")} if root.is_dir() else set()
    return sorted(landed | {m.organisation for m in all_mappings() if m.source == family and _is_pulled(m)})


def _is_pulled(mapping: Mapping) -> bool:
    """Whether the organisation has a source to pull from; a synthetic one has it only where its province is."""
    pulls = [m.pull for m in mapping.feeds.values() if m.pull]
    return any(not mapping.synthetic or os.environ.get(p.url_env) for p in pulls)


def _pull(settings: Settings, mapping: Mapping) -> PullFailed | None:
    """Pull what an organisation offers to be pulled, as today's delivery; a failure is told after the rest has been loaded."""
    if not _is_pulled(mapping):
        return None
    try:
        pull(settings, mapping.organisation, ops.now().astimezone().date())
    except PullFailed as error:
        return error
    return None


UNDATED = date(1970, 1, 1)
DATE_FOLDER = re.compile(r"\d{4}-\d{2}-\d{2}")


def _dated_files(folder: Path) -> Iterator[tuple[date, Path]]:
    """Files of a feed's folder with their delivery date; what lies elsewhere than in a dated folder is UNDATED."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.name.startswith(".") or path.name.endswith(IGNORED_ENDINGS):
            continue
        day, delivered_on = path.parent, UNDATED
        if day.parent == folder and DATE_FOLDER.fullmatch(day.name):
            with suppress(ValueError):
                delivered_on = date.fromisoformat(day.name)
        yield delivered_on, path


def _misplaced(d: Delivered) -> str | None:
    """Why a file's place says no usable delivery date, None where it does."""
    if d.delivered_on == UNDATED:
        return "bad_date_folder"
    return "delivery_in_future" if d.delivered_on > ops.now().date() + timedelta(days=1) else None


def deliveries(settings: Settings, family: str, organisation: str, mapping: Mapping | None) -> list[Delivered]:
    """Every file an organisation has landed, by date, feeds that introduce people before feeds that only refer to them."""
    found = []
    root = settings.extracts / family / organisation
    for folder in sorted(p for p in root.iterdir() if p.is_dir()) if root.is_dir() else ():
        for delivered_on, path in _dated_files(folder):
            entries = mapping.feeds_in_folder(folder.name, path.name) if mapping else ()
            digest = _sha256(path)
            found.extend(
                Delivered(family, organisation, folder.name, feed_of(entry) or None, delivered_on, path, digest, entry) for entry in entries or ("",)
            )
    order = {name: (c.subject_field("name") is None, i) for i, (name, c) in enumerate(contracts().items())}
    return sorted(found, key=lambda d: (order.get(d.feed or "", (True, 99)), d.delivered_on, d.folder, d.path.name))


def _judged_by(settings: Settings, mapping: Mapping | None, d: Delivered) -> str:
    """Hash of what decides about a file: mapping, contract, and the deliveries of the tables it is joined with."""
    said = ""
    if mapping and d.feed:
        said = mapping.said(d.entry) + contract(d.feed).model_dump_json() + joined_deliveries(settings, mapping, d.entry, d.delivered_on)
    return hashlib.sha256(said.encode()).hexdigest()


def _entry_of(row: dict[str, Any], mapping: Mapping | None) -> str:
    """The mapping's table that a row of the ledger is about; its feed where the mapping knows it no more."""
    for entry in mapping.feeds if mapping else ():
        place = (row["delivered_on"].isoformat(), row["file_name"], row["content_sha256"])
        if feed_of(entry) == row["feed"] and _digest(row["organisation"], entry, *place) == row["ledger_id"]:
            return entry
    return row["feed"]


def _ledger_row(d: Delivered, books: Books, status: str, batch_id: str, judged_by: str, **more: Any) -> dict[str, Any]:
    return {
        "ledger_id": d.ledger_id,
        "source": d.source,
        "organisation": d.organisation,
        "feed": d.feed or d.folder,
        "batch_id": batch_id,
        "delivered_on": d.delivered_on,
        "file_name": PERSON_NUMBER.sub("***", d.path.name),
        "content_sha256": d.sha256,
        "bytes": d.path.stat().st_size,
        "encoding": books.encoding,
        "rows_delivered": books.rows_delivered,
        "rows_without_record": books.rows_without_record,
        "rows_read": books.rows_read,
        "rows_accepted": books.accepted,
        "rows_quarantined": books.quarantined,
        "status": status,
        "reason_code": None,
        "reason_zh": None,
        "duplicate_of": None,
        "mapping_sha256": judged_by,
        "recorded_at": ops.now(),
        **more,
    }


ROWS_PER_CHUNK = 200_000


def _refuse_confusing(columns: tuple[str, ...]) -> None:
    """Raise UnreadableFile for column names that SQL cannot tell apart, or that are ours."""
    lower = [c.lower() for c in columns]
    if len(set(lower)) < len(lower):
        raise UnreadableFile("duplicate_header", "column names differ in upper and lower case only")
    if {*PLACE, "_seq", "_deleted"} & set(lower):
        raise UnreadableFile("reserved_header", "a column bears a name that the loader uses")


@dataclass
class _FeedLoad:
    """The new files of one feed on their way into the tables, a batch per delivery date."""

    settings: Settings
    connection: duckdb.DuckDBPyConnection
    mapping: Mapping
    files: list[Delivered]
    judges: dict[str, field_qc.Judge]
    quarantined: list[pa.Table] = field(default_factory=list)
    answers: list[pa.Table] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.contract: Contract = contract(self.files[0].feed or "")
        self.entry = self.files[0].entry
        self.feed_mapping: FeedMapping = self.mapping.resolved(self.entry)
        self.key = keyring.current(self.settings, keyring.RAW_ZONE)
        self.books = [Books() for _ in self.files]
        self.batches: dict[date, str] = {}
        for day in sorted({f.delivered_on for f in self.files}):
            contents = sorted(f.sha256 for f in self.files if f.delivered_on == day)
            self.batches[day] = _digest(self.files[0].organisation, self.entry, day.isoformat(), *contents)
        self.origins = [
            raw_zone.Origin(f.source, f.organisation, self.batches[f.delivered_on], f.delivered_on, PERSON_NUMBER.sub("***", f.path.name))
            for f in self.files
        ]

    def chunks(self) -> Iterator[tuple[pa.Table, pa.Table | None]]:
        """The rows of all files for raw zone and lake; small files of the same columns share a chunk.

        Raises FileRejected when a file cannot be read whole.
        """
        self.repeats = Repeats()
        days = list(self.batches)
        self.batch_no = np.array([days.index(f.delivered_on) for f in self.files])
        held: list[pa.Table] = []
        for table in self._tables():
            if held and (held[0].schema != table.schema or sum(map(len, held)) + len(table) > ROWS_PER_CHUNK):
                yield self._chunk(pa.concat_tables(held))
                held = []
            held.append(table)
        if held:
            yield self._chunk(pa.concat_tables(held))
        for file_no, broken in self._broken:
            raw, pointers = raw_zone.broken_rows(self.contract, self.origins[file_no], broken, self.key)
            self.quarantined.append(pointers)
            codes, times = np.unique([code for _, code, _ in broken], return_counts=True)
            self.books[file_no].add(0, len(broken), {("", str(code)): int(n) for code, n in zip(codes, times, strict=True)})
            yield raw, None

    def _tables(self) -> Iterator[pa.Table]:
        """The cells of all files' records in turn, with `_row`, `_part`, `_file_no` and `_delivered_on`."""
        self._compiled: dict[tuple[str, ...], field_qc.Compiled] = {}
        self._broken: list[tuple[int, list[tuple[int, str, str]]]] = []
        m = self.feed_mapping
        reshaper = Reshaper(self.connection, self.settings, self.mapping, self.entry)
        for file_no, delivered in enumerate(self.files):
            try:
                with timing.stage("read"):
                    opened: OpenedFile = open_file(delivered.path, **m.reading)
                _refuse_confusing(opened.columns)
                columns = reshaper.columns(opened.columns)
                if columns not in self._compiled:
                    self._compiled[columns] = field_qc.compile_check(self.contract, m, columns, synthetic=self.mapping.synthetic, judges=self.judges)
                for batch in chain.from_iterable(map(reshaper.pieces, timing.each("read", opened.batches()))):
                    with timing.stage("reshape"):
                        made = reshaper.apply(batch, delivered.delivered_on)
                    self.books[file_no].reshaped(batch, made)
                    for start in range(0, len(made.table), ROWS_PER_CHUNK):
                        records = made.table.slice(start, ROWS_PER_CHUNK)
                        records = records.append_column("_file_no", pa.repeat(pa.scalar(file_no, pa.int32()), len(records)))
                        yield records.append_column("_delivered_on", pa.repeat(pa.scalar(delivered.delivered_on, pa.date32()), len(records)))
            except UnreadableFile as error:
                reason = error.reason_zh if isinstance(error, Unjoinable) else REASONS[error.code]
                raise FileRejected(delivered, error.code, reason) from error
            except field_qc.MissingColumns as error:
                reason = field_qc.reasons()["missing_columns"].name_zh + "：" + "、".join(error.columns)
                raise FileRejected(delivered, "missing_columns", reason) from error
            books = self.books[file_no]
            books.encoding, books.findings, books.rows_delivered = opened.encoding, [f.code for f in opened.findings], opened.rows_read
            books.unmapped = reshaper.unmapped(opened.columns)
            if opened.broken:
                self._broken.append((file_no, [(b.row, b.code, b.text) for b in opened.broken]))

    def _chunk(self, records: pa.Table) -> tuple[pa.Table, pa.Table]:
        connection, described, organisation = self.connection, self.contract, self.files[0].organisation
        columns = tuple(c for c in records.column_names if c not in PLACE)
        file_no = one(records["_file_no"]).to_numpy()
        with timing.stage("qc"):
            checked = check(connection, self._compiled[columns], records)
        with timing.stage("duplicates"):
            checked = checked.without_repeats(self.repeats.find(checked.hashes, self.batch_no[file_no]))
        identity = known_name = None
        if described.subject:
            with timing.stage("identify"):
                batch = written(pa.array([o.batch_id for o in self.origins], pa.string()), file_no)
                days = one(records["_delivered_on"])
                identity, known_name = identities(self.settings, connection, organisation, checked, batch, days)
        keep = None if checked.ok.all() else np.flatnonzero(checked.ok)
        with timing.stage("lake rows"):
            keys = record_keys(described, organisation, checked, identity)
            kept = lake_rows(connection, described, checked, keep, identity, known_name, keys)
            kept |= raw_zone.lineage(self.origins, file_no if keep is None else file_no[keep])
            place = {c: one(records[c]) for c in ("_row", "_part")} | {"_deleted": pa.array(checked.deleted)}
            kept |= {c: v if keep is None else v.take(pa.array(keep)) for c, v in place.items()}
        with timing.stage("text"):
            kept |= lake_texts(connection, described, checked, keep, known_name)
        with timing.stage("exceptions"):
            found = exceptions(described, self.feed_mapping, self.origins, records, checked, keys)
            self.quarantined += [found.quarantined] if found.quarantined is not None else []
            self.answers += [found.answers] if found.answers is not None else []
        with timing.stage("raw rows"):
            raw = raw_zone.raw_rows(described, self.feed_mapping, self.origins, records, checked, self.key)
        accepted, quarantined = (np.bincount(file_no[which], minlength=len(self.files)).tolist() for which in (checked.ok, ~checked.ok))
        for i, books in enumerate(self.books):
            books.add(accepted[i], quarantined[i], found.counts.get(i, {}))
        return raw, pa.table(kept)


class _Appender:
    """Appends to one table what it does not hold yet, in a thread of its own while the next chunk is checked; all is committed together."""

    def __init__(self, target: lake.Table, stage: str, batches: set[str]):
        self.stage, self.target = stage, target
        self.pending = {b for b in batches if not lake.has_batch(target, b)}
        self.some_are_there = self.pending != batches
        self.file = TableFile(target)
        self.writer = ThreadPoolExecutor(max_workers=1)
        self.writing: Future[None] | None = None
        self.is_offered = False

    def __enter__(self) -> _Appender:
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.shutdown(wait=True, cancel_futures=True)
        if not self.is_offered:
            self.file.abandon()

    def add(self, rows: pa.Table) -> None:
        if self.some_are_there:
            rows = rows.filter(pc.is_in(rows["_batch"].cast(pa.string()), pa.array(sorted(self.pending), pa.string())))
        if len(rows):
            self.finish()
            self.writing = self.writer.submit(self._write, rows)

    def _write(self, rows: pa.Table) -> None:
        with timing.beside(self.stage):
            self.file.write(rows)

    def finish(self) -> None:
        """Wait for the chunk being written. Raises what the writing raised."""
        if self.writing:
            with timing.stage("waiting for writers"):
                self.writing.result()

    def commit(self) -> None:
        self.finish()
        self.is_offered = True  # from here on the table may point to the file, whatever happens
        with timing.stage("commit"):
            if self.pending:
                lake.commit_file(self.target, " ".join(sorted(self.pending)), self.file.close())


def _append(load: _FeedLoad) -> None:
    """Append the batches of one feed to raw zone and lake, one commit each. Raises FileRejected before anything is committed."""
    described, batches = load.contract, set(load.batches.values())
    raw_table, lake_table = (
        lake.table(load.settings, space, described.feed, schema)
        for space, schema in ((lake.RAW, lake.raw_schema(described)), (lake.LAKE, lake.lake_schema(described)))
    )
    with (
        _Appender(raw_table, "raw write", batches) as raw,
        _Appender(lake_table, "lake write", batches) as clean,
    ):
        for raw_rows, lake_rows_ in load.chunks():
            raw.add(raw_rows)
            if lake_rows_ is not None:
                clean.add(lake_rows_)
        raw.commit()
        clean.commit()


def _load_feed(
    settings: Settings, connection: duckdb.DuckDBPyConnection, mapping: Mapping, files: list[Delivered], judges: dict[str, field_qc.Judge]
) -> tuple[_FeedLoad | None, list[FileRejected]]:
    """Append a feed's new files; a file that cannot be read whole is left out and the others are taken without it."""
    rejected: list[FileRejected] = []
    while files:
        load = _FeedLoad(settings, connection, mapping, files, judges)
        vault.begin(connection)
        try:
            _append(load)
            return load, rejected
        except FileRejected as error:
            rejected.append(error)
            if load.contract.subject:
                with vault.opened(settings, connection):
                    vault.take_back(connection, list(load.batches.values()))
            files = [f for f in files if f.ledger_id != error.delivered.ledger_id]
    return None, rejected


def load_organisation(settings: Settings, family: str, organisation: str, run_id: str) -> dict[str, Any]:
    """Load all new files of an organisation. Returns counts per feed: files, rows_read, rows_accepted, rows_quarantined.

    Bad rows and bad files end in quarantine with their reason and raise nothing; what raises is a failure of the system itself, or PullFailed,
    after everything that has landed is loaded.
    """
    try:
        mapping: Mapping | None = load_mapping(organisation)
    except UnknownOrganisation:
        mapping = None
    timing.start()
    not_pulled = _pull(settings, mapping) if mapping else None
    landed = deliveries(settings, family, organisation, mapping)
    if mapping and (days := [d.delivered_on for d in landed if not _misplaced(d)]):
        mapping = decided(mapping, decisions_of(settings, organisation), max(days))
    known = {r["ledger_id"]: r for r in ops.rows(settings.ops_url, ops.file_ledger, ops.file_ledger.c.organisation == organisation)}
    first_of: dict[tuple[str, str], str] = {}
    for row in sorted(known.values(), key=lambda r: (r["delivered_on"], r["file_name"])):
        if row["status"] == "loaded":
            first_of.setdefault((_entry_of(row, mapping), row["content_sha256"]), row["ledger_id"])

    new: dict[str, list[Delivered]] = {}
    finished: list[dict[str, Any]] = []
    rejected: list[tuple[Delivered, str, str]] = []
    for d in landed:
        earlier, judged_by = known.get(d.ledger_id), _judged_by(settings, mapping, d)
        if earlier and (earlier["status"] not in ("rejected", "joined") or earlier["mapping_sha256"] == judged_by):
            continue
        if d.feed is None and mapping and mapping.is_joined(d.folder, d.path.name) and not _misplaced(d):
            said = "供其他表关联使用，不单独入库"
            finished.append(_ledger_row(d, Books(), "joined", "", judged_by, reason_code="joined_table", reason_zh=said))
        elif d.feed is None or _misplaced(d):
            code = _misplaced(d) or ("no_mapping" if mapping is None else "unknown_folder")
            rejected.append((d, code, field_qc.reasons()[code].name_zh))
        elif (d.entry, d.sha256) in first_of:
            finished.append(
                _ledger_row(
                    d,
                    Books(),
                    "duplicate",
                    "",
                    judged_by,
                    reason_code="repeated_content",
                    reason_zh="内容与已收文件完全相同，不再重复入库",
                    duplicate_of=first_of[d.entry, d.sha256],
                )
            )
        else:
            first_of[d.entry, d.sha256] = d.ledger_id
            new.setdefault(d.entry, []).append(d)

    loads: list[_FeedLoad] = []
    judges: dict[str, field_qc.Judge] = {}
    connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
    vault.prepare(connection)
    connection.execute("set disabled_optimizers = 'in_clause'")  # long IN lists as expressions: as joins they cost a hundred operators a statement
    for files in new.values():
        loaded, bad = _load_feed(settings, connection, mapping, files, judges)
        rejected.extend((e.delivered, e.code, e.reason_zh) for e in bad)
        if loaded:
            loads.append(loaded)
    with timing.stage("exceptions"):
        _append_exceptions(settings, connection, loads, rejected)
    _keep_books(settings, run_id, mapping, loads, rejected, finished)
    connection.close()
    if not_pulled:
        raise not_pulled
    return summary(settings, organisation) | {"stages": timing.spent()}


EXCEPTIONS_AT_ONCE = 500_000


def _append_exceptions(
    settings: Settings, connection: duckdb.DuckDBPyConnection, loads: list[_FeedLoad], rejected: list[tuple[Delivered, str, str]]
) -> None:
    """Quarantine pointers and answers of all batches, one commit a table."""
    for name in ("quarantine", "form_answer"):
        target = lake.table(settings, lake.LAKE, name, lake.SUPPORT[name])
        file, ids, pending = TableFile(target), [], []
        for load in loads:
            wanted = pa.array(sorted(b for b in load.batches.values() if not lake.has_batch(target, b)), pa.string())
            ids.extend(wanted.to_pylist())
            for rows in load.quarantined if name == "quarantine" else load.answers:
                pending.append(rows.filter(pc.is_in(rows["_batch"].cast(pa.string()), wanted)))
        if name == "quarantine":
            new = [r for r in rejected if not lake.has_batch(target, _rejection_id(r[0]))]
            ids.extend(_rejection_id(d) for d, _, _ in new)
            if new:
                file.write(_whole_files(new))
        finish = quarantine if name == "quarantine" else form_answer
        pending = pa.concat_tables([p for p in pending if len(p)]) if any(map(len, pending)) else None
        for start in range(0, len(pending) if pending else 0, EXCEPTIONS_AT_ONCE):
            file.write(finish(connection, pending.slice(start, EXCEPTIONS_AT_ONCE)))
        if ids:
            lake.commit_file(target, " ".join(ids), file.close())


def _whole_files(rejected: list[tuple[Delivered, str, str]]) -> pa.Table:
    """Quarantine pointers of files that cannot be read whole."""
    return pa.Table.from_pylist(
        [
            {
                "_source": d.source, "_organisation": d.organisation, "_batch": _rejection_id(d),
                "_delivered_on": d.delivered_on, "_file": PERSON_NUMBER.sub("***", d.path.name),
                "feed": d.feed or d.folder, "reason_code": code, "reason_zh": reason, "severity": "error", "value_class": "file",
            }
            for d, code, reason in rejected
        ],
        schema=lake.SUPPORT["quarantine"],
    )  # fmt: skip


def _rejection_id(d: Delivered) -> str:
    return _digest("rejected", d.ledger_id)


def _keep_books(
    settings: Settings,
    run_id: str,
    mapping: Mapping | None,
    loads: list[_FeedLoad],
    rejected: list[tuple[Delivered, str, str]],
    finished: list[dict[str, Any]],
) -> None:
    """Write ledger, batch states and field-QC results in one transaction: the last step, so that a killed load is seen as not done."""
    ledger, states, results = list(finished), [], []
    load_no = 1 + max((r["load_no"] or 0 for r in ops.rows(settings.ops_url, ops.batch_state)), default=0)
    for load in loads:
        for d, books in zip(load.files, load.books, strict=True):
            ledger.append(_ledger_row(d, books, "loaded", load.batches[d.delivered_on], _judged_by(load.settings, mapping, d)))
        first = load.files[0]
        for day, batch_id in load.batches.items():
            states.append(
                {
                    "batch_id": batch_id, "source": first.source, "organisation": first.organisation, "feed": first.feed, "delivered_on": day,
                    "status": "loaded", "load_no": load_no, "rule": None, "reason_zh": None, "decided_at": ops.now(),
                }
            )  # fmt: skip
            results.extend(_check_results(run_id, load, day, batch_id))
    for d, code, reason in rejected:
        ledger.append(_ledger_row(d, Books(), "rejected", "", _judged_by(settings, mapping, d), reason_code=code, reason_zh=reason))
    with ops.transaction(settings.ops_url) as connection:
        ops.replace(connection, ops.file_ledger, ledger)
        ops.replace(connection, ops.batch_state, states)
        ops.replace(connection, ops.check_result, results)


PERSON_NUMBER = re.compile(rf"[1-9]\d{{5}}(?:18|19|20)\d{{9}}[\dXx]|{scrub.ID_18}|{scrub.MOBILE}")


def _masked(column: str | None) -> str | None:
    """A column name as it may be shown: a headless file has a person's data for a header."""
    return PERSON_NUMBER.sub("***", column)[:120] if column else None


def _check_results(run_id: str, load: _FeedLoad, day: date, batch_id: str) -> Iterator[dict[str, Any]]:
    """What field QC found in one batch, as rows of the check store."""
    first, feed = load.files[0], load.contract.feed
    all_books = [books for d, books in zip(load.files, load.books, strict=True) if d.delivered_on == day]
    read = sum(b.rows_read for b in all_books)
    quarantined = sum(b.quarantined for b in all_books)
    counts: dict[tuple[str, str], int] = {}
    for books in all_books:
        for key, n in books.counts.items():
            counts[key] = counts.get(key, 0) + n

    def row(rule: str, column: str | None, description: str, severity: str, examined: int, failed: int) -> dict[str, Any]:
        verdict = "not_examined" if examined == 0 else "fail" if failed and severity != "info" else "pass"
        return {
            "check_id": _digest("field_qc", batch_id, rule, column or ""), "run_id": run_id, "checkpoint": "field_qc", "rule": rule,
            "description_zh": description, "severity": severity, "scope": "organisation", "organisation": first.organisation, "feed": feed,
            "cancer": None,
            "batch_id": batch_id, "table_name": feed, "column_name": _masked(column), "examined": examined, "failed": failed, "observed": None,
            "verdict": verdict, "checked_at": ops.now(),
        }  # fmt: skip

    yield row("rows_quarantined", None, "逐行质控：隔离的行", "info", read, quarantined)
    delivered, reasons = sum(b.rows_delivered for b in all_books), sorted({r for b in all_books for r in b.without_record})
    for reason in reasons:
        said = field_qc.reasons()[reason].name_zh if reason in field_qc.reasons() else reason
        n = sum(b.without_record.get(reason, 0) for b in all_books)
        yield row(f"without_record_{reason}", None, f"按映射不构成本表记录的行：{said}", "info", delivered, n)
    for (column, code), n in sorted(counts.items()):
        if code == "translated":
            continue
        severity, _, label = field_qc.outcome(feed, column or None, code)
        field_name = load.contract.field(column).name_zh + "：" if column else ""
        yield row(code, column or None, field_name + label, "info" if severity == "info" else "warning", read, n)
    for finding in sorted({f for b in all_books for f in b.findings}):
        failed = sum(finding in b.findings for b in all_books)
        yield row(finding, None, "读取时的发现（文件数）", "warning", len(all_books), failed)
    for column in sorted({c for b in all_books for c in b.unmapped}):
        failed = sum(column in b.unmapped for b in all_books)
        yield row("unmapped_column", column, "文件中有映射未说明的列（已加密留存于原始区）", "warning", len(all_books), failed)


COUNTED = ("rows_delivered", "rows_without_record", "rows_read", "rows_accepted", "rows_quarantined")


def summary(settings: Settings, organisation: str) -> dict[str, Any]:
    """Books of an organisation from the ledger: per feed files, rows and records, and files rejected or repeated."""
    feeds: dict[str, dict[str, int]] = {}
    for row in ops.rows(settings.ops_url, ops.file_ledger, ops.file_ledger.c.organisation == organisation):
        books = feeds.setdefault(row["feed"], dict.fromkeys(("files", "rejected", "duplicate", *COUNTED), 0))
        books["files"] += 1
        if row["status"] in ("rejected", "duplicate"):
            books[row["status"]] += 1
        for key in COUNTED:
            books[key] += row[key] or 0
    return {"organisation": organisation, "feeds": feeds}


def new_batches(settings: Settings) -> list[dict[str, Any]]:
    """Batches that no gate has judged yet."""
    return ops.rows(settings.ops_url, ops.batch_state, ops.batch_state.c.status == "loaded")


def latest_business_date(settings: Settings) -> date | None:
    """The latest delivery date loaded and not held, None where there is none: the default of AS_OF."""
    dates = [r["delivered_on"] for r in ops.rows(settings.ops_url, ops.batch_state, ops.batch_state.c.status != "held")]
    return max(dates, default=None)
