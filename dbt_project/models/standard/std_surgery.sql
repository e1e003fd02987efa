-- An operation in a hospital; `cancer` and `procedure_class` are set for operations on a tumour that the programme follows.
with surgery as (
    select * from {{ ref('stg_hospital__surgery') }}
),

final as (
    select
        surgery.person_id,
        surgery.surgery_no,
        surgery.visit_no,
        surgery.procedure_code,
        surgery.procedure_name,
        operated.cancer,
        operated.site,
        operated.class as procedure_class,
        surgery.surgery_date,
        {{ yes('surgery.is_emergency') }} as is_emergency,
        surgery.intent_code,
        surgery.approach_code,
        surgery.margin_status_code,
        surgery.node_station_count,
        {{ yes('surgery.has_sentinel_biopsy') }} as has_sentinel_biopsy,
        {{ yes('surgery.is_reoperation') }} as is_reoperation,
        {{ yes('surgery.has_complication') }} as has_complication,
        {{ code_key('surgery.postoperative_diagnosis_code') }} as postoperative_diagnosis_code,
        surgery.surgeon_code,
        surgery.department_code,
        {{ provenance('surgery') }}
    from surgery
    left join {{ ref('seed_code_prefix') }} as operated
        on operated.code_system = 'icd9cm3' and surgery.procedure_code like operated.prefix || '%'
)

select * from final
