-- Every non-identifying answer of every form: raw, standardised, verdict, file and row. A view, since almost every answer is
-- accepted as it stands and is then its own raw text; only the exceptions are stored, and join once to what all forms answered.
-- It names tables without their database, so that it works in the published copy.
{{ config(materialized='view') }}
{#- sqlfluff sets fields_per_form, since one branch is written for each of some 900 fields. -#}
{%- set exception = ref('meta_form_answer_exception').include(database=false) %}

with answered as (
    {%- for feed, fields in form_fields().items() %}
    {%- set answers = ref('meta_answer__' ~ feed).include(database=false) %}
    {%- set outer_last = loop.last %}
    {%- set person = 'cast(null as text)' if feed in forms_without_person() else 'person_id' %}
    {%- for field in fields[:var('fields_per_form', fields | length)] %}
    select
        '{{ feed }}' as feed,
        '{{ field.name }}' as field,
        record_key,
        {{ person }} as person_id,
        source_family,
        source_organisation_code,
        batch_id,
        delivered_on,
        source_file,
        source_row,
        source_part,
        cast({{ field.name }} as text) as standard_value,
        {% if field.comparator %}{{ field.name }}_comparator{% else %}cast(null as text){% endif %} as comparator
    from {{ answers }}
    where {{ field.name }} is not null
    {%- if not (loop.last and outer_last) %}
    union all
    {%- endif %}
    {%- endfor %}
    {%- endfor %}
),

-- Rows that count: an answer that was set aside has no value left in them.
counted as (
    {%- for feed in form_fields() %}
    select
        '{{ feed }}' as feed,
        {{ 'cast(null as text)' if feed in forms_without_person() else 'person_id' }} as person_id,
        batch_id,
        source_file,
        source_row,
        source_part
    from {{ ref('meta_answer__' ~ feed).include(database=false) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

accepted as (
    select
        answered.feed,
        answered.field,
        answered.record_key,
        answered.person_id,
        answered.source_family,
        answered.source_organisation_code,
        answered.batch_id,
        answered.delivered_on,
        answered.source_file,
        answered.source_row,
        answered.source_part,
        case when deviation.field is null then answered.standard_value else deviation.raw_value end as raw_value,
        answered.standard_value,
        answered.comparator,
        coalesce(deviation.verdict, 'accepted') as verdict,
        deviation.reason_code,
        deviation.reason_zh
    from answered
    left join {{ exception }} as deviation
        on
            answered.feed = deviation.feed
            and answered.field = deviation.field
            and answered.batch_id = deviation.batch_id
            and answered.source_file = deviation.source_file
            and answered.source_row = deviation.source_row
            and answered.source_part = deviation.source_part
),

set_aside as (
    select
        deviation.feed,
        deviation.field,
        deviation.record_key,
        counted.person_id,
        deviation.source_family,
        deviation.source_organisation_code,
        deviation.batch_id,
        deviation.delivered_on,
        deviation.source_file,
        deviation.source_row,
        deviation.source_part,
        deviation.raw_value,
        deviation.standard_value,
        deviation.comparator,
        deviation.verdict,
        deviation.reason_code,
        deviation.reason_zh
    from {{ exception }} as deviation
    inner join counted
        on
            deviation.feed = counted.feed
            and deviation.batch_id = counted.batch_id
            and deviation.source_file = counted.source_file
            and deviation.source_row = counted.source_row
            and deviation.source_part = counted.source_part
    where deviation.is_row_accepted and deviation.standard_value is null
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
        source_part,
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
    select * from set_aside
    union all
    select * from quarantined
)

select * from final
