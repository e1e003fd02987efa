-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per primary tumour reported to the registry; a later delivery supersedes. The registry's own duplicates are kept. (肿瘤登记病例)
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
    from {{ source('lake', 'cancer_registry_case') }} as known
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
        case_no,
        sex_code,
        birth_date,
        residence_county_code,
        reporting_organisation_name,
        report_source_code,
        incidence_date,
        icd10_code,
        topography_code,
        morphology_code,
        behaviour_code,
        grade_code,
        laterality_code,
        diagnosis_basis_code,
        t_category,
        n_category,
        m_category,
        stage_group_code,
        primary_number,
        vital_status_code,
        last_contact_date,
        death_date,
        death_icd10_code,
        reported_date,
        registered_date
    from {{ source('lake', 'cancer_registry_case') }}
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
        delivered.case_no,
        delivered.sex_code,
        delivered.birth_date,
        delivered.residence_county_code,
        delivered.reporting_organisation_name,
        delivered.report_source_code,
        delivered.incidence_date,
        delivered.icd10_code,
        delivered.topography_code,
        delivered.morphology_code,
        delivered.behaviour_code,
        delivered.grade_code,
        delivered.laterality_code,
        delivered.diagnosis_basis_code,
        delivered.t_category,
        delivered.n_category,
        delivered.m_category,
        delivered.stage_group_code,
        delivered.primary_number,
        delivered.vital_status_code,
        delivered.last_contact_date,
        delivered.death_date,
        delivered.death_icd10_code,
        delivered.reported_date,
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
