-- One result of a field check, gate or test.
with final as (
    select
        check_id,
        run_id,
        checkpoint,
        rule,
        description_zh,
        severity,
        scope,
        organisation as source_organisation_code,
        feed,
        cancer,
        batch_id,
        table_name,
        column_name,
        examined,
        failed,
        observed,
        verdict,
        checked_at
    from {{ source('lake', 'check_result') }}
)

select * from final
