"""Load deliveries: read, map, check, seal, identify, and append to raw zone and lake; every file's books are kept in the ledger.

A batch is what one organisation delivered of one feed on one date (the new files of it). The tables of a feed are appended one after the other, each
commit carrying its batch ids; the ledger is written last. Killed anywhere and run again, what is there is recognised and the rest is done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from infra.settings import Settings
from ingestion import duck, field_qc, lake, ops, raw_zone, sealing
from ingestion.contracts import Contract, contract, contracts
from ingestion.identity import vault
from ingestion.mappings import FeedMapping, Mapping, UnknownOrganisation, load_mapping
from ingestion.readers import OpenedFile, UnreadableFile, open_file
from ingestion.readers.model import REASONS

FAMILIES = ("reference", "national_platform", "hospital", "checkup", "screening_centre")
IGNORED_ENDINGS = (".part", ".tmp", ".crc", ".ok")


@dataclass(frozen=True)
class Delivered:
    """One file in the landing folder, seen as one canonical feed (None where nobody says which)."""

    source: str
    organisation: str
    folder: str
    feed: str | None
    delivered_on: date
    path: Path
    sha256: str

    @property
    def ledger_id(self) -> str:
        return _digest(self.organisation, self.feed or self.folder, self.delivered_on.isoformat(), self.path.name, self.sha256)


class FileRejected(Exception):
    """A file that goes whole to quarantine."""

    def __init__(self, delivered: Delivered, code: str, reason_zh: str):
        super().__init__(f"{delivered.organisation} {delivered.feed or delivered.folder} {delivered.delivered_on} {delivered.path.name}: {code}")
        self.delivered, self.code, self.reason_zh = delivered, code, reason_zh


@dataclass
class Books:
    """What became of one file."""

    rows_read: int = 0
    accepted: int = 0
    quarantined: int = 0
    encoding: str | None = None
    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)

    def add(self, rows: raw_zone.ChunkRows) -> None:
        self.rows_read += rows.accepted + rows.quarantined
        self.accepted += rows.accepted
        self.quarantined += rows.quarantined
        for key, n in rows.counts.items():
            self.counts[key] = self.counts.get(key, 0) + n


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def organisations(settings: Settings, family: str) -> list[str]:
    """Organisations of a source family that have a landing folder, in order of their codes."""
    root = settings.extracts / family
    return sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")) if root.is_dir() else []


def _date_folders(folder: Path) -> Iterator[tuple[date, Path]]:
    for path in sorted(folder.iterdir()):
        try:
            yield date.fromisoformat(path.name), path
        except ValueError:
            continue


def deliveries(settings: Settings, family: str, organisation: str, mapping: Mapping | None) -> list[Delivered]:
    """Every file an organisation has landed, by date, feeds that introduce people before feeds that only refer to them."""
    found = []
    for folder in sorted(p for p in (settings.extracts / family / organisation).iterdir() if p.is_dir()):
        feeds: tuple[str | None, ...] = (mapping.feeds_in_folder(folder.name) if mapping else ()) or (None,)
        for delivered_on, day in _date_folders(folder):
            for path in sorted(p for p in day.iterdir() if p.is_file()):
                if path.name.startswith(".") or path.name.endswith(IGNORED_ENDINGS):
                    continue
                digest = _sha256(path)
                found.extend(Delivered(family, organisation, folder.name, feed, delivered_on, path, digest) for feed in feeds)
    order = {name: (c.subject_field("name") is None, i) for i, (name, c) in enumerate(contracts().items())}
    return sorted(found, key=lambda d: (order.get(d.feed or "", (True, 99)), d.delivered_on, d.folder, d.path.name))


def _judged_by(mapping: Mapping | None, feed: str | None) -> str:
    said = mapping.feeds[feed].model_dump_json() + contract(feed).model_dump_json() if mapping and feed else ""
    return hashlib.sha256(said.encode()).hexdigest()


def _ledger_row(d: Delivered, books: Books, status: str, batch_id: str, judged_by: str, **more: Any) -> dict[str, Any]:
    return {
        "ledger_id": d.ledger_id,
        "source": d.source,
        "organisation": d.organisation,
        "feed": d.feed or d.folder,
        "batch_id": batch_id,
        "delivered_on": d.delivered_on,
        "file_name": d.path.name,
        "content_sha256": d.sha256,
        "bytes": d.path.stat().st_size,
        "encoding": books.encoding,
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


@dataclass
class _Batch:
    """One batch on its way into the tables."""

    settings: Settings
    connection: duckdb.DuckDBPyConnection
    mapping: Mapping
    files: list[Delivered]
    quarantine: list[pa.Table] = field(default_factory=list)
    answers: list[pa.Table] = field(default_factory=list)
    books: dict[str, Books] = field(default_factory=dict)

    def __post_init__(self) -> None:
        first = self.files[0]
        self.contract: Contract = contract(first.feed or "")
        self.feed_mapping: FeedMapping = self.mapping.resolved(self.contract.feed)
        self.batch_id = _digest(first.organisation, self.contract.feed, first.delivered_on.isoformat(), *sorted(f.sha256 for f in self.files))
        self.key = sealing.derived_key(self.settings.key_file, "raw zone")
        self.seq = 0

    def chunks(self) -> Iterator[raw_zone.ChunkRows]:
        """The rows of all files, chunk by chunk. Raises FileRejected when a file cannot be read whole."""
        self.connection.execute("create or replace temp table seen (a ubigint, b ubigint)")
        self.quarantine.clear()
        self.answers.clear()
        self.seq = 0
        for delivered in self.files:
            books = self.books[delivered.ledger_id] = Books()
            try:
                for rows in self._file(delivered, books):
                    books.add(rows)
                    self.quarantine.append(rows.quarantine)
                    self.answers.append(rows.answers)
                    yield rows
            except UnreadableFile as error:
                raise FileRejected(delivered, error.code, REASONS[error.code]) from error
            except field_qc.MissingColumns as error:
                reason = field_qc.reasons()["missing_columns"].name_zh + "：" + "、".join(error.columns)
                raise FileRejected(delivered, "missing_columns", reason) from error

    def _lineage(self, delivered: Delivered) -> raw_zone.Lineage:
        return raw_zone.Lineage(delivered.source, delivered.organisation, self.batch_id, delivered.delivered_on.isoformat(), delivered.path.name)

    def _file(self, delivered: Delivered, books: Books) -> Iterator[raw_zone.ChunkRows]:
        m = self.feed_mapping
        opened: OpenedFile = open_file(delivered.path, encoding=m.encoding, delimiter=m.delimiter, quote=m.quote, sheet=m.sheet)
        compiled = field_qc.compile_check(self.contract, m, opened.columns, synthetic=self.mapping.synthetic)
        books.unmapped = raw_zone.unmapped_columns(m, opened.columns)
        for batch in opened.batches():
            yield self._chunk(delivered, compiled, batch)
        books.encoding = opened.encoding
        books.findings = [f.code for f in opened.findings]
        if opened.broken:
            broken = [(b.row, b.code, b.text) for b in opened.broken]
            yield raw_zone.broken_rows(self.contract, self._lineage(delivered), broken, self.key)

    def _chunk(self, delivered: Delivered, compiled: field_qc.Compiled, batch: pa.Table) -> raw_zone.ChunkRows:
        connection, day = self.connection, delivered.delivered_on.isoformat()
        connection.register("src", field_qc.cleaned(batch, self.feed_mapping.null_values or ()))
        checked = connection.execute(compiled.sql, {"delivered_on": day} if "$delivered_on" in compiled.sql else {}).to_arrow_table()
        checked = checked.append_column("_seq", pa.array(range(self.seq, self.seq + len(checked)), pa.int64()))
        self.seq += len(checked)
        connection.register("checked", checked)
        duplicates = connection.execute(
            """
            select s.a is not null or row_number() over (partition by c._hash_a, c._hash_b order by c._seq) > 1 as duplicate
            from checked as c left join seen as s on s.a = c._hash_a and s.b = c._hash_b order by c._seq
            """
        ).to_arrow_table()["duplicate"]
        connection.execute("insert into seen select distinct c._hash_a, c._hash_b from checked as c anti join seen as s on s.a = c._hash_a and s.b = c._hash_b")
        subjects = None
        if self.contract.subject:
            connection.register("checked", checked.append_column("_duplicate", duplicates))
            with vault.opened(self.settings, connection):
                subjects = vault.identify(
                    connection, self.contract, delivered.organisation, day, self.batch_id, "(select * from checked where _ok and not _duplicate)"
                )
        return raw_zone.rows_of_chunk(
            connection, self.contract, self.feed_mapping, self._lineage(delivered), batch, checked, subjects, duplicates, self.key
        )


ROWS_PER_APPEND = 200_000


class _Appender:
    """Gathers the rows of small batches, so that a table gets few large files; everything is committed with its transaction."""

    def __init__(self, target: lake.Table, schema: pa.Schema, batches: list[_Batch]):
        self.target, self.schema = target, schema
        self.pending = {b.batch_id for b in batches if not lake.has_batch(target, b.batch_id)}
        self.transaction = target.transaction()
        self.held: list[pa.Table] = []

    def add(self, batch: _Batch, rows: pa.Table) -> None:
        if batch.batch_id in self.pending and len(rows):
            self.held.append(lake.conform(rows, self.schema))
            if sum(map(len, self.held)) >= ROWS_PER_APPEND:
                self.flush()

    def flush(self) -> None:
        if self.held:
            self.transaction.append(pa.concat_tables(self.held), snapshot_properties={"batch_id": " ".join(sorted(self.pending))})
            self.held = []

    def commit(self) -> None:
        self.flush()
        self.transaction.commit_transaction()


def _append(settings: Settings, batches: list[_Batch]) -> None:
    """Append the batches of one feed to raw zone and lake, one commit each. Raises FileRejected before anything is committed."""
    described = batches[0].contract
    tables = ((lake.RAW, lake.raw_schema(described)), (lake.LAKE, lake.lake_schema(described)))
    raw, clean = (_Appender(lake.table(settings, space, described.feed, schema), schema, batches) for space, schema in tables)
    for batch in batches:
        for rows in batch.chunks():
            raw.add(batch, rows.raw)
            clean.add(batch, rows.lake)
    raw.commit()
    clean.commit()


def _load_feed(
    settings: Settings, connection: duckdb.DuckDBPyConnection, mapping: Mapping, files: list[Delivered]
) -> tuple[list[_Batch], list[FileRejected]]:
    """Append a feed's new files, a batch per delivery date; a file that cannot be read whole is left out and the others are taken without it."""
    rejected: list[FileRejected] = []
    while files:
        by_date: dict[date, list[Delivered]] = {}
        for f in files:
            by_date.setdefault(f.delivered_on, []).append(f)
        batches = [_Batch(settings, connection, mapping, dated) for dated in by_date.values()]
        try:
            _append(settings, batches)
            return batches, rejected
        except FileRejected as error:
            rejected.append(error)
            if batches[0].contract.subject:
                with vault.opened(settings, connection):
                    for batch in batches:
                        vault.forget_batch(connection, batch.batch_id)
            files = [f for f in files if f.ledger_id != error.delivered.ledger_id]
    return [], rejected


def load_organisation(settings: Settings, family: str, organisation: str, run_id: str) -> dict[str, Any]:
    """Load all new files of an organisation. Returns counts per feed: files, rows_read, rows_accepted, rows_quarantined.

    Bad rows and bad files end in quarantine with their reason and raise nothing; what raises is a failure of the system itself.
    """
    try:
        mapping: Mapping | None = load_mapping(organisation)
    except UnknownOrganisation:
        mapping = None
    known = {r["ledger_id"]: r for r in ops.rows(settings.ops_url, ops.file_ledger, ops.file_ledger.c.organisation == organisation)}
    first_of: dict[tuple[str, str], str] = {}
    for row in sorted(known.values(), key=lambda r: (r["delivered_on"], r["file_name"])):
        if row["status"] == "loaded":
            first_of.setdefault((row["feed"], row["content_sha256"]), row["ledger_id"])

    new: dict[str, list[Delivered]] = {}
    finished: list[dict[str, Any]] = []
    rejected: list[tuple[Delivered, str, str]] = []
    for d in deliveries(settings, family, organisation, mapping):
        earlier, judged_by = known.get(d.ledger_id), _judged_by(mapping, d.feed)
        if earlier and (earlier["status"] != "rejected" or earlier["mapping_sha256"] == judged_by):
            continue
        if d.feed is None:
            code = "no_mapping" if mapping is None else "unknown_folder"
            rejected.append((d, code, field_qc.reasons()[code].name_zh))
        elif (d.feed, d.sha256) in first_of:
            finished.append(_ledger_row(d, Books(), "duplicate", "", judged_by, reason_code="repeated_content", reason_zh="内容与已收文件完全相同，不再重复入库",
                                        duplicate_of=first_of[d.feed, d.sha256]))
        else:
            first_of[d.feed, d.sha256] = d.ledger_id
            new.setdefault(d.feed, []).append(d)

    batches: list[_Batch] = []
    connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
    connection.execute("set disabled_optimizers = 'in_clause'")  # long IN lists as expressions: as joins they cost a hundred operators a statement
    for files in new.values():
        loaded, bad = _load_feed(settings, connection, mapping, files)
        rejected.extend((e.delivered, e.code, e.reason_zh) for e in bad)
        batches.extend(loaded)
    _append_exceptions(settings, batches, rejected)
    _keep_books(settings, run_id, mapping, batches, rejected, finished)
    connection.close()
    return summary(settings, organisation)


def _append_exceptions(settings: Settings, batches: list[_Batch], rejected: list[tuple[Delivered, str, str]]) -> None:
    """Quarantine pointers and answers of all batches, one commit a table."""
    whole_files = pa.Table.from_pylist(
        [
            {
                "_source": d.source, "_organisation": d.organisation, "_batch": _rejection_id(d), "_delivered_on": d.delivered_on, "_file": d.path.name,
                "feed": d.feed or d.folder, "reason_code": code, "reason_zh": reason, "severity": "error", "value_class": "file",
            }
            for d, code, reason in rejected
        ],
        schema=lake.SUPPORT["quarantine"],
    )  # fmt: skip
    for name in ("quarantine", "form_answer"):
        schema = lake.SUPPORT[name]
        target = lake.table(settings, lake.LAKE, name, schema)
        parts, ids = [], []
        for batch in batches:
            if not lake.has_batch(target, batch.batch_id):
                ids.append(batch.batch_id)
                parts.extend(lake.conform(t, schema) for t in (batch.quarantine if name == "quarantine" else batch.answers))
        if name == "quarantine":
            pending = [i for i, (d, _, _) in enumerate(rejected) if not lake.has_batch(target, _rejection_id(d))]
            parts.append(whole_files.take(pa.array(pending, pa.int64())))
            ids.extend(_rejection_id(rejected[i][0]) for i in pending)
        if ids:
            lake.append(target, " ".join(ids), [pa.concat_tables([schema.empty_table(), *parts])])


def _rejection_id(d: Delivered) -> str:
    return _digest("rejected", d.ledger_id)


def _keep_books(
    settings: Settings,
    run_id: str,
    mapping: Mapping | None,
    batches: list[_Batch],
    rejected: list[tuple[Delivered, str, str]],
    finished: list[dict[str, Any]],
) -> None:
    """Write ledger, batch states and field-QC results in one transaction: the last step, so that a killed load is seen as not done."""
    ledger, states, results = list(finished), [], []
    for batch in batches:
        first = batch.files[0]
        for d in batch.files:
            ledger.append(_ledger_row(d, batch.books[d.ledger_id], "loaded", batch.batch_id, _judged_by(mapping, d.feed)))
        states.append(
            {
                "batch_id": batch.batch_id, "source": first.source, "organisation": first.organisation, "feed": first.feed,
                "delivered_on": first.delivered_on, "status": "loaded", "rule": None, "reason_zh": None, "decided_at": ops.now(),
            }
        )  # fmt: skip
        results.extend(_check_results(run_id, batch))
    for d, code, reason in rejected:
        ledger.append(_ledger_row(d, Books(), "rejected", "", _judged_by(mapping, d.feed), reason_code=code, reason_zh=reason))
    with ops.transaction(settings.ops_url) as connection:
        ops.replace(connection, ops.file_ledger, ledger)
        ops.replace(connection, ops.batch_state, states)
        ops.replace(connection, ops.check_result, results)


def _check_results(run_id: str, batch: _Batch) -> Iterator[dict[str, Any]]:
    first, feed = batch.files[0], batch.contract.feed
    read = sum(b.rows_read for b in batch.books.values())
    quarantined = sum(b.quarantined for b in batch.books.values())
    counts: dict[tuple[str, str], int] = {}
    for books in batch.books.values():
        for key, n in books.counts.items():
            counts[key] = counts.get(key, 0) + n

    def row(rule: str, column: str | None, description: str, severity: str, examined: int, failed: int) -> dict[str, Any]:
        verdict = "not_examined" if examined == 0 else "fail" if failed and severity != "info" else "pass"
        return {
            "check_id": _digest("field_qc", batch.batch_id, rule, column or ""), "run_id": run_id, "checkpoint": "field_qc", "rule": rule,
            "description_zh": description, "severity": severity, "scope": "organisation", "organisation": first.organisation, "feed": feed, "cancer": None,
            "batch_id": batch.batch_id, "table_name": feed, "column_name": column, "examined": examined, "failed": failed, "observed": None,
            "verdict": verdict, "checked_at": ops.now(),
        }  # fmt: skip

    yield row("rows_quarantined", None, "逐行质控：隔离的行", "info", read, quarantined)
    for (column, code), n in sorted(counts.items()):
        if code == "translated":
            continue
        severity, _, label = field_qc.outcome(feed, column or None, code)
        field_name = batch.contract.field(column).name_zh + "：" if column else ""
        yield row(code, column or None, field_name + label, "info" if severity == "info" else "warning", read, n)
    for finding in sorted({f for b in batch.books.values() for f in b.findings}):
        failed = sum(finding in b.findings for b in batch.books.values())
        yield row(finding, None, "读取时的发现（文件数）", "warning", len(batch.books), failed)
    for column in sorted({c for b in batch.books.values() for c in b.unmapped}):
        failed = sum(column in b.unmapped for b in batch.books.values())
        yield row("unmapped_column", column[:120], "文件中有映射未说明的列（已加密留存于原始区）", "warning", len(batch.books), failed)


def summary(settings: Settings, organisation: str) -> dict[str, Any]:
    """Books of an organisation from the ledger: per feed files, rows_read, rows_accepted, rows_quarantined, and files rejected or repeated."""
    feeds: dict[str, dict[str, int]] = {}
    for row in ops.rows(settings.ops_url, ops.file_ledger, ops.file_ledger.c.organisation == organisation):
        books = feeds.setdefault(row["feed"], dict.fromkeys(("files", "rejected", "duplicate", "rows_read", "rows_accepted", "rows_quarantined"), 0))
        books["files"] += 1
        if row["status"] != "loaded":
            books[row["status"]] += 1
        for key in ("rows_read", "rows_accepted", "rows_quarantined"):
            books[key] += row[key]
    return {"organisation": organisation, "feeds": feeds}


def new_batches(settings: Settings) -> list[dict[str, Any]]:
    """Batches that no gate has judged yet."""
    return ops.rows(settings.ops_url, ops.batch_state, ops.batch_state.c.status == "loaded")


def latest_business_date(settings: Settings) -> date | None:
    """The latest delivery date loaded, None where nothing is loaded: the default of AS_OF."""
    dates = [r["delivered_on"] for r in ops.rows(settings.ops_url, ops.batch_state)]
    return max(dates, default=None)
