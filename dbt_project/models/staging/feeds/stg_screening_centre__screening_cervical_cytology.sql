-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per cytology of a screening round. (宫颈癌筛查细胞学记录)
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
    from {{ source('lake', 'screening_cervical_cytology') }} as known
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
        sampled_date,
        test_date,
        method_code,
        adequacy_code,
        bethesda_code,
        organism_codes,
        has_inflammation,
        diagnosis_text,
        doctor_code,
        advice_code,
        entered_by_code,
        entered_date
    from {{ source('lake', 'screening_cervical_cytology') }}
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
        delivered.sampled_date,
        delivered.test_date,
        delivered.method_code,
        delivered.adequacy_code,
        delivered.bethesda_code,
        delivered.organism_codes,
        delivered.has_inflammation,
        delivered.diagnosis_text,
        delivered.doctor_code,
        delivered.advice_code,
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
