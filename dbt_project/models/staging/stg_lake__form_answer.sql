-- An answer of a form that was not accepted as it stood, of a booked batch known by as_of_date.
with booked as (
    select batch_id
    from {{ ref('stg_ops__batch_state') }}
),

final as (
    select
        _source as source_family,
        _organisation as source_organisation_code,
        _batch as batch_id,
        _delivered_on as delivered_on,
        _file as source_file,
        _row as source_row,
        coalesce(_part, 0) as source_part,
        feed,
        record_key,
        field,
        raw_value,
        standard_value,
        comparator,
        verdict,
        reason_code,
        reason_zh,
        is_row_accepted
    from {{ source('lake', 'form_answer') }}
    where
        _delivered_on <= {{ as_of_date() }}
        and _batch in (select booked.batch_id from booked)
)

select * from final
