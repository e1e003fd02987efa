-- An answer of a form that was not accepted as it stood: repaired, set aside, with a comparator, or of a quarantined row.
with final as (
    select
        feed,
        field,
        record_key,
        source_family,
        source_organisation_code,
        batch_id,
        delivered_on,
        source_file,
        source_row,
        source_part,
        raw_value,
        standard_value,
        comparator,
        verdict,
        reason_code,
        reason_zh,
        is_row_accepted
    from {{ ref('stg_lake__form_answer') }}
)

select * from final
