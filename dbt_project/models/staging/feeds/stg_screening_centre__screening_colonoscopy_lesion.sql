-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per lesion of a screening colonoscopy. (结直肠癌筛查病变记录)
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
    from {{ source('lake', 'screening_colonoscopy_lesion') }} as known
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
        screening_no,
        lesion_no,
        site_code,
        distance_anus_cm,
        lesion_type_code,
        specimen_no,
        diameter_cm,
        shape_code,
        has_stalk,
        stalk_form_code,
        colour_code,
        has_bleeding
    from {{ source('lake', 'screening_colonoscopy_lesion') }}
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
        delivered.screening_no,
        delivered.lesion_no,
        delivered.site_code,
        delivered.distance_anus_cm,
        delivered.lesion_type_code,
        delivered.specimen_no,
        delivered.diameter_cm,
        delivered.shape_code,
        delivered.has_stalk,
        delivered.stalk_form_code,
        delivered.colour_code,
        delivered.has_bleeding
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
