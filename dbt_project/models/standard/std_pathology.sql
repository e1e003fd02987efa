-- A pathology result of one of the six cancers' organs: a specimen of a programme form (coded), or a hospital's report (structured from its
-- text, beside what was entered). The worse of code and physician's flag counts: cancer, then precancer.
with class as (
    select
        code_list,
        code,
        class
    from {{ ref('seed_code_class') }}
),

colorectal as (
    select
        exam.person_id,
        'colorectum' as cancer,
        'colorectum' as site,
        'screening_crc_pathology' as pathology_source,
        specimen.specimen_no as report_no,
        specimen.screening_no as test_no,
        specimen.reported_date,
        specimen.pathology_code,
        case
            when specimen.is_cancer = '1' or class.class = 'cancer' then 'cancer'
            when specimen.is_precancer = '1' or class.class = 'precancer' then 'precancer'
            else class.class
        end as pathology_class,
        {{ provenance('specimen') }}
    from {{ ref('meta_answer__screening_crc_pathology') }} as specimen
    inner join {{ ref('meta_answer__screening_colonoscopy') }} as exam
        on
            specimen.source_organisation_code = exam.source_organisation_code
            and specimen.screening_no = exam.screening_no
    left join class on class.code_list = 'colorectal_pathology' and specimen.pathology_code = class.code
),

place as (
    {{ positions(20) }}
),

-- A specimen of the upper tract may carry several codes: the worst counts.
upper_gi_code as (
    select
        specimen.record_key,
        min(case class.class
            when 'cancer' then 1
            when 'precancer' then 2
            when 'benign' then 3
            when 'other' then 4
            when 'negative' then 5
            when 'insufficient' then 6
        end) as severity
    from {{ ref('meta_answer__screening_ugi_pathology') }} as specimen
    inner join place on place.position <= {{ list_length('specimen.pathology_codes') }}
    inner join class
        on class.code_list = 'upper_gi_pathology' and {{ list_item('specimen.pathology_codes', 'place.position') }} = class.code
    group by specimen.record_key
),

upper_gi as (
    select
        exam.person_id,
        'upper_gi' as cancer,
        case specimen.organ_code when '1' then 'stomach' when '2' then 'oesophagus' end as site,
        'screening_ugi_pathology' as pathology_source,
        specimen.specimen_no as report_no,
        specimen.screening_no as test_no,
        specimen.reported_date,
        specimen.pathology_codes as pathology_code,
        case code.severity
            when 1 then 'cancer'
            when 2 then 'precancer'
            when 3 then 'benign'
            when 4 then 'other'
            when 5 then 'negative'
            when 6 then 'insufficient'
        end as pathology_class,
        {{ provenance('specimen') }}
    from {{ ref('meta_answer__screening_ugi_pathology') }} as specimen
    inner join {{ ref('meta_answer__screening_ugi_endoscopy') }} as exam
        on
            specimen.source_organisation_code = exam.source_organisation_code
            and specimen.screening_no = exam.screening_no
    left join upper_gi_code as code on specimen.record_key = code.record_key
),

cervix_exam as (
    select
        source_organisation_code,
        screening_no,
        min(person_id) as person_id
    from {{ ref('meta_answer__screening_colposcopy') }}
    group by source_organisation_code, screening_no
),

cervix as (
    select
        exam.person_id,
        'cervix' as cancer,
        'cervix' as site,
        'screening_cervical_histology' as pathology_source,
        specimen.specimen_no as report_no,
        specimen.screening_no as test_no,
        specimen.reported_date,
        specimen.histology_code as pathology_code,
        class.class as pathology_class,
        {{ provenance('specimen') }}
    from {{ ref('meta_answer__screening_cervical_histology') }} as specimen
    inner join cervix_exam as exam
        on
            specimen.source_organisation_code = exam.source_organisation_code
            and specimen.screening_no = exam.screening_no
    left join class on class.code_list = 'cervical_histology' and specimen.histology_code = class.code
),

form as (
    select * from colorectal
    union all
    select * from upper_gi
    union all
    select * from cervix
),

form_result as (
    select
        form.person_id,
        form.cancer,
        form.site,
        form.pathology_source,
        form.report_no,
        form.test_no,
        form.reported_date,
        form.pathology_code,
        cast(null as text) as pathology_kind_code,
        cast(null as text) as site_icd10_code,
        cast(null as text) as histology_code,
        form.pathology_class,
        cast(null as text) as differentiation_code,
        cast(null as numeric(6, 1)) as tumour_size_mm,
        cast(null as text) as tnm_prefix,
        cast(null as text) as t_category,
        cast(null as text) as n_category,
        cast(null as text) as m_category,
        cast(null as text) as stage_group,
        cast(null as bigint) as nodes_positive,
        cast(null as bigint) as nodes_examined,
        cast(null as text) as margin_status_code,
        {{ provenance('form') }}
    from form
),

report as (
    select * from {{ ref('stg_hospital__pathology_report') }}
),

said as (
    {{ report_values(
        'pathology_report',
        texts=[
            'site_icd10_code', 'histology_code', 'differentiation_code', 'tnm_prefix', 't_category', 'n_category', 'm_category', 'margin_status_code',
            'bethesda_code'
        ],
        numbers=['nodes_positive', 'nodes_examined', 'tumour_size_mm']
    ) | indent(4) }}
),

organ as (
    select
        prefix,
        cancer,
        site
    from {{ ref('seed_code_prefix') }}
    where code_system = 'icd10' and class in ('malignant', 'in_situ')
),

-- The organ is what the text says; where it says none, what the pathology system entered. Cytology alone (Bethesda) is no pathology.
placed as (
    select
        report.*,
        said.site_icd10_code,
        said.tnm_prefix,
        said.t_category,
        said.n_category,
        said.m_category,
        said.nodes_positive,
        said.nodes_examined,
        said.tumour_size_mm as said_size_mm,
        said.differentiation_code as said_differentiation_code,
        said.margin_status_code as said_margin_status_code,
        coalesce(organ.cancer, entered.class) as cancer,
        coalesce(organ.site, case when entered.class is not null then report.specimen_site_code end) as site,
        coalesce(said.histology_code, {{ code_key('report.entered_morphology_code') }}) as morphology_code
    from report
    left join said on report.record_key = said.record_key
    left join organ
        on
            said.site_icd10_code like organ.prefix || '%'
            and (said.histology_code is not null or said.bethesda_code is null)
    left join class as entered on entered.code_list = 'pathology_site' and report.specimen_site_code = entered.code
),

hospital as (
    select
        placed.person_id,
        placed.cancer,
        placed.site,
        'pathology_report' as pathology_source,
        placed.report_no,
        cast(null as text) as test_no,
        placed.reported_date,
        cast(null as text) as pathology_code,
        placed.pathology_kind_code,
        placed.site_icd10_code,
        placed.morphology_code as histology_code,
        coalesce(class.class, 'other') as pathology_class,
        coalesce(placed.differentiation_code, placed.said_differentiation_code) as differentiation_code,
        cast(coalesce(placed.tumour_size_mm, placed.said_size_mm) as numeric(6, 1)) as tumour_size_mm,
        placed.tnm_prefix,
        coalesce(placed.t_category, placed.entered_t_category) as t_category,
        coalesce(placed.n_category, placed.entered_n_category) as n_category,
        coalesce(placed.m_category, placed.entered_m_category) as m_category,
        placed.entered_stage_group as stage_group,
        coalesce(cast(placed.nodes_positive as bigint), placed.entered_nodes_positive) as nodes_positive,
        coalesce(cast(placed.nodes_examined as bigint), placed.entered_nodes_examined) as nodes_examined,
        coalesce(placed.margin_status_code, placed.said_margin_status_code) as margin_status_code,
        {{ provenance('placed') }}
    from placed
    left join class
        on
            'histology_behaviour.' || placed.cancer = class.code_list
            and split_part(placed.morphology_code, '/', 2) = class.code
    where placed.cancer is not null
),

pathology as (
    select * from form_result
    union all
    select * from hospital
),

final as (
    select
        pathology.person_id,
        pathology.cancer,
        pathology.site,
        pathology.pathology_source,
        pathology.report_no,
        pathology.test_no,
        pathology.reported_date,
        pathology.pathology_kind_code,
        pathology.pathology_code,
        pathology.site_icd10_code,
        pathology.histology_code,
        pathology.pathology_class,
        pathology.differentiation_code,
        pathology.tumour_size_mm,
        pathology.tnm_prefix,
        pathology.t_category,
        pathology.n_category,
        pathology.m_category,
        pathology.stage_group,
        pathology.nodes_positive,
        pathology.nodes_examined,
        pathology.margin_status_code,
        {{ provenance('pathology') }}
    from pathology
)

select * from final
