"""The stage of coded texts: `run(settings, organisation)` keeps the table lake.text_code, every distinct text of an organisation with its codes.

After `load`: the texts of new batches that the organisation has not used before are coded; each text once, whatever the number of records. The
warehouse joins records and texts by `text_key`. A commit carries the batches it looked at, so a stage that was killed runs again. When the
coders, their word lists or what people have decided have changed, every text of the organisation is coded anew under the next `coded_no`;
nothing older is removed, and a day before a decision was delivered still sees what held then.

Which fields are texts: `lexicon/fields.yml`. Quality per organisation and field goes to the check store (checkpoint `codes`).
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import yaml
from sqlalchemy import and_, delete

from infra.settings import Settings
from ingestion import duck, lake, ops
from ingestion.codes import batch, decisions
from ingestion.codes.decisions import LABORATORY, TextDecision
from ingestion.codes.model import EMPTY, PARTLY, UNMAPPED
from ingestion.contracts import contract

log = logging.getLogger(__name__)

TABLE, CHECKPOINT = "text_code", "codes"
LAB_PARTS = ("item_code", "delivered_loinc_code", "printed_unit", "specimen")
LAB_COLUMNS = {"item_code": "item_code", "delivered_loinc_code": "loinc_code", "printed_unit": "result_unit", "specimen": "specimen_name"}
# Above this share of texts without a code, or of texts that contradict the code beside them, a person should look.
MOST_UNMAPPED, MOST_CONFLICTS = 0.05, 0.1
TOLD = ("text_key", "feed", "field", "text_kind", "text", *LAB_PARTS)


@dataclass(frozen=True)
class TextField:
    """A field of a feed that holds texts of one kind.

    stated  the field with the code that stands beside it;  site  the organ (of sites.yml) that a text without a site is about
    """

    feed: str
    field: str
    kind: str
    stated: str | None = None
    site: str | None = None

    def sql(self, source: str) -> str:
        """Query of the field's texts, one row a batch, text and stated code: how many records have it. Texts that are missing are empty."""
        parts = {p: f"coalesce({LAB_COLUMNS[p]}, '')" if self.kind == LABORATORY else "''" for p in LAB_PARTS}
        filled = f"coalesce({self.field}, '') <> ''" + (" or coalesce(item_code, '') <> ''" if self.kind == LABORATORY else "")
        listed = ", ".join(f"{expression} as {name}" for name, expression in parts.items())
        return f"""
            select _organisation, _batch, min(_delivered_on) as _delivered_on,
                '{self.feed}' as feed, '{self.field}' as field, '{self.kind}' as text_kind,
                coalesce({self.field}, '') as text, {listed}, {self.stated or "null"}::varchar as stated_code, count(*) as records
            from {source} where not coalesce(_deleted, false) and ({filled})
            group by all"""


@cache
def text_fields() -> tuple[TextField, ...]:
    """The fields that are coded, in the order of the file. Raises KeyError for a field that no contract has."""
    said = yaml.safe_load((Path(__file__).parent / "lexicon" / "fields.yml").read_text(encoding="utf-8"))
    fields = tuple(TextField(feed, name, f["kind"], f.get("stated"), f.get("site")) for feed, listed in said.items() for name, f in listed.items())
    for f in fields:
        known = {x.name for x in contract(f.feed).lake_fields}
        if missing := {f.field, f.stated or f.field} - known:
            raise KeyError(f"lexicon/fields.yml: feed {f.feed} has no field {', '.join(sorted(missing))}")
    return fields


# The key of a text; the macro text_key of dbt makes the same.
KEY = "md5(concat_ws(chr(31), _organisation, feed, field, text, item_code, delivered_loinc_code, printed_unit, specimen))"


def run(settings: Settings, organisation: str, run_id: str = "codes") -> dict[str, int]:
    """Code the new texts of an organisation; all of them where coders or decisions have changed.

    Returns how many distinct texts were coded, how many of them have no code though they name a tumour or an item, and how many a person decided.
    """
    with opened(settings) as connection:
        return _run(settings, connection, organisation, run_id)


def run_all(settings: Settings, run_id: str) -> dict[str, int]:
    """The same for every organisation, whose texts are read from the lake together. Returns the sums."""
    done = {"texts": 0, "unmapped": 0, "decided": 0}
    with opened(settings) as connection:
        for organisation in sorted({b["organisation"] for b in ops.rows(settings.ops_url, ops.batch_state)}):
            for name, count in _run(settings, connection, organisation, run_id).items():
                done[name] += count
    return done


def opened(settings: Settings) -> duckdb.DuckDBPyConnection:
    """A connection that can read the lake."""
    connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
    duck.load_extensions(connection, ("httpfs", "avro", "iceberg"))
    return connection


def _run(settings: Settings, connection: duckdb.DuckDBPyConnection, organisation: str, run_id: str) -> dict[str, int]:
    table = lake.table(settings, lake.LAKE, TABLE, lake.SUPPORT[TABLE])
    states = [b for b in ops.rows(settings.ops_url, ops.batch_state, ops.batch_state.c.organisation == organisation)]
    feeds = {f.feed for f in text_fields()}
    batches = sorted({b["batch_id"] for b in states if b["feed"] in feeds})
    done = {"texts": 0, "unmapped": 0, "decided": 0}
    if not batches:
        return done
    decided = decisions.in_force(decisions.decisions_of(settings, organisation), max(b["delivered_on"] for b in states))
    coded_with = _coded_with(decided)
    _known(connection, table, organisation)
    new = [b for b in batches if not lake.has_batch(table, _mark(b))]
    is_stale = connection.execute("select count(*) from known where coded_with <> ?", [coded_with]).fetchone()[0] > 0
    if not new and not is_stale:
        return done
    texts = _new_texts(settings, connection, organisation, new) if new else _texts([])
    if is_stale:
        held = connection.execute(f"select _batch, _delivered_on, {', '.join(TOLD)} from known").to_arrow_table()
        texts = pa.concat_tables([held.cast(texts.schema), texts])
    number = 1 + (connection.execute("select max(coded_no) from known").fetchone()[0] or 0)
    rows = _rows(organisation, texts, decided, coded_with, number)
    marks = [_mark(b) for b in new] or [_mark(organisation, coded_with, str(number))]
    lake.append(table, " ".join(marks), [rows] if len(rows) else [])
    _check(settings, connection, table, organisation, run_id)
    status = rows.select(["text_key", "status", "method"]).group_by(["text_key", "status", "method"]).aggregate([]).to_pylist()
    done = {
        "texts": len(texts),
        "unmapped": sum(r["status"] in (UNMAPPED, PARTLY) for r in status),
        "decided": sum(r["method"] == "decision" for r in status),
    }
    log.info(
        "%s: %s texts coded (%s batches), %s without a code, %s decided", organisation, done["texts"], len(new), done["unmapped"], done["decided"]
    )
    return done


def _mark(*parts: str) -> str:
    """What a commit says of a batch that it looked at; another word than the batch itself, which is not stored here."""
    return hashlib.sha256("\x1f".join((TABLE, *parts)).encode()).hexdigest()[:32]


def _coded_with(decided: batch.Decided) -> str:
    said = "\n".join(sorted(d.said for d in decided.values()))
    return f"{batch.version()}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"


def _known(connection: duckdb.DuckDBPyConnection, table: lake.Table, organisation: str) -> None:
    """Make the table `known`: the organisation's texts as last coded, a row a text."""
    source = f"iceberg_scan('{table.metadata_location}')" if table.current_snapshot() else "(select * from empty_table)"
    if not table.current_snapshot():
        connection.register("empty_table", lake.SUPPORT[TABLE].empty_table())
    connection.execute(
        f"""
        create or replace temp table known as
        select * from {source} where _organisation = ?
        qualify row_number() over (partition by text_key order by coded_no desc, code_no) = 1
        """,
        [organisation],
    )


def _texts(rows: list[dict[str, Any]]) -> pa.Table:
    schema = pa.schema([("_batch", pa.string()), ("_delivered_on", pa.date32()), *[(n, pa.string()) for n in TOLD]])
    return pa.Table.from_pylist(rows, schema=schema)


def _source(settings: Settings, connection: duckdb.DuckDBPyConnection, feed: str) -> str:
    """The feed's table in the lake, as DuckDB reads it; a view without rows where nothing was delivered yet."""
    schema = lake.lake_schema(contract(feed))
    table = lake.table(settings, lake.LAKE, feed, schema)
    if table.current_snapshot():
        return f"iceberg_scan('{table.metadata_location}')"
    connection.register(f"empty_{feed}", schema.empty_table())
    return f"empty_{feed}"


def texts_of(settings: Settings, connection: duckdb.DuckDBPyConnection, organisation: str) -> str:
    """Query of every text of an organisation with its batch and records. The texts of all are collected once a connection."""
    if not connection.execute("select count(*) from duckdb_tables() where table_name = 'collected'").fetchone()[0]:
        fields = " union all ".join(f.sql(_source(settings, connection, f.feed)) for f in text_fields())
        connection.execute(f"create temp table collected as {fields}")
    return f"(select * exclude (_organisation) from collected where _organisation = '{organisation}')"


def _new_texts(settings: Settings, connection: duckdb.DuckDBPyConnection, organisation: str, batches: list[str]) -> pa.Table:
    """Texts of some batches that are not known, each under the first delivery that has it."""
    query = texts_of(settings, connection, organisation)
    wanted = ", ".join(f"'{b}'" for b in batches)
    found = connection.execute(
        f"""
        with told as (select *, '{organisation}' as _organisation from ({query}) where _batch in ({wanted})),
        keyed as (select *, {KEY} as text_key from told)
        select _batch, _delivered_on, {", ".join(TOLD)} from keyed
        where text_key not in (select text_key from known)
        qualify row_number() over (partition by text_key order by _delivered_on, _batch) = 1
        order by feed, field, text, {", ".join(LAB_PARTS)}
        """
    ).to_arrow_table()
    return found.cast(_texts([]).schema)


def _rows(organisation: str, texts: pa.Table, decided: batch.Decided, coded_with: str, number: int) -> pa.Table:
    """Rows of text_code for some texts."""
    made = []
    known_on = {d.number: d.known_on for d in decided.values()}
    for f in text_fields():
        of_field = texts.filter(pc.and_(pc.equal(texts["feed"], f.feed), pc.equal(texts["field"], f.field)))
        if not len(of_field):
            continue
        if f.kind == LABORATORY:
            codes = batch.code_items(of_field, decided)
        else:
            codes = batch.code_texts(f.kind, of_field["text"].combine_chunks(), decided, f.site)
        told = of_field.take(codes["text_no"])
        days = [_known_on(day, known_on.get(no)) for day, no in zip(told["_delivered_on"].to_pylist(), codes["decision_no"].to_pylist(), strict=True)]
        told = told.set_column(told.column_names.index("_delivered_on"), "_delivered_on", pa.array(days, pa.date32()))
        columns = {n: told[n] for n in told.column_names} | {n: codes[n] for n in codes.column_names if n != "text_no"}
        same = {"_organisation": organisation, "coded_with": coded_with, "coded_no": number}
        columns |= {n: pa.array([v] * len(codes)) for n, v in same.items()}
        made.append(lake.conform(pa.table(columns), lake.SUPPORT[TABLE]))
    return pa.concat_tables(made) if made else lake.SUPPORT[TABLE].empty_table()


def _known_on(delivered: date, decided: date | None) -> date:
    """A code is known from the day of its text, or of the decision where that came later."""
    return max(delivered, decided) if decided else delivered


QUALITY = f"""
with told as (select *, '{{organisation}}' as _organisation from ({{query}})),
keyed as (select *, {KEY} as text_key from told),
code as (
    select text_key, any_value(status) as status, any_value(text_kind) as text_kind,
        list(distinct left(code, 3)) filter (where code is not null and assertion <> 'negated') as categories,
        any_value(unit_status) as unit_status
    from latest group by text_key
)
select keyed.feed, keyed.field, keyed.text_kind, sum(records) as examined,
    sum(records) filter (where status in ('{UNMAPPED}', '{PARTLY}')) as unmapped,
    sum(records) filter (where unit_status in ('unknown_unit', 'other_unit')) as bad_units,
    sum(records) filter (where printed_unit <> '') as with_units,
    sum(records) filter (where stated_code is not null and len(categories) > 0 and keyed.text_kind <> '{LABORATORY}') as compared,
    sum(records) filter (
        where stated_code is not null and len(categories) > 0 and keyed.text_kind <> '{LABORATORY}'
            and not list_contains(categories, left(upper(stated_code), 3))
    ) as conflicts
from keyed inner join code using (text_key)
where status <> '{EMPTY}'
group by all order by all
"""


def latest_codes(connection: duckdb.DuckDBPyConnection, table: lake.Table, organisation: str) -> None:
    """Make the table `latest`: the codes that hold for the organisation's texts."""
    connection.execute(
        f"""
        create or replace temp table latest as
        select * from iceberg_scan('{table.metadata_location}') where _organisation = ?
        qualify dense_rank() over (partition by text_key order by coded_no desc) = 1
        """,
        [organisation],
    )


def _check(settings: Settings, connection: duckdb.DuckDBPyConnection, table: lake.Table, organisation: str, run_id: str) -> None:
    """Leave the quality of the organisation's coded texts as check results, by feed and field."""
    query = texts_of(settings, connection, organisation)
    latest_codes(connection, table, organisation)
    results = []

    def add(row: dict[str, Any], rule: str, said: str, examined: int, failed: int, most: float) -> None:
        place = (CHECKPOINT, organisation, row["feed"], row["field"], rule)
        bad = failed > examined * most
        results.append(
            {
                "check_id": hashlib.sha256("\x1f".join(place).encode()).hexdigest()[:32], "run_id": run_id, "checkpoint": CHECKPOINT, "rule": rule,
                "description_zh": said, "severity": "warning", "scope": "organisation", "organisation": organisation, "feed": row["feed"],
                "cancer": None, "batch_id": None, "table_name": row["feed"], "column_name": row["field"], "examined": examined, "failed": failed,
                "observed": round(failed / examined, 4) if examined else None,
                "verdict": "not_examined" if examined == 0 else "fail" if bad else "pass", "checked_at": ops.now(),
            }
        )  # fmt: skip

    quality = connection.execute(QUALITY.format(organisation=organisation, query=query)).to_arrow_table().to_pylist()
    for row in ({k: int(v) if v is not None and k not in ("feed", "field", "text_kind") else v or 0 for k, v in r.items()} for r in quality):
        add(row, "text_unmapped", "文本未能编码的记录（见待编码文本清单）", row["examined"], row["unmapped"], MOST_UNMAPPED)
        if row["text_kind"] == LABORATORY:
            add(row, "unit_unmapped", "计量单位不能识别或不能换算的记录", row["with_units"], row["bad_units"], MOST_UNMAPPED)
        elif row["compared"]:
            add(row, "text_contradicts_code", "文本与同时上报的编码类目不一致的记录", row["compared"], row["conflicts"], MOST_CONFLICTS)
    c = ops.check_result.c
    with ops.transaction(settings.ops_url) as store:
        store.execute(delete(ops.check_result).where(and_(c.checkpoint == CHECKPOINT, c.organisation == organisation)))
        ops.replace(store, ops.check_result, results)


def unusable(settings: Settings, organisation: str) -> list[TextDecision]:
    """Decisions whose codes are none; the worklist tells the clerk."""
    return [d for d in decisions.decisions_of(settings, organisation) if not decisions.is_usable(d)]
