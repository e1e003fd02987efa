-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per low-dose CT of the chest. (肺癌低剂量CT筛查记录（结节）)
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
    from {{ source('lake', 'screening_ldct') }} as known
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
        age_years,
        exam_date,
        suspected_cancer_found,
        positive_nodule_found,
        recorded_nodule_count,
        airway_lesion_found,
        non_positive_nodule_found,
        small_solid_found,
        small_solid_number_code,
        small_non_solid_found,
        small_non_solid_number_code,
        needs_consultation,
        consultation_nodule_numbers,
        consultation_text,
        needs_follow_up,
        follow_up_interval_code,
        follow_up_interval_text,
        needs_clinical_care,
        management_codes,
        result_code,
        entered_by_code,
        entered_date
    from {{ source('lake', 'screening_ldct') }}
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
        delivered.age_years,
        delivered.exam_date,
        delivered.suspected_cancer_found,
        delivered.positive_nodule_found,
        delivered.recorded_nodule_count,
        delivered.airway_lesion_found,
        delivered.non_positive_nodule_found,
        delivered.small_solid_found,
        delivered.small_solid_number_code,
        delivered.small_non_solid_found,
        delivered.small_non_solid_number_code,
        delivered.needs_consultation,
        delivered.consultation_nodule_numbers,
        delivered.consultation_text,
        delivered.needs_follow_up,
        delivered.follow_up_interval_code,
        delivered.follow_up_interval_text,
        delivered.needs_clinical_care,
        delivered.management_codes,
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
