-- A visit of a patient to a hospital.
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
        source.channel,
        source.screening_source,
        {{ provenance('visit') }}
    from visit
    left join {{ ref('std_source') }} as source
        on
            visit.source_family = source.source_family
            and visit.source_organisation_code = source.source_organisation_code
)

select * from final
