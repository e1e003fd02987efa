-- A quarantined row, field and reason: a pointer and never a value. A file that could not be read has neither row nor field.
with final as (
    select
        source_family,
        source_organisation_code,
        batch_id,
        delivered_on,
        source_file,
        source_row,
        source_part,
        feed,
        record_key,
        field,
        reason_code,
        reason_zh,
        severity,
        value_class
    from {{ ref('stg_lake__quarantine') }}
)

select * from final
