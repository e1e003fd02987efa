{# Decisions of people, newest first per subject: one that a later decision names as superseded no longer counts, nor does one made after
as_of_date. `subject` are the expressions that say what is decided about. Ends with a CTE `current_decision`. #}
{% macro current_decisions(model, subject) -%}
decided as (
    select * from {{ ref(model) }}
    where decided_at <= {{ as_of_date() }}
),

superseded as (
    select distinct
        source_organisation_code,
        supersedes
    from decided
    where supersedes is not null
),

ranked as (
    select
        decided.*,
        row_number() over (
            partition by {% for part in subject %}{{ part }}{{ ', ' if not loop.last }}{% endfor %}
            order by
                decided.decided_at desc,
                decided.delivered_on desc,
                {{ by_bytes('decided.record_key') }} desc
        ) as decision_rank
    from decided
    left join superseded
        on
            decided.source_organisation_code = superseded.source_organisation_code
            and decided.decision_no = superseded.supersedes
    where superseded.supersedes is null
),

current_decision as (
    select * from ranked
    where decision_rank = 1
)
{%- endmacro %}
