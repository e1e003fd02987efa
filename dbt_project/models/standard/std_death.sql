-- A death as one source reports it: a hospital's death record, or the screening centre's follow-up.
with hospital as (
    select
        death.person_id,
        'hospital_death' as death_source,
        death.death_date,
        upper(replace(death.cause_code, ' ', '')) as cause_icd10_code,
        {{ provenance('death') }}
    from {{ ref('stg_hospital__death') }} as death
),

centre as (
    select
        answer.person_id,
        'screening_follow_up' as death_source,
        answer.death_date,
        upper(replace(answer.death_icd10_code, ' ', '')) as cause_icd10_code,
        {{ provenance('answer') }}
    from {{ ref('meta_answer__screening_follow_up') }} as answer
    where answer.vital_status_code = '2' and answer.death_date is not null
),

death as (
    select * from hospital
    union all
    select * from centre
),

final as (
    select
        death.person_id,
        death.death_source,
        death.death_date,
        death.cause_icd10_code,
        cause.cancer as cause_cancer,
        source.channel,
        source.screening_source,
        {{ provenance('death') }}
    from death
    left join {{ ref('seed_code_prefix') }} as cause
        on cause.code_system = 'icd10' and cause.class = 'malignant' and death.cause_icd10_code like cause.prefix || '%'
    left join {{ ref('std_source') }} as source
        on
            death.source_family = source.source_family
            and death.source_organisation_code = source.source_organisation_code
)

select * from final
