-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per upper gastrointestinal endoscopy. (上消化道内镜筛查记录)
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
        assessment_date,
        exam_date,
        oesophageal_lesion_found,
        gastric_lesion_found,
        pathology_taken,
        endoscopic_diagnosis,
        doctor_code,
        hp_result_code,
        needs_consultation,
        result_code,
        entered_by_code,
        entered_date
    from {{ ref('stg_screening_centre__screening_ugi_endoscopy') }}
)

select * from final
