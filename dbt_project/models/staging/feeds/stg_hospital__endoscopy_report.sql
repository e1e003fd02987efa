-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per endoscopy report. (内镜检查报告)
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
    from {{ source('lake', 'endoscopy_report') }} as known
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
        report_no,
        visit_no,
        exam_type_code,
        exam_date,
        reported_date,
        findings_text,
        impression_text,
        doctor_code,
        advice_text,
        has_biopsy,
        is_sedated,
        is_positive,
        department_code
    from {{ source('lake', 'endoscopy_report') }}
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
        delivered.report_no,
        delivered.visit_no,
        delivered.exam_type_code,
        delivered.exam_date,
        delivered.reported_date,
        delivered.findings_text,
        delivered.impression_text,
        delivered.doctor_code,
        delivered.advice_text,
        delivered.has_biopsy,
        delivered.is_sedated,
        delivered.is_positive,
        delivered.department_code
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
