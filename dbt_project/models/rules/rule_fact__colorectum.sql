-- What the colorectal rules ask about a person, from the latest questionnaire on or before as_of_date. Age and known cancer are those
-- of the assessment day. Counts of first-degree relatives with colorectal cancer are kept as least and most: an entry whose relation
-- or cancer is missing may be one; a family question without an answer leaves the most unknown.
with response as (
    select
        questionnaire.*,
        row_number() over (
            partition by questionnaire.person_id
            order by
                questionnaire.survey_date desc,
                questionnaire.delivered_on desc,
                {{ by_bytes('questionnaire.record_key') }} desc
        ) as recency
    from {{ ref('std_questionnaire_response') }} as questionnaire
    where
        questionnaire.person_id is not null
        and questionnaire.survey_date <= {{ as_of_date() }}
),

latest as (
    select * from response
    where recency = 1
),

relative as (
    select
        record_key,
        age_at_diagnosis_years,
        is_aligned and relation_degree = 1 and cancer = 'colorectum' as is_case,
        (not is_aligned or relation_code is null or relation_degree = 1)
        and (not is_aligned or cancer_code is null or cancer = 'colorectum') as is_possible_case
    from {{ ref('std_family_history') }}
),

family as (
    select
        record_key,
        cast(count(*) as integer) as relative_count,
        cast(count(case when is_case then 1 end) as integer) as fdr_crc_least,
        cast(count(case when is_possible_case then 1 end) as integer) as fdr_crc_most,
        min(case when is_case then age_at_diagnosis_years end) as fdr_crc_youngest_age_years,
        cast(count(case when is_possible_case and (not coalesce(is_case, false) or age_at_diagnosis_years is null) then 1 end) as integer)
            as fdr_crc_undated
    from relative
    group by record_key
),

known_cancer as (
    select
        latest.record_key,
        min(diagnosis.diagnosis_date) as first_diagnosis_date
    from latest
    inner join {{ ref('std_diagnosis') }} as diagnosis
        on
            latest.person_id = diagnosis.person_id
            and diagnosis.cancer = 'colorectum'
            and not diagnosis.is_suspected
            and latest.survey_date > diagnosis.diagnosis_date
    group by latest.record_key
),

final as (
    select
        latest.person_id,
        latest.survey_date as assessed_on,
        latest.channel,
        {{ age_years('person.birth_date', 'latest.survey_date') }} as age_years,
        person.sex_code,
        latest.bmi_kg_m2,
        latest.smoking_status_code,
        case when known_cancer.record_key is not null then true else latest.has_had_cancer end as has_known_cancer,
        coalesce(family.fdr_crc_least, 0) as fdr_crc_count_least,
        case
            when family.record_key is not null then family.fdr_crc_most
            when latest.has_family_cancer = false then 0
        end as fdr_crc_count_most,
        family.fdr_crc_youngest_age_years,
        case
            when family.record_key is not null then family.fdr_crc_undated
            when latest.has_family_cancer = false then 0
        end as fdr_crc_undated_most,
        coalesce(latest.residence_county_code, person.residence_county_code) as residence_county_code,
        {{ origin('latest') }}
    from latest
    left join {{ ref('std_person') }} as person on latest.person_id = person.person_id
    left join family on latest.record_key = family.record_key
    left join known_cancer on latest.record_key = known_cancer.record_key
)

select * from final
