-- The version of a feed's contract in force, with what it holds and what was delivered under it so far.
with form as (
    select * from {{ ref('stg_contract__feed') }}
),

field as (
    select
        feed,
        contract_version,
        cast(count(*) as bigint) as fields,
        {{ count_if('is_required') }} as required_fields,
        {{ count_if('code_list is not null') }} as coded_fields,
        {{ count_if("classification in ('identifying', 'local_id')") }} as identifying_fields
    from {{ ref('stg_contract__field') }}
    group by feed, contract_version
),

rule as (
    select
        feed,
        cast(count(*) as bigint) as rules
    from {{ ref('stg_contract__rule') }}
    group by feed
),

delivered as (
    select
        feed,
        cast(count(distinct source_organisation_code) as bigint) as organisations,
        cast(count(*) as bigint) as files,
        min(delivered_on) as first_delivered_on,
        max(delivered_on) as last_delivered_on,
        cast(sum(rows_accepted) as bigint) as rows_accepted
    from {{ ref('stg_ops__batch_ledger') }}
    where file_status = 'loaded'
    group by feed
),

final as (
    select
        form.feed,
        form.version as contract_version,
        form.name_zh,
        form.is_form,
        coalesce(field.fields, 0) as fields,
        coalesce(field.required_fields, 0) as required_fields,
        coalesce(field.coded_fields, 0) as coded_fields,
        coalesce(field.identifying_fields, 0) as identifying_fields,
        coalesce(rule.rules, 0) as rules,
        coalesce(delivered.organisations, 0) as organisations,
        coalesce(delivered.files, 0) as files,
        coalesce(delivered.rows_accepted, 0) as rows_accepted,
        delivered.first_delivered_on,
        delivered.last_delivered_on
    from form
    left join field on form.feed = field.feed and form.version = field.contract_version
    left join rule on form.feed = rule.feed
    left join delivered on form.feed = delivered.feed
)

select * from final
