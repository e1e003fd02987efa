-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per colposcopy of a screening round. (宫颈癌筛查阴道镜记录)
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
        indication_code,
        adequacy_code,
        transformation_zone_code,
        acetowhite_found,
        iodine_negative_found,
        atypical_vessels_found,
        lesion_quadrant_codes,
        impression_code,
        biopsy_taken,
        biopsy_count,
        curettage_done,
        findings_text,
        doctor_code,
        advice_code,
        entered_by_code,
        entered_date
    from {{ ref('stg_screening_centre__screening_colposcopy') }}
)

select * from final
