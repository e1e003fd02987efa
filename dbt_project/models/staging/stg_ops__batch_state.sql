-- The state of a batch known by as_of_date: loaded, released or held, and the rule that held it.
with final as (
    select
        batch_id,
        source as source_family,
        organisation as source_organisation_code,
        feed,
        delivered_on,
        status as batch_status,
        rule,
        reason_zh,
        decided_at
    from {{ source('lake', 'batch_state') }}
    where delivered_on <= {{ as_of_date() }}
)

select * from final
