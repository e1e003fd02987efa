-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per report card. (肿瘤病例报告卡)
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
    from {{ source('lake', 'tumour_report_card') }} as known
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
        card_no,
        visit_no,
        occupation_code,
        is_informed,
        icd10_code,
        topography_code,
        morphology_code,
        histology_name,
        differentiation_code,
        laterality_code,
        pathology_no,
        t_category,
        n_category,
        m_category,
        stage_group,
        staging_system_code,
        first_symptom_date,
        first_diagnosis_date,
        diagnosis_basis_code,
        multiple_primary_text,
        karnofsky_score,
        smoking_status,
        has_family_cancer,
        first_surgery_date,
        metastasis_site_codes,
        report_county_code,
        department_code,
        doctor_code,
        reported_date,
        entered_date,
        is_dead,
        death_date,
        death_icd10_code,
        card_state_code,
        quality_check_date,
        quality_check_passed
    from {{ source('lake', 'tumour_report_card') }}
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
        delivered.card_no,
        delivered.visit_no,
        delivered.occupation_code,
        delivered.is_informed,
        delivered.icd10_code,
        delivered.topography_code,
        delivered.morphology_code,
        delivered.histology_name,
        delivered.differentiation_code,
        delivered.laterality_code,
        delivered.pathology_no,
        delivered.t_category,
        delivered.n_category,
        delivered.m_category,
        delivered.stage_group,
        delivered.staging_system_code,
        delivered.first_symptom_date,
        delivered.first_diagnosis_date,
        delivered.diagnosis_basis_code,
        delivered.multiple_primary_text,
        delivered.karnofsky_score,
        delivered.smoking_status,
        delivered.has_family_cancer,
        delivered.first_surgery_date,
        delivered.metastasis_site_codes,
        delivered.report_county_code,
        delivered.department_code,
        delivered.doctor_code,
        delivered.reported_date,
        delivered.entered_date,
        delivered.is_dead,
        delivered.death_date,
        delivered.death_icd10_code,
        delivered.card_state_code,
        delivered.quality_check_date,
        delivered.quality_check_passed
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
