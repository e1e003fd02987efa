-- The death of a person: date of the most trusted source known by as_of_date, and the cause of the most trusted source that states one.
with report as (
    select
        reported.*,
        row_number() over (
            partition by reported.person_id
            order by
                reported.source_rank asc,
                reported.death_date asc,
                {{ by_bytes('reported.record_key') }} asc
        ) as date_rank,
        row_number() over (
            partition by reported.person_id
            order by
                case when reported.cause_icd10_code is null then 1 else 0 end,
                reported.source_rank asc,
                reported.death_date asc,
                {{ by_bytes('reported.record_key') }} asc
        ) as cause_rank
    from {{ ref('std_death_report') }} as reported
    where
        reported.person_id is not null
        and reported.death_date <= {{ as_of_date() }}
),

spread as (
    select
        person_id,
        cast(count(distinct death_source) as integer) as source_count,
        min(death_date) as earliest_date,
        max(death_date) as latest_date
    from report
    group by person_id
),

final as (
    select
        best.person_id,
        best.death_date,
        best.death_source,
        cause.cause_icd10_code,
        cause.cause_cancer,
        cause.death_source as cause_source,
        spread.source_count,
        spread.earliest_date <> spread.latest_date as is_date_contradictory,
        {{ provenance('best') }}
    from report as best
    inner join report as cause on best.person_id = cause.person_id and cause.cause_rank = 1
    inner join spread on best.person_id = spread.person_id
    where best.date_rank = 1
)

select * from final
