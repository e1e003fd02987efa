-- A course of anticancer treatment other than surgery. `treatment_class` is empty for what does not count as a first treatment.
with treatment as (
    select * from {{ ref('stg_hospital__treatment') }}
),

final as (
    select
        treatment.person_id,
        treatment.treatment_no,
        treatment.visit_no,
        treatment.treatment_type_code,
        kind.class as treatment_class,
        treatment.start_date,
        treatment.end_date,
        treatment.cycle_count,
        source.channel,
        source.screening_source,
        {{ provenance('treatment') }}
    from treatment
    left join {{ ref('seed_code_class') }} as kind
        on kind.code_list = 'treatment_type' and treatment.treatment_type_code = kind.code
    left join {{ ref('std_source') }} as source
        on
            treatment.source_family = source.source_family
            and treatment.source_organisation_code = source.source_organisation_code
)

select * from final
