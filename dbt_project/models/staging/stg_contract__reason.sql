-- A reason of field QC, with what the organisation is asked to do.
with final as (
    select
        code as reason_code,
        outcome,
        name_zh,
        advice_zh
    from {{ source('lake', 'reason') }}
)

select * from final
