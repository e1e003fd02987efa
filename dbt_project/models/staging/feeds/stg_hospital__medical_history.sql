-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per history taken. (病史记录)
-- Latest version per record_key among released batches known by as_of_date; gone where that version is a deletion.
{{ config(materialized='table') }}

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
    from {{ source('lake', 'medical_history') }} as known
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
        history_no,
        visit_no,
        recorded_date,
        height_cm,
        weight_kg,
        systolic_mmhg,
        systolic_mmhg_comparator,
        diastolic_mmhg,
        diastolic_mmhg_comparator,
        smoking_status,
        cigarettes_per_day,
        smoking_years,
        quit_years,
        has_passive_smoking,
        drinking_status,
        alcohol_g_per_day,
        drinking_years,
        has_occupational_exposure,
        exposure_agent_codes,
        has_hypertension,
        has_diabetes,
        has_coronary_disease,
        has_stroke,
        has_copd,
        has_tuberculosis,
        has_lung_fibrosis,
        has_hepatitis_b,
        has_hepatitis_c,
        has_cirrhosis,
        has_fatty_liver,
        has_helicobacter,
        has_atrophic_gastritis,
        has_gastric_ulcer,
        has_gastric_polyp,
        has_gastric_remnant,
        has_reflux_oesophagitis,
        has_colorectal_polyp,
        has_bowel_inflammation,
        has_chronic_diarrhoea,
        has_chronic_constipation,
        has_bloody_stool,
        has_appendicitis,
        has_cholecystitis,
        has_breast_disease,
        has_cervical_lesion,
        has_hpv_infection,
        has_cancer_history,
        cancer_history_code,
        has_family_cancer,
        family_relation_codes,
        family_cancer_codes,
        family_cancer_ages,
        menarche_age,
        menopause_age,
        pregnancy_count,
        live_birth_count,
        first_birth_age,
        breastfeeding_months,
        abortion_count,
        hormone_therapy_months,
        has_hysterectomy,
        last_mammography_date,
        last_cervical_test_date,
        last_colonoscopy_date,
        last_gastroscopy_date,
        present_illness_text,
        past_history_text,
        personal_history_text,
        family_history_text,
        physical_examination_text,
        department_code,
        doctor_code
    from {{ source('lake', 'medical_history') }}
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
        delivered.history_no,
        delivered.visit_no,
        delivered.recorded_date,
        delivered.height_cm,
        delivered.weight_kg,
        delivered.systolic_mmhg,
        delivered.systolic_mmhg_comparator,
        delivered.diastolic_mmhg,
        delivered.diastolic_mmhg_comparator,
        delivered.smoking_status,
        delivered.cigarettes_per_day,
        delivered.smoking_years,
        delivered.quit_years,
        delivered.has_passive_smoking,
        delivered.drinking_status,
        delivered.alcohol_g_per_day,
        delivered.drinking_years,
        delivered.has_occupational_exposure,
        delivered.exposure_agent_codes,
        delivered.has_hypertension,
        delivered.has_diabetes,
        delivered.has_coronary_disease,
        delivered.has_stroke,
        delivered.has_copd,
        delivered.has_tuberculosis,
        delivered.has_lung_fibrosis,
        delivered.has_hepatitis_b,
        delivered.has_hepatitis_c,
        delivered.has_cirrhosis,
        delivered.has_fatty_liver,
        delivered.has_helicobacter,
        delivered.has_atrophic_gastritis,
        delivered.has_gastric_ulcer,
        delivered.has_gastric_polyp,
        delivered.has_gastric_remnant,
        delivered.has_reflux_oesophagitis,
        delivered.has_colorectal_polyp,
        delivered.has_bowel_inflammation,
        delivered.has_chronic_diarrhoea,
        delivered.has_chronic_constipation,
        delivered.has_bloody_stool,
        delivered.has_appendicitis,
        delivered.has_cholecystitis,
        delivered.has_breast_disease,
        delivered.has_cervical_lesion,
        delivered.has_hpv_infection,
        delivered.has_cancer_history,
        delivered.cancer_history_code,
        delivered.has_family_cancer,
        delivered.family_relation_codes,
        delivered.family_cancer_codes,
        delivered.family_cancer_ages,
        delivered.menarche_age,
        delivered.menopause_age,
        delivered.pregnancy_count,
        delivered.live_birth_count,
        delivered.first_birth_age,
        delivered.breastfeeding_months,
        delivered.abortion_count,
        delivered.hormone_therapy_months,
        delivered.has_hysterectomy,
        delivered.last_mammography_date,
        delivered.last_cervical_test_date,
        delivered.last_colonoscopy_date,
        delivered.last_gastroscopy_date,
        delivered.present_illness_text,
        delivered.past_history_text,
        delivered.personal_history_text,
        delivered.family_history_text,
        delivered.physical_examination_text,
        delivered.department_code,
        delivered.doctor_code
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
