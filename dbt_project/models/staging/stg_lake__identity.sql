-- The person of every identity, as known on as_of_date: the change with the highest number counts.
-- A table, since every person feed joins it.
{{ config(materialized='table') }}

with change as (
    select
        identity_id,
        person_id,
        method,
        change_no,
        known_on,
        row_number() over (partition by identity_id order by change_no desc) as change_rank
    from {{ source('lake', 'identity_map') }}
    where known_on <= {{ as_of_date() }}
),

final as (
    select
        identity_id,
        person_id,
        method,
        change_no,
        known_on
    from change
    where change_rank = 1
)

select * from final
