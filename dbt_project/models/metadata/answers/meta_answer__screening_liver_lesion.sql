-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per lesion of a liver screening. (肝癌筛查占位记录)
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
        lobe_code,
        shape_code,
        length_cm,
        width_cm,
        border_code,
        margin_code,
        echo_code,
        homogeneity_code,
        is_grid_like,
        posterior_echo_code,
        has_lateral_shadow,
        has_flow,
        flow_rich_code,
        flow_place_codes,
        resistance_index,
        conclusion_code
    from {{ ref('stg_screening_centre__screening_liver_lesion') }}
)

select * from final
