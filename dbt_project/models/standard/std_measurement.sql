-- A measured value: an item of a laboratory report, or a measurement of a physical examination.
{%- set exam_items = exam_measurements() %}
with laboratory as (
    select
        lab.person_id,
        'lab_result' as measurement_source,
        lab.item_code,
        lab.item_name,
        cast(lab.result as numeric(18, 4)) as value_number,
        lab.result_comparator as value_comparator,
        lab.result_text as value_text,
        lab.result_unit as unit,
        lab.reference_range,
        lab.reported_date as measured_on,
        {{ provenance('lab') }}
    from {{ ref('stg_hospital__lab_result') }} as lab
),

examination as (
    {%- for item in exam_items %}
    select
        exam.person_id,
        'physical_exam' as measurement_source,
        '{{ item.name }}' as item_code,
        '{{ item.name_zh }}' as item_name,
        cast(exam.{{ item.name }} as numeric(18, 4)) as value_number,
        {% if item.comparator %}exam.{{ item.name }}_comparator{% else %}cast(null as text){% endif %} as value_comparator,
        cast(null as text) as value_text,
        '{{ item.unit }}' as unit,
        cast(null as text) as reference_range,
        exam.exam_date as measured_on,
        {{ provenance('exam') }}
    from {{ ref('meta_answer__physical_exam') }} as exam
    where exam.{{ item.name }} is not null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

measurement as (
    select * from laboratory
    union all
    select * from examination
),

final as (
    select
        measurement.person_id,
        measurement.measurement_source,
        measurement.item_code,
        measurement.item_name,
        item.class as test_type,
        measurement.value_number,
        measurement.value_comparator,
        measurement.value_text,
        measurement.unit,
        measurement.reference_range,
        measurement.measured_on,
        source.channel,
        source.screening_source,
        {{ provenance('measurement') }}
    from measurement
    left join {{ ref('seed_code_class') }} as item
        on item.code_list = 'lab_item' and measurement.item_code = item.code
    left join {{ ref('std_source') }} as source
        on
            measurement.source_family = source.source_family
            and measurement.source_organisation_code = source.source_organisation_code
)

select * from final
