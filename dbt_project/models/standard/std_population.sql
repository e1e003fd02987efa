-- People living in a county, by year, kind of population, sex and five-year age group.
with counted as (
    select * from {{ ref('stg_registry__population') }}
),

final as (
    select
        counted.population_year,
        counted.population_kind_code,
        counted.county_code,
        case when counted.county_code is not null then substr(counted.county_code, 1, 4) || '00' end as city_code,
        counted.sex_code,
        counted.age_group_code,
        cast(counted.age_group_code as integer) as age_from_years,
        counted.people_count,
        counted.published_date,
        {{ origin('counted') }}
    from counted
)

select * from final
