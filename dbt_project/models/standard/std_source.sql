-- An organisation as a source: the channel of assessment and the screening source that its records stand for.
-- The organisation's registered kind decides; an organisation that is not registered counts as the first kind of its source family.
with delivering as (
    select distinct
        source_family,
        source_organisation_code
    from {{ ref('stg_ops__released_batch') }}
),

registered as (
    select
        organisation_code,
        min(organisation_type_code) as organisation_type_code
    from {{ ref('stg_reference__organisation') }}
    group by organisation_code
),

role as (
    select
        source_family,
        organisation_type_code,
        channel,
        screening_source
    from {{ ref('seed_source_role') }}
),

family_role as (
    select
        source_family,
        min(organisation_type_code) as organisation_type_code
    from role
    group by source_family
),

default_role as (
    select
        role.source_family,
        role.channel,
        role.screening_source
    from role
    inner join family_role
        on
            role.source_family = family_role.source_family
            and role.organisation_type_code = family_role.organisation_type_code
),

final as (
    select
        delivering.source_family,
        delivering.source_organisation_code,
        registered.organisation_type_code,
        case when role.source_family is null then default_role.channel else role.channel end as channel,
        case when role.source_family is null then default_role.screening_source else role.screening_source end as screening_source
    from delivering
    left join registered on delivering.source_organisation_code = registered.organisation_code
    left join role
        on
            delivering.source_family = role.source_family
            and registered.organisation_type_code = role.organisation_type_code
    left join default_role on delivering.source_family = default_role.source_family
)

select * from final
