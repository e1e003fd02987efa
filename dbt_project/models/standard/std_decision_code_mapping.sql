-- The current decision on what a local code of an organisation's field means.
with {{ current_decisions('stg_programme__decision_code_mapping',
    ['decided.organisation_code', 'decided.feed', 'decided.field_name', 'decided.local_code']) }},

final as (
    select
        current_decision.decision_no,
        current_decision.organisation_code,
        current_decision.feed,
        current_decision.field_name,
        current_decision.local_code,
        current_decision.local_name,
        current_decision.verdict_code,
        current_decision.canonical_code,
        current_decision.valid_from,
        current_decision.valid_to,
        current_decision.decided_by,
        current_decision.decided_organisation_code,
        current_decision.decided_at,
        current_decision.reason,
        current_decision.supersedes,
        {{ origin('current_decision') }}
    from current_decision
)

select * from final
