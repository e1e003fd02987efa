-- A delivered file read as one feed, known by as_of_date.
with final as (
    select
        ledger_id,
        source as source_family,
        organisation as source_organisation_code,
        feed,
        batch_id,
        delivered_on,
        file_name as source_file,
        content_sha256,
        bytes as size_bytes,
        encoding,
        rows_delivered,
        rows_without_record,
        rows_read,
        rows_accepted,
        rows_quarantined,
        status as file_status,
        reason_code,
        reason_zh,
        duplicate_of,
        recorded_at
    from {{ source('lake', 'batch_ledger') }}
    where delivered_on <= {{ as_of_date() }}
)

select * from final
