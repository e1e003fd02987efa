-- A cross-field rule of a feed's contract.
with final as (
    select
        feed,
        rule,
        description,
        description_zh,
        severity
    from {{ source('lake', 'contract_rule') }}
)

select * from final
