-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per liver screening. (肝癌筛查结果记录)
-- Latest version per record_key among released batches known by as_of_date; gone where that version is a deletion.
with released as (
    select
        batch_id,
        load_no
    from {{ ref('stg_ops__released_batch') }}
),

version as (
    select
        known._batch,
        known._file,
        known._row,
        coalesce(known._part, 0) as _part,
        known._deleted,
        row_number() over (
            partition by known.record_key
            order by
                known._delivered_on desc,
                released.load_no desc,
                {{ by_bytes('known._file') }} desc,
                known._row desc,
                known._part desc
        ) as version_rank
    from {{ source('lake', 'screening_liver') }} as known
    inner join released on known._batch = released.batch_id
    where known._delivered_on <= {{ as_of_date() }}
),

delivered as (
    select
        record_key,
        identity_id,
        _source,
        _organisation,
        _batch,
        _delivered_on,
        _file,
        _row,
        coalesce(_part, 0) as _part,
        screening_no,
        survey_no,
        sex_code,
        birth_date,
        age_years,
        exam_date,
        exam_hospital_name,
        afp_result_code,
        afp_ng_ml,
        afp_ng_ml_comparator,
        hbsag_result_code,
        liver_shape_code,
        liver_size_code,
        capsule_code,
        lesion_found,
        lesion_count,
        parenchyma_echo_code,
        parenchyma_homogeneity_code,
        hepatic_vein_visibility_code,
        hepatic_vein_tortuous,
        left_hepatic_vein_cm,
        middle_hepatic_vein_cm,
        right_hepatic_vein_cm,
        hepatic_vein_state_code,
        portal_vein_width_code,
        portal_vein_cm,
        portal_thrombus_found,
        portal_thrombus_site_codes,
        portal_flow_code,
        portal_flow_cm_s,
        collateral_found,
        bile_duct_echo_code,
        bile_duct_dilated,
        gallbladder_removed,
        gallbladder_length_cm,
        gallbladder_width_cm,
        gallbladder_shape_code,
        after_meal_code,
        gallbladder_wall_code,
        spleen_length_cm,
        spleen_thickness_cm,
        ascites_found,
        ascites_depth_cm,
        conclusion_codes,
        conclusion_text,
        needs_consultation,
        result_code,
        entered_by_code,
        entered_date
    from {{ source('lake', 'screening_liver') }}
),

people as (
    select
        identity_id,
        person_id
    from {{ ref('stg_lake__identity') }}
),

final as (
    select
        delivered.record_key,
        delivered.identity_id,
        people.person_id,
        delivered._source as source_family,
        delivered._organisation as source_organisation_code,
        delivered._batch as batch_id,
        delivered._delivered_on as delivered_on,
        delivered._file as source_file,
        delivered._row as source_row,
        delivered._part as source_part,
        {{ channel_of('delivered._source') }} as channel,
        {{ screening_source_of('delivered._source', 'screening_form') }} as screening_source,
        delivered.screening_no,
        delivered.survey_no,
        delivered.sex_code,
        delivered.birth_date,
        delivered.age_years,
        delivered.exam_date,
        delivered.exam_hospital_name,
        delivered.afp_result_code,
        delivered.afp_ng_ml,
        delivered.afp_ng_ml_comparator,
        delivered.hbsag_result_code,
        delivered.liver_shape_code,
        delivered.liver_size_code,
        delivered.capsule_code,
        delivered.lesion_found,
        delivered.lesion_count,
        delivered.parenchyma_echo_code,
        delivered.parenchyma_homogeneity_code,
        delivered.hepatic_vein_visibility_code,
        delivered.hepatic_vein_tortuous,
        delivered.left_hepatic_vein_cm,
        delivered.middle_hepatic_vein_cm,
        delivered.right_hepatic_vein_cm,
        delivered.hepatic_vein_state_code,
        delivered.portal_vein_width_code,
        delivered.portal_vein_cm,
        delivered.portal_thrombus_found,
        delivered.portal_thrombus_site_codes,
        delivered.portal_flow_code,
        delivered.portal_flow_cm_s,
        delivered.collateral_found,
        delivered.bile_duct_echo_code,
        delivered.bile_duct_dilated,
        delivered.gallbladder_removed,
        delivered.gallbladder_length_cm,
        delivered.gallbladder_width_cm,
        delivered.gallbladder_shape_code,
        delivered.after_meal_code,
        delivered.gallbladder_wall_code,
        delivered.spleen_length_cm,
        delivered.spleen_thickness_cm,
        delivered.ascites_found,
        delivered.ascites_depth_cm,
        delivered.conclusion_codes,
        delivered.conclusion_text,
        delivered.needs_consultation,
        delivered.result_code,
        delivered.entered_by_code,
        delivered.entered_date
    from delivered
    inner join version
        on
            delivered._batch = version._batch
            and delivered._file = version._file
            and delivered._row = version._row
            and delivered._part = version._part
            and version.version_rank = 1
            and not coalesce(version._deleted, false)
    left join people on delivered.identity_id = people.identity_id
)

select * from final
