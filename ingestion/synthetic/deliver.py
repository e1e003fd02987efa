"""From records to delivered files: who delivers when, late, corrected, repeated, and with which dirt."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ingestion.contracts import contract
from ingestion.mappings import FeedMapping, Mapping, feed_of, load_mapping
from ingestion.synthetic import writers
from ingestion.synthetic.calibration import document
from ingestion.synthetic.cells import stream
from ingestion.synthetic.database import database_file, put_rows
from ingestion.synthetic.dialects import delivered_name, dialect
from ingestion.synthetic.faults import ACCEPTED, CORRECTIONS, KEPT, QUARANTINED, REJECTED, SKIPPED, SUPERSEDED, Batch, faults_of
from ingestion.synthetic.records import Records
from ingestion.synthetic.shapes import companions, shaped
from ingestion.synthetic.truth import Truth, organisations

REPEATED_ROWS, BROKEN_ROWS = 0.003, 0.0005
# Faults of a row as a whole, which strike the records of other feeds in it too.
WHOLE_ROW = ("repeated_row", "column_count")
ENOUGH = 40  # a delivery with fewer candidates may go without a fault


@dataclass
class Parcel:
    """The rows of one delivery: positions in the records, and which of them no further fault may touch."""

    rows: np.ndarray
    blocked: np.ndarray
    broken: dict[int, str] = field(default_factory=dict)


def _some(candidates: np.ndarray, rate: float, least: int, rng: np.random.Generator) -> np.ndarray:
    """A random share of the candidates, at least `least` where there are enough of them; in order."""
    count = max(round(len(candidates) * rate), least if len(candidates) >= ENOUGH else 0)
    return np.sort(rng.choice(candidates, min(count, len(candidates)), replace=False))


def _replaced(table: pa.Table, column: str, at: np.ndarray, texts: pa.Array) -> pa.Table:
    """The table with other texts in some rows of a column."""
    mask = np.zeros(table.num_rows, dtype=bool)
    mask[at] = True
    replaced = pc.replace_with_mask(table[column].combine_chunks(), pa.array(mask), texts)
    return table.set_column(table.column_names.index(column), column, replaced)


def _as_pulled(made: Records, words: pa.Table, mapping: Mapping, due: np.ndarray) -> tuple[np.ndarray, date]:
    """Rows of a database in the order of their key, and the day of the latest change: what a pull lands, and under which date."""
    keys = mapping.feeds[made.feed].pull.order_by
    order = pc.sort_indices(words.select(list(keys)).take(pa.array(due)), sort_keys=[(key, "ascending") for key in keys]).to_numpy()
    last = made.known_on[due].max() if len(due) else np.datetime64("1970-01-01")
    return due[order], last.astype("datetime64[D]").item()


class Post:
    """Delivers records into a landing folder and tells the truth about it."""

    def __init__(self, landing: Path, truth: Truth, seed: int):
        self.landing, self.truth, self.seed = landing, truth, seed

    def deliver(self, made: Records) -> None:
        """Write all deliveries of one feed of one organisation."""
        plan, mapping = organisations()[made.organisation], load_mapping(made.organisation)
        if {"person_name", "id_card_no"} & set(made.table.column_names):
            self.truth.written_down(made.organisation, made.person)
        if made.feed in plan.get("beside", ()):
            return  # its records stand in the rows of another feed
        made = shaped(made, mapping)
        if made.stated is not None:
            self.truth.stated(made)
        rng, when = stream(self.seed, "deliver", made.organisation, made.feed + made.suffix), np.array(plan["dates"], dtype="datetime64[D]")
        slot = np.searchsorted(when, made.known_on, side="left")
        late = (rng.random(len(made)) < plan["late"]) & (slot < len(when) - 1)
        slot = slot + late
        count = np.ones(len(made), dtype=np.int64) if made.count is None else made.count
        self.truth.unique_records[f"{made.organisation} {made.feed}"] += int(count[slot < len(when)].sum())
        for feed, beside in made.also.items():
            self.truth.unique_records[f"{made.organisation} {feed}"] += int(beside[slot < len(when)].sum())
        words = dialect(made, mapping.with_defaults(made.feed)) if made.words is None else made.words
        carried = gone = np.empty(0, dtype=np.int64)
        for k, day in enumerate(plan["dates"]):
            due = np.flatnonzero(slot == k)
            due = due[np.argsort(made.known_on[due], kind="stable")]
            if plan["feeds"][made.feed]["format"] == "database":
                due, day = _as_pulled(made, words, mapping, due)
            if len(due) + len(carried) + len(gone) == 0:
                if plan["feeds"][made.feed]["format"] == "database":
                    put_rows(database_file(self.landing, made.organisation), mapping.with_defaults(made.feed), words.slice(0, 0))
                continue
            carried, gone = self._one(made, words, mapping, day, due, carried, gone, late, k, is_last=k == len(when) - 1, rng=rng)
            self.truth.unique_records[f"{made.organisation} {made.feed}"] -= len(gone)
        if made.part[0] == made.part[1] - 1:
            self._repeat(made, plan, mapping)
            self._misspell(made, plan, mapping)

    def _one(
        self,
        made: Records,
        words: pa.Table,
        mapping: Mapping,
        day: date,
        due: np.ndarray,
        carried: np.ndarray,
        gone: np.ndarray,
        late: np.ndarray,
        number: int,
        *,
        is_last: bool,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:
        """One delivery, with the `carried` corrections and the `gone` records marked as deleted; returns what the next one corrects and deletes."""
        plan, feed = organisations()[made.organisation], mapping.with_defaults(made.feed)
        least = 1 if number == 0 else 0
        reference = plan.get("clean", False) or plan["feeds"][made.feed]["format"] == "database"
        # repeated rows go to any place after the row they repeat
        repeated = _some(np.arange(len(due)), 0 if reference else REPEATED_ROWS, 0 if reference else least, rng)
        place = repeated + 0.5 + rng.random(len(repeated)) * (len(due) - repeated)
        order = np.argsort(np.r_[np.arange(len(due)), place, np.full(len(carried) + len(gone), np.inf)], kind="stable")
        rows = np.r_[due, due[repeated], carried, gone][order]
        origin = np.r_[np.zeros(len(due)), np.ones(len(repeated)), np.full(len(carried), 2), np.full(len(gone), 3)][order].astype(int)
        blocked = np.isin(rows, due[repeated]) | (origin >= 2)
        batch = Batch(feed, made.table.take(pa.array(rows)), words.take(pa.array(rows)))
        if feed.deleted and len(gone):
            at = np.flatnonzero(origin == 3)
            batch.delivered = _replaced(batch.delivered, feed.deleted.column, at, pa.repeat(pa.scalar(feed.deleted.values[0]), len(at)))
        changes: list[tuple[np.ndarray, str | None, str, str, str | None]] = [
            (np.flatnonzero(origin == 1), None, "repeated_row", QUARANTINED, "duplicate_row"),
            (np.flatnonzero((origin == 0) & late[rows]), None, "late_record", ACCEPTED, None),
            (np.flatnonzero(origin == 2), None, "correction", ACCEPTED, None),
            (np.flatnonzero(origin == 3), None, "deleted_record", ACCEPTED, None),
        ]
        # records that a later delivery puts right
        wrong = np.empty(0, dtype=np.int64)
        name, where, make = CORRECTIONS.get(made.feed, ("", None, None))
        if not is_last and plan["corrected"] and where and make and batch.has(name) and not batch.is_converted(name):
            wrong = _some(np.flatnonzero(~blocked & where(batch)), plan["corrected"], least, rng)
            self._put(batch, name, wrong, make(batch, wrong))
            blocked[wrong] = True
            changes.append((wrong, name, "wrong_until_corrected", SUPERSEDED, None))
        broken: dict[int, str] = {}
        kind = plan["feeds"][made.feed]["format"]
        if not reference and kind in {"csv", "zip"}:
            at = _some(np.flatnonzero(~blocked), BROKEN_ROWS, least if len(rows) >= 300 else 0, rng)
            broken = {int(row): (writers.CUT if rng.random() < 0.5 else writers.EXTRA) for row in at}
            blocked[at] = True
            changes.append((at, None, "column_count", QUARANTINED, "column_count"))
        for fault in faults_of(made.feed):
            if fault.in_contract_unit and batch.has(fault.field) and batch.is_converted(fault.field):
                continue
            if not batch.has(fault.field) or (kind == "database" and contract(made.feed).field(fault.field).primary_key):
                continue
            can = ~blocked & batch.given(fault.field) if fault.where is None else ~blocked & fault.where(batch)
            at = _some(np.flatnonzero(can), fault.rate, least, rng)
            if len(at) == 0:
                continue
            for name, texts in fault.make(batch, at, rng).items():
                self._put(batch, name, at, texts)
            blocked[at] = True
            changes.append((at, fault.field, fault.name, fault.expected, fault.reason))
        self._write(made, batch.delivered, feed, day, rows, broken, changes)
        doomed = np.empty(0, dtype=np.int64)
        if not is_last and feed.deleted and plan.get("deleted"):
            doomed = _some(np.flatnonzero(~blocked & (origin == 0)), plan["deleted"], least, rng)
        return rows[wrong], rows[doomed]

    @staticmethod
    def _put(batch: Batch, name: str, at: np.ndarray, texts: pa.Array) -> None:
        column = delivered_name(batch.mapping, name)
        batch.delivered = _replaced(batch.delivered, column, at, texts)

    def _folder(self, made: Records, mapping: Mapping, day: date) -> Path:
        return self.landing / mapping.source / made.organisation / (mapping.feeds[made.feed].folder or made.feed) / day.isoformat()

    def _write(
        self,
        made: Records,
        table: pa.Table,
        feed: FeedMapping,
        day: date,
        rows: np.ndarray,
        broken: dict[int, str],
        changes: list[tuple[np.ndarray, str | None, str, str, str | None]],
    ) -> None:
        plan, mapping = organisations()[made.organisation], load_mapping(made.organisation)
        spec = plan["feeds"][made.feed]
        size = len(rows) if spec["format"] == "database" else document("delivery")["part_rows"]
        encoding = feed.encoding or "utf-8"
        other = plan.get("wrong_encoding")
        is_wrong = bool(other) and other["delivered"] == day
        parts = range(0, len(rows), size)
        names = []
        for part, start in enumerate(parts, 1):
            name = spec["file"].format(date=f"{day:%Y%m%d}") + made.suffix + (f"_{part:02d}" if len(parts) > 1 else "")
            if spec["format"] == "database":
                put_rows(database_file(self.landing, made.organisation), feed, table)
                names.append(f"{made.feed}.{feed.pull.format}")
                self.truth.file(made.organisation, made.feed, day, names[-1], made.person[rows])
                break
            own, others = companions(made.organisation, feed, table.slice(start, size))
            for folder, other_table in others.items():
                writers.write(
                    self.landing / mapping.source / made.organisation / folder / day.isoformat(),
                    f"{folder}_{name}",
                    spec["format"],
                    other_table,
                    encoding=encoding,
                    delimiter=feed.delimiter,
                    bom=plan.get("bom", False),
                    sheet=None,
                    broken={},
                )
            names.append(
                writers.write(
                    self._folder(made, mapping, day),
                    name,
                    spec["format"],
                    own,
                    encoding=other["encoding"] if is_wrong else encoding,
                    delimiter=feed.delimiter,
                    bom=plan.get("bom", False),
                    sheet=feed.sheet,
                    broken={row - start: how for row, how in broken.items() if start <= row < start + size},
                )
            )
            self.truth.file(made.organisation, made.feed, day, names[-1], made.person[rows[start : start + size]])
        file_names = pa.array(names)
        for at, name, fault, expected, reason in changes:
            self.truth.planted(made.organisation, made.feed, day, file_names.take(pa.array(at // size)), at % size + 1, name, fault, expected, reason)
            nobody = np.zeros(len(made), dtype=np.int64)
            sharing = {feed_of(entry): nobody for entry in mapping.feeds_in_folder(feed.folder) if feed_of(entry) != made.feed}
            for other, beside in ({**sharing, **made.also} if fault in WHOLE_ROW else {}).items():
                if fault == "repeated_row" and mapping.feeds[other].distinct:
                    continue  # there it is no second record
                held = at[(beside[rows[at]] > 0) | (fault == "column_count")]
                place = file_names.take(pa.array(held // size)), held % size + 1
                self.truth.planted(made.organisation, other, day, *place, None, fault, expected, reason)
        if is_wrong:
            self.truth.planted(
                made.organisation,
                made.feed,
                day,
                file_names,
                np.zeros(len(names), dtype=np.int64),
                None,
                "encoding_mismatch",
                KEPT,
                "encoding_mismatch",
            )

    def _repeat(self, made: Records, plan: dict, mapping: Mapping) -> None:
        """Deliver a file again, unchanged, under another name."""
        for again in plan.get("repeat", ()):
            if again["feed"] != made.feed:
                continue
            source = self._folder(made, mapping, again["delivered"])
            target = self._folder(made, mapping, again["again"])
            for part, path in enumerate(sorted(source.glob("*")) if source.exists() else [], 1):
                target.mkdir(parents=True, exist_ok=True)
                name = f"{again['file']}_{part:02d}{path.suffix}"
                (target / name).write_bytes(path.read_bytes())
                first = next(
                    f for f in self.truth.files if f["file_name"] == path.name and f["feed"] == made.feed and f["organisation"] == made.organisation
                )
                self.truth.files.append({**first, "delivered_on": again["again"].isoformat(), "file_name": name, "is_repeat": True})
                self.truth.planted(
                    made.organisation,
                    made.feed,
                    again["again"],
                    pa.array([name]),
                    np.zeros(1, dtype=np.int64),
                    None,
                    "repeated_delivery",
                    SKIPPED,
                    "duplicate_file",
                )

    def _misspell(self, made: Records, plan: dict, mapping: Mapping) -> None:
        """Deliver a file some days earlier with a slip in its header: it is refused, and the file of the due day stands in for it."""
        for slip in plan.get("misspelt", ()):
            source = self._folder(made, mapping, slip["of"])
            if slip["feed"] != made.feed or not source.exists():
                continue
            target = self._folder(made, mapping, slip["delivered"])
            target.mkdir(parents=True, exist_ok=True)
            path = sorted(source.glob("*"))[0]
            name = f"{slip['file']}{path.suffix}"
            encoding = mapping.with_defaults(made.feed).encoding or "utf-8"
            header, line, rows = path.read_bytes().partition(b"\n")
            (target / name).write_bytes(header.replace(slip["column"].encode(encoding), slip["as"].encode(encoding), 1) + line + rows)
            first = next(f for f in self.truth.files if (f["file_name"], f["feed"], f["organisation"]) == (path.name, made.feed, made.organisation))
            self.truth.files.append({**first, "delivered_on": slip["delivered"].isoformat(), "file_name": name, "is_repeat": True})
            nowhere = np.zeros(1, dtype=np.int64)
            said = (None, "misspelt_header", REJECTED, "missing_columns")
            self.truth.planted(made.organisation, made.feed, slip["delivered"], pa.array([name]), nowhere, *said)
