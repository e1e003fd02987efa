-- A result of a field check, gate or dbt test, with the number examined; "nothing examined" is its own verdict.
with final as (
    select
        check_id,
        run_id,
        checkpoint,
        rule,
        description_zh,
        severity,
        scope,
        source_organisation_code,
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
    from {{ ref('stg_ops__check_result') }}
)

select * from final
