-- The front page of the medical record of a hospital stay: diagnoses, outcome, operation, agreement of diagnoses, cost (CNY).
with page as (
    select * from {{ ref('stg_hospital__medical_record_front_page') }}
),

final as (
    select
        page.person_id,
        page.visit_no,
        page.stay_number,
        page.admission_route_code,
        page.admission_condition_code,
        page.admission_date,
        page.admission_department_code,
        page.discharge_date,
        page.discharge_department_code,
        page.stay_days,
        page.discharge_way_code,
        page.admission_diagnosis_code,
        page.main_diagnosis_code,
        page.other_diagnosis_codes,
        page.confirmed_date,
        page.outcome_code,
        page.clinical_pathology_agreement_code,
        page.preoperative_postoperative_agreement_code,
        page.morphology_code,
        page.t_category,
        page.n_category,
        page.m_category,
        page.stage_group,
        page.staging_system_code,
        {{ yes('page.has_surgery') }} as has_surgery,
        page.main_procedure_code,
        page.main_procedure_date,
        page.radiotherapy_dose_gy,
        {{ yes('page.has_tumour_report') }} as has_tumour_report,
        {{ yes('page.is_followed_up') }} as is_followed_up,
        page.hbsag_code,
        page.hcv_antibody_code,
        page.death_date,
        page.chief_doctor_code,
        page.attending_doctor_code,
        page.total_cost_yuan,
        page.drug_cost_yuan,
        {{ provenance('page') }}
    from page
)

select * from final
