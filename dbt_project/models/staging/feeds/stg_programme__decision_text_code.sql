-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per decision on a text; the latest not superseded counts. (文本编码决定)
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
    from {{ source('lake', 'decision_text_code') }} as known
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
        decision_no,
        organisation_code,
        text_kind_code,
        text,
        verdict_code,
        canonical_code,
        assertion_code,
        valid_from,
        valid_to,
        decided_by,
        decided_organisation_code,
        decided_at,
        reason,
        supersedes
    from {{ source('lake', 'decision_text_code') }}
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
        delivered.decision_no,
        delivered.organisation_code,
        delivered.text_kind_code,
        delivered.text,
        delivered.verdict_code,
        delivered.canonical_code,
        delivered.assertion_code,
        delivered.valid_from,
        delivered.valid_to,
        delivered.decided_by,
        delivered.decided_organisation_code,
        delivered.decided_at,
        delivered.reason,
        delivered.supersedes
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
