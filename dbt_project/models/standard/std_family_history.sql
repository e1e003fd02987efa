-- A relative with cancer, as named in a questionnaire, a history taken or a health record. Relation, cancer and age are lists kept in step;
-- where their lengths differ nobody can say which cancer belongs to whom (is_aligned = false), and rules treat such entries as unknown.
with stated as (
    select
        response.person_id,
        'questionnaire' as history_source,
        response.survey_date,
        response.family_relation_codes,
        response.family_cancer_codes,
        response.family_ages_at_diagnosis,
        {{ provenance('response') }}
    from {{ ref('std_questionnaire_response') }} as response
    union all
    select
        taken.person_id,
        'medical_history' as history_source,
        taken.recorded_date as survey_date,
        taken.family_relation_codes,
        taken.family_cancer_codes,
        taken.family_cancer_ages as family_ages_at_diagnosis,
        {{ provenance('taken') }}
    from {{ ref('stg_hospital__medical_history') }} as taken
    union all
    select
        recorded.person_id,
        'resident_health_record' as history_source,
        coalesce(recorded.updated_date, recorded.created_date) as survey_date,
        recorded.family_relation_codes,
        recorded.family_cancer_codes,
        recorded.family_cancer_ages as family_ages_at_diagnosis,
        {{ provenance('recorded') }}
    from {{ ref('meta_answer__resident_health_record') }} as recorded
),

answer as (
    select
        stated.*,
        coalesce({{ list_length('stated.family_relation_codes') }}, 0) as relation_count,
        coalesce({{ list_length('stated.family_cancer_codes') }}, 0) as cancer_count
    from stated
    where stated.family_relation_codes is not null or stated.family_cancer_codes is not null
),

place as (
    {{ positions(20) }}
),

entry as (
    select
        answer.person_id,
        answer.history_source,
        answer.survey_date,
        place.position,
        {{ list_item('answer.family_relation_codes', 'place.position') }} as relation_code,
        {{ list_item('answer.family_cancer_codes', 'place.position') }} as cancer_code,
        {{ list_item('answer.family_ages_at_diagnosis', 'place.position') }} as age_text,
        answer.relation_count = answer.cancer_count as is_aligned,
        {{ provenance('answer') }}
    from answer
    inner join place on place.position <= greatest(answer.relation_count, answer.cancer_count)
),

final as (
    select
        entry.person_id,
        entry.history_source,
        entry.survey_date,
        entry.position,
        entry.relation_code,
        cast(degree.class as integer) as relation_degree,
        entry.cancer_code,
        relative_cancer.class as cancer,
        case when translate(entry.age_text, '0123456789', '') = '' then cast(entry.age_text as integer) end as age_at_diagnosis_years,
        entry.is_aligned,
        {{ provenance('entry') }}
    from entry
    left join {{ ref('seed_code_class') }} as degree
        on degree.code_list = 'relation_degree' and entry.relation_code = degree.code
    left join {{ ref('seed_code_class') }} as relative_cancer
        on relative_cancer.code_list = 'relative_cancer' and entry.cancer_code = relative_cancer.code
)

select * from final
