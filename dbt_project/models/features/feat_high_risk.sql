-- A person at high risk for a cancer, with the screening path since the assessment and the state reached.
with path as (
    select *
    from {{ ref('feat_cancer_path') }}
    where is_high_risk
),

final as (
    select
        path.person_id,
        path.cancer,
        path.as_of_date,
        path.sex_code,
        path.age_at_entry_years as age_at_assessment_years,
        path.residence_county_code,
        path.residence_city_code,
        path.channel,
        path.screening_source,
        path.organisation_code as assessment_organisation_code,
        path.assessed_on,
        path.rule_id,
        path.rule_version,
        path.score,
        verdict.score_least,
        verdict.score_most,
        verdict.reasons_zh,
        path.screened_on,
        path.fit_on,
        path.fit_result,
        path.fit_source,
        path.colonoscopy_on,
        path.colonoscopy_result,
        path.colonoscopy_source,
        path.has_complete_colonoscopy,
        path.positive_on,
        path.pathology_on,
        path.pathology_class,
        path.diagnosed_on,
        path.stage_number,
        path.treated_on,
        path.followed_up_on,
        path.died_on,
        path.state,
        {{ days_between('path.assessed_on', 'path.screened_on') }} as days_to_screening,
        {{ days_between('path.positive_on', 'path.diagnosed_on') }} as days_positive_to_diagnosis
    from path
    inner join {{ ref('rule_verdict') }} as verdict
        on
            path.person_id = verdict.person_id
            and path.cancer = verdict.cancer
            and path.rule_id = verdict.rule_id
            and path.rule_version = verdict.rule_version
)

select * from final
