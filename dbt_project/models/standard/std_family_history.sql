-- A relative with cancer, as named in a questionnaire. Relation, cancer and age are lists kept in step; where their lengths differ
-- nobody can say which cancer belongs to whom (is_aligned = false), and rules treat such entries as unknown.
with answer as (
    select
        person_id,
        survey_date,
        family_relation_codes,
        family_cancer_codes,
        family_ages_at_diagnosis,
        coalesce({{ list_length('family_relation_codes') }}, 0) as relation_count,
        coalesce({{ list_length('family_cancer_codes') }}, 0) as cancer_count,
        {{ provenance('response') }}
    from {{ ref('std_questionnaire_response') }} as response
    where family_relation_codes is not null or family_cancer_codes is not null
),

place as (
    {{ positions(20) }}
),

entry as (
    select
        answer.person_id,
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
