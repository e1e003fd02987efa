-- The stage of a person's tumour from the TNM parts of one pathology report: the most complete, then the latest.
-- AJCC 8: metastasis that is not reported counts as M0 beside a known T and N. A part without its letter stands for all its letters;
-- where these lead to several stages, the number they share remains, or nothing.
with report as (
    select
        pathology.person_id,
        pathology.cancer,
        pathology.reported_date as staged_on,
        pathology.tnm_prefix,
        pathology.t_category,
        pathology.n_category,
        pathology.m_category,
        case
            when pathology.m_category is not null and pathology.m_category <> 'Mx' then pathology.m_category
            when pathology.n_category is not null then 'M0'
        end as m_used,
        row_number() over (
            partition by pathology.person_id, pathology.cancer
            order by
                case when pathology.n_category is not null then 0 else 1 end,
                case when pathology.m_category is not null then 0 else 1 end,
                pathology.reported_date desc,
                {{ by_bytes('pathology.record_key') }} desc
        ) as report_rank,
        pathology.record_key
    from {{ ref('std_pathology') }} as pathology
    where
        pathology.person_id is not null
        and pathology.t_category is not null
        and pathology.reported_date <= {{ as_of_date() }}
),

chosen as (
    select * from report
    where report_rank = 1
),

candidate as (
    select
        chosen.person_id,
        chosen.cancer,
        min(stage_group.stage) as first_stage,
        max(stage_group.stage) as last_stage,
        min(stage_group.stage_number) as first_number,
        max(stage_group.stage_number) as last_number
    from chosen
    inner join {{ ref('seed_tnm_stage_group') }} as stage_group
        on
            chosen.cancer = stage_group.cancer
            and (stage_group.t_category = 'any' or stage_group.t_category like chosen.t_category || '%')
            and (stage_group.n_category = 'any' or stage_group.n_category like chosen.n_category || '%')
            and stage_group.m_category like chosen.m_used || '%'
    group by chosen.person_id, chosen.cancer
),

final as (
    select
        chosen.person_id,
        chosen.cancer,
        chosen.staged_on,
        chosen.tnm_prefix,
        chosen.t_category,
        chosen.n_category,
        chosen.m_category,
        coalesce(chosen.m_used = 'M0' and (chosen.m_category is null or chosen.m_category = 'Mx'), false) as is_m_assumed,
        case
            when candidate.first_stage = candidate.last_stage then candidate.first_stage
            when candidate.first_number = candidate.last_number then candidate.first_number
        end as stage,
        case when candidate.first_number = candidate.last_number then candidate.first_number end as stage_number,
        chosen.record_key
    from chosen
    left join candidate on chosen.person_id = candidate.person_id and chosen.cancer = candidate.cancer
)

select * from final
