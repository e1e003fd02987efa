"""Distinct texts through the engine of `ingestion.text`, in this process or, where there are many, in workers beside it.

A worker is this module run as a program: Arrow batches of TEXTS in, batches of STRUCTURED out. It dies with its input.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
from bisect import bisect_right
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from infra.settings import ROOT
from ingestion.text.structure import structure

# `pieces`: the fields the text was put together from, as field:start:length joined by ";" (characters).
TEXTS = pa.schema([("text_no", pa.int64()), ("kind", pa.string()), ("text", pa.string()), ("pieces", pa.string())])
EVIDENCE = [
    ("text_field", pa.string()),
    ("span_start", pa.int64()),
    ("span_end", pa.int64()),
    ("evidence", pa.string()),
    ("rule", pa.string()),
]
ITEM = pa.schema(
    [
        ("item_no", pa.int64()),
        ("lesion_no", pa.int64()),
        ("item", pa.string()),
        ("value_text", pa.string()),
        ("value_number", pa.float64()),
        ("unit", pa.string()),
        *EVIDENCE,
    ]
)
FINDING = pa.schema(
    [
        ("finding_no", pa.int64()),
        ("concept", pa.string()),
        ("category", pa.string()),
        ("assertion", pa.string()),
        ("side_code", pa.string()),
        ("site", pa.string()),
        ("attributes", pa.string()),
        *EVIDENCE,
    ]
)
STRUCTURED = pa.schema(
    [
        ("text_no", pa.int64()),
        ("reason_code", pa.string()),
        ("lesions", pa.int64()),
        ("items", pa.list_(pa.struct(list(ITEM)))),
        ("findings", pa.list_(pa.struct(list(FINDING)))),
    ]
)

LONGEST = 20_000  # characters; a report of a hospital has some hundreds, a whole discharge record some thousands
EVIDENCE_LENGTH = 60
SIDE, SITE = ("side", "laterality"), ("site", "anatomy")
BATCH = 500
PARALLEL_FROM = 20_000  # distinct texts: fewer are read here before a worker has started


@dataclass(frozen=True)
class _Pieces:
    """Where the fields stand in a text that was put together from them."""

    names: list[str]
    starts: list[int]
    ends: list[int]

    @classmethod
    def read(cls, told: str) -> _Pieces:
        parts = [piece.split(":") for piece in told.split(";")]
        starts = [int(start) for _, start, _ in parts]
        return cls([name for name, _, _ in parts], starts, [s + int(length) for s, (_, _, length) in zip(starts, parts, strict=True)])

    def place(self, start: int, end: int) -> tuple[str, int, int] | None:
        """Field and offsets inside it of a span; None where the span begins in a heading, which nobody wrote."""
        n = bisect_right(self.starts, start) - 1
        if n < 0 or start >= self.ends[n]:
            return None
        return self.names[n], start - self.starts[n], min(end, self.ends[n]) - self.starts[n]


@dataclass
class _Columns:
    """Rows of a nested table, column by column, and where the rows of each text begin."""

    schema: pa.Schema
    values: dict[str, list[Any]] = field(default_factory=dict)
    offsets: list[int] = field(default_factory=lambda: [0])

    def __post_init__(self) -> None:
        self.values = {name: [] for name in self.schema.names}

    def add(self, **row: Any) -> None:
        for name, column in self.values.items():
            column.append(row[name])

    def end(self) -> int:
        """Close a text; how many rows it has."""
        self.offsets.append(len(self.values[self.schema.names[0]]))
        return self.offsets[-1] - self.offsets[-2]

    def undo(self) -> None:
        """Take back the rows of the text that is open."""
        for column in self.values.values():
            del column[self.offsets[-1] :]

    def array(self) -> pa.ListArray:
        columns = [pa.array(self.values[f.name], f.type) for f in self.schema]
        return pa.ListArray.from_arrays(pa.array(self.offsets, pa.int32()), pa.StructArray.from_arrays(columns, fields=list(self.schema)))


def _value(value: Any) -> tuple[str | None, float | None]:
    """A value as text, and as a number where it is one."""
    if isinstance(value, bool):
        return str(value).lower(), None
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) else str(value), float(value)
    return (None if value is None else str(value)), None


def _first(attributes: dict[str, Any], names: tuple[str, ...]) -> str | None:
    return next((str(attributes[n]) for n in names if attributes.get(n) not in (None, "")), None)


def _read(text: str, kind: str, pieces: _Pieces, items: _Columns, findings: _Columns) -> int:
    """Add what the engine says of a text; returns the number of its lesions."""
    said = structure(kind, text)
    for number, one in enumerate(said.fields, 1):
        if place := pieces.place(one.evidence.start, one.evidence.end):
            name, start, end = place
            value_text, value_number = _value(one.value)
            items.add(
                item_no=number, lesion_no=one.lesion, item=one.name, value_text=value_text, value_number=value_number, unit=one.unit,
                text_field=name, span_start=start, span_end=end, rule=one.evidence.rule,
                evidence=text[one.evidence.start : one.evidence.start + min(end - start, EVIDENCE_LENGTH)],
            )  # fmt: skip
    for number, mention in enumerate(said.findings, 1):
        if place := pieces.place(mention.start, mention.end):
            name, start, end = place
            rest = {k: v for k, v in mention.attributes.items() if k not in (*SIDE, *SITE) and v not in (None, "")}
            findings.add(
                finding_no=number, concept=mention.concept, category=mention.category, assertion=mention.assertion,
                side_code=_first(mention.attributes, SIDE), site=_first(mention.attributes, SITE),
                attributes=json.dumps(rest, ensure_ascii=False, sort_keys=True, default=str) if rest else None,
                text_field=name, span_start=start, span_end=end, rule=mention.rule,
                evidence=text[mention.start : mention.start + min(end - start, EVIDENCE_LENGTH)],
            )  # fmt: skip
    return len(said.lesions)


def structured(texts: pa.RecordBatch) -> pa.RecordBatch:
    """What the engine says of each text of a batch.

    A text of which it says nothing, that is longer than LONGEST, or at which it fails carries the reason instead: one text stops nobody.
    """
    items, findings = _Columns(ITEM), _Columns(FINDING)
    reasons: list[str | None] = []
    lesions: list[int] = []
    for kind, text, told in zip(*(texts[c].to_pylist() for c in ("kind", "text", "pieces")), strict=True):
        reason, count = None, 0
        if len(text) > LONGEST:
            reason = "too_long"
        else:
            try:
                count = _read(text, kind, _Pieces.read(told), items, findings)
            except Exception:  # whatever it is, the other texts are to be read; the books count it, and a check names organisation and kind
                items.undo()
                findings.undo()
                reason = "engine_error"
        if items.end() + findings.end() == 0 and reason is None:
            reason = "nothing_recognised"
        reasons.append(reason)
        lesions.append(count)
    columns = [texts["text_no"], pa.array(reasons, pa.string()), pa.array(lesions, pa.int64()), items.array(), findings.array()]
    return pa.RecordBatch.from_arrays(columns, schema=STRUCTURED)


class WorkerDied(RuntimeError):
    """A worker ended before its work; nothing of it was stored, and the step can be run again."""


class _Worker:
    """A process that structures batches, one after the other."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "ingestion.structured_texts"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT)
        self.writer = pa.ipc.new_stream(self.process.stdin, TEXTS)
        self.reader: pa.RecordBatchReader | None = None

    def ask(self, texts: pa.RecordBatch) -> pa.RecordBatch:
        """Raises WorkerDied."""
        try:
            self.writer.write_batch(texts)
            self.process.stdin.flush()
            self.reader = self.reader or pa.ipc.open_stream(self.process.stdout)
            return self.reader.read_next_batch()
        except (OSError, StopIteration, pa.ArrowInvalid) as error:
            raise WorkerDied(f"a process that structures texts died with {self.process.poll()}") from error

    def close(self) -> None:
        with suppress(OSError):  # its end of the pipe is gone already
            self.process.stdin.close()
        self.process.stdout.read()  # the end of its stream
        self.process.stdout.close()
        self.process.wait()


class Structurer:
    """Structures tables of texts; starts its workers with the first table that is large enough, and ends them when it is left."""

    def __init__(self, workers: int, parallel_from: int = PARALLEL_FROM) -> None:
        self.workers, self.parallel_from = workers, parallel_from
        self._started: list[_Worker] = []

    def __enter__(self) -> Structurer:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._started:
            worker.close()

    def apply(self, texts: pa.Table) -> pa.Table:
        """A row of STRUCTURED for each row of TEXTS, in the same order."""
        batches = texts.to_batches(max_chunksize=BATCH)
        made = self._in_workers(batches) if self.workers > 1 and len(texts) >= self.parallel_from else map(structured, batches)
        return pa.Table.from_batches(list(made), schema=STRUCTURED)

    def _in_workers(self, batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        while len(self._started) < self.workers:
            self._started.append(_Worker())
        idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._started:
            idle.put(worker)

        def ask(batch: pa.RecordBatch) -> pa.RecordBatch:
            worker = idle.get()
            try:
                return worker.ask(batch)
            finally:
                idle.put(worker)

        with ThreadPoolExecutor(max_workers=len(self._started)) as threads:
            yield from threads.map(ask, batches)


def _serve() -> None:
    with pa.ipc.open_stream(sys.stdin.buffer) as asked, pa.ipc.new_stream(sys.stdout.buffer, STRUCTURED) as answers:
        for batch in asked:
            answers.write_batch(structured(batch))
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    _serve()
