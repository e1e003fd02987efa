"""Which open defects are answered by later deliveries.

A defect of a record is answered by a later batch of the same organisation and feed that accepts a record of the same key without it; a
defect of a row, also of one without a key, by the redelivered file. A deleted record withdraws its defects. Files and batches are answered
in `store`.
"""

from __future__ import annotations

import duckdb

from infra.settings import Settings
from ingestion import lake
from ingestion.contracts import contracts
from ingestion.field_qc import quoted
from ingestion.returns.observed import age, is_dated, stem, view


def answer(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Make the table `answered` (defect_id, batch_id, state closed or withdrawn) from the tables `candidate`, `batch` and `file`.

    candidate  open defects of rows and values: defect_id, organisation, feed, record, file_name, delivered_on, age (of the last occurrence)
    batch      batches that may answer: all that are new, and those after the oldest of them
    file       loaded files of these batches: batch_id, file_name
    """
    connection.execute("create or replace temp table accepted (feed varchar, record varchar, batch_id varchar, is_deleted boolean)")
    for (feed,) in connection.execute("select distinct feed from candidate where record is not null order by feed").fetchall():
        if feed not in contracts():
            continue
        records = f"(select record from candidate where feed = {quoted(feed)})"
        connection.execute(
            f"""
            insert into accepted
            select {quoted(feed)}, md5(record_key) as record, _batch, arg_max(coalesce(_deleted, false), (_file, _row, coalesce(_part, 0)))
            from {view(connection, settings, lake.LAKE, feed)}
            where _batch in (select batch_id from batch where feed = {quoted(feed)}) and md5(record_key) in {records}
            group by all
            """
        )
    connection.execute(
        f"""
        create or replace temp table answered as
        with dated as (select *, {age("delivered_on", "load_no")} as age from batch),
        by_record as (
            select c.defect_id, arg_min(b.batch_id, b.age) as batch_id, arg_max(a.is_deleted, b.age) as is_deleted
            from candidate as c
            inner join accepted as a on a.feed = c.feed and a.record = c.record
            inner join dated as b on b.batch_id = a.batch_id and b.organisation = c.organisation and b.age > c.age
            group by c.defect_id
        ),
        named as (
            select f.batch_id, f.file_name, {stem("f.file_name")} as stem, {is_dated("f.file_name")} as is_dated,
                regexp_extract_all(upper(f.file_name), '[0-9A-F]{{16}}') as numbers
            from file as f
        ),
        wanted as (select *, {stem("file_name")} as stem, upper(substr(defect_id, 1, 16)) as number from candidate),
        redelivered as (
            select c.defect_id, b.batch_id, b.age
            from wanted as c
            inner join dated as b on b.organisation = c.organisation and b.feed = c.feed and b.age > c.age
            inner join named as f on f.batch_id = b.batch_id and f.stem = c.stem and (b.delivered_on = c.delivered_on or f.is_dated)
            union all
            select c.defect_id, b.batch_id, b.age
            from (select batch_id, unnest(numbers) as number from named) as f
            inner join wanted as c on c.number = f.number
            inner join dated as b on b.batch_id = f.batch_id and b.organisation = c.organisation and b.feed = c.feed and b.age > c.age
        ),
        by_file as (select defect_id, arg_min(batch_id, age) as batch_id from redelivered group by defect_id)
        select defect_id, coalesce(r.batch_id, f.batch_id) as batch_id, case when r.is_deleted then 'withdrawn' else 'closed' end as state
        from by_record as r full join by_file as f using (defect_id)
        """
    )
