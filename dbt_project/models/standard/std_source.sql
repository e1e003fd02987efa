-- An organisation and feed as a source: the channel of assessment and the screening source that its records stand for.
with delivering as (
    select distinct
        source_family,
        source_organisation_code,
        feed
    from {{ ref('stg_ops__released_batch') }}
),

final as (
    select
        source_family,
        source_organisation_code,
        feed,
        {{ channel_of('source_family') }} as channel,
        case
            when substr(feed, 1, 10) = 'screening_' then {{ screening_source_of('source_family', 'screening_form') }}
            else {{ screening_source_of('source_family', 'clinical') }}
        end as screening_source
    from delivering
)

select * from final
