-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per imaging report. (影像检查报告)
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
    from {{ source('lake', 'imaging_report') }} as known
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
        imaging_type_code,
        body_part_name,
        exam_item_code,
        exam_item_name,
        requested_date,
        exam_date,
        reported_date,
        clinical_diagnosis_text,
        findings_text,
        impression_text,
        advice_text,
        is_positive,
        is_critical,
        has_contrast,
        bi_rads_code,
        device_model,
        requesting_department_code,
        department_code,
        doctor_code,
        reviewing_doctor_code
    from {{ source('lake', 'imaging_report') }}
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
        delivered.imaging_type_code,
        delivered.body_part_name,
        delivered.exam_item_code,
        delivered.exam_item_name,
        delivered.requested_date,
        delivered.exam_date,
        delivered.reported_date,
        delivered.clinical_diagnosis_text,
        delivered.findings_text,
        delivered.impression_text,
        delivered.advice_text,
        delivered.is_positive,
        delivered.is_critical,
        delivered.has_contrast,
        delivered.bi_rads_code,
        delivered.device_model,
        delivered.requesting_department_code,
        delivered.department_code,
        delivered.doctor_code,
        delivered.reviewing_doctor_code
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
