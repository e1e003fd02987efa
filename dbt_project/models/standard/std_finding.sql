-- A finding, symptom, disease or lesion that a report or note names, with its assertion (affirmed, negated ...) and its evidence.
with said as (
    select * from {{ ref('stg_lake__text_finding') }}
),

report as (
    select * from {{ ref('std_text_report') }}
),

final as (
    select
        report.person_id,
        report.feed,
        report.report_kind,
        report.report_date,
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
        said.engine_version,
        {{ provenance('report') }}
    from said
    inner join report
        on
            said.feed = report.feed
            and said.batch_id = report.batch_id
            and said.source_file = report.source_file
            and said.source_row = report.source_row
            and said.source_part = report.source_part
            and said.record_key = report.record_key
            and said.report_kind = report.report_kind
)

select * from final
