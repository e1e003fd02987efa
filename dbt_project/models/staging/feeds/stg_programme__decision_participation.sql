-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per decision about a person, cancer and scope; the latest not superseded counts. (参与状态决定)
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
    from {{ source('lake', 'decision_participation') }} as known
    inner join released on known._batch = released.batch_id
    where known._delivered_on <= {{ as_of_date() }}
),

delivered as (
    select
        record_key,
        identity_id,
        _source,
        _organisation,
        _batch,
        _delivered_on,
        _file,
        _row,
        coalesce(_part, 0) as _part,
        decision_no,
        sex_code,
        birth_date,
        cancer_code,
        scope_code,
        decision_code,
        effective_date,
        destination_division_code,
        review_date,
        decided_by,
        decided_organisation_code,
        decided_at,
        reason,
        supersedes
    from {{ source('lake', 'decision_participation') }}
),

people as (
    select
        identity_id,
        person_id
    from {{ ref('stg_lake__identity') }}
),

final as (
    select
        delivered.record_key,
        delivered.identity_id,
        people.person_id,
        delivered._source as source_family,
        delivered._organisation as source_organisation_code,
        delivered._batch as batch_id,
        delivered._delivered_on as delivered_on,
        delivered._file as source_file,
        delivered._row as source_row,
        delivered._part as source_part,
        {{ channel_of('delivered._source') }} as channel,
        {{ screening_source_of('delivered._source', 'clinical') }} as screening_source,
        delivered.decision_no,
        delivered.sex_code,
        delivered.birth_date,
        delivered.cancer_code,
        delivered.scope_code,
        delivered.decision_code,
        delivered.effective_date,
        delivered.destination_division_code,
        delivered.review_date,
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
    left join people on delivered.identity_id = people.identity_id
)

select * from final
