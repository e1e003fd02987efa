-- A measured value: an item of a laboratory report, or a measurement on a form, with the item it is (LOINC), the value in the item's one
-- unit, its sign, and whether it is positive or out of range. What a laboratory's name and unit mean is coded before the warehouse
-- (lake.text_code), where people's decisions stand first; an item that was not coded is looked up here.
{%- set forms = measured_fields() %}
with alias as (
    select
        alias,
        item
    from {{ ref('seed_measurement_alias') }}
),

lab as (
    select * from {{ ref('stg_hospital__lab_result') }}
),

lab_code as (
    select
        text_key,
        item,
        from_unit
    from {{ ref('stg_lake__lab_code') }}
),

-- As it was coded; not coded yet, the delivered LOINC code says what an item is, else its name, else its code.
laboratory as (
    select
        lab.person_id,
        'lab_result' as measurement_source,
        case
            when coded.text_key is not null then coded.item
            else coalesce(by_loinc.item, by_name.item, by_code.item)
        end as item,
        lab.item_code,
        lab.item_name,
        cast(lab.result as numeric(18, 4)) as value_number,
        lab.result_comparator as value_comparator,
        lab.result_text as value_text,
        cast(null as text) as value_code,
        cast(null as text) as value_code_list,
        lab.result_unit as unit,
        coded.from_unit,
        lab.reference_range,
        lab.abnormal_flag_code,
        coalesce(lab.sampled_date, lab.reported_date) as measured_on,
        lab.reported_date as reported_on,
        {{ provenance('lab') }}
    from lab
    left join lab_code as coded on {{ lab_text_key('lab') }} = coded.text_key
    left join alias as by_loinc on lower(trim(lab.loinc_code)) = by_loinc.alias
    left join alias as by_name on {{ item_key('lab.item_name') }} = by_name.alias
    left join alias as by_code on {{ item_key('lab.item_code') }} = by_code.alias
),
{%- for form in forms %}

{{ form.source }}_form as (
    select * from {{ ref(form.model) }}
),
{%- endfor %}

form_value as (
    {%- for form in forms %}
    {%- set outer_last = loop.last %}
    {%- for field in form.fields %}
    select
        form.person_id,
        '{{ form.source }}' as measurement_source,
        '{{ field.item }}' as item,
        '{{ field.name }}' as item_code,
        '{{ field.name_zh }}' as item_name,
        cast({{ 'null' if field.code_list else 'form.' ~ field.name }} as numeric(18, 4)) as value_number,
        {% if field.comparator %}form.{{ field.name }}_comparator{% else %}cast(null as text){% endif %} as value_comparator,
        cast(null as text) as value_text,
        {% if field.code_list %}form.{{ field.name }}{% else %}cast(null as text){% endif %} as value_code,
        {% if field.code_list %}'coded_result.{{ field.code_list }}'{% else %}cast(null as text){% endif %} as value_code_list,
        {% if field.unit %}'{{ field.unit }}'{% else %}cast(null as text){% endif %} as unit,
        cast(null as text) as from_unit,
        cast(null as text) as reference_range,
        cast(null as text) as abnormal_flag_code,
        coalesce({% for day in form.days %}form.{{ day }}, {% endfor %}form.delivered_on) as measured_on,
        coalesce({% for day in form.days %}form.{{ day }}, {% endfor %}form.delivered_on) as reported_on,
        {{ provenance('form') }}
    from {{ form.source }}_form as form
    where form.{{ field.name }} is not null
    {%- if not (loop.last and outer_last) %}
    union all
    {%- endif %}
    {%- endfor %}
    {%- endfor %}
),

listed as (
    select * from laboratory
    union all
    select * from form_value
),

-- A result in words: the text, or a sign without a number.
measurement as (
    select
        listed.*,
        lower({{ before_bracket('coalesce(listed.value_text, case when listed.value_number is null then listed.value_comparator end)') }})
            as value_word
    from listed
),

placed as (
    select
        measurement.*,
        cast(nullif(described.positive_from, '') as numeric(18, 4)) as positive_from,
        nullif(described.loinc_code, '') as loinc_code,
        nullif(described.unit, '') as unit_standard,
        -- a barcode typed as a result is no reason to fail
        cast(
            case
                when abs(measurement.value_number) < 10000000000
                    then round(cast(measurement.value_number as numeric(22, 4)) * factor.factor, 4)
            end as numeric(18, 4)
        ) as value_standard,
        coalesce(by_text.class, by_code.class) as stated_class,
        cast({{ regex_part('measurement.reference_range', '^ *([0-9]{1,9}[.]?[0-9]{0,9}) *[-~～—]') }} as numeric(18, 4)) as reference_low,
        cast({{ regex_part('measurement.reference_range', '[-~～—≤<] *([0-9]{1,9}[.]?[0-9]{0,9}) *$') }} as numeric(18, 4)) as reference_high
    from measurement
    left join {{ ref('seed_measurement_item') }} as described on measurement.item = described.item
    left join {{ ref('seed_unit') }} as printed on {{ unit_key('measurement.unit') }} = printed.printed
    left join {{ ref('seed_unit_factor') }} as factor
        on measurement.item = factor.item and coalesce(measurement.from_unit, printed.unit) = factor.from_unit
    left join {{ ref('seed_code_class') }} as by_text
        on
            by_text.code_list = 'lab_text'
            and measurement.value_word = by_text.code
    left join {{ ref('seed_code_class') }} as by_code
        on measurement.value_code_list = by_code.code_list and measurement.value_code = by_code.code
),

final as (
    select
        placed.person_id,
        placed.measurement_source,
        placed.item,
        placed.loinc_code,
        placed.item_code,
        placed.item_name,
        placed.value_number,
        placed.value_comparator,
        placed.value_text,
        placed.value_code,
        placed.unit,
        placed.value_standard,
        case when placed.value_standard is not null then placed.unit_standard end as unit_standard,
        case
            when placed.stated_class is not null then placed.stated_class
            when placed.positive_from is null or placed.value_standard is null then null
            when coalesce(placed.value_comparator, '') = '<' and placed.value_standard <= placed.positive_from then 'negative'
            when placed.value_standard >= placed.positive_from then 'positive'
            else 'negative'
        end as value_class,
        placed.reference_range,
        coalesce(
            placed.abnormal_flag_code,
            case
                when placed.value_number is null then null
                when placed.value_number > placed.reference_high then 'H'
                when placed.value_number < placed.reference_low then 'L'
                when placed.reference_low is not null or placed.reference_high is not null then 'N'
            end
        ) as abnormal_flag_code,
        placed.measured_on,
        placed.reported_on,
        {{ provenance('placed') }}
    from placed
)

select * from final
