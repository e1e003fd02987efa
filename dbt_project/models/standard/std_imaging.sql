-- An imaging report of a hospital or of the regional platform. Its text stays in staging, under the same record_key; what the text says
-- is in std_report_item and std_finding.
with report as (
    select * from {{ ref('stg_hospital__imaging_report') }}
),

said as (
    {{ report_values('imaging_report', texts=['bi_rads']) | indent(4) }}
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
        coalesce(report.bi_rads_code, said.bi_rads) as bi_rads_code,
        report.department_code,
        report.doctor_code,
        {{ provenance('report') }}
    from report
    left join said on report.record_key = said.record_key
)

select * from final
