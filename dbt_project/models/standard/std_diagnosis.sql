-- A diagnosis: made in a hospital visit, or reported as confirmed cancer by the active follow-up of screened people.
-- `cancer` is set where the code is a primary cancer that the programme follows.
with hospital as (
    select
        diagnosis.person_id,
        'hospital_diagnosis' as diagnosis_source,
        diagnosis.diagnosis_no as source_no,
        diagnosis.visit_no,
        diagnosis.diagnosis_date,
        upper(replace(diagnosis.diagnosis_code, ' ', '')) as icd10_code,
        cast(null as text) as morphology_code,
        {{ yes('diagnosis.is_main') }} as is_main,
        coalesce({{ yes('diagnosis.is_suspected') }}, false) as is_suspected,
        cast(null as text) as diagnosis_basis_code,
        cast(null as text) as clinical_stage_code,
        cast(null as text) as pathological_stage_code,
        {{ provenance('diagnosis') }}
    from {{ ref('stg_hospital__diagnosis') }} as diagnosis
),

follow_up as (
    select
        answer.person_id,
        'screening_follow_up' as diagnosis_source,
        answer.follow_up_no as source_no,
        cast(null as text) as visit_no,
        answer.diagnosis_date,
        upper(replace(answer.primary_site_icd10_code, ' ', '')) as icd10_code,
        answer.morphology_code,
        true as is_main,
        false as is_suspected,
        answer.diagnosis_basis_code,
        answer.clinical_stage_code,
        answer.pathological_stage_code,
        {{ provenance('answer') }}
    from {{ ref('meta_answer__screening_follow_up') }} as answer
    where {{ form_yes('answer.has_cancer') }}
),

diagnosis as (
    select * from hospital
    union all
    select * from follow_up
),

final as (
    select
        diagnosis.person_id,
        diagnosis.diagnosis_source,
        diagnosis.source_no,
        diagnosis.visit_no,
        diagnosis.diagnosis_date,
        diagnosis.icd10_code,
        tumour.cancer,
        tumour.class as tumour_class,
        diagnosis.morphology_code,
        diagnosis.is_main,
        diagnosis.is_suspected,
        diagnosis.diagnosis_basis_code,
        clinical_stage.class as clinical_stage_number,
        pathological_stage.class as pathological_stage_number,
        source.channel,
        source.screening_source,
        {{ provenance('diagnosis') }}
    from diagnosis
    left join {{ ref('seed_code_prefix') }} as tumour
        on tumour.code_system = 'icd10' and diagnosis.icd10_code like tumour.prefix || '%'
    left join {{ ref('seed_code_class') }} as clinical_stage
        on clinical_stage.code_list = 'stage_group_form' and diagnosis.clinical_stage_code = clinical_stage.code
    left join {{ ref('seed_code_class') }} as pathological_stage
        on pathological_stage.code_list = 'stage_group_form' and diagnosis.pathological_stage_code = pathological_stage.code
    left join {{ ref('std_source') }} as source
        on
            diagnosis.source_family = source.source_family
            and diagnosis.source_organisation_code = source.source_organisation_code
)

select * from final
