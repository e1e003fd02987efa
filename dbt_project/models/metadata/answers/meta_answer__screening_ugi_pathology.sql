-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per specimen. (上消化道癌筛查病理诊断)
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
        survey_no,
        sex_code,
        birth_date,
        age_years,
        assessment_date,
        pathology_no,
        organ_code,
        distance_from_cm,
        distance_to_cm,
        clock_from,
        clock_to,
        gastric_biopsy_site_code,
        lamina_propria_code,
        pathology_codes,
        oesophagitis_basis_codes,
        gastritis_type_code,
        gastritis_degree_code,
        gastritis_depth_code,
        atrophy_code,
        metaplasia_code,
        remark_text,
        doctor_code,
        reported_date,
        entered_by_code,
        entered_date
    from {{ ref('stg_screening_centre__screening_ugi_pathology') }}
)

select * from final
