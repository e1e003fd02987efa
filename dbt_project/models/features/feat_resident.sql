-- A resident, however known: who, where, today's values of the risk factors, what has been found, and from where it is known.
with response as (
    select
        questionnaire.*,
        count(*) over (partition by questionnaire.person_id) as assessment_count,
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

latest_response as (
    select * from response
    where recency = 1
),

exam as (
    select
        person_id,
        exam_date,
        height_cm,
        weight_kg,
        waist_cm,
        smoking_status,
        source_family,
        source_organisation_code,
        row_number() over (
            partition by person_id
            order by exam_date desc, delivered_on desc, {{ by_bytes('record_key') }} desc
        ) as recency
    from {{ ref('meta_answer__physical_exam') }}
    where
        person_id is not null
        and exam_date <= {{ as_of_date() }}
),

latest_exam as (
    select * from exam
    where recency = 1
),

relative as (
    select
        record_key,
        cast(count(*) as integer) as relative_with_cancer_count,
        cast(count(case when is_aligned and relation_degree = 1 then 1 end) as integer) as fdr_with_cancer_count
    from {{ ref('std_family_history') }}
    group by record_key
),

test as (
    select
        person_id,
        max(case when test_type = 'fit' then test_date end) as last_fit_on,
        max(case when test_type = 'colonoscopy' then test_date end) as last_colonoscopy_on
    from {{ ref('std_screening_test') }}
    where
        person_id is not null
        and test_date <= {{ as_of_date() }}
        and result in ('positive', 'suspicious', 'negative')
    group by person_id
),

tumour as (
    select
        person_id,
        cast(count(*) as integer) as tumour_count,
        min(diagnosis_date) as first_cancer_diagnosed_on
    from {{ ref('feat_patient') }}
    group by person_id
),

high_risk as (
    select
        person_id,
        string_agg(cancer, ';' order by {{ by_bytes('cancer') }}) as high_risk_cancers
    from {{ ref('feat_high_risk') }}
    group by person_id
),

visit as (
    select
        person_id,
        cast(count(*) as bigint) as visit_count,
        max(visit_start_date) as last_visit_on
    from {{ ref('std_visit') }}
    where
        person_id is not null
        and visit_start_date <= {{ as_of_date() }}
    group by person_id
),

death as (
    select
        person_id,
        death_date as died_on
    from {{ ref('std_death') }}
),

-- The body as last measured: the examination where it is newer than the questionnaire and complete.
body as (
    select
        person.person_id,
        coalesce(
            latest_exam.height_cm is not null and latest_exam.weight_kg is not null
            and (
                latest_response.survey_date is null
                or latest_exam.exam_date > latest_response.survey_date
                or latest_response.bmi_kg_m2 is null
            ),
            false
        ) as is_from_exam
    from {{ ref('std_person') }} as person
    left join latest_response on person.person_id = latest_response.person_id
    left join latest_exam on person.person_id = latest_exam.person_id
),

final as (
    select
        person.person_id,
        {{ as_of_date() }} as as_of_date,
        person.sex_code,
        cast(extract(year from person.birth_date) as integer) as birth_year,
        {{ age_years('person.birth_date', 'coalesce(death.died_on, ' ~ as_of_date() ~ ')') }} as age_years,
        person.residence_county_code,
        person.residence_city_code,
        coalesce(latest_response.channel, person.channel) as channel,
        person.screening_source,
        person.is_known_from_platform,
        person.is_known_from_hospital,
        person.is_known_from_checkup,
        person.is_known_from_screening_centre,
        person.is_known_from_free_screening,
        person.is_known_from_regional_platform,
        person.is_known_from_registry,
        person.first_known_on,
        person.is_sex_contradictory,
        person.is_birth_date_contradictory,
        coalesce(latest_response.assessment_count, 0) as assessment_count,
        latest_response.survey_date as last_assessed_on,
        latest_response.source_organisation_code as assessment_organisation_code,
        case when body.is_from_exam then 'physical_exam' when latest_response.bmi_kg_m2 is not null then 'questionnaire' end as body_source,
        case when body.is_from_exam then latest_exam.height_cm else latest_response.height_cm end as height_cm,
        case when body.is_from_exam then latest_exam.weight_kg else latest_response.weight_kg end as weight_kg,
        case
            when body.is_from_exam then {{ body_mass_index('latest_exam.weight_kg', 'latest_exam.height_cm') }}
            else latest_response.bmi_kg_m2
        end as bmi_kg_m2,
        case
            when body.is_from_exam then coalesce(latest_exam.waist_cm, latest_response.waist_cm)
            else latest_response.waist_cm
        end as waist_cm,
        coalesce(latest_response.smoking_status_code, latest_exam.smoking_status) as smoking_status_code,
        latest_response.cigarettes_per_day,
        latest_response.smoking_years,
        latest_response.is_regular_drinker,
        latest_response.is_regular_exerciser,
        latest_response.education_level_code,
        latest_response.occupation_code,
        latest_response.has_had_cancer,
        latest_response.has_bowel_disease,
        latest_response.has_colorectal_polyp,
        latest_response.has_family_cancer,
        coalesce(relative.relative_with_cancer_count, case when latest_response.has_family_cancer = false then 0 end)
            as relative_with_cancer_count,
        coalesce(relative.fdr_with_cancer_count, case when latest_response.has_family_cancer = false then 0 end)
            as fdr_with_cancer_count,
        latest_exam.exam_date as last_exam_on,
        test.last_fit_on,
        test.last_colonoscopy_on,
        coalesce(visit.visit_count, 0) as visit_count,
        visit.last_visit_on,
        high_risk.high_risk_cancers,
        coalesce(tumour.tumour_count, 0) as tumour_count,
        tumour.first_cancer_diagnosed_on,
        death.died_on,
        death.died_on is not null as is_dead
    from {{ ref('std_person') }} as person
    left join latest_response on person.person_id = latest_response.person_id
    left join latest_exam on person.person_id = latest_exam.person_id
    left join body on person.person_id = body.person_id
    left join relative on latest_response.record_key = relative.record_key
    left join test on person.person_id = test.person_id
    left join visit on person.person_id = visit.person_id
    left join high_risk on person.person_id = high_risk.person_id
    left join tumour on person.person_id = tumour.person_id
    left join death on person.person_id = death.person_id
)

select * from final
