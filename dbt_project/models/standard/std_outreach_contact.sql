-- A person brought by an outreach activity: when, how, and what came of it.
with contact as (
    select * from {{ ref('stg_national_platform__outreach_contact') }}
),

activity as (
    select
        source_organisation_code,
        activity_no,
        activity_kind_code,
        organisation_code,
        county_code
    from {{ ref('stg_national_platform__outreach_activity') }}
),

final as (
    select
        contact.person_id,
        contact.contact_no,
        contact.activity_no,
        activity.activity_kind_code,
        activity.organisation_code,
        activity.county_code,
        contact.contact_date,
        contact.contact_way_code,
        contact.response_code,
        contact.response_code = 'assessed' as has_led_to_assessment,
        contact.survey_no,
        contact.staff_code,
        {{ provenance('contact') }}
    from contact
    left join activity
        on
            contact.source_organisation_code = activity.source_organisation_code
            and contact.activity_no = activity.activity_no
)

select * from final
