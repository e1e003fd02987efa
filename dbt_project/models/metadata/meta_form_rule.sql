-- A cross-field rule of a feed's contract.
with final as (
    select
        feed,
        rule,
        description,
        description_zh,
        severity
    from {{ ref('stg_contract__rule') }}
)

select * from final
