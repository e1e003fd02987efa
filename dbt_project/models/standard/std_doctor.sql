-- A doctor of an organisation, by code; the name stays in the vault.
with final as (
    select
        organisation_code,
        doctor_code,
        department_code,
        title_name,
        {{ origin('reference') }}
    from {{ ref('stg_reference__doctor') }} as reference
)

select * from final
