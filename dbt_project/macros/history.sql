{# What sources state about a person's history: smoking, drinking, exposure, past disease, cancer in the family, women's history.
Per source: model, the columns that date a statement, and lists of statements by kind:
  yes     [statement, column, code list]          a truth value
  member  [statement, list column, value, parent]  a disease named in a list; the parent question answered "no" denies it
  code    [statement, column, code list]
  number  [statement, column, unit]
  date    [statement, column] #}

{% macro history_sources() %}
{% set past = ['copd', 'tuberculosis', 'lung_fibrosis', 'hepatitis_b', 'hepatitis_c', 'cirrhosis', 'fatty_liver', 'helicobacter', 'atrophic_gastritis',
    'gastric_ulcer', 'gastric_polyp', 'gastric_remnant', 'reflux_oesophagitis', 'colorectal_polyp', 'bowel_inflammation', 'chronic_diarrhoea',
    'chronic_constipation', 'bloody_stool', 'appendicitis', 'cholecystitis', 'breast_disease', 'cervical_lesion', 'hpv_infection',
    'hysterectomy', 'passive_smoking', 'occupational_exposure', 'family_cancer'] %}
{% set past_yes = [] %}
{% for name in past %}{% do past_yes.append([name, 'has_' ~ name, 'no_yes']) %}{% endfor %}
{% set smoking = [['cigarettes_per_day', 'cigarettes_per_day', 'count'], ['smoking_years', 'smoking_years', 'years'], ['quit_years', 'quit_years', 'years']] %}
{% set women = [['menarche_age', 'menarche_age', 'years'], ['menopause_age', 'menopause_age', 'years'], ['breastfeeding_months', 'breastfeeding_months', 'months']] %}
{% set births = [['pregnancy_count', 'pregnancy_count', 'count'], ['live_birth_count', 'live_birth_count', 'count'],
    ['first_birth_age', 'first_birth_age', 'years'], ['abortion_count', 'abortion_count', 'count'],
    ['hormone_therapy_months', 'hormone_therapy_months', 'months']] %}
{% set drinking = [['alcohol_g_per_day', 'alcohol_g_per_day', 'g'], ['drinking_years', 'drinking_years', 'years']] %}
{% set smoking_status = ['smoking_status', 'smoking_status', 'q_smoking_status'] %}
{% set drinking_status = ['drinking_status', 'drinking_status', 'drinking_status'] %}
{% set agents = [['exposure_asbestos', 'exposure_agent_codes', '1', 'has_occupational_exposure'],
    ['exposure_radon_metal_silica', 'exposure_agent_codes', '2', 'has_occupational_exposure'],
    ['exposure_exhaust_soot', 'exposure_agent_codes', '3', 'has_occupational_exposure']] %}
{{ return([
  {'source': 'questionnaire', 'model': 'meta_answer__questionnaire', 'days': ['survey_date'],
   'code': [smoking_status, ['kitchen_fume_level', 'kitchen_fume_level', 'q_kitchen_fume_level'], ['salt_preference', 'diet_salt_preference', 'q_diet_salt_preference'],
     ['pickled_food_frequency', 'diet_pickled_veg_freq', 'q_diet_frequency'], ['fried_food_frequency', 'diet_fried_freq', 'q_diet_frequency'],
     ['hormone_therapy_type', 'hrt_type', 'q_hrt_type']],
   'yes': [['passive_smoking_home', 'shs_home_30py_20y', 'no_yes'], ['passive_smoking_work', 'shs_work_30py_20y', 'no_yes'],
     ['regular_drinking', 'alcohol_regular', 'no_yes'], ['regular_exercise', 'exercise_regular', 'no_yes'], ['hot_food', 'diet_hot_scalding', 'no_yes'],
     ['occupational_exposure', 'occ_exposure_ge1y', 'no_yes'], ['cancer_history', 'hx_any_cancer', 'no_yes'], ['family_cancer', 'fh_any_cancer', 'no_yes'],
     ['family_polyposis', 'fdr_fap', 'no_yes'], ['live_birth', 'live_birth_flag', 'no_yes'], ['menopause', 'menopause_flag', 'no_yes'],
     ['breast_biopsy', 'breast_biopsy_flag', 'no_yes'], ['family_breast_cancer_first_degree', 'fdr_breast_cancer', 'no_yes']],
   'member': [['copd', 'hx_resp_diseases', '1', 'hx_chronic_resp'], ['emphysema', 'hx_resp_diseases', '2', 'hx_chronic_resp'],
     ['silicosis', 'hx_resp_diseases', '3', 'hx_chronic_resp'], ['tuberculosis', 'hx_resp_diseases', '4', 'hx_chronic_resp'],
     ['oesophageal_neoplasia', 'hx_ugi_diseases', '1', 'hx_ugi'], ['atrophic_gastritis', 'hx_ugi_diseases', '2', 'hx_ugi'],
     ['hypertrophic_gastritis', 'hx_ugi_diseases', '3', 'hx_ugi'], ['gastric_polyp', 'hx_ugi_diseases', '4', 'hx_ugi'],
     ['gastric_remnant', 'hx_ugi_diseases', '5', 'hx_ugi'], ['gastric_neoplasia', 'hx_ugi_diseases', '6', 'hx_ugi'],
     ['intestinal_metaplasia', 'hx_ugi_diseases', '7', 'hx_ugi'],
     ['hepatitis_b', 'hx_liver_diseases', '1', 'hx_liver'], ['hepatitis_c', 'hx_liver_diseases', '2', 'hx_liver'],
     ['cirrhosis', 'hx_liver_diseases', '3', 'hx_liver'],
     ['colorectal_polyp', 'hx_bowel_diseases', '1', 'hx_bowel'], ['bowel_inflammation', 'hx_bowel_diseases', '2', 'hx_bowel'],
     ['hypertension', 'hx_other_diseases', '1', 'hx_other'], ['hyperlipidaemia', 'hx_other_diseases', '2', 'hx_other'],
     ['diabetes', 'hx_other_diseases', '3', 'hx_other'],
     ['exposure_asbestos', 'occ_exposure_agents', '1', 'occ_exposure_ge1y'], ['exposure_radon_metal_silica', 'occ_exposure_agents', '2', 'occ_exposure_ge1y'],
     ['exposure_exhaust_soot', 'occ_exposure_agents', '3', 'occ_exposure_ge1y']],
   'number': smoking + women + [['smoking_start_age', 'smoking_start_age', 'years'], ['cooking_years', 'cooking_years', 'years'],
     ['hormone_therapy_years', 'hrt_years', 'years'], ['first_birth_age', 'first_live_birth_age', 'years'], ['breast_biopsy_count', 'breast_biopsy_count', 'count']]},
  {'source': 'medical_history', 'model': 'stg_hospital__medical_history', 'days': ['recorded_date'],
   'code': [smoking_status, drinking_status, ['cancer_history_icd10', 'cancer_history_code', 'icd10']],
   'yes': past_yes + [['hypertension', 'has_hypertension', 'no_yes'], ['diabetes', 'has_diabetes', 'no_yes'], ['coronary_disease', 'has_coronary_disease', 'no_yes'],
     ['stroke', 'has_stroke', 'no_yes'], ['cancer_history', 'has_cancer_history', 'no_yes']],
   'member': agents, 'number': smoking + drinking + women + births,
   'date': [['last_mammography', 'last_mammography_date'], ['last_cervical_test', 'last_cervical_test_date'], ['last_colonoscopy', 'last_colonoscopy_date'],
     ['last_gastroscopy', 'last_gastroscopy_date']]},
  {'source': 'resident_health_record', 'model': 'meta_answer__resident_health_record', 'days': ['updated_date', 'created_date'],
   'code': [smoking_status, drinking_status, ['cancer_history_icd10', 'cancer_history_code', 'icd10']],
   'yes': past_yes + [['hot_food', 'likes_hot_food', 'no_yes'], ['salty_food', 'likes_salty_food', 'no_yes'], ['pickled_food', 'likes_pickled_food', 'no_yes'],
     ['regular_exercise', 'exercises_weekly', 'no_yes'], ['hpv_vaccine', 'has_hpv_vaccine', 'no_yes']],
   'member': agents + [['hypertension', 'chronic_disease_codes', '2', none], ['diabetes', 'chronic_disease_codes', '3', none],
     ['coronary_disease', 'chronic_disease_codes', '4', none], ['cancer_history', 'chronic_disease_codes', '6', none], ['stroke', 'chronic_disease_codes', '7', none]],
   'number': smoking + drinking + women + births + [['kitchen_fume_years', 'kitchen_fume_years', 'years']],
   'date': [['last_cervical_test', 'last_cervical_test_date'], ['last_breast_test', 'last_breast_test_date']]},
  {'source': 'physical_exam', 'model': 'meta_answer__physical_exam', 'days': ['exam_date'], 'code': [smoking_status, drinking_status]},
  {'source': 'report_card', 'model': 'meta_answer__tumour_report_card', 'days': ['first_diagnosis_date', 'reported_date'], 'code': [smoking_status],
   'yes': [['family_cancer', 'has_family_cancer', 'no_yes']]}
]) }}
{% endmacro %}

{# One branch of std_medical_history. #}
{% macro history_statement(source, kind, entry) %}
    select
        answer.person_id,
        '{{ entry[0] }}' as statement,
        {% if kind == 'yes' %}{{ coded_yes(entry[2], 'answer.' ~ entry[1]) }}
        {%- elif kind == 'member' %}case{% if entry[3] %} when answer.{{ entry[3] }} = '0' then false{% endif %} when {{ list_has('answer.' ~ entry[1], entry[2]) }} then true when answer.{{ entry[1] }} is not null then false end
        {%- else %}cast(null as boolean){% endif %} as is_present,
        {% if kind == 'code' %}answer.{{ entry[1] }}{% else %}cast(null as text){% endif %} as value_code,
        {% if kind == 'code' %}'{{ entry[2] }}'{% else %}cast(null as text){% endif %} as value_code_list,
        {% if kind == 'number' %}cast(answer.{{ entry[1] }} as numeric(12, 2)){% else %}cast(null as numeric(12, 2)){% endif %} as value_number,
        {% if kind == 'number' %}'{{ entry[2] }}'{% else %}cast(null as text){% endif %} as unit,
        {% if kind == 'date' %}answer.{{ entry[1] }}{% else %}cast(null as date){% endif %} as value_date,
        coalesce({% for day in source.days %}answer.{{ day }}, {% endfor %}answer.delivered_on) as stated_on,
        '{{ source.source }}' as history_source,
        {{ provenance('answer') }}
    from {{ ref(source.model) }} as answer
    where answer.{{ entry[1] }} is not null{% if kind == 'member' and entry[3] %} or answer.{{ entry[3] }} = '0'{% endif %}
{% endmacro %}
