-- A feed of the contracts: a form that people fill in (is_form) or a table that a system delivers.
with final as (
    select
        feed,
        name_zh,
        version as contract_version,
        purpose,
        grain,
        is_form
    from {{ ref('stg_contract__feed') }}
)

select * from final
