-- A case of the cancer registry. The registry's own duplicates are kept: `case_rank` numbers the cases of one person and cancer.
with registered as (
    select * from {{ ref('stg_registry__cancer_registry_case') }}
),

meaning as (
    select
        prefix,
        cancer,
        site,
        class
    from {{ ref('seed_code_prefix') }}
    where code_system = 'icd10'
),

coded as (
    select
        registered.*,
        {{ code_key('registered.icd10_code') }} as icd10_key,
        meaning.class as condition_class,
        case when meaning.class in ('malignant', 'in_situ') then meaning.cancer end as cancer,
        case when meaning.class in ('malignant', 'in_situ') then meaning.site end as site,
        case when meaning.class in ('malignant', 'in_situ') then meaning.class end as tumour_class
    from registered
    left join meaning on {{ code_key('registered.icd10_code') }} like meaning.prefix || '%'
),

final as (
    select
        coded.person_id,
        coded.case_no,
        coded.incidence_date,
        coded.icd10_key as icd10_code,
        coded.cancer,
        coded.site,
        coded.tumour_class,
        coalesce(coded.condition_class = 'metastasis', false) as is_secondary,
        coded.topography_code,
        coded.morphology_code,
        coded.behaviour_code,
        coded.grade_code,
        coded.laterality_code,
        coded.diagnosis_basis_code,
        coded.t_category,
        coded.n_category,
        coded.m_category,
        coded.stage_group_code,
        coded.primary_number,
        cast(row_number() over (
            partition by coded.person_id, coded.cancer
            order by coded.incidence_date asc, {{ by_bytes('coded.record_key') }} asc
        ) as integer) as case_rank,
        coded.report_source_code,
        coded.vital_status_code,
        coded.last_contact_date,
        coded.death_date,
        {{ code_key('coded.death_icd10_code') }} as death_icd10_code,
        coded.residence_county_code,
        coded.registered_date,
        {{ provenance('coded') }}
    from coded
)

select * from final
