-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per low-dose CT of the chest. (肺癌低剂量CT筛查记录（其他表现）)
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
    from {{ source('lake', 'screening_ldct_other') }} as known
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
        assessment_date,
        exam_date,
        lung_abnormality_found,
        emphysema_code,
        has_bulla,
        bulla_lobe_codes,
        has_bronchiectasis,
        bronchiectasis_lobe_codes,
        has_interstitial_disease,
        interstitial_lobe_codes,
        has_fibrotic_scar,
        scar_lobe_codes,
        has_atelectasis,
        atelectasis_lobe_codes,
        lung_text,
        pleural_abnormality_found,
        right_effusion_code,
        left_effusion_code,
        has_pleural_thickening,
        pleural_thickening_side_codes,
        has_pleural_calcification,
        has_pleural_mass,
        heart_abnormality_found,
        has_aortic_calcification,
        has_chamber_enlargement,
        has_valve_calcification,
        pericardial_effusion_code,
        coronary_calcification_found,
        left_main_calcification_code,
        lad_calcification_code,
        lcx_calcification_code,
        rca_calcification_code,
        mediastinal_abnormality_found,
        thyroid_abnormality_found,
        thyroid_finding_codes,
        thyroid_text,
        thymus_abnormality_found,
        thymus_finding_codes,
        thymus_text,
        has_enlarged_node,
        enlarged_node_stations,
        has_calcified_node,
        has_axillary_node,
        axillary_node_side_codes,
        axillary_node_text,
        oesophagus_abnormality_found,
        oesophagus_text,
        has_hiatal_hernia,
        hiatal_hernia_text,
        mediastinum_text,
        breast_abnormality_found,
        breast_text,
        abdominal_abnormality_found,
        abdomen_text,
        bone_abnormality_found,
        bone_text,
        other_text,
        needs_consultation,
        needs_follow_up,
        follow_up_interval_code,
        follow_up_interval_text,
        needs_clinical_care,
        management_codes,
        entered_by_code,
        entered_date
    from {{ source('lake', 'screening_ldct_other') }}
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
        delivered.assessment_date,
        delivered.exam_date,
        delivered.lung_abnormality_found,
        delivered.emphysema_code,
        delivered.has_bulla,
        delivered.bulla_lobe_codes,
        delivered.has_bronchiectasis,
        delivered.bronchiectasis_lobe_codes,
        delivered.has_interstitial_disease,
        delivered.interstitial_lobe_codes,
        delivered.has_fibrotic_scar,
        delivered.scar_lobe_codes,
        delivered.has_atelectasis,
        delivered.atelectasis_lobe_codes,
        delivered.lung_text,
        delivered.pleural_abnormality_found,
        delivered.right_effusion_code,
        delivered.left_effusion_code,
        delivered.has_pleural_thickening,
        delivered.pleural_thickening_side_codes,
        delivered.has_pleural_calcification,
        delivered.has_pleural_mass,
        delivered.heart_abnormality_found,
        delivered.has_aortic_calcification,
        delivered.has_chamber_enlargement,
        delivered.has_valve_calcification,
        delivered.pericardial_effusion_code,
        delivered.coronary_calcification_found,
        delivered.left_main_calcification_code,
        delivered.lad_calcification_code,
        delivered.lcx_calcification_code,
        delivered.rca_calcification_code,
        delivered.mediastinal_abnormality_found,
        delivered.thyroid_abnormality_found,
        delivered.thyroid_finding_codes,
        delivered.thyroid_text,
        delivered.thymus_abnormality_found,
        delivered.thymus_finding_codes,
        delivered.thymus_text,
        delivered.has_enlarged_node,
        delivered.enlarged_node_stations,
        delivered.has_calcified_node,
        delivered.has_axillary_node,
        delivered.axillary_node_side_codes,
        delivered.axillary_node_text,
        delivered.oesophagus_abnormality_found,
        delivered.oesophagus_text,
        delivered.has_hiatal_hernia,
        delivered.hiatal_hernia_text,
        delivered.mediastinum_text,
        delivered.breast_abnormality_found,
        delivered.breast_text,
        delivered.abdominal_abnormality_found,
        delivered.abdomen_text,
        delivered.bone_abnormality_found,
        delivered.bone_text,
        delivered.other_text,
        delivered.needs_consultation,
        delivered.needs_follow_up,
        delivered.follow_up_interval_code,
        delivered.follow_up_interval_text,
        delivered.needs_clinical_care,
        delivered.management_codes,
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
