-- A quarantined row, field and reason of a booked batch known by as_of_date, or a file that is rejected still; it holds no value.
with booked as (
    select batch_id
    from {{ ref('stg_ops__batch_state') }}
),

rejected as (
    select distinct
        source_organisation_code,
        feed,
        delivered_on,
        source_file
    from {{ ref('stg_ops__batch_ledger') }}
    where file_status = 'rejected'
),

final as (
    select
        pointer._source as source_family,
        pointer._organisation as source_organisation_code,
        pointer._batch as batch_id,
        pointer._delivered_on as delivered_on,
        pointer._file as source_file,
        pointer._row as source_row,
        coalesce(pointer._part, 0) as source_part,
        pointer.feed,
        pointer.record_key,
        pointer.field,
        pointer.reason_code,
        pointer.reason_zh,
        pointer.severity,
        pointer.value_class
    from {{ source('lake', 'quarantine') }} as pointer
    where
        pointer._delivered_on <= {{ as_of_date() }}
        and (
            pointer._batch in (select booked.batch_id from booked)
            or exists (
                select 1
                from rejected
                where
                    rejected.source_organisation_code = pointer._organisation
                    and rejected.feed = pointer.feed
                    and rejected.delivered_on = pointer._delivered_on
                    and rejected.source_file = pointer._file
            )
        )
)

select * from final
