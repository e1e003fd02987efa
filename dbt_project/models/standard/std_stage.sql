-- A statement on the stage of a tumour, as one source makes it: TNM parts, stage group, the system and its edition, clinical or
-- pathological. What the parts amount to says std_tumour_stage.
with form_code as (
    select
        code_list,
        code,
        class
    from {{ ref('seed_code_class') }}
),

pathology as (
    select
        report.person_id,
        report.cancer,
        report.site,
        'pathology' as stage_source,
        report.reported_date as staged_on,
        cast(null as text) as staging_system_code,
        coalesce(report.tnm_prefix, 'p') as basis,
        report.t_category,
        report.n_category,
        report.m_category,
        report.stage_group,
        cast(null as text) as stage_class,
        report.histology_code,
        {{ provenance('report') }}
    from {{ ref('std_pathology') }} as report
    where coalesce(report.t_category, report.n_category, report.m_category, report.stage_group) is not null
),

diagnosis as (
    select
        stated.person_id,
        tumour.cancer,
        tumour.site,
        'diagnosis' as stage_source,
        coalesce(stated.staged_date, stated.diagnosis_date) as staged_on,
        stated.staging_system_code,
        'c' as basis,
        stated.clinical_t_category as t_category,
        stated.clinical_n_category as n_category,
        stated.clinical_m_category as m_category,
        stated.stage_group,
        cast(null as text) as stage_class,
        cast(null as text) as histology_code,
        {{ provenance('stated') }}
    from {{ ref('stg_hospital__diagnosis') }} as stated
    inner join {{ ref('std_diagnosis') }} as tumour
        on
            tumour.diagnosis_source = 'hospital_diagnosis'
            and stated.record_key = tumour.record_key
            and tumour.cancer is not null
    where coalesce(stated.clinical_t_category, stated.clinical_n_category, stated.clinical_m_category, stated.stage_group) is not null
),

front_page as (
    select
        stay.person_id,
        tumour.cancer,
        tumour.site,
        'front_page' as stage_source,
        coalesce(stay.confirmed_date, stay.discharge_date) as staged_on,
        stay.staging_system_code,
        cast(null as text) as basis,
        stay.t_category,
        stay.n_category,
        stay.m_category,
        stay.stage_group,
        cast(null as text) as stage_class,
        stay.morphology_code as histology_code,
        {{ provenance('stay') }}
    from {{ ref('std_front_page') }} as stay
    inner join {{ ref('std_diagnosis') }} as tumour
        on
            tumour.diagnosis_source = 'front_page'
            and tumour.is_main
            and stay.record_key = tumour.record_key
            and tumour.cancer is not null
    where coalesce(stay.t_category, stay.n_category, stay.m_category, stay.stage_group) is not null
),

report_card as (
    select
        card.person_id,
        tumour.cancer,
        tumour.site,
        'report_card' as stage_source,
        coalesce(card.first_diagnosis_date, card.reported_date) as staged_on,
        card.staging_system_code,
        cast(null as text) as basis,
        card.t_category,
        card.n_category,
        card.m_category,
        card.stage_group,
        cast(null as text) as stage_class,
        card.morphology_code as histology_code,
        {{ provenance('card') }}
    from {{ ref('meta_answer__tumour_report_card') }} as card
    inner join {{ ref('std_diagnosis') }} as tumour
        on tumour.diagnosis_source = 'report_card' and card.record_key = tumour.record_key and tumour.cancer is not null
    where coalesce(card.t_category, card.n_category, card.m_category, card.stage_group) is not null
),

registry as (
    select
        registered.person_id,
        registered.cancer,
        registered.site,
        'registry' as stage_source,
        registered.incidence_date as staged_on,
        cast(null as text) as staging_system_code,
        cast(null as text) as basis,
        registered.t_category,
        registered.n_category,
        registered.m_category,
        registered.stage_group_code as stage_group,
        cast(null as text) as stage_class,
        registered.morphology_code as histology_code,
        {{ provenance('registered') }}
    from {{ ref('std_registry_case') }} as registered
    where
        registered.cancer is not null
        and coalesce(
            registered.t_category,
            registered.n_category,
            registered.m_category,
            nullif(registered.stage_group_code, '9')
        ) is not null
),

-- The follow-up form of the programme states T, N, M and stage by codes of its own, clinical and pathological.
follow_up as (
    {%- for basis, name in [('c', 'clinical'), ('p', 'pathological')] %}
    select
        answer.person_id,
        tumour.cancer,
        tumour.site,
        'screening_follow_up' as stage_source,
        answer.diagnosis_date as staged_on,
        cast(null as text) as staging_system_code,
        '{{ basis }}' as basis,
        case answer.{{ name }}_t_code when '5' then 'Tx' when '6' then 'Tis' else 'T' || answer.{{ name }}_t_code end as t_category,
        case answer.{{ name }}_n_code when '4' then 'Nx' else 'N' || answer.{{ name }}_n_code end as n_category,
        'M' || answer.{{ name }}_m_code as m_category,
        cast(null as text) as stage_group,
        form_code.class as stage_class,
        answer.morphology_code as histology_code,
        {{ provenance('answer') }}
    from {{ ref('meta_answer__screening_follow_up') }} as answer
    inner join {{ ref('std_diagnosis') }} as tumour
        on tumour.diagnosis_source = 'screening_follow_up' and answer.record_key = tumour.record_key and tumour.cancer is not null
    left join form_code on form_code.code_list = 'stage_group_form' and answer.{{ name }}_stage_code = form_code.code
    where coalesce(form_code.class, answer.{{ name }}_t_code, answer.{{ name }}_n_code, answer.{{ name }}_m_code) is not null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

stated as (
    select * from pathology
    union all
    select * from diagnosis
    union all
    select * from front_page
    union all
    select * from report_card
    union all
    select * from registry
    union all
    select * from follow_up
),

final as (
    select
        stated.person_id,
        stated.cancer,
        stated.site,
        stated.stage_source,
        coalesce(stated.basis, 'unknown') as basis,
        stated.staged_on,
        stated.staging_system_code,
        edition.class as staging_edition,
        stated.t_category,
        stated.n_category,
        stated.m_category,
        stated.stage_group,
        coalesce(stated.stage_class, {{ stage_number_of('stated.stage_group') }}) as stage_number,
        stated.histology_code,
        {{ provenance('stated') }}
    from stated
    left join form_code as edition on edition.code_list = 'staging_edition' and stated.staging_system_code = edition.code
)

select * from final
