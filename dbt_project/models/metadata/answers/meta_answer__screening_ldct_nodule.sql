-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per positive nodule or cancer of a low-dose CT. (肺癌低剂量CT筛查结节记录)
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
        nodule_no,
        lobe_code,
        is_endobronchial,
        density_code,
        pleura_distance_mm,
        long_diameter_mm,
        short_diameter_mm,
        mean_diameter_mm,
        is_margin_smooth,
        has_calcification,
        has_pleural_retraction,
        series_no,
        image_no,
        nature_code
    from {{ ref('stg_screening_centre__screening_ldct_nodule') }}
)

select * from final
