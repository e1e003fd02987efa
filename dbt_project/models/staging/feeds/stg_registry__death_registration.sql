-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per death certificate; a later delivery supersedes. (死因登记)
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
    from {{ source('lake', 'death_registration') }} as known
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
        certificate_no,
        sex_code,
        birth_date,
        residence_county_code,
        death_date,
        death_place_code,
        death_county_code,
        cause_a_code,
        cause_a_interval,
        cause_b_code,
        cause_b_interval,
        cause_c_code,
        cause_c_interval,
        cause_d_code,
        cause_d_interval,
        other_condition_codes,
        underlying_cause_code,
        underlying_cause_name,
        diagnosis_level_code,
        diagnosis_basis_code,
        reporting_organisation_name,
        registered_date
    from {{ source('lake', 'death_registration') }}
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
        delivered.certificate_no,
        delivered.sex_code,
        delivered.birth_date,
        delivered.residence_county_code,
        delivered.death_date,
        delivered.death_place_code,
        delivered.death_county_code,
        delivered.cause_a_code,
        delivered.cause_a_interval,
        delivered.cause_b_code,
        delivered.cause_b_interval,
        delivered.cause_c_code,
        delivered.cause_c_interval,
        delivered.cause_d_code,
        delivered.cause_d_interval,
        delivered.other_condition_codes,
        delivered.underlying_cause_code,
        delivered.underlying_cause_name,
        delivered.diagnosis_level_code,
        delivered.diagnosis_basis_code,
        delivered.reporting_organisation_name,
        delivered.registered_date
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
