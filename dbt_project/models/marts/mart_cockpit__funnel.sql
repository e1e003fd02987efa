-- The funnel: people by the month in which they entered, the way they came, who brought them and where they live, and how many of
-- them reached each step by as_of_date. Every person stands in one row per cancer, so that sums over any column are people.
with path as (
    select
        feat_cancer_path.*,
        coalesce(channel, 'none') as channel_key,
        coalesce(screening_source, 'none') as source_key,
        coalesce(residence_county_code, '000000') as county_code,
        coalesce(residence_city_code, '000000') as city_code
    from {{ ref('feat_cancer_path') }} as feat_cancer_path
),

counted as (
    select
        cancer,
        city_code,
        county_code,
        organisation_code,
        channel_key as channel,
        source_key as screening_source,
        {{ month_of('entered_on') }} as month,
        as_of_date,
        cast(count(*) as bigint) as entered,
        {{ count_if("entry_route = 'assessment'") }} as assessed,
        {{ count_if("entry_route = 'test'") }} as entered_by_test,
        {{ count_if("entry_route = 'diagnosis'") }} as entered_by_diagnosis,
        {{ count_if("is_high_risk") }} as high_risk,
        {{ count_if("entry_route = 'assessment' and verdict = 'not_high_risk'") }} as not_high_risk,
        {{ count_if("entry_route = 'assessment' and verdict = 'undetermined'") }} as undetermined,
        {{ count_if("entry_route = 'assessment' and verdict = 'not_eligible'") }} as not_eligible,
        {{ count_if("screened_on is not null") }} as screened,
        {{ count_if("fit_on is not null") }} as screened_fit,
        {{ count_if("colonoscopy_on is not null") }} as screened_colonoscopy,
        {{ count_if("is_high_risk and screened_on is not null") }} as high_risk_screened,
        {{ count_if("is_high_risk and colonoscopy_on is not null") }} as high_risk_colonoscopy,
        {{ count_if("positive_on is not null") }} as positive,
        {{ count_if("screened_on is not null and positive_on is null") }} as negative,
        {{ count_if("positive_on is null and suspicious_on is not null") }} as suspicious,
        {{ count_if("pathology_on is not null") }} as pathology,
        {{ count_if("pathology_class = 'precancer'") }} as precancer,
        {{ count_if("diagnosed_on is not null") }} as diagnosed,
        {{ count_if("is_high_risk and diagnosed_on is not null") }} as high_risk_diagnosed,
        {{ count_if("diagnosed_on is not null and stage_number is not null") }} as staged,
        {{ count_if("treated_on is not null") }} as treated
    from path
    group by cancer, city_code, county_code, organisation_code, channel_key, source_key, {{ month_of('entered_on') }}, as_of_date
),

cancer_name as (
    select
        code,
        name_zh
    from {{ ref('meta_code_list') }}
    where code_list = 'cancer'
),

channel_name as (
    select
        code,
        name_zh
    from {{ ref('meta_code_list') }}
    where code_list = 'channel'
),

source_name as (
    select
        code,
        name_zh
    from {{ ref('meta_code_list') }}
    where code_list = 'screening_source'
),

final as (
    select
        counted.cancer,
        cancer_name.name_zh as cancer_name,
        counted.city_code,
        coalesce(city.division_name, '未知') as city_name,
        counted.county_code,
        coalesce(county.division_name, '未知') as county_name,
        counted.organisation_code,
        coalesce(organisation.organisation_name, counted.organisation_code) as organisation_name,
        counted.channel,
        coalesce(channel_name.name_zh, '仅登记来源') as channel_name,
        counted.screening_source,
        coalesce(source_name.name_zh, '未筛查') as screening_source_name,
        counted.month,
        counted.as_of_date,
        counted.entered,
        counted.assessed,
        counted.entered_by_test,
        counted.entered_by_diagnosis,
        counted.high_risk,
        counted.not_high_risk,
        counted.undetermined,
        counted.not_eligible,
        counted.screened,
        counted.screened_fit,
        counted.screened_colonoscopy,
        counted.high_risk_screened,
        counted.high_risk_colonoscopy,
        counted.positive,
        counted.negative,
        counted.suspicious,
        counted.pathology,
        counted.precancer,
        counted.diagnosed,
        counted.high_risk_diagnosed,
        counted.staged,
        counted.treated
    from counted
    left join cancer_name on counted.cancer = cancer_name.code
    left join {{ ref('std_division') }} as city on counted.city_code = city.division_code
    left join {{ ref('std_division') }} as county on counted.county_code = county.division_code
    left join {{ ref('std_organisation') }} as organisation on counted.organisation_code = organisation.organisation_code
    left join channel_name on counted.channel = channel_name.code
    left join source_name on counted.screening_source = source_name.code
)

select * from final
