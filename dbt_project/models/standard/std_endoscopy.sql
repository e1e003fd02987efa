-- An endoscopy: a hospital's report (structured from its text) or a form of the programme (colonoscopy, upper-GI endoscopy, colposcopy).
with said as (
    {{ report_values(
        'endoscopy_report',
        numbers=['largest_lesion_mm'],
        truths=['reached_caecum', 'has_polyp_or_mass', 'oesophageal_lesion_found', 'gastric_lesion_found']
    ) | indent(4) }}
),

lesion as (
    select
        record_key,
        max(length_mm) as largest_lesion_mm
    from {{ ref('std_report_lesion') }}
    where feed = 'endoscopy_report'
    group by record_key
),

-- A colonoscopy that came to the caecum and names no lesion saw none.
hospital as (
    select
        report.person_id,
        'endoscopy_report' as endoscopy_source,
        report.report_no as test_no,
        report.exam_type_code,
        coalesce(report.exam_date, report.reported_date) as exam_date,
        true as is_done,
        said.reached_caecum as is_complete,
        case report.exam_type_code
            when 'colonoscopy' then coalesce(said.has_polyp_or_mass, case when said.reached_caecum then lesion.record_key is not null end)
            when 'gastroscopy'
                then case
                    when said.oesophageal_lesion_found or said.gastric_lesion_found then true
                    when said.oesophageal_lesion_found is not null or said.gastric_lesion_found is not null then false
                end
        end as has_lesion,
        {{ yes('report.is_positive') }} as is_positive,
        {{ yes('report.has_biopsy') }} as has_biopsy,
        {{ yes('report.is_sedated') }} as is_sedated,
        cast(coalesce(said.largest_lesion_mm, lesion.largest_lesion_mm) as numeric(6, 1)) as largest_lesion_mm,
        cast(null as text) as result_code,
        report.doctor_code,
        {{ provenance('report') }}
    from {{ ref('stg_hospital__endoscopy_report') }} as report
    left join said on report.record_key = said.record_key
    left join lesion on report.record_key = lesion.record_key
),

-- Complete: the caecum was reached with a preparation that was not unsatisfactory.
colonoscopy as (
    select
        form.person_id,
        'screening_colonoscopy' as endoscopy_source,
        form.screening_no as test_no,
        'colonoscopy' as exam_type_code,
        form.exam_date,
        {{ coded_yes('yes_no_form', 'form.colonoscopy_done') }} as is_done,
        case
            when form.colonoscopy_done <> '1' then false
            when form.depth_code in ('1', '2') then form.bowel_preparation_code <> '3'
            when form.depth_code is not null then false
        end as is_complete,
        case
            when form.polyp_found = '1' or form.other_lesion_found = '1' then true
            when form.polyp_found = '2' and form.other_lesion_found = '2' then false
        end as has_lesion,
        cast(null as boolean) as is_positive,
        {{ coded_yes('yes_no_form', 'form.pathology_taken') }} as has_biopsy,
        {{ coded_yes('yes_no_form', 'form.is_sedated') }} as is_sedated,
        cast(null as numeric(6, 1)) as largest_lesion_mm,
        form.result_code,
        form.doctor_code,
        {{ provenance('form') }}
    from {{ ref('meta_answer__screening_colonoscopy') }} as form
),

upper_gi as (
    select
        form.person_id,
        'screening_ugi_endoscopy' as endoscopy_source,
        form.screening_no as test_no,
        'gastroscopy' as exam_type_code,
        form.exam_date,
        true as is_done,
        cast(null as boolean) as is_complete,
        case
            when '1' in (form.oesophageal_lesion_found, form.gastric_lesion_found) then true
            when form.oesophageal_lesion_found = '2' and form.gastric_lesion_found = '2' then false
        end as has_lesion,
        cast(null as boolean) as is_positive,
        {{ coded_yes('absent0_present1', 'form.pathology_taken') }} as has_biopsy,
        cast(null as boolean) as is_sedated,
        cast(null as numeric(6, 1)) as largest_lesion_mm,
        form.result_code,
        form.doctor_code,
        {{ provenance('form') }}
    from {{ ref('meta_answer__screening_ugi_endoscopy') }} as form
),

colposcopy as (
    select
        form.person_id,
        'screening_colposcopy' as endoscopy_source,
        form.screening_no as test_no,
        'colposcopy' as exam_type_code,
        form.exam_date,
        true as is_done,
        case form.adequacy_code when '1' then true when '2' then false end as is_complete,
        cast(null as boolean) as has_lesion,
        cast(null as boolean) as is_positive,
        {{ coded_yes('no1_yes2', 'form.biopsy_taken') }} as has_biopsy,
        cast(null as boolean) as is_sedated,
        cast(null as numeric(6, 1)) as largest_lesion_mm,
        form.impression_code as result_code,
        form.doctor_code,
        {{ provenance('form') }}
    from {{ ref('meta_answer__screening_colposcopy') }} as form
),

endoscopy as (
    select * from hospital
    union all
    select * from colonoscopy
    union all
    select * from upper_gi
    union all
    select * from colposcopy
),

final as (
    select
        endoscopy.person_id,
        endoscopy.endoscopy_source,
        endoscopy.test_no,
        endoscopy.exam_type_code,
        case endoscopy.exam_type_code
            when 'colonoscopy' then 'colorectum'
            when 'gastroscopy' then 'upper_gi'
            when 'colposcopy' then 'cervix'
            when 'bronchoscopy' then 'lung'
        end as cancer,
        endoscopy.exam_date,
        endoscopy.is_done,
        endoscopy.is_complete,
        endoscopy.has_lesion,
        endoscopy.is_positive,
        endoscopy.has_biopsy,
        endoscopy.is_sedated,
        endoscopy.largest_lesion_mm,
        endoscopy.result_code,
        endoscopy.doctor_code,
        {{ provenance('endoscopy') }}
    from endoscopy
)

select * from final
