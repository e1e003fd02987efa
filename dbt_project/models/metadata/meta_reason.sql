-- A reason of field QC, with what the organisation is asked to do.
with final as (
    select
        reason_code,
        outcome,
        name_zh,
        advice_zh
    from {{ ref('stg_contract__reason') }}
)

select * from final
