-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per lesion of an upper gastrointestinal endoscopy. (上消化道内镜筛查病变记录)
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
        screening_no,
        lesion_no,
        organ_code,
        oesophageal_site_code,
        gastric_site_code,
        distance_from_cm,
        distance_to_cm,
        clock_from,
        clock_to,
        oesophageal_lesion_codes,
        gastric_lesion_codes,
        lugol_code,
        indigo_carmine_code,
        biopsy_site_text
    from {{ ref('stg_screening_centre__screening_ugi_endoscopy_lesion') }}
)

select * from final
