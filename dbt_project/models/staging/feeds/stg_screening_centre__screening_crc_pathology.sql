-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per specimen. (结直肠癌筛查病理诊断)
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
    from {{ source('lake', 'screening_crc_pathology') }} as known
    inner join released on known._batch = released.batch_id
    where known._delivered_on <= {{ as_of_date() }}
),

delivered as (
    select
        record_key,
        _source,
        _organisation,
        _batch,
        _delivered_on,
        _file,
        _row,
        coalesce(_part, 0) as _part,
        specimen_no,
        screening_no,
        site_code,
        distance_anus_cm,
        pathology_code,
        hgin_pct,
        tubular_pct,
        villous_pct,
        is_precancer,
        is_cancer,
        reported_date,
        survey_no,
        sex_code,
        age_years,
        exam_date,
        assessment_date,
        remark_text,
        needs_consultation,
        doctor_code
    from {{ source('lake', 'screening_crc_pathology') }}
),

final as (
    select
        delivered.record_key,
        delivered._source as source_family,
        delivered._organisation as source_organisation_code,
        delivered._batch as batch_id,
        delivered._delivered_on as delivered_on,
        delivered._file as source_file,
        delivered._row as source_row,
        delivered._part as source_part,
        {{ channel_of('delivered._source') }} as channel,
        {{ screening_source_of('delivered._source', 'screening_form') }} as screening_source,
        delivered.specimen_no,
        delivered.screening_no,
        delivered.site_code,
        delivered.distance_anus_cm,
        delivered.pathology_code,
        delivered.hgin_pct,
        delivered.tubular_pct,
        delivered.villous_pct,
        delivered.is_precancer,
        delivered.is_cancer,
        delivered.reported_date,
        delivered.survey_no,
        delivered.sex_code,
        delivered.age_years,
        delivered.exam_date,
        delivered.assessment_date,
        delivered.remark_text,
        delivered.needs_consultation,
        delivered.doctor_code
    from delivered
    inner join version
        on
            delivered._batch = version._batch
            and delivered._file = version._file
            and delivered._row = version._row
            and delivered._part = version._part
            and version.version_rank = 1
            and not coalesce(version._deleted, false)
)

select * from final
