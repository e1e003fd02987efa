-- The stage of a person's tumour from the TNM parts of one pathology report: the most complete, then the latest.
-- Metastasis that is not reported counts as M0 beside a known T and N. A part without its letter stands for all its letters, a finer part
-- for the coarser one of the table; where parts, histology or basis lead to several stages, the number they share remains, or nothing.
{%- set parts = [('t_category', 't_category'), ('n_category', 'n_category'), ('m_category', 'm_used')] %}
with report as (
    select
        pathology.person_id,
        pathology.cancer,
        pathology.site,
        pathology.reported_date as staged_on,
        pathology.tnm_prefix,
        pathology.t_category,
        pathology.n_category,
        pathology.m_category,
        case
            when pathology.m_category is not null and pathology.m_category <> 'Mx' then pathology.m_category
            when pathology.n_category is not null then 'M0'
        end as m_used,
        case coalesce(pathology.tnm_prefix, 'p') when 'c' then 'c' when 'yp' then 'yp' else 'p' end as basis_used,
        case
            when substr(pathology.histology_code, 1, 3) in ('805', '806', '807', '808') then 'squamous'
            when substr(pathology.histology_code, 1, 3) between '814' and '838' then 'glandular'
            when substr(pathology.histology_code, 1, 3) in ('848', '849', '850', '852') then 'glandular'
        end as histology_group,
        row_number() over (
            partition by pathology.person_id, pathology.cancer
            order by
                case when pathology.n_category is not null then 0 else 1 end,
                case when pathology.m_category is not null then 0 else 1 end,
                pathology.reported_date desc,
                {{ by_bytes('pathology.record_key') }} desc
        ) as report_rank,
        pathology.channel,
        pathology.screening_source,
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

-- Rows of the table that may apply, and how far each is from what was reported: 0 where the parts are the same.
possible as (
    select
        chosen.person_id,
        chosen.cancer,
        stage_group.stage,
        stage_group.stage_number,
        {%- for part, used in parts %}
        case
            when lower(stage_group.{{ part }}) = lower(chosen.{{ used }}) then 0
            when lower(stage_group.{{ part }}) like lower(chosen.{{ used }}) || '%' then 1
            when stage_group.{{ part }} = 'any' then 2
            else 3
        end{{ ' +' if not loop.last }}
        {%- endfor %} as distance
    from chosen
    inner join {{ ref('seed_tnm_stage_group') }} as stage_group
        on
            chosen.cancer = stage_group.cancer
            and chosen.site = stage_group.site
            and stage_group.basis in ('any', chosen.basis_used)
            and stage_group.histology_group in ('any', coalesce(chosen.histology_group, stage_group.histology_group))
            {%- for part, used in parts %}
            and {{ stage_part_fits('stage_group.' ~ part, 'chosen.' ~ used) }}
            {%- endfor %}
),

nearest as (
    select
        possible.*,
        min(possible.distance) over (partition by possible.person_id, possible.cancer) as least_distance
    from possible
),

candidate as (
    select
        person_id,
        cancer,
        min(stage) as first_stage,
        max(stage) as last_stage,
        min(stage_number) as first_number,
        max(stage_number) as last_number
    from nearest
    where distance = least_distance
    group by person_id, cancer
),

final as (
    select
        chosen.person_id,
        chosen.cancer,
        chosen.site,
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
        chosen.channel,
        chosen.screening_source,
        chosen.record_key
    from chosen
    left join candidate on chosen.person_id = candidate.person_id and chosen.cancer = candidate.cancer
)

select * from final
