-- A batch that the gate let through, known by as_of_date; held batches are absent, so that the last good data stays.
with final as (
    select
        batch_id,
        source as source_family,
        organisation as source_organisation_code,
        feed,
        delivered_on,
        load_no
    from {{ source('lake', 'batch_state') }}
    where
        status = 'released'
        and delivered_on <= {{ as_of_date() }}
)

select * from final
