-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per specimen. (宫颈癌筛查组织病理记录)
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
        sampled_date,
        reported_date,
        specimen_type_code,
        histology_code,
        p16_code,
        diagnosis_text,
        doctor_code,
        advice_code,
        entered_by_code,
        entered_date
    from {{ ref('stg_screening_centre__screening_cervical_histology') }}
)

select * from final
