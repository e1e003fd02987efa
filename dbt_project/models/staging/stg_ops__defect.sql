-- Defects returned to an organisation, counted by feed, field, reason and state; the rows are in the return files.
with final as (
    select
        defect_group,
        source as source_family,
        organisation as source_organisation_code,
        feed,
        field,
        kind as defect_kind,
        reason_code,
        reason_zh,
        severity,
        state as defect_state,
        defects,
        first_seen as first_seen_on,
        last_seen as last_seen_on,
        earliest_deadline
    from {{ source('lake', 'defect_count') }}
)

select * from final
