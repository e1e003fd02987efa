-- An outreach activity of the residents' platform: what was done where, for whom, and how many it reached.
with activity as (
    select * from {{ ref('stg_national_platform__outreach_activity') }}
),

final as (
    select
        activity.activity_no,
        activity.activity_name,
        activity.activity_kind_code,
        activity.start_date,
        activity.end_date,
        activity.organisation_code,
        activity.county_code,
        activity.cancer_codes,
        activity.planned_count,
        activity.reached_count,
        activity.staff_count,
        {{ provenance('activity') }}
    from activity
)

select * from final
