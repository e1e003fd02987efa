-- One row per change of keys: records that stood under one person key stand under another since a day, why, and on what evidence.
-- An alias replaces a key by a new one, a merge joins two persons, a split takes records out of a person who goes on.
with event as (
    select
        known_on,
        event,
        from_person_id,
        to_person_id,
        reason,
        min(event_no) as event_no,
        count(*) as identity_count,
        min(evidence) as evidence,
        min(recorded_at) as recorded_at
    from {{ ref('stg_lake__person_event') }}
    group by
        known_on,
        event,
        from_person_id,
        to_person_id,
        reason
),

final as (
    select
        event_no,
        event as event_code,
        from_person_id,
        to_person_id,
        reason as reason_code,
        evidence,
        identity_count,
        known_on,
        recorded_at
    from event
)

select * from final
