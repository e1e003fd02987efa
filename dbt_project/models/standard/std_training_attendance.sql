-- A trainee (organisation and staff code, never a name) of a session: whether and how long they were there.
with attendance as (
    select * from {{ ref('stg_programme__training_attendance') }}
),

final as (
    select
        attendance.session_no,
        session.topic_code,
        session.session_date,
        attendance.organisation_code,
        attendance.staff_code,
        attendance.department_code,
        attendance.attendance_code,
        attendance.attendance_code in ('present', 'late', 'left_early') as has_attended,
        attendance.attended_hours,
        attendance.recorded_date,
        {{ origin('attendance') }}
    from attendance
    left join {{ ref('std_training_session') }} as session
        on
            attendance.source_organisation_code = session.source_organisation_code
            and attendance.session_no = session.session_no
)

select * from final
