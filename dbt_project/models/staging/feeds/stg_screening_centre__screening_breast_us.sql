-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per breast ultrasound. (乳腺超声筛查记录)
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
    from {{ source('lake', 'screening_breast_us') }} as known
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
        symmetry_code,
        left_parenchyma_cm,
        left_breast_cm,
        left_ratio_code,
        right_parenchyma_cm,
        right_breast_cm,
        right_ratio_code,
        gland_structure_code,
        lesion_found,
        lesion_count,
        left_lesion_count,
        right_lesion_count,
        axillary_node_found,
        axillary_node_count,
        left_axillary_node_count,
        right_axillary_node_count,
        axillary_node_length_cm,
        axillary_node_width_cm,
        axillary_node_has_hilum,
        axillary_node_hilum_code,
        axillary_node_has_flow,
        axillary_node_flow_rich_code,
        axillary_node_flow_pattern_code,
        axillary_node_resistance_index,
        breast_type_code,
        duct_size_mm,
        non_lesion_diagnosis_code,
        non_lesion_duct_mm,
        non_lesion_diagnosis_text,
        non_lesion_bi_rads_code,
        bi_rads_code,
        needs_consultation,
        result_code,
        entered_by_code,
        entered_date
    from {{ source('lake', 'screening_breast_us') }}
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
        delivered.symmetry_code,
        delivered.left_parenchyma_cm,
        delivered.left_breast_cm,
        delivered.left_ratio_code,
        delivered.right_parenchyma_cm,
        delivered.right_breast_cm,
        delivered.right_ratio_code,
        delivered.gland_structure_code,
        delivered.lesion_found,
        delivered.lesion_count,
        delivered.left_lesion_count,
        delivered.right_lesion_count,
        delivered.axillary_node_found,
        delivered.axillary_node_count,
        delivered.left_axillary_node_count,
        delivered.right_axillary_node_count,
        delivered.axillary_node_length_cm,
        delivered.axillary_node_width_cm,
        delivered.axillary_node_has_hilum,
        delivered.axillary_node_hilum_code,
        delivered.axillary_node_has_flow,
        delivered.axillary_node_flow_rich_code,
        delivered.axillary_node_flow_pattern_code,
        delivered.axillary_node_resistance_index,
        delivered.breast_type_code,
        delivered.duct_size_mm,
        delivered.non_lesion_diagnosis_code,
        delivered.non_lesion_duct_mm,
        delivered.non_lesion_diagnosis_text,
        delivered.non_lesion_bi_rads_code,
        delivered.bi_rads_code,
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
