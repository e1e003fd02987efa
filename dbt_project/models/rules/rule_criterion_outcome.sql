-- Each condition of each verdict: true, false or unknown, with its points. A view over the wide outcomes, which hold them once;
-- it names tables without their database, so that it works in the published copy.
{{ config(materialized='view') }}
{%- set pieces = [] %}
{%- for library, rule in released_rules() %}
{%- set outcomes = ref(rule_model(rule)).include(database=false) %}
{%- for item in rule.eligibility %}
{%- do pieces.append((outcomes, 'eligibility', item, 'eligible_' ~ item.id, 'cast(null as integer)')) %}
{%- endfor %}
{%- for item in rule.criteria %}
{%- do pieces.append((outcomes, 'criterion', item, 'criterion_' ~ item.id, 'points_' ~ item.id)) %}
{%- endfor %}
{%- for item in rule.overrides or [] %}
{%- do pieces.append((outcomes, 'override', item, 'override_' ~ item.id,
    'case override_' ~ item.id ~ ' when true then ' ~ item.points ~ ' when false then 0 end')) %}
{%- endfor %}
{%- endfor %}

with final as (
    {%- for outcomes, kind, item, column, points in pieces %}
    select
        person_id,
        cancer,
        rule_id,
        rule_version,
        as_of_date,
        '{{ kind }}' as kind,
        '{{ item.id }}' as criterion_id,
        '{{ item.name_zh }}' as name_zh,
        case {{ column }} when true then 'true' when false then 'false' else 'unknown' end as outcome,
        {{ points }} as points
    from {{ outcomes }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select * from final
