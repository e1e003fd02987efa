-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per physical examination. (体检记录)
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
    from {{ source('lake', 'physical_exam') }} as known
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
        exam_no,
        sex_code,
        birth_date,
        residence_county_code,
        exam_date,
        height_cm,
        weight_kg,
        waist_cm,
        systolic_mmhg,
        systolic_mmhg_comparator,
        diastolic_mmhg,
        diastolic_mmhg_comparator,
        glucose_mmol_l,
        glucose_mmol_l_comparator,
        cholesterol_mmol_l,
        cholesterol_mmol_l_comparator,
        triglyceride_mmol_l,
        triglyceride_mmol_l_comparator,
        hdl_mmol_l,
        hdl_mmol_l_comparator,
        ldl_mmol_l,
        ldl_mmol_l_comparator,
        alt_u_l,
        alt_u_l_comparator,
        ast_u_l,
        ast_u_l_comparator,
        albumin_g_l,
        albumin_g_l_comparator,
        bilirubin_umol_l,
        bilirubin_umol_l_comparator,
        platelet_10e9_l,
        platelet_10e9_l_comparator,
        hemoglobin_g_l,
        hemoglobin_g_l_comparator,
        afp_ng_ml,
        afp_ng_ml_comparator,
        cea_ng_ml,
        cea_ng_ml_comparator,
        fit_result_code,
        hbsag_code,
        smoking_status,
        anti_hcv_code,
        creatinine_umol_l,
        creatinine_umol_l_comparator,
        uric_acid_umol_l,
        uric_acid_umol_l_comparator,
        ca125_u_ml,
        ca125_u_ml_comparator,
        ca199_u_ml,
        ca199_u_ml_comparator,
        pepsinogen_1_ng_ml,
        pepsinogen_1_ng_ml_comparator,
        pepsinogen_2_ng_ml,
        pepsinogen_2_ng_ml_comparator,
        hp_result_code,
        hpv_result_code,
        hpv_types,
        cytology_code,
        colposcopy_result_code,
        breast_bi_rads_code,
        breast_us_text,
        breast_mg_text,
        ldct_category_code,
        chest_ct_text,
        liver_us_result_code,
        abdominal_us_text,
        endoscopy_text,
        drinking_status,
        past_history_text,
        family_history_text,
        doctor_code,
        summary_text
    from {{ source('lake', 'physical_exam') }}
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
        {{ screening_source_of('delivered._source', 'clinical') }} as screening_source,
        delivered.exam_no,
        delivered.sex_code,
        delivered.birth_date,
        delivered.residence_county_code,
        delivered.exam_date,
        delivered.height_cm,
        delivered.weight_kg,
        delivered.waist_cm,
        delivered.systolic_mmhg,
        delivered.systolic_mmhg_comparator,
        delivered.diastolic_mmhg,
        delivered.diastolic_mmhg_comparator,
        delivered.glucose_mmol_l,
        delivered.glucose_mmol_l_comparator,
        delivered.cholesterol_mmol_l,
        delivered.cholesterol_mmol_l_comparator,
        delivered.triglyceride_mmol_l,
        delivered.triglyceride_mmol_l_comparator,
        delivered.hdl_mmol_l,
        delivered.hdl_mmol_l_comparator,
        delivered.ldl_mmol_l,
        delivered.ldl_mmol_l_comparator,
        delivered.alt_u_l,
        delivered.alt_u_l_comparator,
        delivered.ast_u_l,
        delivered.ast_u_l_comparator,
        delivered.albumin_g_l,
        delivered.albumin_g_l_comparator,
        delivered.bilirubin_umol_l,
        delivered.bilirubin_umol_l_comparator,
        delivered.platelet_10e9_l,
        delivered.platelet_10e9_l_comparator,
        delivered.hemoglobin_g_l,
        delivered.hemoglobin_g_l_comparator,
        delivered.afp_ng_ml,
        delivered.afp_ng_ml_comparator,
        delivered.cea_ng_ml,
        delivered.cea_ng_ml_comparator,
        delivered.fit_result_code,
        delivered.hbsag_code,
        delivered.smoking_status,
        delivered.anti_hcv_code,
        delivered.creatinine_umol_l,
        delivered.creatinine_umol_l_comparator,
        delivered.uric_acid_umol_l,
        delivered.uric_acid_umol_l_comparator,
        delivered.ca125_u_ml,
        delivered.ca125_u_ml_comparator,
        delivered.ca199_u_ml,
        delivered.ca199_u_ml_comparator,
        delivered.pepsinogen_1_ng_ml,
        delivered.pepsinogen_1_ng_ml_comparator,
        delivered.pepsinogen_2_ng_ml,
        delivered.pepsinogen_2_ng_ml_comparator,
        delivered.hp_result_code,
        delivered.hpv_result_code,
        delivered.hpv_types,
        delivered.cytology_code,
        delivered.colposcopy_result_code,
        delivered.breast_bi_rads_code,
        delivered.breast_us_text,
        delivered.breast_mg_text,
        delivered.ldct_category_code,
        delivered.chest_ct_text,
        delivered.liver_us_result_code,
        delivered.abdominal_us_text,
        delivered.endoscopy_text,
        delivered.drinking_status,
        delivered.past_history_text,
        delivered.family_history_text,
        delivered.doctor_code,
        delivered.summary_text
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
