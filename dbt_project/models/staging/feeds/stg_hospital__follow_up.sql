-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per follow-up contact. (随访记录)
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
    from {{ source('lake', 'follow_up') }} as known
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
        follow_up_no,
        follow_up_date,
        follow_up_mode_code,
        is_lost,
        vital_status_code,
        has_recurrence,
        karnofsky_score,
        next_date,
        diagnosis_code,
        ecog_score,
        weight_kg,
        disease_state_code,
        recurrence_kind_code,
        recurrence_date,
        recurrence_site_text,
        metastasis_site_codes,
        metastasis_date,
        current_treatment_text,
        death_date,
        death_cause_code,
        closing_reason_name,
        doctor_code
    from {{ source('lake', 'follow_up') }}
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
        delivered.follow_up_no,
        delivered.follow_up_date,
        delivered.follow_up_mode_code,
        delivered.is_lost,
        delivered.vital_status_code,
        delivered.has_recurrence,
        delivered.karnofsky_score,
        delivered.next_date,
        delivered.diagnosis_code,
        delivered.ecog_score,
        delivered.weight_kg,
        delivered.disease_state_code,
        delivered.recurrence_kind_code,
        delivered.recurrence_date,
        delivered.recurrence_site_text,
        delivered.metastasis_site_codes,
        delivered.metastasis_date,
        delivered.current_treatment_text,
        delivered.death_date,
        delivered.death_cause_code,
        delivered.closing_reason_name,
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
