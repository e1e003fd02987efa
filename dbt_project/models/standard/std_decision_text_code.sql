-- The current decision on the codes that a text means, for one organisation or (without one) for all.
with {{ current_decisions('stg_programme__decision_text_code',
    ["coalesce(decided.organisation_code, '')", 'decided.text_kind_code', 'decided.text']) }},

final as (
    select
        current_decision.decision_no,
        current_decision.organisation_code,
        current_decision.text_kind_code,
        current_decision.text,
        current_decision.verdict_code,
        current_decision.canonical_code,
        current_decision.assertion_code,
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
