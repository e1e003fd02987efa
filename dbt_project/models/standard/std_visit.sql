-- A visit of a patient, delivered by the hospital itself or by the regional platform (then `visited_organisation_code` says where).
with visit as (
    select * from {{ ref('stg_hospital__visit') }}
),

final as (
    select
        visit.person_id,
        visit.visit_no,
        visit.visit_type_code,
        visit.visit_start_date,
        visit.visit_end_date,
        visit.department_code,
        visit.doctor_code,
        visit.discharge_department_code,
        visit.discharge_way_code,
        coalesce(visit.visited_organisation_code, visit.source_organisation_code) as visited_organisation_code,
        {{ provenance('visit') }}
    from visit
)

select * from final
