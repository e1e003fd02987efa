-- What a laboratory item of an organisation (name, local code, LOINC, unit, specimen) means, as last coded and known on as_of_date.
with coded as (
    select
        _organisation as source_organisation_code,
        text_key,
        text as item_name,
        item_code,
        delivered_loinc_code,
        printed_unit,
        specimen,
        status,
        code as item,
        from_unit,
        unit_status,
        confidence,
        method,
        decision_no,
        coded_with,
        coded_no,
        row_number() over (partition by text_key order by coded_no desc) as coded_rank
    from {{ source('lake', 'text_code') }}
    where
        text_kind = 'laboratory'
        and _delivered_on <= {{ as_of_date() }}
),

final as (
    select
        source_organisation_code,
        text_key,
        item_name,
        item_code,
        delivered_loinc_code,
        printed_unit,
        specimen,
        status,
        item,
        from_unit,
        unit_status,
        confidence,
        method,
        decision_no,
        coded_with,
        coded_no
    from coded
    where coded_rank = 1
)

select * from final
