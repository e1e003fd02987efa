-- A topic of the training programme.
with topic as (
    select * from {{ ref('stg_programme__training_topic') }}
),

final as (
    select
        topic.topic_code,
        topic.topic_name,
        topic.topic_group_code,
        topic.audience_name,
        topic.standard_hours,
        {{ yes('topic.has_exam') }} as has_exam,
        topic.valid_from,
        {{ origin('topic') }}
    from topic
)

select * from final
