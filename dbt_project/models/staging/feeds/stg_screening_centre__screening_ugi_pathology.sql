-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per specimen. (上消化道癌筛查病理诊断)
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
    from {{ source('lake', 'screening_ugi_pathology') }} as known
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
        survey_no,
        sex_code,
        birth_date,
        age_years,
        assessment_date,
        pathology_no,
        organ_code,
        distance_from_cm,
        distance_to_cm,
        clock_from,
        clock_to,
        gastric_biopsy_site_code,
        lamina_propria_code,
        pathology_codes,
        oesophagitis_basis_codes,
        gastritis_type_code,
        gastritis_degree_code,
        gastritis_depth_code,
        atrophy_code,
        metaplasia_code,
        remark_text,
        doctor_code,
        reported_date,
        entered_by_code,
        entered_date
    from {{ source('lake', 'screening_ugi_pathology') }}
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
        delivered.survey_no,
        delivered.sex_code,
        delivered.birth_date,
        delivered.age_years,
        delivered.assessment_date,
        delivered.pathology_no,
        delivered.organ_code,
        delivered.distance_from_cm,
        delivered.distance_to_cm,
        delivered.clock_from,
        delivered.clock_to,
        delivered.gastric_biopsy_site_code,
        delivered.lamina_propria_code,
        delivered.pathology_codes,
        delivered.oesophagitis_basis_codes,
        delivered.gastritis_type_code,
        delivered.gastritis_degree_code,
        delivered.gastritis_depth_code,
        delivered.atrophy_code,
        delivered.metaplasia_code,
        delivered.remark_text,
        delivered.doctor_code,
        delivered.reported_date,
        delivered.entered_by_code,
        delivered.entered_date
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
