-- A recurrence or metastasis of a treated tumour, as a hospital's follow-up states it; the same event may be stated at several contacts.
with contact as (
    select * from {{ ref('stg_hospital__follow_up') }}
),

stated as (
    select * from contact
    where has_recurrence = '1' or recurrence_kind_code in ('1', '2', '3') or disease_state_code = '5' or metastasis_site_codes is not null
),

final as (
    select
        stated.person_id,
        stated.follow_up_no,
        stated.follow_up_date as stated_on,
        {{ code_key('stated.diagnosis_code') }} as icd10_code,
        tumour.cancer,
        coalesce(stated.recurrence_date, stated.metastasis_date, stated.follow_up_date) as recurred_on,
        stated.recurrence_date is null and stated.metastasis_date is null as is_date_of_contact,
        stated.recurrence_kind_code,
        stated.recurrence_kind_code = '3' or stated.metastasis_site_codes is not null as is_distant,
        stated.metastasis_site_codes,
        {{ provenance('stated') }}
    from stated
    left join {{ ref('seed_code_prefix') }} as tumour
        on
            tumour.code_system = 'icd10'
            and tumour.class in ('malignant', 'in_situ')
            and {{ code_key('stated.diagnosis_code') }} like tumour.prefix || '%'
)

select * from final
