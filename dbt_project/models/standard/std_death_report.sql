-- A death as one source reports it: registration, hospital, front page, registry, report card, or a follow-up. The most trusted first.
with reported as (
    select
        death.person_id,
        'death_registration' as death_source,
        1 as source_rank,
        death.death_date,
        {{ code_key('death.underlying_cause_code') }} as cause_icd10_code,
        {{ provenance('death') }}
    from {{ ref('stg_registry__death_registration') }} as death
    union all
    select
        death.person_id,
        'hospital_death' as death_source,
        2 as source_rank,
        death.death_date,
        {{ code_key('death.cause_code') }} as cause_icd10_code,
        {{ provenance('death') }}
    from {{ ref('stg_hospital__death') }} as death
    union all
    select
        stay.person_id,
        'front_page' as death_source,
        3 as source_rank,
        stay.death_date,
        cast(null as text) as cause_icd10_code,
        {{ provenance('stay') }}
    from {{ ref('std_front_page') }} as stay
    union all
    select
        registered.person_id,
        'registry' as death_source,
        4 as source_rank,
        registered.death_date,
        registered.death_icd10_code as cause_icd10_code,
        {{ provenance('registered') }}
    from {{ ref('std_registry_case') }} as registered
    where registered.vital_status_code = '2' or registered.vital_status_code is null
    union all
    select
        card.person_id,
        'report_card' as death_source,
        5 as source_rank,
        card.death_date,
        {{ code_key('card.death_icd10_code') }} as cause_icd10_code,
        {{ provenance('card') }}
    from {{ ref('meta_answer__tumour_report_card') }} as card
    where coalesce(card.card_state_code, '1') <> '2'
    union all
    select
        contact.person_id,
        'hospital_follow_up' as death_source,
        6 as source_rank,
        contact.death_date,
        {{ code_key('contact.death_cause_code') }} as cause_icd10_code,
        {{ provenance('contact') }}
    from {{ ref('stg_hospital__follow_up') }} as contact
    where contact.vital_status_code = '2' or contact.vital_status_code is null
    union all
    select
        answer.person_id,
        'screening_follow_up' as death_source,
        7 as source_rank,
        answer.death_date,
        {{ code_key('answer.death_icd10_code') }} as cause_icd10_code,
        {{ provenance('answer') }}
    from {{ ref('meta_answer__screening_follow_up') }} as answer
    where answer.vital_status_code = '2'
),

final as (
    select
        reported.person_id,
        reported.death_source,
        reported.source_rank,
        reported.death_date,
        reported.cause_icd10_code,
        cause.cancer as cause_cancer,
        {{ provenance('reported') }}
    from reported
    left join {{ ref('seed_code_prefix') }} as cause
        on cause.code_system = 'icd10' and cause.class = 'malignant' and reported.cause_icd10_code like cause.prefix || '%'
    where reported.death_date is not null
)

select * from final
