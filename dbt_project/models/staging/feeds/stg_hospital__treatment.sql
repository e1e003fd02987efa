-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per course of treatment. (抗肿瘤治疗记录)
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
    from {{ source('lake', 'treatment') }} as known
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
        treatment_no,
        visit_no,
        treatment_type_code,
        regimen_name,
        start_date,
        end_date,
        cycle_count,
        intent_code,
        line_number,
        drug_names,
        dose_gy,
        fraction_count,
        technique_name,
        target_text,
        ecog_score,
        response_code,
        response_date,
        adverse_event_grade,
        diagnosis_code,
        department_code,
        doctor_code
    from {{ source('lake', 'treatment') }}
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
        delivered.treatment_no,
        delivered.visit_no,
        delivered.treatment_type_code,
        delivered.regimen_name,
        delivered.start_date,
        delivered.end_date,
        delivered.cycle_count,
        delivered.intent_code,
        delivered.line_number,
        delivered.drug_names,
        delivered.dose_gy,
        delivered.fraction_count,
        delivered.technique_name,
        delivered.target_text,
        delivered.ecog_score,
        delivered.response_code,
        delivered.response_date,
        delivered.adverse_event_grade,
        delivered.diagnosis_code,
        delivered.department_code,
        delivered.doctor_code
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
