-- An imaging report of a hospital or of the regional platform. Its text stays in staging, under the same record_key.
with report as (
    select * from {{ ref('stg_hospital__imaging_report') }}
),

final as (
    select
        report.person_id,
        report.report_no,
        report.visit_no,
        report.imaging_type_code,
        report.body_part_name,
        report.exam_item_name,
        case
            when report.body_part_name like '%乳%' or report.exam_item_name like '%乳腺%' then 'breast'
            when report.body_part_name like '%胸%' or report.body_part_name like '%肺%' or report.exam_item_name like '%肺%' then 'lung'
            when report.body_part_name like '%肝%' or report.exam_item_name like '%肝%' or report.body_part_name like '%腹%' then 'liver'
        end as organ,
        report.requested_date,
        coalesce(report.exam_date, report.reported_date) as exam_date,
        report.reported_date,
        {{ yes('report.is_positive') }} as is_positive,
        {{ yes('report.is_critical') }} as is_critical,
        {{ yes('report.has_contrast') }} as has_contrast,
        report.bi_rads_code,
        report.department_code,
        report.doctor_code,
        {{ provenance('report') }}
    from report
)

select * from final
