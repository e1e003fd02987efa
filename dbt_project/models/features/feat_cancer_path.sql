-- A person's way through the programme for one cancer, from the first of assessment, test or diagnosis, with the date of every step.
-- Tests are those of the five screening sources.
-- Steps count from the assessment on; somebody who was never assessed enters by test or by diagnosis.
with verdict as (
    select *
    from {{ ref('rule_verdict') }}
    where is_programme_rule
),

test as (
    select *
    from {{ ref('std_screening_test') }}
    where
        person_id is not null
        and screening_source is not null
        and test_date <= {{ as_of_date() }}
        and result in ('positive', 'suspicious', 'negative')
),

patient as (
    select *
    from {{ ref('feat_patient') }}
    where tumour_no = 1
),

first_test as (
    select
        person_id,
        cancer,
        test_date,
        channel,
        source_organisation_code,
        row_number() over (
            partition by person_id, cancer
            order by test_date asc, test_type asc, {{ by_bytes('record_key') }} asc
        ) as test_rank
    from test
),

member as (
    select
        person_id,
        cancer
    from verdict
    union
    select
        person_id,
        cancer
    from first_test
    union
    select
        person_id,
        cancer
    from patient
),

-- A diagnosis before the assessment (or, without one, before the first test) came from elsewhere.
entry as (
    select
        member.person_id,
        member.cancer,
        verdict.assessed_on,
        verdict.verdict,
        verdict.rule_id,
        verdict.rule_version,
        verdict.score,
        case
            when patient.diagnosis_date < coalesce(verdict.assessed_on, first_test.test_date) then 'diagnosis'
            when verdict.person_id is not null then 'assessment'
            when first_test.person_id is not null then 'test'
            else 'diagnosis'
        end as entry_route,
        verdict.channel as assessment_channel,
        verdict.source_organisation_code as assessment_organisation_code,
        verdict.residence_county_code as assessment_county_code,
        first_test.test_date as first_test_date,
        first_test.channel as test_channel,
        first_test.source_organisation_code as test_organisation_code,
        patient.diagnosis_date,
        patient.channel as diagnosis_channel,
        patient.diagnosis_organisation_code
    from member
    left join verdict on member.person_id = verdict.person_id and member.cancer = verdict.cancer
    left join first_test on member.person_id = first_test.person_id and member.cancer = first_test.cancer and first_test.test_rank = 1
    left join patient on member.person_id = patient.person_id and member.cancer = patient.cancer
),

entered as (
    select
        entry.*,
        case entry_route
            when 'assessment' then assessed_on
            when 'test' then first_test_date
            else diagnosis_date
        end as entered_on,
        case entry_route
            when 'assessment' then assessment_channel
            when 'test' then test_channel
            else diagnosis_channel
        end as channel,
        case entry_route
            when 'assessment' then assessment_organisation_code
            when 'test' then test_organisation_code
            else diagnosis_organisation_code
        end as organisation_code
    from entry
),

step_test as (
    select
        test.person_id,
        test.cancer,
        test.test_type,
        test.test_date,
        test.result,
        test.is_complete,
        test.screening_source,
        row_number() over (
            partition by test.person_id, test.cancer, test.test_type
            order by
                case test.result when 'positive' then 0 when 'suspicious' then 1 else 2 end,
                test.test_date asc,
                {{ by_bytes('test.record_key') }} asc
        ) as result_rank,
        row_number() over (
            partition by test.person_id, test.cancer
            order by test.test_date asc, test.test_type asc, {{ by_bytes('test.record_key') }} asc
        ) as day_rank
    from test
    inner join entered
        on
            test.person_id = entered.person_id
            and test.cancer = entered.cancer
            and test.test_date >= entered.entered_on
),

tested as (
    select
        person_id,
        cancer,
        min(test_date) as screened_on,
        max(case when day_rank = 1 then screening_source end) as screening_source,
        min(case when result = 'positive' then test_date end) as positive_on,
        min(case when result = 'suspicious' then test_date end) as suspicious_on,
        max(case when day_rank = 1 then test_type end) as first_test_type,
        max(case when test_type = 'fit' and result_rank = 1 then test_date end) as fit_on,
        max(case when test_type = 'fit' and result_rank = 1 then result end) as fit_result,
        max(case when test_type = 'fit' and result_rank = 1 then screening_source end) as fit_source,
        max(case when test_type = 'colonoscopy' and result_rank = 1 then test_date end) as colonoscopy_on,
        max(case when test_type = 'colonoscopy' and result_rank = 1 then result end) as colonoscopy_result,
        max(case when test_type = 'colonoscopy' and result_rank = 1 then screening_source end) as colonoscopy_source,
        bool_or(test_type = 'colonoscopy' and coalesce(is_complete, false)) as has_complete_colonoscopy,
        max(case when test_type = 'colposcopy' and result_rank = 1 then test_date end) as colposcopy_on
    from step_test
    group by person_id, cancer
),

read_specimen as (
    select
        pathology.person_id,
        pathology.cancer,
        pathology.reported_date,
        pathology.pathology_class,
        row_number() over (
            partition by pathology.person_id, pathology.cancer
            order by
                case pathology.pathology_class
                    when 'cancer' then 1
                    when 'precancer' then 2
                    when 'benign' then 3
                    when 'other' then 4
                    when 'negative' then 5
                    else 6
                end,
                pathology.reported_date asc,
                {{ by_bytes('pathology.record_key') }} asc
        ) as severity_rank
    from {{ ref('std_pathology') }} as pathology
    inner join entered
        on
            pathology.person_id = entered.person_id
            and pathology.cancer = entered.cancer
            and pathology.reported_date >= entered.entered_on
    where pathology.reported_date <= {{ as_of_date() }}
),

death as (
    select
        person_id,
        death_date
    from {{ ref('std_death') }}
),

joined as (
    select
        entered.person_id,
        entered.cancer,
        {{ as_of_date() }} as as_of_date,
        person.sex_code,
        {{ age_years('person.birth_date', 'entered.entered_on') }} as age_at_entry_years,
        coalesce(person.residence_county_code, entered.assessment_county_code) as residence_county_code,
        substr(coalesce(person.residence_county_code, entered.assessment_county_code), 1, 4) || '00' as residence_city_code,
        entered.entry_route,
        entered.entered_on,
        entered.channel,
        entered.organisation_code,
        entered.assessed_on,
        entered.rule_id,
        entered.rule_version,
        entered.verdict,
        entered.score,
        tested.screening_source,
        tested.screened_on,
        tested.fit_on,
        tested.fit_result,
        tested.fit_source,
        tested.colonoscopy_on,
        tested.colonoscopy_result,
        tested.colonoscopy_source,
        coalesce(tested.has_complete_colonoscopy, false) as has_complete_colonoscopy,
        tested.colposcopy_on,
        tested.positive_on,
        tested.suspicious_on,
        tested.first_test_type,
        specimen.reported_date as pathology_on,
        specimen.pathology_class,
        patient.diagnosis_date as diagnosed_on,
        patient.stage_number,
        patient.first_treatment_date as treated_on,
        patient.last_follow_up_date as followed_up_on,
        death.death_date as died_on,
        entered.entry_route = 'assessment' and entered.verdict = 'high_risk' as is_high_risk
    from entered
    left join {{ ref('std_person') }} as person on entered.person_id = person.person_id
    left join tested on entered.person_id = tested.person_id and entered.cancer = tested.cancer
    left join read_specimen as specimen
        on entered.person_id = specimen.person_id and entered.cancer = specimen.cancer and specimen.severity_rank = 1
    left join patient on entered.person_id = patient.person_id and entered.cancer = patient.cancer
    left join death on entered.person_id = death.person_id
),

-- The furthest step reached; a later step stands for those before it.
final as (
    select
        joined.*,
        case
            when treated_on is not null and followed_up_on >= treated_on then 'followed_up'
            when treated_on is not null then 'treated'
            when diagnosed_on is not null and stage_number is not null then 'staged'
            when diagnosed_on is not null then 'diagnosed'
            when pathology_on is not null then 'worked_up'
            when fit_result = 'positive' and colonoscopy_on >= fit_on then 'worked_up'
            when cancer = 'cervix' and colposcopy_on is not null then 'worked_up'
            when positive_on is not null then 'positive'
            when suspicious_on is not null then 'suspicious'
            when screened_on is not null then 'negative'
            when is_high_risk then 'high_risk'
            else 'assessed'
        end as state
    from joined
)

select * from final
