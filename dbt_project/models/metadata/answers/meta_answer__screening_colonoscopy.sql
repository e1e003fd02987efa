-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per colonoscopy or attempted colonoscopy. (结直肠癌筛查结果记录)
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
        screening_no,
        survey_no,
        sex_code,
        birth_date,
        exam_date,
        rectal_exam_done,
        rectal_mass_found,
        colonoscopy_done,
        is_sedated,
        depth_code,
        bowel_preparation_code,
        duration_minutes,
        complication_codes,
        polyp_found,
        polyp_count,
        other_lesion_found,
        endoscopic_diagnosis,
        pathology_taken,
        doctor_code
    from {{ ref('stg_screening_centre__screening_colonoscopy') }}
)

select * from final
