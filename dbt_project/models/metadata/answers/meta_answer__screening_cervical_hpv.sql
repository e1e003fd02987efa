-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per HPV test of a screening round. (宫颈癌筛查HPV检测记录)
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
        sampled_date,
        test_date,
        sample_taker_code,
        method_code,
        hpv_result_code,
        hpv16_code,
        hpv18_code,
        hpv_other12_code,
        hpv_type_codes,
        advice_code,
        entered_by_code,
        entered_date
    from {{ ref('stg_screening_centre__screening_cervical_hpv') }}
)

select * from final
