{# The rule library compiled to SQL.

A library file (rule_library/<cancer>.sql) holds rules; a rule holds, besides who issued it and since when:
  eligibility  conditions that must hold; if_unknown says what a missing answer does: undetermined or eligible
  criteria     when (true, false or unknown by SQL's three values; when_not tells false from unknown where `when` alone cannot),
               points; or bands, of which the first that holds gives the points and the label
  overrides    when, points, and the criterion whose points they replace
  logic        points: high-risk from `threshold` points
Unknown is not false: the score is kept as least and most, and the verdict is undetermined while they lie on both sides of the threshold.
Expressions name facts, the columns of the library's fact model. Nothing here is written for one cancer. #}

{% macro rule_libraries() %}
{{ return([rule_library__colorectum()]) }}
{% endmacro %}

{# Every rule with its library: a list of pairs. #}
{% macro rules() %}
{% set found = [] %}
{% for library in rule_libraries() %}{% for rule in library.rules %}{% do found.append((library, rule)) %}{% endfor %}{% endfor %}
{{ return(found) }}
{% endmacro %}

{# Rules that give verdicts: the released ones. A draft needs a named local adoption first. #}
{% macro released_rules() %}
{% set found = [] %}
{% for library, rule in rules() %}{% if rule.status == 'released' %}{% do found.append((library, rule)) %}{% endif %}{% endfor %}
{{ return(found) }}
{% endmacro %}

{# One rule by id, with its library. #}
{% macro rule_by_id(rule_id) %}
{% for library, rule in rules() %}{% if rule.id == rule_id %}{{ return((library, rule)) }}{% endif %}{% endfor %}
{{ exceptions.raise_compiler_error('no rule ' ~ rule_id ~ ' in the rule library') }}
{% endmacro %}

{# Model that holds a rule's verdicts: colorectum.highrisk.nhc.2024 -> rule_outcome__colorectum__nhc_2024. #}
{% macro rule_model(rule) %}
{% set part = rule.id.split('.') %}
{{ return('rule_outcome__' ~ part[0] ~ '__' ~ part[2] ~ '_' ~ part[3]) }}
{% endmacro %}

{% macro sql_text(value) -%}
{%- if value is none -%}cast(null as text){%- else -%}'{{ value | string | replace("'", "''") }}'{%- endif -%}
{%- endmacro %}

{# Whether a condition holds: true, false or unknown. #}
{% macro rule_truth(item) -%}
{%- if item.when_not is defined -%}
case when {{ item.when }} then true when {{ item.when_not }} then false end
{%- else -%}
({{ item.when }})
{%- endif -%}
{%- endmacro %}

{# Points of a criterion; null while unknown. #}
{% macro rule_points(item) -%}
{%- if item.bands is defined -%}
case {% for band in item.bands %}when {{ band.when }} then {{ band.points }} {% endfor %}end
{%- else -%}
case {{ rule_truth(item) }} when true then {{ item.points }} when false then 0 end
{%- endif -%}
{%- endmacro %}

{# Whether a criterion counts: with bands, whether the band that holds gives points. #}
{% macro rule_outcome_of(item) -%}
{%- if item.bands is defined -%}
case {% for band in item.bands %}when {{ band.when }} then {{ 'true' if band.points else 'false' }} {% endfor %}end
{%- else -%}
{{ rule_truth(item) }}
{%- endif -%}
{%- endmacro %}

{% macro rule_most_points(item) %}
{% if item.bands is defined %}{{ return(item.bands | map(attribute='points') | max) }}{% else %}{{ return(item.points) }}{% endif %}
{% endmacro %}

{# Chinese phrase of a criterion that counted. #}
{% macro rule_phrase(item) -%}
{%- if item.bands is defined -%}
case {% for band in item.bands %}when {{ band.when }} then '{{ band.label_zh }}（{{ band.points }}分）' {% endfor %}end
{%- else -%}
case when criterion_{{ item.id }} then '{{ item.name_zh }}（{{ item.points }}分）' end
{%- endif -%}
{%- endmacro %}

{# Unknown items, once per wording: what would have to be answered. #}
{% macro rule_missing(items) -%}
{%- set wordings = items | map(attribute='missing_zh') | unique | list -%}
nullif(concat_ws('；'
{%- for wording in wordings -%}
, case when {% for item in items if item.missing_zh == wording %}{% if not loop.first %} or {% endif %}{{ item.column }} is null{% endfor %} then '{{ wording }}' end
{%- endfor -%}
), '')
{%- endmacro %}

{# The verdicts of one rule, one row per assessed person: every condition, every component, score, verdict and reasons. #}
{% macro rule_outcome(rule_id) %}
{%- set found = rule_by_id(rule_id) %}
{%- set library, rule = found[0], found[1] %}
{%- set overrides = rule.overrides or [] %}
{%- set decisive = [] %}
{%- for item in rule.eligibility if item.if_unknown == 'undetermined' %}
{%- do decisive.append({'missing_zh': item.missing_zh, 'column': 'eligible_' ~ item.id}) %}
{%- endfor %}
{%- for item in rule.criteria %}{% do decisive.append({'missing_zh': item.missing_zh, 'column': 'criterion_' ~ item.id}) %}{% endfor %}
{%- for item in overrides %}{% do decisive.append({'missing_zh': item.missing_zh, 'column': 'override_' ~ item.id}) %}{% endfor %}
with fact as (
    select * from {{ ref(library.facts) }}
),

outcome as (
    select
        fact.*,
        {%- for item in rule.eligibility %}
        {{ rule_truth(item) }} as eligible_{{ item.id }},
        {%- endfor %}
        {%- for item in overrides %}
        {{ rule_truth(item) }} as override_{{ item.id }},
        {%- endfor %}
        {%- for item in rule.criteria %}
        {{ rule_outcome_of(item) }} as criterion_{{ item.id }},
        {{ rule_points(item) }} as points_{{ item.id }}{{ ',' if not loop.last }}
        {%- endfor %}
    from fact
),

component as (
    select
        outcome.*,
        {%- for item in rule.criteria %}
        {%- set replacing = overrides | selectattr('replaces', 'equalto', item.id) | list %}
        {%- if replacing %}
        case
            {%- for over in replacing %}
            when override_{{ over.id }} then {{ over.points }}
            {%- endfor %}
            else coalesce(points_{{ item.id }}, 0)
        end as least_{{ item.id }},
        case
            {%- for over in replacing %}
            when coalesce(override_{{ over.id }}, true) then {{ over.points }}
            {%- endfor %}
            else coalesce(points_{{ item.id }}, {{ rule_most_points(item) }})
        end as most_{{ item.id }}{{ ',' if not loop.last }}
        {%- else %}
        coalesce(points_{{ item.id }}, 0) as least_{{ item.id }},
        coalesce(points_{{ item.id }}, {{ rule_most_points(item) }}) as most_{{ item.id }}{{ ',' if not loop.last }}
        {%- endif %}
        {%- endfor %}
    from outcome
),

scored as (
    select
        component.*,
        {% for item in rule.criteria %}least_{{ item.id }}{{ ' + ' if not loop.last }}{% endfor %} as score_least,
        {% for item in rule.criteria %}most_{{ item.id }}{{ ' + ' if not loop.last }}{% endfor %} as score_most
    from component
),

judged as (
    select
        scored.*,
        case
            when {% for item in rule.eligibility %}not coalesce(eligible_{{ item.id }}, true){{ ' or ' if not loop.last }}{% endfor %}
                then 'not_eligible'
            {%- for item in rule.eligibility if item.if_unknown == 'undetermined' %}
            when eligible_{{ item.id }} is null then 'undetermined'
            {%- endfor %}
            when score_least >= {{ rule.threshold }} then 'high_risk'
            when score_most < {{ rule.threshold }} then 'not_high_risk'
            else 'undetermined'
        end as verdict
    from scored
),

final as (
    select
        person_id,
        '{{ library.cancer }}' as cancer,
        '{{ rule.id }}' as rule_id,
        '{{ rule.version }}' as rule_version,
        {{ as_of_date() }} as as_of_date,
        assessed_on,
        channel,
        verdict,
        cast(case when score_least = score_most then score_least end as integer) as score,
        cast(score_least as integer) as score_least,
        cast(score_most as integer) as score_most,
        {{ rule.threshold }} as score_threshold,
        {%- for item in rule.eligibility %}
        eligible_{{ item.id }},
        {%- endfor %}
        {%- for item in rule.criteria %}
        criterion_{{ item.id }},
        cast(case when least_{{ item.id }} = most_{{ item.id }} then least_{{ item.id }} end as integer) as points_{{ item.id }},
        {%- endfor %}
        {%- for item in overrides %}
        override_{{ item.id }},
        {%- endfor %}
        case verdict
            when 'not_eligible' then concat_ws('；'
            {%- for item in rule.eligibility -%}
            , case when not eligible_{{ item.id }} then '{{ item.failed_zh }}' end
            {%- endfor -%}
            )
            else concat_ws('；'
            {%- for item in rule.criteria -%}
            , {{ rule_phrase(item) }}
            {%- endfor -%}
            {%- for item in overrides -%}
            , case when override_{{ item.id }} then '{{ item.name_zh }}（直接计{{ item.points }}分）' end
            {%- endfor -%}
            , case
                when score_least = score_most then '合计' || cast(score_least as text) || '分'
                else '已知合计' || cast(score_least as text) || '分，最多' || cast(score_most as text) || '分'
            end
            , '高危标准为{{ rule.threshold }}分及以上')
        end as reasons_zh,
        case when verdict = 'undetermined' then {{ rule_missing(decisive) }} end as undetermined_because,
        residence_county_code,
        record_key,
        source_family,
        source_organisation_code,
        batch_id,
        delivered_on,
        source_file,
        source_row,
        source_part
    from judged
)

select * from final
{% endmacro %}
