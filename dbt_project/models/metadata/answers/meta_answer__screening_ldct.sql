-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per low-dose CT of the chest. (肺癌低剂量CT筛查记录（结节）)
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
        source_part,
        channel,
        screening_source,
        screening_no,
        survey_no,
        sex_code,
        birth_date,
        age_years,
        exam_date,
        suspected_cancer_found,
        positive_nodule_found,
        recorded_nodule_count,
        airway_lesion_found,
        non_positive_nodule_found,
        small_solid_found,
        small_solid_number_code,
        small_non_solid_found,
        small_non_solid_number_code,
        needs_consultation,
        consultation_nodule_numbers,
        consultation_text,
        needs_follow_up,
        follow_up_interval_code,
        follow_up_interval_text,
        needs_clinical_care,
        management_codes,
        result_code,
        entered_by_code,
        entered_date
    from {{ ref('stg_screening_centre__screening_ldct') }}
)

select * from final
