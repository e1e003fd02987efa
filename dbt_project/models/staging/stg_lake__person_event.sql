-- One row per identity that moved from one person key to another, known by as_of_date; it holds no value of a record.
with final as (
    select
        event_no,
        event,
        person_id as to_person_id,
        other_person_id as from_person_id,
        identity_id,
        reason,
        evidence,
        known_on,
        recorded_at
    from {{ source('lake', 'person_event') }}
    where known_on <= {{ as_of_date() }}
)

select * from final
