-- A report: the texts of one kind of one record, as the record now stands, structured by the text engine, or with the reason why not.
-- A lesion or specimen of a programme form names no person: it belongs to whom the examination was done on.
{%- set feeds = text_feeds() %}
with said as (
    select * from {{ ref('stg_lake__text_report') }}
),

{%- for one in feeds if one.exam %}

{{ one.feed }}_exam as (
    select
        source_organisation_code,
        screening_no,
        min(person_id) as person_id,
        min({{ one.exam_day }}) as exam_day
    from {{ ref(one.exam) }}
    group by source_organisation_code, screening_no
),
{%- endfor %}

record as (
    {%- for one in feeds if not one.exam %}
    select
        form.person_id,
        '{{ one.feed }}' as feed,
        form.{{ one.day }} as report_date,
        {{ provenance('form') }}
    from {{ ref(one.model) }} as form
    union all
    {%- endfor %}
    {%- for one in feeds if one.exam %}
    select
        exam.person_id,
        '{{ one.feed }}' as feed,
        {{ 'form.' ~ one.day if one.day else 'exam.exam_day' }} as report_date,
        {{ provenance('form') }}
    from {{ ref(one.model) }} as form
    left join {{ one.feed }}_exam as exam
        on
            form.source_organisation_code = exam.source_organisation_code
            and form.screening_no = exam.screening_no
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

final as (
    select
        record.person_id,
        record.feed,
        said.report_kind,
        record.report_date,
        said.text_fields,
        said.characters,
        said.is_structured,
        said.reason_code,
        said.items,
        said.findings,
        said.lesions,
        said.compared_items,
        said.conflicting_items,
        said.engine_version,
        {{ provenance('record') }}
    from said
    inner join record
        on
            said.feed = record.feed
            and said.batch_id = record.batch_id
            and said.source_file = record.source_file
            and said.source_row = record.source_row
            and said.source_part = record.source_part
            and said.record_key = record.record_key
)

select * from final
