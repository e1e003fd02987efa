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
    cast(
        {{ whole_quotient(
            'cast(' ~ weight_kg ~ ' * 10 as bigint) * 10000000',
            'cast(nullif(' ~ height_cm ~ ', 0) * 10 as bigint) * cast(' ~ height_cm ~ ' * 10 as bigint)'
        ) }} as numeric(12, 0)
    ) * cast(0.01 as numeric(3, 2)) as numeric(15, 2)
)
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

{# The first part of a text that a pattern with one group finds; null where it is not found. #}
{% macro regex_part(text, pattern) -%}{{ adapter.dispatch('regex_part', 'lakehouse')(text, pattern) }}{%- endmacro %}
{% macro default__regex_part(text, pattern) -%}nullif(regexp_extract({{ text }}, '{{ pattern }}', 1), ''){%- endmacro %}
{% macro postgres__regex_part(text, pattern) -%}substring({{ text }} from '{{ pattern }}'){%- endmacro %}

{# A code in upper case without blanks: what code systems are matched by. #}
{% macro code_key(code) -%}
upper(replace({{ code }}, ' ', ''))
{%- endmacro %}

{# What a laboratory item is matched by: lower case, without blanks and brackets. #}
{% macro item_key(text) -%}
lower(translate({{ text }}, '()（）[]【】 　', ''))
{%- endmacro %}

{# What a printed unit is matched by: lower case, one sign for micro, times and slash, no blanks. #}
{% macro unit_key(text) -%}
lower(translate({{ text }}, 'μµ×*／ 　', 'uuxx/'))
{%- endmacro %}

{# The number of a stated stage (0, I, II, III, IV) from words such as ⅢA期, IIIa, 3B; null where none can be read. #}
{% macro stage_number_of(text) -%}
{%- set plain = "replace(replace(replace(replace(upper(trim(" ~ text ~ ")), 'Ⅳ', 'IV'), 'Ⅲ', 'III'), 'Ⅱ', 'II'), 'Ⅰ', 'I')" -%}
case
    when {{ plain }} like 'IV%' or {{ plain }} like '4%' then 'IV'
    when {{ plain }} like 'III%' or {{ plain }} like '3%' then 'III'
    when {{ plain }} like 'II%' or {{ plain }} like '2%' then 'II'
    when {{ plain }} like 'I%' or {{ plain }} like '1%' then 'I'
    when {{ plain }} like '0%' then '0'
end
{%- endmacro %}

{# Whether a part of the stage table may be the part that was reported: one begins the other, or the table says any. #}
{% macro stage_part_fits(of_table, reported) -%}
('any' = {{ of_table }} or lower({{ of_table }}) like lower({{ reported }}) || '%' or lower({{ reported }}) like lower({{ of_table }}) || '%')
{%- endmacro %}

{# Answer of a form as a truth value, by the code list of its field: the forms say yes in nine ways. #}
{% macro coded_yes(code_list, code) -%}
{%- set words = {
    'no_yes': ('1', '0'), 'absent0_present1': ('1', '0'), 'yes_no_form': ('1', '2'), 'found1_not2': ('1', '2'), 'present1_absent2': ('1', '2'),
    'yes1_not2': ('1', '2'), 'no1_yes2': ('2', '1'), 'absent1_present2': ('2', '1'), 'not_found1_found2': ('2', '1')} -%}
case {{ code }} when '{{ words[code_list][0] }}' then true when '{{ words[code_list][1] }}' then false end
{%- endmacro %}

{# Where a row came from: every standard row carries it. #}
{% macro origin(alias) -%}
{{ alias }}.record_key,
    {{ alias }}.source_family,
    {{ alias }}.source_organisation_code,
    {{ alias }}.batch_id,
    {{ alias }}.delivered_on,
    {{ alias }}.source_file,
    {{ alias }}.source_row,
    {{ alias }}.source_part
{%- endmacro %}

{# The origin of a row about a person, with the channel and the screening source that it stands for. #}
{% macro provenance(alias) -%}
{{ alias }}.channel,
    {{ alias }}.screening_source,
    {{ origin(alias) }}
{%- endmacro %}
