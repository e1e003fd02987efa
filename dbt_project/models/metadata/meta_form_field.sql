-- A field of a feed with everything its contract says about it. Identifying fields are listed too; their values are not here.
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
        cast(minimum as numeric(18, 4)) as minimum,
        cast(maximum as numeric(18, 4)) as maximum,
        pattern,
        classification,
        severity,
        source_code,
        contract_version
    from {{ ref('stg_contract__field') }}
)

select * from final
