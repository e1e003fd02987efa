-- A screening test of the large bowel: a FIT or a colonoscopy, whoever did it, with its result.
-- A colonoscopy is positive where a lesion was seen; what the lesion is says std_pathology.
with centre_fit as (
    select
        answer.person_id,
        'fit' as test_type,
        answer.screening_no as test_no,
        answer.test_date,
        coalesce(result.class, 'no_result') as result,
        cast(null as boolean) as is_complete,
        {{ provenance('answer') }}
    from {{ ref('meta_answer__screening_fit') }} as answer
    left join {{ ref('seed_code_class') }} as result
        on result.code_list = 'fit_result' and answer.fit_result_code = result.code
),

checkup_fit as (
    select
        answer.person_id,
        'fit' as test_type,
        answer.exam_no as test_no,
        answer.exam_date as test_date,
        result.class as result,
        cast(null as boolean) as is_complete,
        {{ provenance('answer') }}
    from {{ ref('meta_answer__physical_exam') }} as answer
    inner join {{ ref('seed_code_class') }} as result
        on result.code_list = 'fit_result' and answer.fit_result_code = result.code
    where result.class <> 'no_result'
),

hospital_fit as (
    select
        measurement.person_id,
        'fit' as test_type,
        measurement.record_key as test_no,
        measurement.measured_on as test_date,
        coalesce(result.class, 'no_result') as result,
        cast(null as boolean) as is_complete,
        {{ provenance('measurement') }}
    from {{ ref('std_measurement') }} as measurement
    left join {{ ref('seed_code_class') }} as result
        on
            result.code_list = 'lab_text'
            and {{ before_bracket('coalesce(measurement.value_text, measurement.value_comparator)') }} = result.code
    where measurement.test_type = 'fit'
),

centre_colonoscopy as (
    select
        answer.person_id,
        'colonoscopy' as test_type,
        answer.screening_no as test_no,
        answer.exam_date as test_date,
        case
            when answer.colonoscopy_done <> '1' then 'not_done'
            when answer.polyp_found = '1' or answer.other_lesion_found = '1' then 'positive'
            when answer.polyp_found = '2' and answer.other_lesion_found = '2' then 'negative'
            else 'no_result'
        end as result,
        case
            when answer.colonoscopy_done <> '1' then false
            when answer.depth_code in ('1', '2') then answer.bowel_preparation_code <> '3'
            when answer.depth_code is not null then false
        end as is_complete,
        {{ provenance('answer') }}
    from {{ ref('meta_answer__screening_colonoscopy') }} as answer
),

hospital_colonoscopy as (
    select
        report.person_id,
        'colonoscopy' as test_type,
        report.report_no as test_no,
        report.exam_date as test_date,
        case report.has_polyp_or_mass
            when true then 'positive'
            when false then 'negative'
            else 'no_result'
        end as result,
        report.reached_caecum as is_complete,
        {{ provenance('report') }}
    from {{ ref('stg_hospital__endoscopy_report') }} as report
    where report.exam_type_code = 'colonoscopy'
),

test as (
    select * from centre_fit
    union all
    select * from checkup_fit
    union all
    select * from hospital_fit
    union all
    select * from centre_colonoscopy
    union all
    select * from hospital_colonoscopy
),

final as (
    select
        test.person_id,
        'colorectum' as cancer,
        test.test_type,
        test.test_no,
        test.test_date,
        test.result,
        test.is_complete,
        source.channel,
        source.screening_source,
        {{ provenance('test') }}
    from test
    left join {{ ref('std_source') }} as source
        on
            test.source_family = source.source_family
            and test.source_organisation_code = source.source_organisation_code
)

select * from final
