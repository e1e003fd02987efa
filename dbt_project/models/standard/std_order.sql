-- An ordered item: drug, examination, test, operation or treatment. A view, since orders are many and few of them are asked for.
{{ config(materialized='view') }}

with ordered as (
    select * from {{ ref('stg_hospital__medical_order') }}
),

final as (
    select
        ordered.person_id,
        ordered.order_no,
        ordered.visit_no,
        ordered.order_group_no,
        ordered.order_category_code,
        ordered.order_term_code,
        ordered.item_code,
        ordered.item_name,
        ordered.dose,
        ordered.dose_unit,
        ordered.frequency_name,
        ordered.route_name,
        ordered.day_count,
        ordered.ordered_date,
        ordered.executed_date,
        ordered.stopped_date,
        coalesce({{ yes('ordered.is_cancelled') }}, false) as is_cancelled,
        ordered.department_code,
        ordered.doctor_code,
        {{ provenance('ordered') }}
    from ordered
)

select * from final
