-- The verdict of every released rule in force on as_of_date, one row per person, cancer and rule version, all cancers in one shape.
with verdict as (
    {%- for library, rule in released_rules() %}
    select
        person_id,
        cancer,
        rule_id,
        rule_version,
        as_of_date,
        assessed_on,
        channel,
        verdict,
        score,
        score_least,
        score_most,
        score_threshold,
        reasons_zh,
        undetermined_because,
        residence_county_code,
        record_key,
        source_family,
        source_organisation_code,
        batch_id,
        delivered_on,
        source_file,
        source_row,
        source_part
    from {{ ref(rule_model(rule)) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

final as (
    select
        verdict.person_id,
        verdict.cancer,
        verdict.rule_id,
        verdict.rule_version,
        verdict.as_of_date,
        definition.is_programme_rule,
        verdict.assessed_on,
        verdict.channel,
        verdict.verdict,
        verdict.score,
        verdict.score_least,
        verdict.score_most,
        verdict.score_threshold,
        verdict.reasons_zh,
        verdict.undetermined_because,
        verdict.residence_county_code,
        {{ origin('verdict') }}
    from verdict
    inner join {{ ref('rule_definition') }} as definition
        on
            verdict.rule_id = definition.rule_id
            and verdict.rule_version = definition.rule_version
            and verdict.as_of_date >= definition.effective_from
            and (definition.effective_to is null or verdict.as_of_date <= definition.effective_to)
)

select * from final
