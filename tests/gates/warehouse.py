"""Small feature and mart tables, good or bad, in SQL that DuckDB and PostgreSQL both read."""

from __future__ import annotations

TABLES = """
create table feat_resident (
    person_id text, as_of_date date, sex_code text, birth_year integer, age_years integer, residence_county_code text, channel text,
    first_known_on date, is_sex_contradictory boolean, is_birth_date_contradictory boolean, bmi_kg_m2 numeric(15,2));
create table feat_cancer_path (
    person_id text, cancer text, as_of_date date, entry_route text, entered_on date, channel text, verdict text, is_high_risk boolean,
    screened_on date, positive_on date, diagnosed_on date, treated_on date, died_on date);
create table feat_high_risk (person_id text, rule_id text, rule_version text, reasons_zh text, days_to_screening integer);
create table feat_patient (
    person_id text, diagnosis_date date, icd10_code text, days_observed integer, age_at_diagnosis_years integer, stage_number text,
    is_stage_consistent boolean, has_treatment_before_diagnosis boolean);
create table mart_cockpit__funnel (
    cancer text, city_code text, county_code text, organisation_code text, channel text, month date,
    entered bigint, assessed bigint, entered_by_test bigint, entered_by_diagnosis bigint, high_risk bigint, not_high_risk bigint,
    undetermined bigint, not_eligible bigint, screened bigint, positive bigint, negative bigint, high_risk_screened bigint,
    high_risk_colonoscopy bigint, diagnosed bigint, staged bigint, treated bigint);
"""

# 400 residents, all assessed; 60 at high risk, 40 of them screened, 30 positive, diagnosed and treated.
GOOD = """
insert into feat_resident
select 'P' || i, date '2025-06-30', '1', 1960, 65, '140105', 'platform', date '2025-01-31', false, false, 24.0
from generate_series(1, 400) as t(i);
insert into feat_cancer_path
select 'P' || i, 'colorectum', date '2025-06-30', 'assessment', date '2025-01-10', 'platform',
    case when i <= 60 then 'high_risk' else 'not_high_risk' end, i <= 60,
    case when i <= 40 then date '2025-02-10' end, case when i <= 30 then date '2025-02-10' end,
    case when i <= 30 then date '2025-03-01' end, case when i <= 30 then date '2025-04-01' end,
    case when i <= 2 then date '2025-06-01' end
from generate_series(1, 400) as t(i);
insert into feat_cancer_path
select 'Q' || i, 'colorectum', date '2025-06-30', 'assessment', date '2025-01-10', 'platform', 'high_risk', true,
    case when i <= 20 then date '2025-02-10' end, null, null, null, null
from generate_series(1, 50) as t(i);
insert into feat_high_risk select 'P' || i, 'colorectum.highrisk.nhc.2024', '1', '评分不低于4分', 31 from generate_series(1, 60) as t(i);
insert into feat_patient select 'P' || i, date '2025-03-01', 'C18.7', 100, 66, 'II', true, false from generate_series(1, 30) as t(i);
insert into mart_cockpit__funnel values
    ('colorectum', '140100', '140105', 'NP14', 'platform', date '2025-01-01',
    450, 450, 0, 0, 110, 340, 0, 0, 60, 30, 30, 60, 40, 30, 30, 30);
"""

# Every rule broken at least once, but those that ask for rows at all.
BAD = """
insert into feat_resident values
    (null, date '2025-06-30', '1', 1960, 65, '140105', 'platform', date '2025-01-31', false, false, 24.0),
    ('P1', date '2025-06-30', '1', 1960, 165, '140105', 'platform', date '2025-01-31', false, false, 24.0),
    ('X', date '2025-06-29', '1', 1960, 65, '140105', 'telephone', date '2025-07-31', true, true, 24.0);
update feat_resident set sex_code = null, birth_year = null, residence_county_code = null, is_sex_contradictory = true,
    is_birth_date_contradictory = true, bmi_kg_m2 = 2400 where person_id > 'P3';
insert into feat_cancer_path select * from feat_cancer_path where person_id = 'P1';
update feat_cancer_path set diagnosed_on = date '2025-07-01', treated_on = date '2025-02-01', died_on = date '2025-01-31',
    positive_on = date '2025-02-01' where diagnosed_on is not null;
update feat_cancer_path set screened_on = null where positive_on is null;
update feat_cancer_path set screened_on = date '2024-12-01' where person_id = 'P40';
update feat_cancer_path set is_high_risk = true, verdict = 'high_risk' where person_id > 'P2';
update feat_cancer_path set verdict = 'undetermined' where person_id between 'P1' and 'P2';
update feat_high_risk set reasons_zh = null, rule_id = null, rule_version = null, days_to_screening = -1 where person_id = 'P1';
update feat_patient set diagnosis_date = null, icd10_code = 'I10', days_observed = -1, age_at_diagnosis_years = 6, stage_number = null,
    is_stage_consistent = false, has_treatment_before_diagnosis = true where person_id > 'P2';
insert into mart_cockpit__funnel values
    (null, null, null, null, null, null, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
    ('colorectum', '000000', '000000', 'NP14', 'platform', date '2025-02-01', 300, 300, 0, 0, 290, 10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
"""
