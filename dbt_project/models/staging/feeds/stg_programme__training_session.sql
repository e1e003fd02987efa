-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per session. (培训场次)
-- Latest version per record_key among released batches known by as_of_date; gone where that version is a deletion.
with released as (
    select
        batch_id,
        load_no
    from {{ ref('stg_ops__released_batch') }}
),

version as (
    select
        known._batch,
        known._file,
        known._row,
        coalesce(known._part, 0) as _part,
        known._deleted,
        row_number() over (
            partition by known.record_key
            order by
                known._delivered_on desc,
                released.load_no desc,
                {{ by_bytes('known._file') }} desc,
                known._row desc,
                known._part desc
        ) as version_rank
    from {{ source('lake', 'training_session') }} as known
    inner join released on known._batch = released.batch_id
    where known._delivered_on <= {{ as_of_date() }}
),

delivered as (
    select
        record_key,
        _source,
        _organisation,
        _batch,
        _delivered_on,
        _file,
        _row,
        coalesce(_part, 0) as _part,
        session_no,
        topic_code,
        session_date,
        host_organisation_code,
        teacher_organisation_code,
        teacher_code,
        venue_name,
        county_code,
        mode_code,
        hours,
        planned_count
    from {{ source('lake', 'training_session') }}
),

final as (
    select
        delivered.record_key,
        delivered._source as source_family,
        delivered._organisation as source_organisation_code,
        delivered._batch as batch_id,
        delivered._delivered_on as delivered_on,
        delivered._file as source_file,
        delivered._row as source_row,
        delivered._part as source_part,
        delivered.session_no,
        delivered.topic_code,
        delivered.session_date,
        delivered.host_organisation_code,
        delivered.teacher_organisation_code,
        delivered.teacher_code,
        delivered.venue_name,
        delivered.county_code,
        delivered.mode_code,
        delivered.hours,
        delivered.planned_count
    from delivered
    inner join version
        on
            delivered._batch = version._batch
            and delivered._file = version._file
            and delivered._row = version._row
            and delivered._part = version._part
            and version.version_rank = 1
            and not coalesce(version._deleted, false)
)

select * from final
