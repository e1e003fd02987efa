-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per mass of a breast ultrasound. (乳腺超声筛查占位记录)
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
        side_code,
        quadrant_code,
        clock_position,
        nipple_distance_cm,
        muscle_relation_code,
        skin_relation_code,
        length_cm,
        width_cm,
        shape_code,
        border_code,
        echo_code,
        homogeneity_code,
        strong_spot_found,
        strong_clump_found,
        anechoic_area_found,
        posterior_echo_code,
        has_lateral_shadow,
        has_flow,
        flow_rich_code,
        resistance_index,
        diagnosis_code,
        diagnosis_text,
        bi_rads_code
    from {{ ref('stg_screening_centre__screening_breast_us_lesion') }}
)

select * from final
