-- A feed, as its contract describes it.
with final as (
    select
        feed,
        name_zh,
        version,
        purpose,
        grain,
        is_form
    from {{ source('lake', 'contract_feed') }}
)

select * from final
