-- Defects returned to an organisation, counted by feed, field, reason and state; the rows are in the return files.
with final as (
    select
        defect_group,
        source_family,
        source_organisation_code,
        feed,
        field,
        defect_kind,
        reason_code,
        reason_zh,
        severity,
        defect_state,
        defects,
        first_seen_on,
        last_seen_on,
        earliest_deadline
    from {{ ref('stg_ops__defect') }}
)

select * from final
