-- A session of a training topic.
with session as (
    select * from {{ ref('stg_programme__training_session') }}
),

final as (
    select
        session.session_no,
        session.topic_code,
        session.session_date,
        session.host_organisation_code,
        session.teacher_organisation_code,
        session.teacher_code,
        session.county_code,
        session.mode_code,
        session.hours,
        session.planned_count,
        {{ origin('session') }}
    from session
)

select * from final
