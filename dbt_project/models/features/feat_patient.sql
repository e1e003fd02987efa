-- A patient's primary tumour: diagnosis, stage derived from TNM parts beside the stated one, surgery, treatment, follow-up, death.
-- Diagnosed: a confirmed ICD-10 diagnosis or a pathology result of cancer, whichever is earlier.
with diagnosis as (
    select *
    from {{ ref('std_diagnosis') }}
    where
        cancer is not null
        and not is_suspected
        and person_id is not null
        and diagnosis_date <= {{ as_of_date() }}
),

pathology as (
    select *
    from {{ ref('std_pathology') }}
    where
        person_id is not null
        and reported_date <= {{ as_of_date() }}
),

evidence as (
    select
        person_id,
        cancer,
        diagnosis_date as evidence_date,
        channel,
        source_organisation_code,
        record_key,
        'diagnosis' as kind
    from diagnosis
    union all
    select
        person_id,
        cancer,
        reported_date as evidence_date,
        channel,
        source_organisation_code,
        record_key,
        'pathology' as kind
    from pathology
    where pathology_class = 'cancer'
),

first_evidence as (
    select
        person_id,
        cancer,
        evidence_date as diagnosis_date,
        channel,
        source_organisation_code as diagnosis_organisation_code,
        record_key as diagnosis_record_key,
        row_number() over (
            partition by person_id, cancer
            order by evidence_date asc, kind asc, {{ by_bytes('record_key') }} asc
        ) as evidence_rank
    from evidence
),

tumour as (
    select
        person_id,
        cancer,
        diagnosis_date,
        channel,
        diagnosis_organisation_code,
        diagnosis_record_key
    from first_evidence
    where evidence_rank = 1
),

-- Site: malignant before in situ, the hospital's code before the report card's, the registry's and the follow-up form's, then the longest
-- and the latest.
coded_site as (
    select
        person_id,
        cancer,
        icd10_code,
        tumour_class,
        row_number() over (
            partition by person_id, cancer
            order by
                tumour_class desc,
                case diagnosis_source
                    when 'hospital_diagnosis' then 1
                    when 'front_page' then 2
                    when 'report_card' then 3
                    when 'registry' then 4
                    else 5
                end,
                length(icd10_code) desc,
                diagnosis_date desc,
                {{ by_bytes('record_key') }} asc
        ) as site_rank
    from diagnosis
),

stated_basis as (
    select
        person_id,
        cancer,
        diagnosis_basis_code,
        morphology_code,
        row_number() over (
            partition by person_id, cancer
            order by
                case diagnosis_source when 'screening_follow_up' then 1 when 'registry' then 2 else 3 end,
                delivered_on desc,
                {{ by_bytes('record_key') }} desc
        ) as basis_rank
    from diagnosis
    where diagnosis_basis_code is not null
),

-- The stage as stated, once pathological and once clinical (a source that does not say which counts as clinical): the latest statement.
stated_stage as (
    select
        person_id,
        cancer,
        stage_number,
        case when basis in ('p', 'yp') then 'pathological' else 'clinical' end as kind,
        row_number() over (
            partition by person_id, cancer, case when basis in ('p', 'yp') then 'pathological' else 'clinical' end
            order by
                case stage_source when 'screening_follow_up' then 2 when 'registry' then 3 else 1 end,
                staged_on desc,
                {{ by_bytes('record_key') }} desc
        ) as stage_rank
    from {{ ref('std_stage') }}
    where
        person_id is not null
        and stage_number is not null
        and staged_on <= {{ as_of_date() }}
),

cancer_report as (
    select
        pathology.*,
        row_number() over (
            partition by pathology.person_id, pathology.cancer
            order by
                case when pathology.histology_code is not null then 0 else 1 end,
                pathology.reported_date desc,
                {{ by_bytes('pathology.record_key') }} desc
        ) as report_rank
    from pathology
    where pathology.pathology_class = 'cancer'
),

operation as (
    select
        surgery.person_id,
        surgery.cancer,
        surgery.surgery_date,
        surgery.procedure_code,
        surgery.procedure_class,
        surgery.source_organisation_code,
        row_number() over (
            partition by surgery.person_id, surgery.cancer
            order by surgery.surgery_date asc, {{ by_bytes('surgery.record_key') }} asc
        ) as operation_rank
    from {{ ref('std_surgery') }} as surgery
    inner join tumour
        on
            surgery.person_id = tumour.person_id
            and surgery.cancer = tumour.cancer
            and surgery.surgery_date >= tumour.diagnosis_date
    where
        surgery.procedure_class in ('resection', 'local_excision')
        and surgery.surgery_date <= {{ as_of_date() }}
),

node_report as (
    select
        pathology.person_id,
        pathology.cancer,
        pathology.nodes_examined,
        pathology.nodes_positive,
        row_number() over (
            partition by pathology.person_id, pathology.cancer
            order by pathology.reported_date asc, {{ by_bytes('pathology.record_key') }} asc
        ) as report_rank
    from pathology
    inner join operation
        on
            pathology.person_id = operation.person_id
            and pathology.cancer = operation.cancer
            and operation.operation_rank = 1
            and pathology.reported_date >= operation.surgery_date
    where pathology.nodes_examined is not null
),

course as (
    select
        person_id,
        cancer,
        treatment_class,
        start_date,
        source_organisation_code,
        record_key
    from {{ ref('std_treatment') }}
    where treatment_class is not null and start_date <= {{ as_of_date() }}
),

tumour_course as (
    select
        tumour.person_id,
        tumour.cancer,
        tumour.diagnosis_date,
        course.treatment_class,
        course.start_date,
        course.source_organisation_code,
        row_number() over (
            partition by tumour.person_id, tumour.cancer
            order by
                case when course.start_date >= tumour.diagnosis_date then 0 else 1 end,
                course.start_date asc,
                course.treatment_class asc,
                {{ by_bytes('course.record_key') }} asc
        ) as course_rank
    from tumour
    inner join course on tumour.person_id = course.person_id and coalesce(course.cancer, tumour.cancer) = tumour.cancer
),

treatment as (
    select
        person_id,
        cancer,
        min(case when treatment_class = 'systemic' and start_date >= diagnosis_date then start_date end) as first_systemic_date,
        min(case when treatment_class = 'radiotherapy' and start_date >= diagnosis_date then start_date end) as first_radiotherapy_date,
        min(case when treatment_class = 'endoscopic_resection' and start_date >= diagnosis_date then start_date end)
            as first_endoscopic_resection_date,
        min(case when treatment_class = 'interventional' and start_date >= diagnosis_date then start_date end)
            as first_interventional_date,
        max(case when course_rank = 1 and start_date >= diagnosis_date then start_date end) as first_treatment_date,
        max(case when course_rank = 1 and start_date >= diagnosis_date then treatment_class end) as first_treatment_class,
        max(case when course_rank = 1 and start_date >= diagnosis_date then source_organisation_code end)
            as treatment_organisation_code,
        bool_or(start_date < diagnosis_date and treatment_class <> 'endoscopic_resection') as has_treatment_before_diagnosis
    from tumour_course
    group by person_id, cancer
),

contact as (
    select
        follow_up.person_id,
        tumour.cancer,
        follow_up.follow_up_date,
        follow_up.last_contact_date,
        follow_up.is_lost,
        follow_up.vital_status_code,
        follow_up.has_recurrence,
        follow_up.karnofsky_score,
        row_number() over (
            partition by follow_up.person_id, tumour.cancer
            order by follow_up.follow_up_date desc, {{ by_bytes('follow_up.record_key') }} desc
        ) as contact_rank
    from {{ ref('std_follow_up') }} as follow_up
    inner join tumour
        on
            follow_up.person_id = tumour.person_id
            and follow_up.follow_up_date >= tumour.diagnosis_date
    where follow_up.follow_up_date <= {{ as_of_date() }}
),

follow_up as (
    select
        person_id,
        cancer,
        cast(count(*) as bigint) as follow_up_count,
        max(follow_up_date) as last_follow_up_date,
        max(case when coalesce(is_lost, false) then null else last_contact_date end) as last_contact_date,
        bool_or(contact_rank = 1 and coalesce(is_lost, false)) as is_lost,
        bool_or(coalesce(has_recurrence, false)) as has_recurrence,
        min(case when has_recurrence then follow_up_date end) as first_recurrence_date,
        max(case when contact_rank = 1 then karnofsky_score end) as karnofsky_score
    from contact
    group by person_id, cancer
),

seen as (
    select
        person_id,
        max(visit_start_date) as last_visit_date
    from {{ ref('std_visit') }}
    where visit_start_date <= {{ as_of_date() }}
    group by person_id
),

death_report as (
    select
        person_id,
        death_date,
        cause_icd10_code,
        cause_cancer
    from {{ ref('std_death') }}
),

-- A test of the programme, a hospital's own screening or a check-up that was positive before the diagnosis made it a screen-detected one.
detection as (
    select
        tumour.person_id,
        tumour.cancer,
        test.screening_source,
        test.test_type,
        test.test_date,
        row_number() over (
            partition by tumour.person_id, tumour.cancer
            order by test.test_date asc, test.test_type asc, {{ by_bytes('test.record_key') }} asc
        ) as test_rank
    from tumour
    inner join {{ ref('std_screening_test') }} as test
        on
            tumour.person_id = test.person_id
            and tumour.cancer = test.cancer
            and test.result = 'positive'
            and test.screening_source <> 'hospital_opportunistic'
            and tumour.diagnosis_date >= test.test_date
),

joined as (
    select
        tumour.person_id,
        tumour.cancer,
        1 as tumour_no,
        {{ as_of_date() }} as as_of_date,
        person.sex_code,
        {{ age_years('person.birth_date', 'tumour.diagnosis_date') }} as age_at_diagnosis_years,
        person.residence_county_code,
        person.residence_city_code,
        coalesce(tumour.channel, person.channel) as channel,
        detection.screening_source,
        case when detection.person_id is not null then 'screening' else 'symptom_or_registry' end as detection_route,
        tumour.diagnosis_date,
        tumour.diagnosis_organisation_code,
        tumour.diagnosis_record_key,
        coalesce(coded_site.icd10_code, cancer_report.site_icd10_code) as icd10_code,
        coalesce(coded_site.tumour_class, 'malignant') as tumour_class,
        coalesce(stated_basis.diagnosis_basis_code, case when cancer_report.person_id is not null then '7' else '9' end)
            as diagnosis_basis_code,
        coalesce(cancer_report.histology_code, stated_basis.morphology_code) as histology_code,
        stage.tnm_prefix,
        stage.t_category,
        stage.n_category,
        stage.m_category,
        coalesce(stage.is_m_assumed, false) as is_m_assumed,
        stage.stage as derived_stage,
        stage.stage_number as derived_stage_number,
        stated_pathological.stage_number as stated_pathological_stage_number,
        stated_clinical.stage_number as stated_clinical_stage_number,
        case
            when stage.stage_number is not null then 'derived'
            when stated_pathological.stage_number is not null then 'stated_pathological'
            when stated_clinical.stage_number is not null then 'stated_clinical'
        end as stage_source,
        coalesce(stage.stage_number, stated_pathological.stage_number, stated_clinical.stage_number) as stage_number,
        case
            when stage.stage_number is null or stated_pathological.stage_number is null then null
            when stated_pathological.stage_number = '0-I' then stage.stage_number in ('0', 'I')
            else stage.stage_number = stated_pathological.stage_number
        end as is_stage_consistent,
        stage.staged_on,
        operation.surgery_date,
        operation.procedure_code,
        operation.source_organisation_code as surgery_organisation_code,
        node_report.nodes_examined,
        node_report.nodes_positive,
        treatment.first_systemic_date,
        treatment.first_radiotherapy_date,
        treatment.first_endoscopic_resection_date,
        treatment.first_interventional_date,
        treatment.first_treatment_date,
        treatment.first_treatment_class,
        treatment.treatment_organisation_code,
        coalesce(treatment.has_treatment_before_diagnosis, false) as has_treatment_before_diagnosis,
        coalesce(follow_up.follow_up_count, 0) as follow_up_count,
        follow_up.last_follow_up_date,
        coalesce(follow_up.is_lost, false) as is_lost,
        coalesce(follow_up.has_recurrence, false) as has_recurrence,
        follow_up.first_recurrence_date,
        follow_up.karnofsky_score,
        death_report.death_date,
        death_report.cause_icd10_code as death_icd10_code,
        death_report.death_date is not null as is_dead,
        case when death_report.death_date is not null then coalesce(death_report.cause_cancer = tumour.cancer, false) end
            as is_death_of_this_cancer,
        greatest(
            tumour.diagnosis_date,
            follow_up.last_contact_date,
            seen.last_visit_date,
            operation.surgery_date,
            treatment.first_treatment_date
        ) as last_seen_alive_date
    from tumour
    left join {{ ref('std_person') }} as person on tumour.person_id = person.person_id
    left join coded_site
        on tumour.person_id = coded_site.person_id and tumour.cancer = coded_site.cancer and coded_site.site_rank = 1
    left join stated_basis
        on tumour.person_id = stated_basis.person_id and tumour.cancer = stated_basis.cancer and stated_basis.basis_rank = 1
    {%- for kind in ('pathological', 'clinical') %}
    left join stated_stage as stated_{{ kind }}
        on
            tumour.person_id = stated_{{ kind }}.person_id
            and tumour.cancer = stated_{{ kind }}.cancer
            and stated_{{ kind }}.kind = '{{ kind }}'
            and stated_{{ kind }}.stage_rank = 1
    {%- endfor %}
    left join cancer_report
        on tumour.person_id = cancer_report.person_id and tumour.cancer = cancer_report.cancer and cancer_report.report_rank = 1
    left join {{ ref('std_tumour_stage') }} as stage on tumour.person_id = stage.person_id and tumour.cancer = stage.cancer
    left join operation
        on tumour.person_id = operation.person_id and tumour.cancer = operation.cancer and operation.operation_rank = 1
    left join node_report
        on tumour.person_id = node_report.person_id and tumour.cancer = node_report.cancer and node_report.report_rank = 1
    left join treatment on tumour.person_id = treatment.person_id and tumour.cancer = treatment.cancer
    left join follow_up on tumour.person_id = follow_up.person_id and tumour.cancer = follow_up.cancer
    left join seen on tumour.person_id = seen.person_id
    left join death_report on tumour.person_id = death_report.person_id
    left join detection
        on tumour.person_id = detection.person_id and tumour.cancer = detection.cancer and detection.test_rank = 1
),

final as (
    select
        joined.*,
        {{ days_between('diagnosis_date', 'first_treatment_date') }} as days_to_first_treatment,
        {{ days_between('diagnosis_date', 'coalesce(death_date, last_seen_alive_date)') }} as days_observed
    from joined
)

select * from final
