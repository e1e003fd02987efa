{# What reports of a feed say of the record as a whole: one row per record_key, one column per item; of an item said twice the first counts.

texts, numbers (numeric(10, 1)) and truths name items of the text engine. #}
{% macro report_values(feed, texts=[], numbers=[], truths=[]) -%}
select
    record_key
    {%- for item in texts %},
    max(case when item = '{{ item }}' then value_text end) as {{ item }}
    {%- endfor %}
    {%- for item in numbers %},
    max(case when item = '{{ item }}' and value_number between 0 and 9999 then cast(value_number as numeric(10, 1)) end) as {{ item }}
    {%- endfor %}
    {%- for item in truths %},
    bool_or(case when item = '{{ item }}' then value_text = 'true' end) as {{ item }}
    {%- endfor %}
from (
    select
        record_key,
        item,
        value_text,
        value_number,
        row_number() over (partition by record_key, item order by item_no asc) as item_rank
    from {{ ref('std_report_item') }}
    where feed = '{{ feed }}' and lesion_no is null
) as item_of_report
where item_rank = 1
group by record_key
{%- endmacro %}
