-- Every non-identifying answer of every form: raw, standardised, verdict, file and row. A view, since almost every answer is
-- accepted as it stands and is then its own raw text; only the exceptions are stored. It names tables without their database, so
-- that it works in the published copy.
{{ config(materialized='view') }}
{#- sqlfluff sets fields_per_form, since one branch is written for each of some 200 fields. -#}
{%- set exception = ref('meta_form_answer_exception').include(database=false) %}

with accepted as (
    {%- for feed, fields in form_fields().items() %}
    {%- set answers = ref('meta_answer__' ~ feed).include(database=false) %}
    {%- set outer_last = loop.last %}
    {%- set has_person = feed not in forms_without_person() %}
    {%- for field in fields[:var('fields_per_form', fields | length)] %}
    select
        '{{ feed }}' as feed,
        '{{ field.name }}' as field,
        answer.record_key,
        {% if has_person %}answer.person_id{% else %}cast(null as text) as person_id{% endif %},
        answer.source_family,
        answer.source_organisation_code,
        answer.batch_id,
        answer.delivered_on,
        answer.source_file,
        answer.source_row,
        case when deviation.field is null then cast(answer.{{ field.name }} as text) else deviation.raw_value end as raw_value,
        cast(answer.{{ field.name }} as text) as standard_value,
        {% if field.comparator %}answer.{{ field.name }}_comparator{% else %}cast(null as text){% endif %} as comparator,
        coalesce(deviation.verdict, 'accepted') as verdict,
        deviation.reason_code,
        deviation.reason_zh
    from {{ answers }} as answer
    left join {{ exception }} as deviation
        on
            deviation.feed = '{{ feed }}'
            and deviation.field = '{{ field.name }}'
            and answer.batch_id = deviation.batch_id
            and answer.source_file = deviation.source_file
            and answer.source_row = deviation.source_row
    where answer.{{ field.name }} is not null or deviation.field is not null
    {%- if not (loop.last and outer_last) %}
    union all
    {%- endif %}
    {%- endfor %}
    {%- endfor %}
),

quarantined as (
    select
        feed,
        field,
        record_key,
        cast(null as text) as person_id,
        source_family,
        source_organisation_code,
        batch_id,
        delivered_on,
        source_file,
        source_row,
        raw_value,
        standard_value,
        comparator,
        verdict,
        reason_code,
        reason_zh
    from {{ exception }}
    where not is_row_accepted
),

final as (
    select * from accepted
    union all
    select * from quarantined
)

select * from final
