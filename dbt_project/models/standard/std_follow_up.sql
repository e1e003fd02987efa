-- A follow-up contact: of a patient by a hospital, or of a screened person by whoever screened.
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
        contact.disease_state_code,
        contact.karnofsky_score,
        contact.ecog_score,
        contact.next_date,
        cast(null as text) as treatment_state_code,
        cast(null as text) as work_up_state_code,
        contact.closing_reason_name,
        {{ provenance('contact') }}
    from {{ ref('stg_hospital__follow_up') }} as contact
),

screening as (
    select
        answer.person_id,
        'screening_follow_up' as follow_up_source,
        answer.follow_up_no,
        answer.follow_up_date,
        coalesce(answer.contact_date, answer.follow_up_date) as last_contact_date,
        cast(null as text) as follow_up_mode_code,
        {{ coded_yes('yes_no_form', 'answer.is_lost') }} as is_lost,
        answer.vital_status_code,
        cast(null as boolean) as has_recurrence,
        cast(null as text) as disease_state_code,
        cast(null as bigint) as karnofsky_score,
        cast(null as bigint) as ecog_score,
        cast(null as date) as next_date,
        answer.treatment_state_code,
        answer.work_up_state_code,
        cast(null as text) as closing_reason_name,
        {{ provenance('answer') }}
    from {{ ref('meta_answer__screening_follow_up') }} as answer
),

final as (
    select * from hospital
    union all
    select * from screening
)

select * from final
