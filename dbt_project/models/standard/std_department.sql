-- A department of an organisation.
with final as (
    select
        organisation_code,
        department_code,
        department_name,
        {{ origin('reference') }}
    from {{ ref('stg_reference__department') }} as reference
)

select * from final
