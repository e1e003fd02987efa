{# The key of a text that is coded, as ingestion/codes/stage.py makes it (KEY); the four parts of a laboratory item are empty here. #}
{% macro text_key(organisation, feed, field, text) -%}
md5(concat_ws(chr(31), {{ organisation }}, '{{ feed }}', '{{ field }}', {{ text }}, '', '', '', ''))
{%- endmacro %}
