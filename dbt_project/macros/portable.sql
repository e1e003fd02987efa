{# Small expressions that mean the same on every warehouse; dispatched only where the dialects differ. #}

{# Order of text by its bytes: PostgreSQL would sort by the language of the database. #}
{% macro by_bytes(text) -%}{{ adapter.dispatch('by_bytes', 'lakehouse')(text) }}{%- endmacro %}
{% macro default__by_bytes(text) -%}{{ text }}{%- endmacro %}
{% macro postgres__by_bytes(text) -%}{{ text }} collate "C"{%- endmacro %}

{# Quotient of two whole numbers, cut to a whole number. #}
{% macro whole_quotient(numerator, denominator) -%}
{{ adapter.dispatch('whole_quotient', 'lakehouse')(numerator, denominator) }}
{%- endmacro %}
{% macro default__whole_quotient(numerator, denominator) -%}(({{ numerator }}) // ({{ denominator }})){%- endmacro %}
{% macro postgres__whole_quotient(numerator, denominator) -%}(({{ numerator }}) / ({{ denominator }})){%- endmacro %}
{% macro spark__whole_quotient(numerator, denominator) -%}(({{ numerator }}) div ({{ denominator }})){%- endmacro %}

{# Answer of a 0 = no, 1 = yes field as a truth value; anything else is unknown. #}
{% macro yes(code) -%}
case {{ code }} when '1' then true when '0' then false end
{%- endmacro %}

{# Answer of a 1 = yes, 2 = no form field as a truth value. #}
{% macro form_yes(code) -%}
case {{ code }} when '1' then true when '2' then false end
{%- endmacro %}

{# Completed years between two dates. #}
{% macro age_years(birth_date, on_date) -%}
cast(
    extract(year from {{ on_date }}) - extract(year from {{ birth_date }})
    - case
        when
            extract(month from {{ on_date }}) * 100 + extract(day from {{ on_date }})
            < extract(month from {{ birth_date }}) * 100 + extract(day from {{ birth_date }})
            then 1
        else 0
    end as integer
)
{%- endmacro %}

{# Whole days from one date to another; negative when the second is earlier. #}
{% macro days_between(first_date, second_date) -%}
cast({{ dbt.datediff(first_date, second_date, 'day') }} as integer)
{%- endmacro %}

{# First day of the month. #}
{% macro month_of(day) -%}
cast({{ dbt.date_trunc('month', day) }} as date)
{%- endmacro %}

{# Body mass index, kg/m2, cut (not rounded) to two decimals in whole numbers, so that no threshold is reached by rounding. #}
{% macro body_mass_index(weight_kg, height_cm) -%}
cast(
    {{ whole_quotient(
        'cast(' ~ weight_kg ~ ' * 10 as bigint) * 10000000',
        'cast(nullif(' ~ height_cm ~ ', 0) * 10 as bigint) * cast(' ~ height_cm ~ ' * 10 as bigint)'
    ) }} as numeric(12, 0)
) * cast(0.01 as numeric(3, 2))
{%- endmacro %}

{# The numbers 1 to n, one per row. #}
{% macro positions(n) -%}
{% for i in range(1, n + 1) %}select {{ i }} as position{% if not loop.last %} union all {% endif %}{% endfor %}
{%- endmacro %}

{# Number of values in a list joined by ";" ; null for no list. #}
{% macro list_length(text) -%}
(length({{ text }}) - length(replace({{ text }}, ';', '')) + 1)
{%- endmacro %}

{# Whether a list joined by ";" holds a value; unknown for no list. #}
{% macro list_has(text, value) -%}
(position(';{{ value }};' in ';' || {{ text }} || ';') > 0)
{%- endmacro %}

{# The value at a position of a list joined by ";"; null where it is blank or absent. #}
{% macro list_item(text, position) -%}
nullif(trim(split_part({{ text }}, ';', {{ position }})), '')
{%- endmacro %}

{# Text before a bracket in either width: 阳性(+) is 阳性. #}
{% macro before_bracket(text) -%}
trim(split_part(replace({{ text }}, '（', '('), '(', 1))
{%- endmacro %}

{# A truth value counted: 1 where it holds. #}
{% macro count_if(condition) -%}
cast(count(case when {{ condition }} then 1 end) as bigint)
{%- endmacro %}

{# The provenance every standard row carries. #}
{% macro provenance(alias) -%}
{{ alias }}.record_key,
    {{ alias }}.source_family,
    {{ alias }}.source_organisation_code,
    {{ alias }}.batch_id,
    {{ alias }}.delivered_on,
    {{ alias }}.source_file,
    {{ alias }}.source_row
{%- endmacro %}
