-- A lesion that the text engine tells apart in a report (nodule, mass, polyp, focus), its attributes side by side, sizes in mm.
{%- set texts = {
    'lesion_type': ['lesion', 'lesion_type', 'lesion_type_code'],
    'site': ['lobe', 'quadrant', 'site_code', 'gastric_site_code', 'oesophageal_site_code', 'segment', 'site', 'site_text'],
    'side_code': ['side'],
    'clock': ['clock'],
    'bi_rads_code': ['bi_rads'],
    'density': ['density', 'mass_density', 'echo'],
} %}
{%- set numbers = {
    'length_mm': ['long_diameter_mm', 'size_mm'],
    'width_mm': ['short_diameter_mm', 'width_mm'],
    'mean_mm': ['mean_diameter_mm'],
    'distance_cm': ['distance_anus_cm', 'distance_from_cm', 'nipple_distance_cm'],
} %}
with ranked as (
    select
        said.*,
        case when said.value_number between 0 and 9999 then cast(said.value_number as numeric(8, 1)) end as measure,
        row_number() over (
            partition by said.feed, said.record_key, said.report_kind, said.lesion_no, said.item
            order by said.item_no asc
        ) as item_rank
    from {{ ref('std_report_item') }} as said
    where said.lesion_no is not null
),

item as (
    select *
    from ranked
    where item_rank = 1
),

lesion as (
    select
        feed,
        record_key,
        report_kind,
        lesion_no,
        {%- for column, items in texts.items() %}
        coalesce(
            {%- for name in items %}
            max(case when item = '{{ name }}' then value_text end){{ ',' if not loop.last }}
            {%- endfor %}
        ) as {{ column }},
        {%- endfor %}
        {%- for column, items in numbers.items() %}
        max(
            case when item in ('{{ items | join("', '") }}') then measure end
        ) as {{ column }},
        {%- endfor %}
        min(item_no) as first_item_no
    from item
    group by feed, record_key, report_kind, lesion_no
),

final as (
    select
        item.person_id,
        item.feed,
        item.report_kind,
        item.report_date,
        item.lesion_no,
        lesion.lesion_type,
        lesion.site,
        lesion.side_code,
        lesion.clock,
        lesion.length_mm,
        lesion.width_mm,
        coalesce(lesion.mean_mm, cast((lesion.length_mm + lesion.width_mm) * 0.5 as numeric(8, 1))) as mean_mm,
        lesion.bi_rads_code,
        lesion.density,
        lesion.distance_cm,
        item.evidence,
        item.engine_version,
        {{ provenance('item') }}
    from lesion
    inner join item
        on
            lesion.feed = item.feed
            and lesion.record_key = item.record_key
            and lesion.report_kind = item.report_kind
            and lesion.first_item_no = item.item_no
)

select * from final
