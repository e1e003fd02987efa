-- A treatment of a patient: a course (systemic, radiotherapy, interventional, ablation, endoscopic resection) or an operation.
-- `treatment_class` is empty for what does not count as a first treatment of a tumour.
with course as (
    select
        course.person_id,
        'course' as treatment_source,
        course.treatment_no,
        course.visit_no,
        course.treatment_type_code,
        kind.class as treatment_class,
        target.cancer,
        course.start_date,
        course.end_date,
        course.regimen_name,
        course.drug_names,
        course.cycle_count,
        course.intent_code,
        course.line_number,
        course.dose_gy,
        course.fraction_count,
        course.ecog_score,
        course.response_code,
        course.response_date,
        cast(null as text) as procedure_code,
        course.department_code,
        course.doctor_code,
        {{ provenance('course') }}
    from {{ ref('stg_hospital__treatment') }} as course
    left join {{ ref('seed_code_class') }} as kind
        on kind.code_list = 'treatment_type' and course.treatment_type_code = kind.code
    left join {{ ref('seed_code_prefix') }} as target
        on
            target.code_system = 'icd10'
            and target.class in ('malignant', 'in_situ')
            and {{ code_key('course.diagnosis_code') }} like target.prefix || '%'
),

operation as (
    select
        surgery.person_id,
        'surgery' as treatment_source,
        surgery.surgery_no as treatment_no,
        surgery.visit_no,
        'surgery' as treatment_type_code,
        case
            when surgery.procedure_class in ('resection', 'local_excision') then 'surgery'
            else surgery.procedure_class
        end as treatment_class,
        surgery.cancer,
        surgery.surgery_date as start_date,
        surgery.surgery_date as end_date,
        cast(null as text) as regimen_name,
        cast(null as text) as drug_names,
        cast(null as bigint) as cycle_count,
        surgery.intent_code,
        cast(null as bigint) as line_number,
        cast(null as numeric(6, 2)) as dose_gy,
        cast(null as bigint) as fraction_count,
        cast(null as bigint) as ecog_score,
        cast(null as text) as response_code,
        cast(null as date) as response_date,
        surgery.procedure_code,
        surgery.department_code,
        surgery.surgeon_code as doctor_code,
        {{ provenance('surgery') }}
    from {{ ref('std_surgery') }} as surgery
),

final as (
    select * from course
    union all
    select * from operation
)

select * from final
