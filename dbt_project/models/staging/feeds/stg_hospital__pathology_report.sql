-- Written by dbt_project/tools/generate.py from ingestion/contracts; do not edit.
-- One row per pathology report. (病理检查报告)
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
    from {{ source('lake', 'pathology_report') }} as known
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
        specimen_text,
        sampled_date,
        reported_date,
        gross_text,
        diagnosis_text,
        pathology_kind_code,
        specimen_site_code,
        entered_morphology_code,
        differentiation_code,
        tumour_size_mm,
        entered_t_category,
        entered_n_category,
        entered_m_category,
        entered_stage_group,
        entered_nodes_positive,
        entered_nodes_examined,
        margin_status_code,
        has_vascular_invasion,
        has_perineural_invasion,
        mvi_grade_code,
        er_status_code,
        er_pct,
        er_pct_comparator,
        pr_status_code,
        pr_pct,
        pr_pct_comparator,
        her2_ihc_code,
        her2_fish_code,
        ki67_pct,
        ki67_pct_comparator,
        egfr_status_code,
        alk_status_code,
        kras_status_code,
        pd_l1_pct,
        pd_l1_pct_comparator,
        mmr_status_code,
        p16_status_code,
        doctor_code
    from {{ source('lake', 'pathology_report') }}
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
        delivered.specimen_text,
        delivered.sampled_date,
        delivered.reported_date,
        delivered.gross_text,
        delivered.diagnosis_text,
        delivered.pathology_kind_code,
        delivered.specimen_site_code,
        delivered.entered_morphology_code,
        delivered.differentiation_code,
        delivered.tumour_size_mm,
        delivered.entered_t_category,
        delivered.entered_n_category,
        delivered.entered_m_category,
        delivered.entered_stage_group,
        delivered.entered_nodes_positive,
        delivered.entered_nodes_examined,
        delivered.margin_status_code,
        delivered.has_vascular_invasion,
        delivered.has_perineural_invasion,
        delivered.mvi_grade_code,
        delivered.er_status_code,
        delivered.er_pct,
        delivered.er_pct_comparator,
        delivered.pr_status_code,
        delivered.pr_pct,
        delivered.pr_pct_comparator,
        delivered.her2_ihc_code,
        delivered.her2_fish_code,
        delivered.ki67_pct,
        delivered.ki67_pct_comparator,
        delivered.egfr_status_code,
        delivered.alk_status_code,
        delivered.kras_status_code,
        delivered.pd_l1_pct,
        delivered.pd_l1_pct_comparator,
        delivered.mmr_status_code,
        delivered.p16_status_code,
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
    left join people on delivered.identity_id = people.identity_id
)

select * from final
