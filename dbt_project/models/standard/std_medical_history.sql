-- What a source states about a person's history on a day: one row per record and statement (macros/history.sql lists them).
-- A view: most of a million questionnaires' answers are read for a few statements only, and a statement asked for reads its columns alone.
{{ config(materialized='view') }}
{#- sqlfluff sets statements_per_kind, since one branch is written for each of some 150 statements. -#}
{%- set branches = [] -%}
{%- for source in history_sources() -%}
{%- for kind in ('yes', 'member', 'code', 'number', 'date') -%}
{%- set entries = source[kind] or [] -%}
{%- for entry in entries[:var('statements_per_kind', entries | length)] -%}
{%- do branches.append(history_statement(source, kind, entry) | trim) -%}
{%- endfor -%}
{%- endfor -%}
{%- endfor %}

with stated as (
    {{ branches | join('\n    union all\n    ') }}
),

final as (
    select
        stated.person_id,
        stated.statement,
        stated.is_present,
        stated.value_code,
        stated.value_code_list,
        stated.value_number,
        stated.unit,
        stated.value_date,
        stated.stated_on,
        stated.history_source,
        {{ provenance('stated') }}
    from stated
)

select * from final
