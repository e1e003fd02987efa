-- A code of a code list.
with final as (
    select
        code_list,
        code_list_zh,
        standard,
        code,
        name_zh,
        name_en
    from {{ ref('stg_contract__code') }}
)

select * from final
