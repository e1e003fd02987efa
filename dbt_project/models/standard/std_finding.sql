-- A lesion seen at colonoscopy: each lesion of a screening form, and the largest one named in a hospital report.
with centre as (
    select
        exam.person_id,
        lesion.screening_no as test_no,
        lesion.lesion_no,
        exam.exam_date as found_on,
        lesion.site_code,
        lesion.lesion_type_code,
        lesion.distance_anus_cm,
        cast(lesion.diameter_cm * 10 as numeric(8, 1)) as diameter_mm,
        lesion.shape_code,
        {{ form_yes('lesion.has_stalk') }} as has_stalk,
        lesion.specimen_no,
        {{ provenance('lesion') }}
    from {{ ref('meta_answer__screening_colonoscopy_lesion') }} as lesion
    inner join {{ ref('meta_answer__screening_colonoscopy') }} as exam
        on
            lesion.source_organisation_code = exam.source_organisation_code
            and lesion.screening_no = exam.screening_no
),

hospital as (
    select
        report.person_id,
        report.report_no as test_no,
        cast(1 as bigint) as lesion_no,
        report.exam_date as found_on,
        cast(null as text) as site_code,
        cast(null as text) as lesion_type_code,
        cast(null as numeric(6, 1)) as distance_anus_cm,
        cast(report.largest_lesion_mm as numeric(8, 1)) as diameter_mm,
        cast(null as text) as shape_code,
        cast(null as boolean) as has_stalk,
        cast(null as text) as specimen_no,
        {{ provenance('report') }}
    from {{ ref('stg_hospital__endoscopy_report') }} as report
    where report.exam_type_code = 'colonoscopy' and report.has_polyp_or_mass
),

finding as (
    select * from centre
    union all
    select * from hospital
),

final as (
    select
        finding.person_id,
        'colorectum' as cancer,
        finding.test_no,
        finding.lesion_no,
        finding.found_on,
        finding.site_code,
        finding.lesion_type_code,
        finding.distance_anus_cm,
        finding.diameter_mm,
        finding.shape_code,
        finding.has_stalk,
        finding.specimen_no,
        source.channel,
        source.screening_source,
        {{ provenance('finding') }}
    from finding
    left join {{ ref('std_source') }} as source
        on
            finding.source_family = source.source_family
            and finding.source_organisation_code = source.source_organisation_code
)

select * from final
