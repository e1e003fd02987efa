-- A delivered file read as one feed: rows read = accepted + quarantined, and what the gate decided about its batch.
with ledger as (
    select * from {{ ref('stg_ops__batch_ledger') }}
),

state as (
    select * from {{ ref('stg_ops__batch_state') }}
),

final as (
    select
        ledger.ledger_id,
        ledger.source_family,
        ledger.source_organisation_code,
        ledger.feed,
        ledger.batch_id,
        ledger.delivered_on,
        ledger.source_file,
        ledger.content_sha256,
        ledger.size_bytes,
        ledger.encoding,
        ledger.rows_delivered,
        ledger.rows_without_record,
        ledger.rows_read,
        ledger.rows_accepted,
        ledger.rows_quarantined,
        ledger.file_status,
        ledger.reason_code,
        ledger.reason_zh,
        ledger.duplicate_of,
        ledger.recorded_at,
        state.batch_status,
        state.rule as held_by_rule,
        state.reason_zh as held_because_zh,
        state.decided_at
    from ledger
    left join state on ledger.batch_id = state.batch_id
)

select * from final
