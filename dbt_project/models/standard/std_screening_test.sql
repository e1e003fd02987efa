-- A screening test of one of the six cancers, whoever did it, with its result: negative, positive, suspicious or no_result. The class is
-- what the form itself says (its result code, BI-RADS, the HPV types), by the cited rows of seed_code_class; thresholds are for rules.
with class as (
    select
        code_list,
        code,
        class
    from {{ ref('seed_code_class') }}
),

ldct as (
    select
        form.person_id,
        'lung' as cancer,
        'ldct' as test_type,
        form.screening_no as test_no,
        form.exam_date as test_date,
        coalesce(
            class.class,
            case
                when form.suspected_cancer_found = '2' or form.positive_nodule_found = '2' or form.airway_lesion_found = '2' then 'positive'
                when form.suspected_cancer_found = '1' and form.positive_nodule_found = '1' then 'negative'
            end,
            'no_result'
        ) as result,
        form.result_code as result_detail,
        true as is_done,
        cast(null as boolean) as is_complete,
        {{ provenance('form') }}
    from {{ ref('meta_answer__screening_ldct') }} as form
    left join class on class.code_list = 'lung_result' and form.result_code = class.code
),

hospital_ldct as (
    select
        report.person_id,
        'lung' as cancer,
        'ldct' as test_type,
        report.report_no as test_no,
        report.exam_date as test_date,
        case report.is_positive when true then 'positive' when false then 'negative' else 'no_result' end as result,
        cast(null as text) as result_detail,
        true as is_done,
        cast(null as boolean) as is_complete,
        {{ provenance('report') }}
    from {{ ref('std_imaging') }} as report
    where report.imaging_type_code = 'LDCT'
),

fit as (
    select
        form.person_id,
        'colorectum' as cancer,
        'fit' as test_type,
        form.screening_no as test_no,
        form.test_date,
        coalesce(class.class, 'no_result') as result,
        cast(null as text) as result_detail,
        true as is_done,
        cast(null as boolean) as is_complete,
        {{ provenance('form') }}
    from {{ ref('meta_answer__screening_fit') }} as form
    left join class on class.code_list = 'fit_result' and form.fit_result_code = class.code
),

-- A laboratory's test, or a check-up's: without a reading it is no test.
laboratory as (
    select
        measurement.person_id,
        case measurement.item when 'fit' then 'colorectum' when 'afp' then 'liver' else 'cervix' end as cancer,
        measurement.item as test_type,
        measurement.record_key as test_no,
        measurement.measured_on as test_date,
        coalesce(
            measurement.value_class,
            case when measurement.value_number is not null then flag.class end,
            'no_result'
        ) as result,
        cast(null as text) as result_detail,
        true as is_done,
        cast(null as boolean) as is_complete,
        {{ provenance('measurement') }}
    from {{ ref('std_measurement') }} as measurement
    left join class as flag on flag.code_list = 'abnormal_flag' and measurement.abnormal_flag_code = flag.code
    where
        measurement.item in ('fit', 'afp', 'hpv')
        and measurement.measurement_source in ('lab_result', 'physical_exam')
        and (
            measurement.measurement_source = 'lab_result'
            or measurement.value_class in ('positive', 'negative', 'suspicious')
        )
),

-- A laboratory that reports HPV type by type: one test per person, place and day, positive where any type is; 16 and 18 first.
typed_hpv as (
    select
        measurement.*,
        row_number() over (
            partition by measurement.person_id, measurement.source_organisation_code, measurement.measured_on
            order by
                case measurement.value_class when 'positive' then 1 when 'suspicious' then 2 when 'negative' then 3 else 4 end,
                case measurement.item when 'hpv_other' then 2 else 1 end,
                {{ by_bytes('measurement.record_key') }} asc
        ) as type_rank
    from {{ ref('std_measurement') }} as measurement
    where measurement.item in ('hpv_16', 'hpv_18', 'hpv_other') and measurement.measurement_source = 'lab_result'
),

laboratory_hpv as (
    select
        measurement.person_id,
        'cervix' as cancer,
        'hpv' as test_type,
        measurement.record_key as test_no,
        measurement.measured_on as test_date,
        coalesce(measurement.value_class, 'no_result') as result,
        case
            when measurement.value_class <> 'positive' then null
            when measurement.item = 'hpv_other' then 'hpv_other'
            else 'hpv_16_18'
        end as result_detail,
        true as is_done,
        cast(null as boolean) as is_complete,
        {{ provenance('measurement') }}
    from typed_hpv as measurement
    where measurement.type_rank = 1
),

-- A colonoscopy is positive where a lesion was seen; what the lesion is says std_pathology.
endoscopy as (
    select
        endoscopy.person_id,
        endoscopy.cancer,
        endoscopy.exam_type_code as test_type,
        endoscopy.test_no,
        endoscopy.exam_date as test_date,
        case
            when not coalesce(endoscopy.is_done, false) then 'no_result'
            when endoscopy.exam_type_code = 'colonoscopy' and endoscopy.has_lesion then 'positive'
            when endoscopy.exam_type_code = 'colonoscopy' and class.class = 'positive' then 'positive'
            when endoscopy.exam_type_code = 'colonoscopy' and not endoscopy.has_lesion then 'negative'
            when class.class is not null then class.class
            when endoscopy.is_positive then 'positive'
            when not endoscopy.is_positive then 'negative'
            when endoscopy.has_lesion and endoscopy.endoscopy_source = 'screening_ugi_endoscopy' then 'suspicious'
            when not endoscopy.has_lesion and endoscopy.endoscopy_source = 'screening_ugi_endoscopy' then 'negative'
            else 'no_result'
        end as result,
        endoscopy.result_code as result_detail,
        coalesce(endoscopy.is_done, false) as is_done,
        endoscopy.is_complete,
        {{ provenance('endoscopy') }}
    from {{ ref('std_endoscopy') }} as endoscopy
    left join class
        on
            class.code_list
            = case endoscopy.exam_type_code when 'colposcopy' then 'colposcopy_impression' else 'digestive_tract_result' end
            and endoscopy.result_code = class.code
    where endoscopy.exam_type_code in ('colonoscopy', 'gastroscopy', 'colposcopy')
),

liver_form as (
    select * from {{ ref('meta_answer__screening_liver') }}
),

liver_lesion as (
    select
        lesion.source_organisation_code,
        lesion.screening_no,
        bool_or(coalesce(class.class = 'positive', false)) as has_positive,
        bool_and(coalesce(class.class = 'negative', false)) as is_all_negative
    from {{ ref('meta_answer__screening_liver_lesion') }} as lesion
    left join class on class.code_list = 'liver_lesion_conclusion' and lesion.conclusion_code = class.code
    group by lesion.source_organisation_code, lesion.screening_no
),

liver_us as (
    select
        form.person_id,
        'liver' as cancer,
        'liver_us' as test_type,
        form.screening_no as test_no,
        form.exam_date as test_date,
        case
            when form.result_code in ('3', '4') or liver_lesion.has_positive then 'positive'
            when form.lesion_found = '1' and liver_lesion.is_all_negative then 'negative'
            when form.lesion_found = '1' then 'suspicious'
            when form.lesion_found = '2' then 'negative'
            when form.result_code in ('1', '2', '5') then 'negative'
            else 'no_result'
        end as result,
        form.result_code as result_detail,
        true as is_done,
        cast(null as boolean) as is_complete,
        {{ provenance('form') }}
    from liver_form as form
    left join liver_lesion
        on
            form.source_organisation_code = liver_lesion.source_organisation_code
            and form.screening_no = liver_lesion.screening_no
),

afp as (
    select
        form.person_id,
        'liver' as cancer,
        'afp' as test_type,
        form.screening_no as test_no,
        form.exam_date as test_date,
        coalesce(class.class, 'no_result') as result,
        cast(null as text) as result_detail,
        coalesce(form.afp_result_code, '2') <> '2' or form.afp_ng_ml is not null as is_done,
        cast(null as boolean) as is_complete,
        {{ provenance('form') }}
    from liver_form as form
    left join class on class.code_list = 'test_result' and form.afp_result_code = class.code
    where form.afp_result_code is not null or form.afp_ng_ml is not null
),

-- BI-RADS says it; where none is given, the programme's class.
breast_us as (
    select
        form.person_id,
        'breast' as cancer,
        'breast_us' as test_type,
        form.screening_no as test_no,
        form.exam_date as test_date,
        coalesce(bi_rads.class, programme.class, 'no_result') as result,
        form.bi_rads_code as result_detail,
        true as is_done,
        cast(null as boolean) as is_complete,
        {{ provenance('form') }}
    from {{ ref('meta_answer__screening_breast_us') }} as form
    left join class as bi_rads on bi_rads.code_list = 'bi_rads_us' and form.bi_rads_code = bi_rads.code
    left join class as programme on programme.code_list = 'breast_result' and form.result_code = programme.code
),

-- The worse breast counts.
mammography as (
    select
        form.person_id,
        'breast' as cancer,
        'mammography' as test_type,
        form.screening_no as test_no,
        form.exam_date as test_date,
        case
            when 'positive' in (both_sides.class, left_side.class, right_side.class) then 'positive'
            when 'suspicious' in (both_sides.class, left_side.class, right_side.class) then 'suspicious'
            else coalesce(both_sides.class, left_side.class, right_side.class, programme.class, 'no_result')
        end as result,
        form.bi_rads_code as result_detail,
        true as is_done,
        cast(null as boolean) as is_complete,
        {{ provenance('form') }}
    from {{ ref('meta_answer__screening_breast_mg') }} as form
    left join class as both_sides on both_sides.code_list = 'bi_rads_mg' and form.bi_rads_code = both_sides.code
    left join class as left_side on left_side.code_list = 'bi_rads_mg' and form.left_bi_rads_code = left_side.code
    left join class as right_side on right_side.code_list = 'bi_rads_mg' and form.right_bi_rads_code = right_side.code
    left join class as programme on programme.code_list = 'breast_result' and form.result_code = programme.code
),

hospital_imaging as (
    select
        report.person_id,
        report.organ as cancer,
        case
            when report.imaging_type_code = 'MG' then 'mammography'
            when report.organ = 'breast' then 'breast_us'
            else 'liver_us'
        end as test_type,
        report.report_no as test_no,
        report.exam_date as test_date,
        coalesce(class.class, case report.is_positive when true then 'positive' when false then 'negative' end, 'no_result') as result,
        report.bi_rads_code as result_detail,
        true as is_done,
        cast(null as boolean) as is_complete,
        {{ provenance('report') }}
    from {{ ref('std_imaging') }} as report
    left join class on class.code_list = 'bi_rads' and report.organ = 'breast' and report.bi_rads_code = class.code
    where
        (report.imaging_type_code in ('US', 'MG') and report.organ = 'breast')
        or (report.imaging_type_code = 'US' and report.organ = 'liver')
),

-- Any high-risk type makes the test positive; 16 and 18 are told apart, since they go to colposcopy at once.
hpv_form as (
    select
        form.*,
        case
            when '1' in (form.hpv16_code, form.hpv18_code) then 'hpv_16_18'
            when {{ list_has('form.hpv_type_codes', '16') }} then 'hpv_16_18'
            when {{ list_has('form.hpv_type_codes', '18') }} then 'hpv_16_18'
            when form.hpv_other12_code = '1' or form.hpv_type_codes is not null then 'hpv_other'
        end as found_type
    from {{ ref('meta_answer__screening_cervical_hpv') }} as form
),

hpv as (
    select
        form.person_id,
        'cervix' as cancer,
        'hpv' as test_type,
        form.screening_no as test_no,
        coalesce(form.test_date, form.sampled_date) as test_date,
        case
            when form.found_type is not null then 'positive'
            when class.class is not null then class.class
            when form.hpv16_code = '0' and form.hpv18_code = '0' and form.hpv_other12_code = '0' then 'negative'
            else 'no_result'
        end as result,
        form.found_type as result_detail,
        true as is_done,
        cast(null as boolean) as is_complete,
        {{ provenance('form') }}
    from hpv_form as form
    left join class on class.code_list = 'hpv_result' and form.hpv_result_code = class.code
),

cytology as (
    select
        form.person_id,
        'cervix' as cancer,
        'cytology' as test_type,
        form.screening_no as test_no,
        coalesce(form.test_date, form.sampled_date) as test_date,
        case
            when class.class is not null and class.class <> 'negative' then class.class
            when form.adequacy_code = '2' then 'no_result'
            else coalesce(class.class, 'no_result')
        end as result,
        form.bethesda_code as result_detail,
        true as is_done,
        case form.adequacy_code when '1' then true when '2' then false end as is_complete,
        {{ provenance('form') }}
    from {{ ref('meta_answer__screening_cervical_cytology') }} as form
    left join class on class.code_list = 'bethesda_category' and form.bethesda_code = class.code
),

checkup_cytology as (
    select
        form.person_id,
        'cervix' as cancer,
        'cytology' as test_type,
        form.exam_no as test_no,
        form.exam_date as test_date,
        coalesce(class.class, 'no_result') as result,
        form.cytology_code as result_detail,
        true as is_done,
        cast(null as boolean) as is_complete,
        {{ provenance('form') }}
    from {{ ref('meta_answer__physical_exam') }} as form
    left join class on class.code_list = 'bethesda_category' and form.cytology_code = class.code
    where form.cytology_code is not null
),

checkup_breast as (
    select
        form.person_id,
        'breast' as cancer,
        'breast_us' as test_type,
        form.exam_no as test_no,
        form.exam_date as test_date,
        coalesce(class.class, 'no_result') as result,
        form.breast_bi_rads_code as result_detail,
        true as is_done,
        cast(null as boolean) as is_complete,
        {{ provenance('form') }}
    from {{ ref('meta_answer__physical_exam') }} as form
    left join class on class.code_list = 'bi_rads' and form.breast_bi_rads_code = class.code
    where form.breast_bi_rads_code is not null
),

test as (
    select * from ldct
    union all
    select * from hospital_ldct
    union all
    select * from fit
    union all
    select * from laboratory
    union all
    select * from laboratory_hpv
    union all
    select * from endoscopy
    union all
    select * from liver_us
    union all
    select * from afp
    union all
    select * from breast_us
    union all
    select * from mammography
    union all
    select * from hospital_imaging
    union all
    select * from hpv
    union all
    select * from cytology
    union all
    select * from checkup_cytology
    union all
    select * from checkup_breast
),

final as (
    select
        test.person_id,
        test.cancer,
        test.test_type,
        test.test_no,
        test.test_date,
        test.result,
        test.result_detail,
        test.is_done,
        test.is_complete,
        {{ provenance('test') }}
    from test
)

select * from final
