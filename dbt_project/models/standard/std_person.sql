-- A person that any accepted record speaks of. Sex and birth date: what most records say, then the latest; residence: the latest.
-- Channel: of the first record known that stands for one; screening source: of the first screening test.
{%- set described = [
    ('meta_answer__questionnaire', ['survey_date'], 'residence_county_code'),
    ('stg_hospital__patient', ['registered_date'], 'residence_county_code'),
    ('meta_answer__physical_exam', ['exam_date'], 'residence_county_code'),
    ('meta_answer__screening_fit', ['test_date'], none),
    ('meta_answer__screening_colonoscopy', ['exam_date'], none),
    ('meta_answer__screening_ugi_endoscopy', ['exam_date'], none),
    ('meta_answer__screening_ldct', ['exam_date'], none),
    ('meta_answer__screening_ldct_other', ['exam_date'], none),
    ('meta_answer__screening_liver', ['exam_date'], none),
    ('meta_answer__screening_breast_us', ['exam_date'], none),
    ('meta_answer__screening_breast_mg', ['exam_date'], none),
    ('meta_answer__screening_cervical_hpv', ['test_date', 'sampled_date'], none),
    ('meta_answer__screening_cervical_cytology', ['test_date', 'sampled_date'], none),
    ('meta_answer__screening_colposcopy', ['exam_date'], none),
    ('meta_answer__screening_follow_up', ['follow_up_date'], none),
    ('stg_registry__cancer_registry_case', ['reported_date'], 'residence_county_code'),
    ('stg_registry__death_registration', ['death_date'], 'residence_county_code'),
    ('stg_national_platform__outreach_contact', ['contact_date'], none),
    ('stg_programme__decision_participation', ['decided_at'], none),
] %}
{%- set mentioned = [
    'stg_hospital__medical_history',
    'meta_answer__resident_health_record',
    'meta_answer__tumour_report_card',
    'stg_hospital__medical_order',
    'std_visit',
    'std_front_page',
    'std_diagnosis',
    'std_measurement',
    'std_imaging',
    'std_screening_test',
    'std_pathology',
    'std_surgery',
    'std_treatment',
    'std_follow_up',
    'std_death_report',
] %}
{%- set families = {
    'platform': 'national_platform',
    'hospital': 'hospital',
    'checkup': 'checkup',
    'screening_centre': 'screening_centre',
    'free_screening': 'free_screening',
    'regional_platform': 'regional_platform',
    'registry': 'registry',
    'programme': 'programme',
} %}
with stated as (
    {%- for model, days, county in described %}
    select
        person_id,
        source_family,
        channel,
        delivered_on,
        coalesce({{ days | join(', ') }}, delivered_on) as stated_on,
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
        channel,
        min(delivered_on) as first_known_on
    from stated
    group by person_id, source_family, channel
    {%- for model in mentioned %}
    union all
    select
        person_id,
        source_family,
        channel,
        min(delivered_on) as first_known_on
    from {{ ref(model) }}
    where person_id is not null
    group by person_id, source_family, channel
    {%- endfor %}
),

person as (
    select
        person_id,
        {%- for name, family in families.items() %}
        bool_or(source_family = '{{ family }}') as is_known_from_{{ name }},
        {%- endfor %}
        min(first_known_on) as first_known_on
    from seen
    group by person_id
),

first_channel as (
    select
        person_id,
        channel,
        row_number() over (
            partition by person_id
            order by
                min(first_known_on) asc,
                case channel when 'platform' then 1 when 'hospital_opportunistic' then 2 else 3 end
        ) as channel_rank
    from seen
    where channel is not null
    group by person_id, channel
),

first_test as (
    select
        person_id,
        screening_source,
        row_number() over (
            partition by person_id
            order by min(test_date) asc, {{ by_bytes('screening_source') }} asc
        ) as source_rank
    from {{ ref('std_screening_test') }}
    where
        person_id is not null
        and screening_source is not null
        and is_done
    group by person_id, screening_source
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
        {%- for name in families %}
        person.is_known_from_{{ name }},
        {%- endfor %}
        first_channel.channel,
        first_test.screening_source,
        person.first_known_on
    from person
    left join sex on person.person_id = sex.person_id and sex.vote_rank = 1
    left join birth on person.person_id = birth.person_id and birth.vote_rank = 1
    left join county on person.person_id = county.person_id and county.day_rank = 1
    left join first_channel on person.person_id = first_channel.person_id and first_channel.channel_rank = 1
    left join first_test on person.person_id = first_test.person_id and first_test.source_rank = 1
)

select * from final
