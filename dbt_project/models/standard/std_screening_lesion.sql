-- A lesion seen at a screening test (nodule, mass, polyp), one row per lesion, sizes in mm: the lesion tables of the programme's forms,
-- each breast's mass of a mammography, and the largest lesion named in a hospital's endoscopy report.
with lung as (
    select
        exam.person_id,
        'lung' as cancer,
        'screening_ldct_nodule' as lesion_source,
        lesion.screening_no as test_no,
        lesion.nodule_no as lesion_no,
        exam.exam_date as found_on,
        lesion.lobe_code as site_code,
        cast(null as text) as side_code,
        lesion.nature_code as lesion_type_code,
        cast(null as text) as bi_rads_code,
        lesion.density_code,
        cast(null as text) as shape_code,
        cast(lesion.long_diameter_mm as numeric(8, 1)) as length_mm,
        cast(lesion.short_diameter_mm as numeric(8, 1)) as width_mm,
        cast(lesion.mean_diameter_mm as numeric(8, 1)) as mean_mm,
        cast(null as text) as size_class_code,
        {{ coded_yes('no1_yes2', 'lesion.is_endobronchial') }} as is_endobronchial,
        cast(null as boolean) as has_stalk,
        cast(null as numeric(6, 1)) as distance_cm,
        cast(null as text) as specimen_no,
        {{ provenance('lesion') }}
    from {{ ref('meta_answer__screening_ldct_nodule') }} as lesion
    inner join {{ ref('meta_answer__screening_ldct') }} as exam
        on
            lesion.source_organisation_code = exam.source_organisation_code
            and lesion.screening_no = exam.screening_no
),

colorectum as (
    select
        exam.person_id,
        'colorectum' as cancer,
        'screening_colonoscopy_lesion' as lesion_source,
        lesion.screening_no as test_no,
        lesion.lesion_no,
        exam.exam_date as found_on,
        lesion.site_code,
        cast(null as text) as side_code,
        lesion.lesion_type_code,
        cast(null as text) as bi_rads_code,
        cast(null as text) as density_code,
        lesion.shape_code,
        cast(lesion.diameter_cm * 10 as numeric(8, 1)) as length_mm,
        cast(null as numeric(8, 1)) as width_mm,
        cast(null as numeric(8, 1)) as mean_mm,
        cast(null as text) as size_class_code,
        cast(null as boolean) as is_endobronchial,
        {{ coded_yes('yes_no_form', 'lesion.has_stalk') }} as has_stalk,
        lesion.distance_anus_cm as distance_cm,
        lesion.specimen_no,
        {{ provenance('lesion') }}
    from {{ ref('meta_answer__screening_colonoscopy_lesion') }} as lesion
    inner join {{ ref('meta_answer__screening_colonoscopy') }} as exam
        on
            lesion.source_organisation_code = exam.source_organisation_code
            and lesion.screening_no = exam.screening_no
),

upper_gi as (
    select
        exam.person_id,
        'upper_gi' as cancer,
        'screening_ugi_endoscopy_lesion' as lesion_source,
        lesion.screening_no as test_no,
        lesion.lesion_no,
        exam.exam_date as found_on,
        coalesce(lesion.oesophageal_site_code, lesion.gastric_site_code) as site_code,
        cast(null as text) as side_code,
        coalesce(lesion.oesophageal_lesion_codes, lesion.gastric_lesion_codes) as lesion_type_code,
        cast(null as text) as bi_rads_code,
        cast(null as text) as density_code,
        cast(null as text) as shape_code,
        cast(null as numeric(8, 1)) as length_mm,
        cast(null as numeric(8, 1)) as width_mm,
        cast(null as numeric(8, 1)) as mean_mm,
        cast(null as text) as size_class_code,
        cast(null as boolean) as is_endobronchial,
        cast(null as boolean) as has_stalk,
        lesion.distance_from_cm as distance_cm,
        cast(null as text) as specimen_no,
        {{ provenance('lesion') }}
    from {{ ref('meta_answer__screening_ugi_endoscopy_lesion') }} as lesion
    inner join {{ ref('meta_answer__screening_ugi_endoscopy') }} as exam
        on
            lesion.source_organisation_code = exam.source_organisation_code
            and lesion.screening_no = exam.screening_no
),

liver as (
    select
        exam.person_id,
        'liver' as cancer,
        'screening_liver_lesion' as lesion_source,
        lesion.screening_no as test_no,
        lesion.lesion_no,
        exam.exam_date as found_on,
        lesion.lobe_code as site_code,
        cast(null as text) as side_code,
        lesion.conclusion_code as lesion_type_code,
        cast(null as text) as bi_rads_code,
        lesion.echo_code as density_code,
        lesion.shape_code,
        cast(lesion.length_cm * 10 as numeric(8, 1)) as length_mm,
        cast(lesion.width_cm * 10 as numeric(8, 1)) as width_mm,
        cast(null as numeric(8, 1)) as mean_mm,
        cast(null as text) as size_class_code,
        cast(null as boolean) as is_endobronchial,
        cast(null as boolean) as has_stalk,
        cast(null as numeric(6, 1)) as distance_cm,
        cast(null as text) as specimen_no,
        {{ provenance('lesion') }}
    from {{ ref('meta_answer__screening_liver_lesion') }} as lesion
    inner join {{ ref('meta_answer__screening_liver') }} as exam
        on
            lesion.source_organisation_code = exam.source_organisation_code
            and lesion.screening_no = exam.screening_no
),

breast as (
    select
        exam.person_id,
        'breast' as cancer,
        'screening_breast_us_lesion' as lesion_source,
        lesion.screening_no as test_no,
        lesion.lesion_no,
        exam.exam_date as found_on,
        lesion.quadrant_code as site_code,
        lesion.side_code,
        lesion.diagnosis_code as lesion_type_code,
        lesion.bi_rads_code,
        lesion.echo_code as density_code,
        lesion.shape_code,
        cast(lesion.length_cm * 10 as numeric(8, 1)) as length_mm,
        cast(lesion.width_cm * 10 as numeric(8, 1)) as width_mm,
        cast(null as numeric(8, 1)) as mean_mm,
        cast(null as text) as size_class_code,
        cast(null as boolean) as is_endobronchial,
        cast(null as boolean) as has_stalk,
        lesion.nipple_distance_cm as distance_cm,
        cast(null as text) as specimen_no,
        {{ provenance('lesion') }}
    from {{ ref('meta_answer__screening_breast_us_lesion') }} as lesion
    inner join {{ ref('meta_answer__screening_breast_us') }} as exam
        on
            lesion.source_organisation_code = exam.source_organisation_code
            and lesion.screening_no = exam.screening_no
),

mammography as (
    select * from {{ ref('meta_answer__screening_breast_mg') }}
),

mass as (
    {%- for side, side_code, number in [('left', '1', 1), ('right', '2', 2)] %}
    select
        exam.person_id,
        'breast' as cancer,
        'screening_breast_mg' as lesion_source,
        exam.screening_no as test_no,
        cast({{ number }} as bigint) as lesion_no,
        exam.exam_date as found_on,
        exam.{{ side }}_mass_quadrant_code as site_code,
        '{{ side_code }}' as side_code,
        cast(null as text) as lesion_type_code,
        exam.{{ side }}_bi_rads_code as bi_rads_code,
        exam.{{ side }}_mass_density_code as density_code,
        exam.{{ side }}_mass_shape_code as shape_code,
        cast(null as numeric(8, 1)) as length_mm,
        cast(null as numeric(8, 1)) as width_mm,
        cast(null as numeric(8, 1)) as mean_mm,
        exam.{{ side }}_mass_size_code as size_class_code,
        cast(null as boolean) as is_endobronchial,
        cast(null as boolean) as has_stalk,
        exam.{{ side }}_mass_nipple_distance_cm as distance_cm,
        cast(null as text) as specimen_no,
        {{ provenance('exam') }}
    from mammography as exam
    where {{ coded_yes('no1_yes2', 'exam.' ~ side ~ '_mass_found') }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

hospital as (
    select
        endoscopy.person_id,
        endoscopy.cancer,
        'endoscopy_report' as lesion_source,
        endoscopy.test_no,
        cast(1 as bigint) as lesion_no,
        endoscopy.exam_date as found_on,
        cast(null as text) as site_code,
        cast(null as text) as side_code,
        cast(null as text) as lesion_type_code,
        cast(null as text) as bi_rads_code,
        cast(null as text) as density_code,
        cast(null as text) as shape_code,
        cast(endoscopy.largest_lesion_mm as numeric(8, 1)) as length_mm,
        cast(null as numeric(8, 1)) as width_mm,
        cast(null as numeric(8, 1)) as mean_mm,
        cast(null as text) as size_class_code,
        cast(null as boolean) as is_endobronchial,
        cast(null as boolean) as has_stalk,
        cast(null as numeric(6, 1)) as distance_cm,
        cast(null as text) as specimen_no,
        {{ provenance('endoscopy') }}
    from {{ ref('std_endoscopy') }} as endoscopy
    where
        endoscopy.endoscopy_source = 'endoscopy_report'
        and endoscopy.exam_type_code = 'colonoscopy'
        and endoscopy.has_lesion
),

lesion as (
    select * from lung
    union all
    select * from colorectum
    union all
    select * from upper_gi
    union all
    select * from liver
    union all
    select * from breast
    union all
    select * from mass
    union all
    select * from hospital
),

final as (
    select
        lesion.person_id,
        lesion.cancer,
        lesion.lesion_source,
        lesion.test_no,
        lesion.lesion_no,
        lesion.found_on,
        lesion.site_code,
        lesion.side_code,
        lesion.lesion_type_code,
        lesion.bi_rads_code,
        lesion.density_code,
        lesion.shape_code,
        lesion.length_mm,
        lesion.width_mm,
        coalesce(lesion.mean_mm, cast((lesion.length_mm + lesion.width_mm) * 0.5 as numeric(8, 1))) as mean_mm,
        greatest(lesion.length_mm, lesion.width_mm) as size_mm,
        lesion.size_class_code,
        lesion.is_endobronchial,
        lesion.has_stalk,
        lesion.distance_cm,
        lesion.specimen_no,
        {{ provenance('lesion') }}
    from lesion
)

select * from final
