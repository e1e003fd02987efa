-- An organisation of the register; where two deliveries describe it, the newer.
with ranked as (
    select
        organisation_code,
        organisation_name,
        organisation_type_code,
        county_code,
        parent_organisation_code,
        {{ origin('reference') }},
        row_number() over (
            partition by reference.organisation_code
            order by reference.delivered_on desc, reference.record_key desc
        ) as version_rank
    from {{ ref('stg_reference__organisation') }} as reference
),

final as (
    select
        organisation_code,
        organisation_name,
        organisation_type_code,
        county_code,
        case when county_code is not null then substr(county_code, 1, 4) || '00' end as city_code,
        parent_organisation_code,
        {{ origin('ranked') }}
    from ranked
    where version_rank = 1
)

select * from final
