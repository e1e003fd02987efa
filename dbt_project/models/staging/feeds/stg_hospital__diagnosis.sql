-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per diagnosis made in a visit. (诊断明细)
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
    from {{ source('lake', 'diagnosis') }} as known
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
        diagnosis_no,
        visit_no,
        diagnosis_code,
        diagnosis_name,
        diagnosis_date,
        is_main,
        is_suspected,
        diagnosis_kind_code,
        visited_organisation_code,
        laterality_code,
        morphology_code,
        clinical_t_category,
        clinical_n_category,
        clinical_m_category,
        stage_group,
        staging_system_code,
        staged_date,
        ecog_score,
        child_pugh_class
    from {{ source('lake', 'diagnosis') }}
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
        delivered.diagnosis_no,
        delivered.visit_no,
        delivered.diagnosis_code,
        delivered.diagnosis_name,
        delivered.diagnosis_date,
        delivered.is_main,
        delivered.is_suspected,
        delivered.diagnosis_kind_code,
        delivered.visited_organisation_code,
        delivered.laterality_code,
        delivered.morphology_code,
        delivered.clinical_t_category,
        delivered.clinical_n_category,
        delivered.clinical_m_category,
        delivered.stage_group,
        delivered.staging_system_code,
        delivered.staged_date,
        delivered.ecog_score,
        delivered.child_pugh_class
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
