-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per follow-up of a screened person on a date. (筛查人群主动随访)
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
    from {{ source('lake', 'screening_follow_up') }} as known
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
        survey_no,
        sex_code,
        birth_date,
        follow_up_date,
        is_lost,
        has_cancer,
        vital_status_code,
        contact_date,
        death_date,
        death_icd10_code,
        primary_site_icd10_code,
        morphology_code,
        clinical_stage_code,
        pathological_stage_code,
        diagnosis_date,
        diagnosis_basis_code,
        treatment_state_code,
        age_years,
        programme_area_name,
        residence_province_name,
        residence_city_name,
        project_code,
        assessment_result_codes,
        group_state,
        screening_result_text,
        cancer_code,
        work_up_state_code,
        death_cause_text,
        death_icd10_name,
        doctor_code,
        histology_name,
        topography_code,
        behaviour_code,
        grade_code,
        clinical_t_code,
        clinical_n_code,
        clinical_m_code,
        pathological_t_code,
        pathological_n_code,
        pathological_m_code,
        diagnosis_hospital_name,
        reported_date,
        treatment_hospital_names
    from {{ source('lake', 'screening_follow_up') }}
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
        {{ screening_source_of('delivered._source', 'screening_form') }} as screening_source,
        delivered.follow_up_no,
        delivered.survey_no,
        delivered.sex_code,
        delivered.birth_date,
        delivered.follow_up_date,
        delivered.is_lost,
        delivered.has_cancer,
        delivered.vital_status_code,
        delivered.contact_date,
        delivered.death_date,
        delivered.death_icd10_code,
        delivered.primary_site_icd10_code,
        delivered.morphology_code,
        delivered.clinical_stage_code,
        delivered.pathological_stage_code,
        delivered.diagnosis_date,
        delivered.diagnosis_basis_code,
        delivered.treatment_state_code,
        delivered.age_years,
        delivered.programme_area_name,
        delivered.residence_province_name,
        delivered.residence_city_name,
        delivered.project_code,
        delivered.assessment_result_codes,
        delivered.group_state,
        delivered.screening_result_text,
        delivered.cancer_code,
        delivered.work_up_state_code,
        delivered.death_cause_text,
        delivered.death_icd10_name,
        delivered.doctor_code,
        delivered.histology_name,
        delivered.topography_code,
        delivered.behaviour_code,
        delivered.grade_code,
        delivered.clinical_t_code,
        delivered.clinical_n_code,
        delivered.clinical_m_code,
        delivered.pathological_t_code,
        delivered.pathological_n_code,
        delivered.pathological_m_code,
        delivered.diagnosis_hospital_name,
        delivered.reported_date,
        delivered.treatment_hospital_names
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
