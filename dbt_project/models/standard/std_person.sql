-- A person that any accepted record speaks of. Sex and birth date: what most records say, then the latest; residence: the latest.
{%- set described = [
    ('meta_answer__questionnaire', 'survey_date', 'residence_county_code'),
    ('stg_hospital__patient', 'registered_date', 'residence_county_code'),
    ('meta_answer__physical_exam', 'exam_date', 'residence_county_code'),
    ('meta_answer__screening_fit', 'test_date', none),
    ('meta_answer__screening_colonoscopy', 'exam_date', none),
    ('meta_answer__screening_follow_up', 'follow_up_date', none),
] %}
{%- set mentioned = ['std_visit', 'std_diagnosis', 'std_measurement', 'std_screening_test', 'std_pathology', 'std_surgery', 'std_treatment',
    'std_follow_up', 'std_death'] %}
with stated as (
    {%- for model, day, county in described %}
    select
        person_id,
        source_family,
        delivered_on,
        coalesce({{ day }}, delivered_on) as stated_on,
        case when sex_code in ('1', '2') then sex_code end as sex_code,
        birth_date,
        {% if county %}{{ county }}{% else %}cast(null as text){% endif %} as residence_county_code
    from {{ ref(model) }}
    where person_id is not null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

seen as (
    select
        person_id,
        source_family,
        min(delivered_on) as first_known_on
    from stated
    group by person_id, source_family
    {%- for model in mentioned %}
    union all
    select
        person_id,
        source_family,
        min(delivered_on) as first_known_on
    from {{ ref(model) }}
    where person_id is not null
    group by person_id, source_family
    {%- endfor %}
),

person as (
    select
        person_id,
        min(first_known_on) as first_known_on,
        bool_or(source_family = 'national_platform') as is_known_from_platform,
        bool_or(source_family = 'hospital') as is_known_from_hospital,
        bool_or(source_family = 'checkup') as is_known_from_checkup,
        bool_or(source_family = 'screening_centre') as is_known_from_screening_centre
    from seen
    group by person_id
),

sex_vote as (
    select
        person_id,
        sex_code,
        count(*) as votes,
        max(stated_on) as last_stated_on
    from stated
    where sex_code is not null
    group by person_id, sex_code
),

sex as (
    select
        person_id,
        sex_code,
        count(*) over (partition by person_id) as value_count,
        row_number() over (partition by person_id order by votes desc, last_stated_on desc, sex_code asc) as vote_rank
    from sex_vote
),

birth_vote as (
    select
        person_id,
        birth_date,
        count(*) as votes,
        max(stated_on) as last_stated_on
    from stated
    where birth_date is not null
    group by person_id, birth_date
),

birth as (
    select
        person_id,
        birth_date,
        count(*) over (partition by person_id) as value_count,
        row_number() over (partition by person_id order by votes desc, last_stated_on desc, birth_date asc) as vote_rank
    from birth_vote
),

county_day as (
    select
        person_id,
        residence_county_code,
        max(stated_on) as last_stated_on
    from stated
    where residence_county_code is not null
    group by person_id, residence_county_code
),

county as (
    select
        person_id,
        residence_county_code,
        row_number() over (partition by person_id order by last_stated_on desc, residence_county_code asc) as day_rank
    from county_day
),

final as (
    select
        person.person_id,
        sex.sex_code,
        birth.birth_date,
        county.residence_county_code,
        substr(county.residence_county_code, 1, 4) || '00' as residence_city_code,
        coalesce(sex.value_count > 1, false) as is_sex_contradictory,
        coalesce(birth.value_count > 1, false) as is_birth_date_contradictory,
        person.is_known_from_platform,
        person.is_known_from_hospital,
        person.is_known_from_checkup,
        person.is_known_from_screening_centre,
        person.first_known_on
    from person
    left join sex on person.person_id = sex.person_id and sex.vote_rank = 1
    left join birth on person.person_id = birth.person_id and birth.vote_rank = 1
    left join county on person.person_id = county.person_id and county.day_rank = 1
)

select * from final
