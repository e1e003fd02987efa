-- A code of a code list.
with final as (
    select
        list as code_list,
        list_zh as code_list_zh,
        standard,
        code,
        name_zh,
        name_en
    from {{ source('lake', 'code_list') }}
)

select * from final
