-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per specimen. (结直肠癌筛查病理诊断)
-- The standardised answers, with file and row; meta_form_response shows them one by one.
with final as (
    select
        record_key,
        source_family,
        source_organisation_code,
        batch_id,
        delivered_on,
        source_file,
        source_row,
        source_part,
        channel,
        screening_source,
        specimen_no,
        screening_no,
        site_code,
        distance_anus_cm,
        pathology_code,
        hgin_pct,
        tubular_pct,
        villous_pct,
        is_precancer,
        is_cancer,
        reported_date,
        survey_no,
        sex_code,
        age_years,
        exam_date,
        assessment_date,
        remark_text,
        needs_consultation,
        doctor_code
    from {{ ref('stg_screening_centre__screening_crc_pathology') }}
)

select * from final
