-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per FIT kit. (粪便免疫化学检测记录)
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
        sampled_date,
        test_date,
        fit_result_code,
        fit_value_ng_ml,
        fit_value_ng_ml_comparator,
        age_years,
        kit_no,
        entered_by_code,
        entered_date
    from {{ ref('stg_screening_centre__screening_fit') }}
)

select * from final
