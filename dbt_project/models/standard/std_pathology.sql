-- A pathology result of the large bowel: a specimen of a screening form (coded), or a hospital report (structured from its text).
-- The worse of code and physician's flag counts: cancer, then precancer.
with centre as (
    select
        exam.person_id,
        pathology.specimen_no as report_no,
        pathology.screening_no as test_no,
        pathology.reported_date,
        pathology.pathology_code,
        cast(null as text) as site_icd10_code,
        cast(null as text) as histology_code,
        case
            when pathology.is_cancer = '1' or class.class = 'cancer' then 'cancer'
            when pathology.is_precancer = '1' or class.class = 'precancer' then 'precancer'
            else class.class
        end as pathology_class,
        cast(null as text) as tnm_prefix,
        cast(null as text) as t_category,
        cast(null as text) as n_category,
        cast(null as text) as m_category,
        cast(null as bigint) as nodes_positive,
        cast(null as bigint) as nodes_examined,
        {{ provenance('pathology') }}
    from {{ ref('meta_answer__screening_crc_pathology') }} as pathology
    inner join {{ ref('meta_answer__screening_colonoscopy') }} as exam
        on
            pathology.source_organisation_code = exam.source_organisation_code
            and pathology.screening_no = exam.screening_no
    left join {{ ref('seed_code_class') }} as class
        on class.code_list = 'colorectal_pathology' and pathology.pathology_code = class.code
),

hospital as (
    select
        report.person_id,
        report.report_no,
        cast(null as text) as test_no,
        report.reported_date,
        cast(null as text) as pathology_code,
        report.site_icd10_code,
        report.histology_code,
        coalesce(class.class, 'other') as pathology_class,
        report.tnm_prefix,
        report.t_category,
        report.n_category,
        report.m_category,
        report.nodes_positive,
        report.nodes_examined,
        {{ provenance('report') }}
    from {{ ref('stg_hospital__pathology_report') }} as report
    inner join {{ ref('seed_code_prefix') }} as site
        on
            site.code_system = 'icd10'
            and site.cancer = 'colorectum'
            and report.site_icd10_code like site.prefix || '%'
    left join {{ ref('seed_code_class') }} as class
        on
            class.code_list = 'histology_behaviour'
            and split_part(report.histology_code, '/', 2) = class.code
),

pathology as (
    select * from centre
    union all
    select * from hospital
),

final as (
    select
        pathology.person_id,
        'colorectum' as cancer,
        pathology.report_no,
        pathology.test_no,
        pathology.reported_date,
        pathology.pathology_code,
        pathology.site_icd10_code,
        pathology.histology_code,
        pathology.pathology_class,
        pathology.tnm_prefix,
        pathology.t_category,
        pathology.n_category,
        pathology.m_category,
        pathology.nodes_positive,
        pathology.nodes_examined,
        source.channel,
        source.screening_source,
        {{ provenance('pathology') }}
    from pathology
    left join {{ ref('std_source') }} as source
        on
            pathology.source_family = source.source_family
            and pathology.source_organisation_code = source.source_organisation_code
)

select * from final
