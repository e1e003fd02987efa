-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per verdict on a pair; the latest not superseded counts. (人员匹配复核决定)
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
    from {{ source('lake', 'decision_linkage_review') }} as known
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
        left_identity_id,
        left_organisation_code,
        left_feed,
        left_record_no,
        right_identity_id,
        right_organisation_code,
        right_feed,
        right_record_no,
        verdict_code,
        decided_by,
        decided_organisation_code,
        decided_at,
        reason,
        supersedes
    from {{ source('lake', 'decision_linkage_review') }}
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
        delivered.left_identity_id,
        delivered.left_organisation_code,
        delivered.left_feed,
        delivered.left_record_no,
        delivered.right_identity_id,
        delivered.right_organisation_code,
        delivered.right_feed,
        delivered.right_record_no,
        delivered.verdict_code,
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
