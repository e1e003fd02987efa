-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per hospital stay. (住院病案首页)
-- Latest version per record_key among released batches known by as_of_date; gone where that version is a deletion.
with released as (
    select
        batch_id,
        load_no
    from {{ ref('stg_ops__released_batch') }}
),

version as (
    select
        known._batch,
        known._file,
        known._row,
        coalesce(known._part, 0) as _part,
        known._deleted,
        row_number() over (
            partition by known.record_key
            order by
                known._delivered_on desc,
                released.load_no desc,
                {{ by_bytes('known._file') }} desc,
                known._row desc,
                known._part desc
        ) as version_rank
    from {{ source('lake', 'medical_record_front_page') }} as known
    inner join released on known._batch = released.batch_id
    where known._delivered_on <= {{ as_of_date() }}
),

delivered as (
    select
        record_key,
        identity_id,
        _source,
        _organisation,
        _batch,
        _delivered_on,
        _file,
        _row,
        coalesce(_part, 0) as _part,
        visit_no,
        stay_number,
        insurance_type_code,
        admission_route_code,
        admission_condition_code,
        was_treated_elsewhere,
        admission_date,
        admission_department_code,
        transfer_department_code,
        discharge_date,
        discharge_department_code,
        stay_days,
        discharge_way_code,
        outpatient_diagnosis_code,
        admission_diagnosis_code,
        main_diagnosis_code,
        main_diagnosis_name,
        other_diagnosis_codes,
        confirmed_date,
        outcome_code,
        hospital_infection_name,
        outpatient_discharge_agreement_code,
        admission_discharge_agreement_code,
        preoperative_postoperative_agreement_code,
        clinical_pathology_agreement_code,
        radiology_pathology_agreement_code,
        pathology_no,
        pathology_diagnosis_name,
        morphology_code,
        t_category,
        n_category,
        m_category,
        stage_group,
        staging_system_code,
        has_surgery,
        main_procedure_code,
        main_procedure_name,
        main_procedure_date,
        anaesthesia_code,
        incision_healing_code,
        radiotherapy_dose_gy,
        systemic_regimen_name,
        drug_allergy_text,
        blood_type_code,
        hbsag_code,
        hcv_antibody_code,
        hiv_antibody_code,
        rescue_count,
        rescue_success_count,
        red_cell_units,
        plasma_ml,
        has_transfusion_reaction,
        has_tumour_report,
        has_infection_report,
        is_followed_up,
        follow_up_weeks,
        death_date,
        death_cause_name,
        has_autopsy,
        record_quality_code,
        chief_doctor_code,
        attending_doctor_code,
        resident_doctor_code,
        total_cost_yuan,
        drug_cost_yuan,
        examination_cost_yuan,
        laboratory_cost_yuan,
        operation_cost_yuan,
        treatment_cost_yuan
    from {{ source('lake', 'medical_record_front_page') }}
),

people as (
    select
        identity_id,
        person_id
    from {{ ref('stg_lake__identity') }}
),

final as (
    select
        delivered.record_key,
        delivered.identity_id,
        people.person_id,
        delivered._source as source_family,
        delivered._organisation as source_organisation_code,
        delivered._batch as batch_id,
        delivered._delivered_on as delivered_on,
        delivered._file as source_file,
        delivered._row as source_row,
        delivered._part as source_part,
        {{ channel_of('delivered._source') }} as channel,
        {{ screening_source_of('delivered._source', 'clinical') }} as screening_source,
        delivered.visit_no,
        delivered.stay_number,
        delivered.insurance_type_code,
        delivered.admission_route_code,
        delivered.admission_condition_code,
        delivered.was_treated_elsewhere,
        delivered.admission_date,
        delivered.admission_department_code,
        delivered.transfer_department_code,
        delivered.discharge_date,
        delivered.discharge_department_code,
        delivered.stay_days,
        delivered.discharge_way_code,
        delivered.outpatient_diagnosis_code,
        delivered.admission_diagnosis_code,
        delivered.main_diagnosis_code,
        delivered.main_diagnosis_name,
        delivered.other_diagnosis_codes,
        delivered.confirmed_date,
        delivered.outcome_code,
        delivered.hospital_infection_name,
        delivered.outpatient_discharge_agreement_code,
        delivered.admission_discharge_agreement_code,
        delivered.preoperative_postoperative_agreement_code,
        delivered.clinical_pathology_agreement_code,
        delivered.radiology_pathology_agreement_code,
        delivered.pathology_no,
        delivered.pathology_diagnosis_name,
        delivered.morphology_code,
        delivered.t_category,
        delivered.n_category,
        delivered.m_category,
        delivered.stage_group,
        delivered.staging_system_code,
        delivered.has_surgery,
        delivered.main_procedure_code,
        delivered.main_procedure_name,
        delivered.main_procedure_date,
        delivered.anaesthesia_code,
        delivered.incision_healing_code,
        delivered.radiotherapy_dose_gy,
        delivered.systemic_regimen_name,
        delivered.drug_allergy_text,
        delivered.blood_type_code,
        delivered.hbsag_code,
        delivered.hcv_antibody_code,
        delivered.hiv_antibody_code,
        delivered.rescue_count,
        delivered.rescue_success_count,
        delivered.red_cell_units,
        delivered.plasma_ml,
        delivered.has_transfusion_reaction,
        delivered.has_tumour_report,
        delivered.has_infection_report,
        delivered.is_followed_up,
        delivered.follow_up_weeks,
        delivered.death_date,
        delivered.death_cause_name,
        delivered.has_autopsy,
        delivered.record_quality_code,
        delivered.chief_doctor_code,
        delivered.attending_doctor_code,
        delivered.resident_doctor_code,
        delivered.total_cost_yuan,
        delivered.drug_cost_yuan,
        delivered.examination_cost_yuan,
        delivered.laboratory_cost_yuan,
        delivered.operation_cost_yuan,
        delivered.treatment_cost_yuan
    from delivered
    inner join version
        on
            delivered._batch = version._batch
            and delivered._file = version._file
            and delivered._row = version._row
            and delivered._part = version._part
            and version.version_rank = 1
            and not coalesce(version._deleted, false)
    left join people on delivered.identity_id = people.identity_id
)

select * from final
