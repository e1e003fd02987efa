-- A division of GB/T 2260 with the prefecture-level city above it; a city stands for itself.
with division as (
    select
        division_code,
        division_name,
        level_code,
        parent_code,
        is_ugi_high_incidence,
        {{ origin('reference') }},
        row_number() over (
            partition by reference.division_code
            order by reference.delivered_on desc, reference.record_key desc
        ) as version_rank
    from {{ ref('stg_reference__division') }} as reference
),

final as (
    select
        division.division_code,
        division.division_name,
        division.level_code,
        division.parent_code,
        {{ yes('division.is_ugi_high_incidence') }} as is_ugi_high_incidence,
        city.division_code as city_code,
        city.division_name as city_name,
        {{ origin('division') }}
    from division
    left join division as city
        on
            substr(division.division_code, 1, 4) || '00' = city.division_code
            and city.level_code = 'prefecture'
            and city.version_rank = 1
    where division.version_rank = 1
)

select * from final
