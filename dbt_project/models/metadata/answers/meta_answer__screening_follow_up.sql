-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per follow-up of a screened person on a date. (筛查人群主动随访)
-- The standardised answers, with file and row; meta_form_response shows them one by one.
with final as (
    select
        record_key,
        identity_id,
        person_id,
        source_family,
        source_organisation_code,
        batch_id,
        delivered_on,
        source_file,
        source_row,
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
        treatment_state_code
    from {{ ref('stg_screening_centre__screening_follow_up') }}
)

select * from final
