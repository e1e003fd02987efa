{# Which channel and screening source a record stands for. Facts: vars.source_roles in dbt_project.yml. #}

{% macro channel_of(source_family) -%}
case {{ source_family }}
    {%- for family, role in var('source_roles').items() if role.channel is defined %} when '{{ family }}' then '{{ role.channel }}'{% endfor %} end
{%- endmacro %}

{# kind: screening_form (the programme's result forms) or clinical (what a source records anyway). #}
{% macro screening_source_of(source_family, kind) -%}
case {{ source_family }}
    {%- for family, role in var('source_roles').items() if role[kind] is defined %} when '{{ family }}' then '{{ role[kind] }}'{% endfor %} end
{%- endmacro %}
