-- A filled risk questionnaire: the answers that features and rules use, as numbers, codes and truth values.
-- Wide answers stay in meta_answer__questionnaire.
with answer as (
    select * from {{ ref('meta_answer__questionnaire') }}
),

final as (
    select
        answer.person_id,
        answer.survey_date,
        answer.residence_county_code,
        answer.sex_code,
        answer.birth_date,
        answer.height_cm,
        answer.weight_kg,
        answer.waist_cm,
        {{ body_mass_index('answer.weight_kg', 'answer.height_cm') }} as bmi_kg_m2,
        answer.education_level as education_level_code,
        answer.marital_status as marital_status_code,
        answer.occupation as occupation_code,
        {{ yes('answer.occ_exposure_ge1y') }} as has_occupational_exposure,
        answer.smoking_status as smoking_status_code,
        answer.cigarettes_per_day,
        answer.smoking_years,
        answer.quit_years,
        {{ yes('answer.alcohol_regular') }} as is_regular_drinker,
        {{ yes('answer.exercise_regular') }} as is_regular_exerciser,
        {{ yes('answer.hx_any_cancer') }} as has_had_cancer,
        {{ yes('answer.hx_bowel') }} as has_bowel_disease,
        {{ list_has('answer.hx_bowel_diseases', '1') }} as has_colorectal_polyp,
        {{ yes('answer.fdr_fap') }} as has_fdr_fap,
        {{ yes('answer.fh_any_cancer') }} as has_family_cancer,
        answer.fh_relation as family_relation_codes,
        answer.fh_cancer_type as family_cancer_codes,
        answer.fh_age_at_dx as family_ages_at_diagnosis,
        answer.interviewer_code,
        answer.reviewer_code,
        {{ provenance('answer') }}
    from answer
)

select * from final
