-- A code that a diagnosis or histology in words means (ICD-10, ICD-O-3), with the record that says so, beside the code that was stated.
{%- set fields = coded_fields() %}
with record as (
    {%- for one in fields %}
    select
        form.person_id,
        '{{ one.feed }}' as feed,
        '{{ one.field }}' as text_field,
        form.{{ one.day }} as stated_on,
        {% if one.stated %}form.{{ one.stated }}{% else %}cast(null as text){% endif %} as stated_code,
        {{ text_key('form.source_organisation_code', one.feed, one.field, 'form.' ~ one.field) }} as text_key,
        {{ provenance('form') }}
    from {{ ref(one.model) }} as form
    where form.{{ one.field }} <> ''
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

code as (
    select * from {{ ref('stg_lake__text_code') }}
    where code is not null
),

final as (
    select
        record.person_id,
        record.feed,
        record.text_field,
        record.stated_on,
        record.stated_code,
        code.text_kind,
        code.text,
        code.code_no,
        code.code_system,
        code.code,
        code.code_name_zh,
        code.behaviour,
        code.site,
        code.cancer,
        code.assertion,
        code.laterality_code,
        code.morphology_code,
        code.confidence,
        code.method,
        code.rule,
        code.span_start,
        code.span_end,
        code.decision_no,
        code.coded_with,
        {{ provenance('record') }}
    from record
    inner join code on record.text_key = code.text_key
)

select * from final
