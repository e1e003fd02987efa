{# The key of a laboratory item as a record names it, as ingestion/codes/stage.py makes it (KEY); parts that are missing are empty. #}
{% macro lab_text_key(lab) -%}
md5(concat_ws(
    chr(31), {{ lab }}.source_organisation_code, 'lab_result', 'item_name', coalesce({{ lab }}.item_name, ''), coalesce({{ lab }}.item_code, ''),
    coalesce({{ lab }}.loinc_code, ''), coalesce({{ lab }}.result_unit, ''), coalesce({{ lab }}.specimen_name, '')
))
{%- endmacro %}
