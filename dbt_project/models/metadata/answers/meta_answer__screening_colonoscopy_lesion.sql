-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per lesion of a screening colonoscopy. (结直肠癌筛查病变记录)
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
        site_code,
        distance_anus_cm,
        lesion_type_code,
        specimen_no,
        diameter_cm,
        shape_code,
        has_stalk,
        stalk_form_code,
        colour_code,
        has_bleeding
    from {{ ref('stg_screening_centre__screening_colonoscopy_lesion') }}
)

select * from final
