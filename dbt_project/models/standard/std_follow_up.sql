-- A follow-up contact: of a patient by a hospital, or of a screened person by the screening centre.
with hospital as (
    select
        contact.person_id,
        'hospital_follow_up' as follow_up_source,
        contact.follow_up_no,
        contact.follow_up_date,
        contact.follow_up_date as last_contact_date,
        contact.follow_up_mode_code,
        {{ yes('contact.is_lost') }} as is_lost,
        contact.vital_status_code,
        {{ yes('contact.has_recurrence') }} as has_recurrence,
        contact.karnofsky_score,
        contact.next_date,
        cast(null as text) as treatment_state_code,
        {{ provenance('contact') }}
    from {{ ref('stg_hospital__follow_up') }} as contact
),

centre as (
    select
        answer.person_id,
        'screening_follow_up' as follow_up_source,
        answer.follow_up_no,
        answer.follow_up_date,
        coalesce(answer.contact_date, answer.follow_up_date) as last_contact_date,
        cast(null as text) as follow_up_mode_code,
        {{ form_yes('answer.is_lost') }} as is_lost,
        answer.vital_status_code,
        cast(null as boolean) as has_recurrence,
        cast(null as bigint) as karnofsky_score,
        cast(null as date) as next_date,
        answer.treatment_state_code,
        {{ provenance('answer') }}
    from {{ ref('meta_answer__screening_follow_up') }} as answer
),

contact as (
    select * from hospital
    union all
    select * from centre
),

final as (
    select
        contact.person_id,
        contact.follow_up_source,
        contact.follow_up_no,
        contact.follow_up_date,
        contact.last_contact_date,
        contact.follow_up_mode_code,
        contact.is_lost,
        contact.vital_status_code,
        contact.has_recurrence,
        contact.karnofsky_score,
        contact.next_date,
        contact.treatment_state_code,
        source.channel,
        source.screening_source,
        {{ provenance('contact') }}
    from contact
    left join {{ ref('std_source') }} as source
        on
            contact.source_family = source.source_family
            and contact.source_organisation_code = source.source_organisation_code
)

select * from final
