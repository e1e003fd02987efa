-- A field of a feed, as its contract describes it.
with final as (
    select
        feed,
        field,
        position,
        name_zh,
        description,
        type,
        unit,
        code_list,
        is_multiple,
        is_required,
        is_key,
        minimum,
        maximum,
        pattern,
        classification,
        severity,
        source_code,
        contract_version
    from {{ source('lake', 'contract_field') }}
)

select * from final
