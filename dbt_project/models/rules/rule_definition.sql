-- A rule of the library in one version: who issued it, since when it holds, what it demands, where it comes from.
with final as (
    {%- for library, rule in rules() %}
    select
        {{ sql_text(rule.id) }} as rule_id,
        {{ sql_text(rule.version) }} as rule_version,
        {{ sql_text(library.cancer) }} as cancer,
        {{ sql_text(library.cancer_zh) }} as cancer_zh,
        {{ sql_text(rule.name_zh) }} as name_zh,
        {{ sql_text(rule.name_en) }} as name_en,
        {{ sql_text(rule.issuer) }} as issuer,
        {{ sql_text(rule.issuer_zh) }} as issuer_zh,
        cast({{ sql_text(rule.effective_from) }} as date) as effective_from,
        cast({{ sql_text(rule.effective_to) }} as date) as effective_to,
        {{ sql_text(rule.status) }} as status,
        {{ sql_text(rule.source) }} as source,
        {{ sql_text(rule.confidence) }} as confidence,
        {{ sql_text(rule.confidence_zh) }} as confidence_zh,
        {{ sql_text(rule.logic) }} as logic,
        cast({{ rule.threshold }} as integer) as score_threshold,
        {{ 'true' if var('programme_rules').get(library.cancer) == rule.id else 'false' }} as is_programme_rule
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select * from final
