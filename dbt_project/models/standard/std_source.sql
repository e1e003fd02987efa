-- An organisation as a source: the channel of assessment and the screening source that its records stand for.
-- The organisation's registered kind decides; an organisation that is not registered counts as its family's default kind.
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
        nullif(channel, '') as channel,
        nullif(screening_source, '') as screening_source
    from {{ ref('seed_source_role') }}
),

default_role as (
    select
        source_family,
        nullif(channel, '') as channel,
        nullif(screening_source, '') as screening_source
    from {{ ref('seed_source_role') }}
    where is_default = 'yes'
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
