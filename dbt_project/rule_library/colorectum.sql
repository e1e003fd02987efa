{# 结直肠癌规则库。One file per cancer; a clinician reviews the block below line by line. Expressions name facts of rule_fact__colorectum.
   Grammar: macros/rules.sql. A number from guidelines stands here and nowhere else. #}
{% macro rule_library__colorectum() %}
{% set library %}
cancer: colorectum
cancer_zh: 结直肠癌
facts: rule_fact__colorectum
rules:
  - id: colorectum.highrisk.nhc.2024
    version: "1.0.0"
    name_zh: 结直肠癌高危人群评分（2024年版方案）
    name_en: Colorectal cancer high-risk score, NHC scheme 2024
    issuer: nhc
    issuer_zh: 国家卫生健康委员会办公厅
    effective_from: "2024-07-30"
    effective_to: null
    status: released
    source: 结直肠癌筛查与早诊早治方案（2024年版），国卫办医急函〔2024〕281号
    confidence: S2
    confidence_zh: 依据方案的公开转载文本，数字明确，待与原文核对
    logic: points
    threshold: 4

    eligibility:
      - id: age_40_74
        name_zh: 年龄40至74岁
        when: age_years between 40 and 74
        failed_zh: 评估时年龄不在40至74岁
        missing_zh: 出生日期未知
        if_unknown: undetermined
      - id: no_known_cancer
        name_zh: 未患癌症
        when: has_known_cancer = false
        failed_zh: 评估前已知患有癌症
        missing_zh: 既往患癌情况未知
        # Only a documented cancer excludes; an unanswered question does not.
        if_unknown: eligible

    criteria:
      - id: age
        name_zh: 年龄
        missing_zh: 出生日期未知
        bands:
          - {when: age_years >= 60, points: 2, label_zh: 年龄60岁及以上}
          - {when: age_years between 50 and 59, points: 1, label_zh: 年龄50至59岁}
          - {when: age_years <= 49, points: 0, label_zh: 年龄49岁及以下}
      - id: male
        name_zh: 男性
        missing_zh: 性别未知
        when: sex_code = '1'
        points: 1
      - id: family
        name_zh: 一级亲属患结直肠癌
        missing_zh: 家族史未答全
        when: fdr_crc_count_least >= 1
        when_not: fdr_crc_count_most < 1
        points: 1
      - id: smoking
        name_zh: 吸烟（现在或以前）
        missing_zh: 吸烟情况未填
        when: smoking_status_code in ('1', '2')
        points: 1
      - id: bmi
        name_zh: 体质指数不低于23
        missing_zh: 身高或体重未填
        when: bmi_kg_m2 >= 23
        points: 1

    # Points at once: they take the place of the points of the criterion named.
    overrides:
      - id: family_early
        name_zh: 一级亲属60岁前确诊结直肠癌
        missing_zh: 家族史未答全
        when: fdr_crc_youngest_age_years < 60
        when_not: fdr_crc_undated_most < 1
        replaces: family
        points: 4
      - id: family_two
        name_zh: 两名及以上一级亲属患结直肠癌
        missing_zh: 家族史未答全
        when: fdr_crc_count_least >= 2
        when_not: fdr_crc_count_most < 2
        replaces: family
        points: 4

    results:
      high_risk: {name_zh: 高危, next_step_zh: 建议结肠镜检查；不接受者可每年做粪便免疫化学检测}
      not_high_risk: {name_zh: 非高危, next_step_zh: 按计划再次评估}
      undetermined: {name_zh: 待定, next_step_zh: 补全缺失信息后重新评估}
      not_eligible: {name_zh: 不在评估范围, next_step_zh: 按适用规则另行处理}
{% endset %}
{{ return(fromyaml(library)) }}
{% endmacro %}
