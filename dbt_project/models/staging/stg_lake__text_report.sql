-- A report, the texts of one record and kind, of a released batch known by as_of_date: structured, or why not. All versions of a record.
with released as (
    select batch_id
    from {{ ref('stg_ops__released_batch') }}
),

final as (
    select
        said._source as source_family,
        said._organisation as source_organisation_code,
        said._batch as batch_id,
        said._delivered_on as delivered_on,
        said._file as source_file,
        said._row as source_row,
        coalesce(said._part, 0) as source_part,
        said.feed,
        said.record_key,
        coalesce(said.kind, 'none') as report_kind,
        said.text_fields,
        said.characters,
        said.is_structured,
        said.reason_code,
        said.items,
        said.findings,
        said.lesions,
        said.compared_items,
        said.conflicting_items,
        said.engine_version
    from {{ source('lake', 'text_report') }} as said
    inner join released on said._batch = released.batch_id
    where said._delivered_on <= {{ as_of_date() }}
)

select * from final
