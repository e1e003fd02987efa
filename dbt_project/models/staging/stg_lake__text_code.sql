-- A code of a distinct text of an organisation, as last coded with what was known on as_of_date.
with coded as (
    select
        _organisation as source_organisation_code,
        text_key,
        feed,
        field,
        text_kind,
        text,
        status,
        unread,
        code_no,
        code_system,
        code,
        code_name_zh,
        behaviour,
        site,
        cancer,
        assertion,
        laterality_code,
        morphology_code,
        confidence,
        method,
        rule,
        span_start,
        span_end,
        decision_no,
        coded_with,
        coded_no,
        dense_rank() over (partition by text_key order by coded_no desc) as coded_rank
    from {{ source('lake', 'text_code') }}
    where _delivered_on <= {{ as_of_date() }}
),

final as (
    select
        source_organisation_code,
        text_key,
        feed,
        field,
        text_kind,
        text,
        status,
        unread,
        code_no,
        code_system,
        code,
        code_name_zh,
        behaviour,
        site,
        cancer,
        assertion,
        laterality_code,
        morphology_code,
        confidence,
        method,
        rule,
        span_start,
        span_end,
        decision_no,
        coded_with,
        coded_no
    from coded
    where coded_rank = 1
)

select * from final
