-- The current decision on a rule, for a cancer and the scope it was taken for.
with {{ current_decisions('stg_programme__decision_rule_adoption',
    ['decided.cancer_code', 'decided.scope_code', 'decided.division_code', 'decided.organisation_code']) }},

final as (
    select
        current_decision.decision_no,
        current_decision.cancer_code as cancer,
        current_decision.rule_id,
        current_decision.rule_version,
        current_decision.scope_code,
        current_decision.division_code,
        current_decision.organisation_code,
        current_decision.verdict_code,
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
