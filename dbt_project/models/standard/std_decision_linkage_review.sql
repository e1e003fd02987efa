-- The current verdict of a reviewer on a pair of identities: the same person or not. The pair has no order.
with {{ current_decisions('stg_programme__decision_linkage_review',
    ['least(decided.left_identity_id, decided.right_identity_id)', 'greatest(decided.left_identity_id, decided.right_identity_id)',
     "case when decided.left_identity_id is null or decided.right_identity_id is null then decided.record_key end"]) }},

final as (
    select
        current_decision.decision_no,
        current_decision.left_identity_id,
        current_decision.left_organisation_code,
        current_decision.left_feed,
        current_decision.left_record_no,
        current_decision.right_identity_id,
        current_decision.right_organisation_code,
        current_decision.right_feed,
        current_decision.right_record_no,
        current_decision.verdict_code,
        current_decision.decided_by,
        current_decision.decided_organisation_code,
        current_decision.decided_at,
        current_decision.reason,
        current_decision.supersedes,
        {{ origin('current_decision') }}
    from current_decision
)

select * from final
