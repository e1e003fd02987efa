-- An attempt of a trainee at an exam. Passed is what score and pass mark say; a certificate counts only where the exam was passed.
with exam as (
    select * from {{ ref('stg_programme__training_exam') }}
),

judged as (
    select
        exam.*,
        coalesce(exam.score >= exam.pass_mark, {{ yes('exam.is_passed') }}, false) as has_passed
    from exam
),

final as (
    select
        judged.exam_no,
        judged.topic_code,
        judged.session_no,
        judged.organisation_code,
        judged.staff_code,
        judged.department_code,
        judged.exam_date,
        judged.attempt_number,
        judged.score,
        judged.pass_mark,
        judged.has_passed as is_passed,
        judged.has_passed <> coalesce({{ yes('judged.is_passed') }}, judged.has_passed) as is_result_contradictory,
        case when judged.has_passed then judged.certificate_no end as certificate_no,
        case when judged.has_passed then judged.certificate_date end as certificate_date,
        judged.certificate_no is not null and not judged.has_passed as has_certificate_without_pass,
        {{ origin('judged') }}
    from judged
)

select * from final
