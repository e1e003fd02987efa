-- A condition of a rule as the library states it: eligibility, criterion (a banded one has a row per band) or override.
with final as (
    {%- for library, rule in rules() %}
    {%- set outer_last = loop.last %}
    {%- set lines = [] %}
    {%- for item in rule.eligibility %}
    {%- do lines.append(['eligibility', item.id, 1, item.name_zh, item.when, none, none, none]) %}
    {%- endfor %}
    {%- for item in rule.criteria %}
    {%- for band in item.bands or [item] %}
    {%- do lines.append(['criterion', item.id, loop.index, band.label_zh or item.name_zh, band.when, band.when_not, band.points, none]) %}
    {%- endfor %}
    {%- endfor %}
    {%- for item in rule.overrides or [] %}
    {%- do lines.append(['override', item.id, 1, item.name_zh, item.when, item.when_not, item.points, item.replaces]) %}
    {%- endfor %}
    {%- for line in lines %}
    select
        {{ sql_text(rule.id) }} as rule_id,
        {{ sql_text(rule.version) }} as rule_version,
        {{ sql_text(line[0]) }} as kind,
        {{ sql_text(line[1]) }} as criterion_id,
        cast({{ line[2] }} as integer) as band,
        {{ sql_text(line[3]) }} as name_zh,
        {{ sql_text(line[4]) }} as expression,
        {{ sql_text(line[5]) }} as false_expression,
        cast({{ line[6] if line[6] is not none else 'null' }} as integer) as points,
        {{ sql_text(line[7]) }} as replaces
    {%- if not (loop.last and outer_last) %}
    union all
    {%- endif %}
    {%- endfor %}
    {%- endfor %}
)

select * from final
