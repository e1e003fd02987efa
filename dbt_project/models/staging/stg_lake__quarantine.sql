-- A quarantined row, field and reason of a delivery known by as_of_date; it holds no value.
with final as (
    select
        _source as source_family,
        _organisation as source_organisation_code,
        _batch as batch_id,
        _delivered_on as delivered_on,
        _file as source_file,
        _row as source_row,
        feed,
        field,
        reason_code,
        reason_zh,
        severity,
        value_class
    from {{ source('lake', 'quarantine') }}
    where _delivered_on <= {{ as_of_date() }}
)

select * from final
