{# The day whose knowledge is built: records delivered later are not known. Variable as_of_date is required; no model asks the clock. #}
{% macro as_of_date() -%}
cast('{{ var("as_of_date") }}' as date)
{%- endmacro %}
