-- An operation in a hospital; `cancer` and `procedure_class` are set for operations on a tumour that the programme follows.
with surgery as (
    select * from {{ ref('stg_hospital__surgery') }}
),

final as (
    select
        surgery.person_id,
        surgery.surgery_no,
        surgery.visit_no,
        surgery.procedure_code,
        operated.cancer,
        operated.class as procedure_class,
        surgery.surgery_date,
        surgery.surgeon_code,
        source.channel,
        source.screening_source,
        {{ provenance('surgery') }}
    from surgery
    left join {{ ref('seed_code_prefix') }} as operated
        on operated.code_system = 'icd9cm3' and surgery.procedure_code like operated.prefix || '%'
    left join {{ ref('std_source') }} as source
        on
            surgery.source_family = source.source_family
            and surgery.source_organisation_code = source.source_organisation_code
)

select * from final
