-- The current decision about a person's part in the programme, per cancer and scope: declined, moved, lost, withdrawn, resumed.
with {{ current_decisions('stg_programme__decision_participation',
    ['coalesce(decided.person_id, decided.identity_id, decided.record_key)', 'decided.cancer_code', 'decided.scope_code']) }},

final as (
    select
        current_decision.person_id,
        current_decision.decision_no,
        current_decision.cancer_code as cancer,
        current_decision.scope_code,
        current_decision.decision_code,
        current_decision.effective_date,
        current_decision.destination_division_code,
        current_decision.review_date,
        current_decision.decided_by,
        current_decision.decided_organisation_code,
        current_decision.decided_at,
        current_decision.reason,
        current_decision.supersedes,
        {{ provenance('current_decision') }}
    from current_decision
)

select * from final
