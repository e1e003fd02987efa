-- A finding that the text engine read in a report, with its assertion, of a released batch known by as_of_date. All versions of a record.
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
        said.finding_no,
        said.concept,
        said.category,
        said.assertion,
        said.side_code,
        said.site,
        said.attributes,
        said.text_field,
        said.span_start,
        said.span_end,
        said.evidence,
        said.rule,
        said.engine_version
    from {{ source('lake', 'text_finding') }} as said
    inner join released on said._batch = released.batch_id
    where said._delivered_on <= {{ as_of_date() }}
)

select * from final
