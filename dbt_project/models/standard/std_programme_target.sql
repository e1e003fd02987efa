-- A target of the programme: people to be assessed, screened or followed in a year, for a place, an organisation and a cancer.
with target as (
    select * from {{ ref('stg_programme__programme_target') }}
),

final as (
    select
        target.target_no,
        target.target_year,
        target.level_code,
        target.division_code,
        target.organisation_code,
        target.cancer_code as cancer,
        target.indicator_code,
        target.target_count,
        target.issued_date,
        target.document_no,
        {{ origin('target') }}
    from target
)

select * from final
