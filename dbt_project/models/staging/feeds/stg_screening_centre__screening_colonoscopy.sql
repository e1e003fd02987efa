-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per colonoscopy or attempted colonoscopy. (结直肠癌筛查结果记录)
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
    from {{ source('lake', 'screening_colonoscopy') }} as known
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
        screening_no,
        survey_no,
        sex_code,
        birth_date,
        exam_date,
        rectal_exam_done,
        rectal_mass_found,
        colonoscopy_done,
        is_sedated,
        depth_code,
        bowel_preparation_code,
        duration_minutes,
        complication_codes,
        polyp_found,
        polyp_count,
        other_lesion_found,
        endoscopic_diagnosis,
        pathology_taken,
        doctor_code,
        age_years,
        assessment_date,
        rectal_mass_distance_cm,
        rectal_mass_clock,
        rectal_mass_share_numerator,
        rectal_mass_share_denominator,
        operators_code,
        bleeding_degree_text,
        bleeding_ml,
        complication_text,
        other_lesion_text,
        other_lesions_text,
        result_code,
        entered_by_code,
        entered_date
    from {{ source('lake', 'screening_colonoscopy') }}
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
        {{ screening_source_of('delivered._source', 'screening_form') }} as screening_source,
        delivered.screening_no,
        delivered.survey_no,
        delivered.sex_code,
        delivered.birth_date,
        delivered.exam_date,
        delivered.rectal_exam_done,
        delivered.rectal_mass_found,
        delivered.colonoscopy_done,
        delivered.is_sedated,
        delivered.depth_code,
        delivered.bowel_preparation_code,
        delivered.duration_minutes,
        delivered.complication_codes,
        delivered.polyp_found,
        delivered.polyp_count,
        delivered.other_lesion_found,
        delivered.endoscopic_diagnosis,
        delivered.pathology_taken,
        delivered.doctor_code,
        delivered.age_years,
        delivered.assessment_date,
        delivered.rectal_mass_distance_cm,
        delivered.rectal_mass_clock,
        delivered.rectal_mass_share_numerator,
        delivered.rectal_mass_share_denominator,
        delivered.operators_code,
        delivered.bleeding_degree_text,
        delivered.bleeding_ml,
        delivered.complication_text,
        delivered.other_lesion_text,
        delivered.other_lesions_text,
        delivered.result_code,
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
    left join people on delivered.identity_id = people.identity_id
)

select * from final
