-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per ordered item. (医嘱)
-- Latest version per record_key among released batches known by as_of_date; gone where that version is a deletion.
with released as (
    select
        batch_id,
        load_no
    from {{ ref('stg_ops__released_batch') }}
),

version as (
    select
        known._batch,
        known._file,
        known._row,
        coalesce(known._part, 0) as _part,
        known._deleted,
        row_number() over (
            partition by known.record_key
            order by
                known._delivered_on desc,
                released.load_no desc,
                {{ by_bytes('known._file') }} desc,
                known._row desc,
                known._part desc
        ) as version_rank
    from {{ source('lake', 'medical_order') }} as known
    inner join released on known._batch = released.batch_id
    where known._delivered_on <= {{ as_of_date() }}
),

delivered as (
    select
        record_key,
        identity_id,
        _source,
        _organisation,
        _batch,
        _delivered_on,
        _file,
        _row,
        coalesce(_part, 0) as _part,
        order_no,
        visit_no,
        order_group_no,
        order_category_code,
        order_term_code,
        item_code,
        item_name,
        drug_specification,
        dose,
        dose_unit,
        frequency_name,
        route_name,
        day_count,
        body_site_name,
        order_note,
        ordered_date,
        executed_date,
        stopped_date,
        department_code,
        executing_department_code,
        doctor_code,
        is_cancelled
    from {{ source('lake', 'medical_order') }}
),

people as (
    select
        identity_id,
        person_id
    from {{ ref('stg_lake__identity') }}
),

final as (
    select
        delivered.record_key,
        delivered.identity_id,
        people.person_id,
        delivered._source as source_family,
        delivered._organisation as source_organisation_code,
        delivered._batch as batch_id,
        delivered._delivered_on as delivered_on,
        delivered._file as source_file,
        delivered._row as source_row,
        delivered._part as source_part,
        {{ channel_of('delivered._source') }} as channel,
        {{ screening_source_of('delivered._source', 'clinical') }} as screening_source,
        delivered.order_no,
        delivered.visit_no,
        delivered.order_group_no,
        delivered.order_category_code,
        delivered.order_term_code,
        delivered.item_code,
        delivered.item_name,
        delivered.drug_specification,
        delivered.dose,
        delivered.dose_unit,
        delivered.frequency_name,
        delivered.route_name,
        delivered.day_count,
        delivered.body_site_name,
        delivered.order_note,
        delivered.ordered_date,
        delivered.executed_date,
        delivered.stopped_date,
        delivered.department_code,
        delivered.executing_department_code,
        delivered.doctor_code,
        delivered.is_cancelled
    from delivered
    inner join version
        on
            delivered._batch = version._batch
            and delivered._file = version._file
            and delivered._row = version._row
            and delivered._part = version._part
            and version.version_rank = 1
            and not coalesce(version._deleted, false)
    left join people on delivered.identity_id = people.identity_id
)

select * from final
