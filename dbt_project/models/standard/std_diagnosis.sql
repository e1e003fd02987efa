-- A diagnosis as one source states it: hospital or regional record, front page, report card, registry, or follow-up of screened people.
-- `cancer` is set where the code is a primary cancer that the programme follows; secondary tumours (C77-C79) never are.
with diagnosis_row as (
    select * from {{ ref('stg_hospital__diagnosis') }}
),

stay as (
    select * from {{ ref('std_front_page') }}
),

place as (
    {{ positions(20) }}
),

clinical as (
    select
        diagnosis.person_id,
        'hospital_diagnosis' as diagnosis_source,
        1 as position,
        diagnosis.diagnosis_no as source_no,
        diagnosis.visit_no,
        diagnosis.diagnosis_date,
        diagnosis.diagnosis_kind_code,
        {{ code_key('diagnosis.diagnosis_code') }} as icd10_code,
        {{ code_key('diagnosis.morphology_code') }} as morphology_code,
        diagnosis.laterality_code,
        {{ yes('diagnosis.is_main') }} as is_main,
        coalesce({{ yes('diagnosis.is_suspected') }}, false) as is_suspected,
        cast(null as text) as diagnosis_basis_code,
        {{ provenance('diagnosis') }}
    from diagnosis_row as diagnosis
),

front_page_main as (
    select
        stay.person_id,
        'front_page' as diagnosis_source,
        0 as position,
        stay.visit_no as source_no,
        stay.visit_no,
        coalesce(stay.confirmed_date, stay.discharge_date, stay.admission_date) as diagnosis_date,
        'discharge' as diagnosis_kind_code,
        {{ code_key('stay.main_diagnosis_code') }} as icd10_code,
        {{ code_key('stay.morphology_code') }} as morphology_code,
        cast(null as text) as laterality_code,
        true as is_main,
        false as is_suspected,
        cast(null as text) as diagnosis_basis_code,
        {{ provenance('stay') }}
    from stay
    where stay.main_diagnosis_code is not null
),

front_page_other as (
    select
        stay.person_id,
        'front_page' as diagnosis_source,
        place.position,
        stay.visit_no as source_no,
        stay.visit_no,
        coalesce(stay.discharge_date, stay.admission_date) as diagnosis_date,
        'discharge' as diagnosis_kind_code,
        {{ code_key(list_item('stay.other_diagnosis_codes', 'place.position')) }} as icd10_code,
        cast(null as text) as morphology_code,
        cast(null as text) as laterality_code,
        false as is_main,
        false as is_suspected,
        cast(null as text) as diagnosis_basis_code,
        {{ provenance('stay') }}
    from stay
    inner join place on place.position <= {{ list_length('stay.other_diagnosis_codes') }}
),

report_card as (
    select
        card.person_id,
        'report_card' as diagnosis_source,
        1 as position,
        card.card_no as source_no,
        card.visit_no,
        coalesce(card.first_diagnosis_date, card.reported_date) as diagnosis_date,
        cast(null as text) as diagnosis_kind_code,
        {{ code_key('card.icd10_code') }} as icd10_code,
        {{ code_key('card.morphology_code') }} as morphology_code,
        card.laterality_code,
        true as is_main,
        false as is_suspected,
        card.diagnosis_basis_code,
        {{ provenance('card') }}
    from {{ ref('meta_answer__tumour_report_card') }} as card
    where coalesce(card.card_state_code, '1') <> '2'
),

registry as (
    select
        registered.person_id,
        'registry' as diagnosis_source,
        1 as position,
        registered.case_no as source_no,
        cast(null as text) as visit_no,
        registered.incidence_date as diagnosis_date,
        cast(null as text) as diagnosis_kind_code,
        registered.icd10_code,
        {{ code_key('registered.morphology_code') }} as morphology_code,
        registered.laterality_code,
        true as is_main,
        false as is_suspected,
        registered.diagnosis_basis_code,
        {{ provenance('registered') }}
    from {{ ref('std_registry_case') }} as registered
),

follow_up as (
    select
        answer.person_id,
        'screening_follow_up' as diagnosis_source,
        1 as position,
        answer.follow_up_no as source_no,
        cast(null as text) as visit_no,
        answer.diagnosis_date,
        cast(null as text) as diagnosis_kind_code,
        {{ code_key('answer.primary_site_icd10_code') }} as icd10_code,
        {{ code_key('answer.morphology_code') }} as morphology_code,
        cast(null as text) as laterality_code,
        true as is_main,
        false as is_suspected,
        answer.diagnosis_basis_code,
        {{ provenance('answer') }}
    from {{ ref('meta_answer__screening_follow_up') }} as answer
    where {{ coded_yes('yes_no_form', 'answer.has_cancer') }}
),

diagnosis as (
    select * from clinical
    union all
    select * from front_page_main
    union all
    select * from front_page_other
    union all
    select * from report_card
    union all
    select * from registry
    union all
    select * from follow_up
),

-- Codes repeat: each is looked up once.
code as (
    select distinct icd10_code
    from diagnosis
),

meaning as (
    select
        code.icd10_code,
        prefix.cancer,
        prefix.site,
        prefix.class
    from code
    inner join {{ ref('seed_code_prefix') }} as prefix
        on prefix.code_system = 'icd10' and replace(code.icd10_code, '.', '') like replace(prefix.prefix, '.', '') || '%'
),

final as (
    select
        diagnosis.person_id,
        diagnosis.diagnosis_source,
        diagnosis.position,
        diagnosis.source_no,
        diagnosis.visit_no,
        diagnosis.diagnosis_date,
        diagnosis.diagnosis_kind_code,
        diagnosis.icd10_code,
        case when meaning.class in ('malignant', 'in_situ') then meaning.cancer end as cancer,
        case when meaning.class in ('malignant', 'in_situ') then meaning.site end as site,
        case when meaning.class in ('malignant', 'in_situ') then meaning.class end as tumour_class,
        meaning.class as condition_class,
        nullif(meaning.cancer, '') as related_cancer,
        coalesce(meaning.class = 'metastasis', false) as is_secondary,
        diagnosis.morphology_code,
        diagnosis.laterality_code,
        diagnosis.is_main,
        diagnosis.is_suspected,
        diagnosis.diagnosis_basis_code,
        {{ provenance('diagnosis') }}
    from diagnosis
    left join meaning on diagnosis.icd10_code = meaning.icd10_code
)

select * from final
