"""One more day of deliveries for a province that exists already: new records, made after old ones, and corrected records.

For measuring what a small daily delivery costs. No dirt is planted in it.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingestion.contracts import contract
from ingestion.mappings import FeedMapping, load_mapping
from ingestion.synthetic import writers
from ingestion.synthetic.cells import Text, dates, missing, parse_dates, stream
from ingestion.synthetic.database import database_file, put_rows
from ingestion.synthetic.deliver import organisations
from ingestion.synthetic.dialects import dialect
from ingestion.synthetic.faults import CORRECTIONS, Batch
from ingestion.synthetic.life_course import live
from ingestion.synthetic.people import populate
from ingestion.synthetic.province import MARKER, all_records
from ingestion.synthetic.records import Records
from ingestion.synthetic.shapes import companions, shaped

# Serial numbers that a new record gets anew; those that other feeds quote change everywhere in the same way.
SERIALS = (
    *("visit_no", "diagnosis_no", "report_no", "screening_no", "specimen_no", "surgery_no", "treatment_no", "exam_no"),
    *("history_no", "order_no", "card_no", "record_no", "case_no", "contact_no", "decision_no"),
)
# What a new event starts from: records of one visit, one screening or one examination are made anew together.
ANCHORS = ("visit_no", "screening_no", "exam_no")
NEVER_NEW = ("patient", "follow_up", "screening_follow_up", "death", "death_registration", "training_exam")


def marked(out: Path) -> tuple[int, int]:
    """Scale and seed of an existing province. Raises FileNotFoundError or ValueError when there is none."""
    found = re.search(r"scale=(\d+) seed=(\d+)", (out / MARKER).read_text(encoding="utf-8"))
    if not found:
        raise ValueError(f"{out / MARKER} names no scale and seed")
    return int(found[1]), int(found[2])


def _marks(anchor: Text, share: float, seed: int, on: date) -> np.ndarray:
    """The share of anchors chosen, the same ones in every feed: a hash of the number decides."""
    salt = int(stream(seed, "increment", on).integers(1, 1 << 31))
    text = pa.array(pc.fill_null(anchor, "")).dictionary_encode()
    digits = pc.replace_substring_regex(text.dictionary, r"\D", "")
    number = pc.cast(pc.utf8_slice_codeunits(pc.binary_join_element_wise("0", digits, ""), -9), pa.int64()).to_numpy(zero_copy_only=False)
    mixed = (number * 2_654_435_761 + salt) % (1 << 32) / (1 << 32)
    return (mixed < share)[text.indices.to_numpy(zero_copy_only=False)]


def _renewed(made: Records, at: np.ndarray, day: np.datetime64) -> pa.Table:
    """The chosen records as if they had happened on the day, under numbers of their own."""
    table = made.table.take(pa.array(at))
    for field in contract(made.feed).fields:
        if field.name not in table.column_names:
            continue
        column = table[field.name].combine_chunks()
        if field.name in SERIALS:
            column = pc.binary_join_element_wise(column, f"N{day.astype('datetime64[D]').item():%m%d}", "")
        elif field.type == "date" and field.subject != "birth_date":
            old = parse_dates(column)
            ahead = day + 91 if field.may_be_future else day
            column = dates(np.where(missing(old), old, ahead))
        else:
            continue
        table = table.set_column(table.column_names.index(field.name), field.name, column)
    return table


def _corrected(made: Records, at: np.ndarray, mapping: FeedMapping) -> tuple[np.ndarray, pa.Table]:
    """Of the chosen records those that can be corrected, with another value in the field that organisations correct."""
    if made.feed not in CORRECTIONS or mapping.cuts_rows or CORRECTIONS[made.feed][0] not in made.table.column_names:
        return at[:0], made.table.slice(0, 0)
    name, where, make = CORRECTIONS[made.feed]
    table = made.table.take(pa.array(at))
    can = where(Batch(mapping, table, table))
    at, table = at[can], table.filter(pa.array(can))
    text = make(Batch(mapping, table, table), np.arange(len(at)))
    return at, table.set_column(table.column_names.index(name), name, text)


def _is_new(made: Records, share: float, seed: int, on: date, rng: np.random.Generator) -> np.ndarray:
    """Which records are made anew: those of the chosen visits, screenings and examinations; of questionnaires a share."""
    if made.feed in NEVER_NEW:
        return np.zeros(len(made), dtype=bool)
    anchor = next((a for a in ANCHORS if a in made.table.column_names), None)
    return _marks(made.table[anchor].combine_chunks(), share, seed, on) if anchor else rng.random(len(made)) < share


def _write(landing: Path, made: Records, on: date) -> tuple[str, Records]:
    """Write one file; returns its name and the records as its rows."""
    plan, mapping = organisations()[made.organisation], load_mapping(made.organisation)
    feed, spec = mapping.with_defaults(made.feed), plan["feeds"][made.feed]
    made = shaped(made, mapping)
    words, name = dialect(made, feed) if made.words is None else made.words, spec["file"].format(date=f"{on:%Y%m%d}") + made.suffix
    if spec["format"] == "database":
        put_rows(database_file(landing, made.organisation), feed, words)
        return name, made
    table, others = companions(made.organisation, feed, words)
    form = {"encoding": feed.encoding or "utf-8", "delimiter": feed.delimiter, "bom": plan.get("bom", False), "broken": {}}
    place = landing / mapping.source / made.organisation
    for folder, other in others.items():
        writers.write(place / folder / on.isoformat(), f"{folder}_{name}", spec["format"], other, sheet=None, **form)
    return writers.write(place / feed.folder / on.isoformat(), name, spec["format"], table, sheet=feed.sheet, **form), made


def deliver_increment(out: Path, share: float, on: date) -> dict[str, int]:
    """Write the deliveries of one day into an existing province; returns the number of files and rows.

    `share` is the part of the visits, screenings, examinations and questionnaires made anew, and of the records corrected.
    """
    scale, seed = marked(out)
    people = populate(seed, scale)
    life = live(people, seed)
    day = np.datetime64(on) - 1
    files = rows = 0
    truth: list[pa.Table] = []
    for made in all_records(people, life, seed):
        plan = organisations()[made.organisation]
        if made.feed in plan.get("beside", ()):
            continue
        if contract(made.feed).subject is None and not any(a in made.table.column_names for a in ANCHORS):
            continue
        rng = stream(seed, "increment", on, made.organisation, made.feed + made.suffix)
        mapping = load_mapping(made.organisation)
        delivered = made.known_on <= np.datetime64(max(plan["dates"]))
        lives = life.alive(made.person, np.broadcast_to(day, len(made)))
        new = np.flatnonzero(_is_new(made, share, seed, on, rng) & lives & delivered)
        old = np.setdiff1d(np.flatnonzero((rng.random(len(made)) < share) & delivered), new)
        old, corrected = _corrected(made, old, mapping.with_defaults(made.feed))
        at, table = np.r_[new, old], pa.concat_tables([_renewed(made, new, day), corrected])
        if len(at) == 0:
            continue
        extra = {name: column.take(pa.array(at)) for name, column in made.extra.items()}
        fresh = Records(made.organisation, made.feed, table, made.person[at], np.full(len(at), day), extra, part=made.part)
        name, written = _write(out / "landing", fresh, on)
        n = len(written)
        files, rows = files + 1, rows + n
        columns = {"organisation": made.organisation, "feed": made.feed, "file_name": name}
        # where a row is not a record, none is corrected
        kind = np.where((np.arange(n) < len(new)) | (n != len(at)), "new", "corrected")
        same = {key: pa.repeat(pa.scalar(value), n) for key, value in columns.items()}
        truth.append(pa.table({**same, "row": pa.array(np.arange(1, n + 1)), "person_no": pa.array(written.person), "kind": pa.array(kind)}))
    if truth:
        pq.write_table(pa.concat_tables(truth), out / "truth" / f"increment_{on:%Y%m%d}.parquet", compression="zstd")
    return {"files": files, "rows": rows}
