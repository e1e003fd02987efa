-- 漏斗各步骤人数守恒：进入＝评估＋检测＋确诊；评估＝四种结论之和；筛查＝阳性＋阴性；分期、治疗不超过确诊；合计等于路径表人数。
{{ config(meta={'description_zh': '驾驶舱漏斗各步骤人数守恒，合计等于癌种路径人数'}) }}
with broken_row as (
    select 'row' as what
    from {{ ref('mart_cockpit__funnel') }}
    where
        entered <> assessed + entered_by_test + entered_by_diagnosis
        or assessed <> high_risk + not_high_risk + undetermined + not_eligible
        or screened <> positive + negative
        or staged > diagnosed
        or treated > diagnosed
        or high_risk_screened > high_risk
),

broken_sum as (
    select 'sum' as what
    where
        coalesce((select sum(entered) from {{ ref('mart_cockpit__funnel') }}), 0)
        <> (select count(*) from {{ ref('feat_cancer_path') }})
)

select * from broken_row
union all
select * from broken_sum
