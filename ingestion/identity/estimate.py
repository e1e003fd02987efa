"""Estimate the weights from the records at hand: Splink's expectation maximisation over people whom several sources know.

Only m is estimated, the share of pairs of one person at each level: u, the share among pairs of two people, follows from the number of birth days,
telephones and places there are, and stays as assumed. An estimate is drawn towards the assumption as by so many pairs, so few data change little.
"""

from __future__ import annotations

from infra.settings import Settings
from ingestion import duck
from ingestion.identity import features, linking, model, vault

# Identities that are compared with each other, the pairs without which nothing is estimated, and the pairs that an assumption weighs.
SAMPLE, FEWEST_PAIRS, ASSUMED_PAIRS = 100_000, 1_000, 200
TRAINING = ("l.phone[1] = r.phone[1]", "l.birth_exact[1] = r.birth_exact[1] and l.birth_year[1] = r.birth_year[1] and l.sex[1] = r.sex[1]")


class TooFew(ValueError):
    """There are not enough records to estimate weights from; those in force stay."""


def estimate(settings: Settings, version: str) -> model.Model:
    """Weights estimated from a sample of the vault, not adopted yet. Raises TooFew."""
    connection = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
    with vault.opened(settings, connection):
        linking.prepare(connection)
        weights = model.in_force(connection)
        connection.execute(
            f"""
            create or replace temp table sampled as
            with several as (
                select node_no from vault.link_statement group by node_no having count(*) > 1 order by hash(node_no) limit {SAMPLE // 2}
            )
            select dense_rank() over (order by s.identity_id) as node_no, c.person_name, c.birth_date, c.sex_code, c.mobile_phone, c.residence_address
            from vault.link_statement as s semi join several using (node_no) inner join vault.claim as c using (identity_id)
            """
        )
        features.tokenise(connection, "sampled", "node_no", None, only=model.compared_tokens(weights), into="sample")
        connection.execute("create or replace temp table sample as select *, 0 as name_class, 0 as phone_class from sample")
        table = connection.execute("from sample order by node_no").to_arrow_table()
    beside = duck.connect(memory_limit=settings.memory_limit, threads=settings.threads)
    beside.register("sample", table)
    pairs = [
        beside.execute(f"select count(*) from sample as l inner join sample as r on {rule} where l.node_no < r.node_no").fetchone()[0]
        for rule in TRAINING
    ]
    if min(pairs) < FEWEST_PAIRS:
        raise TooFew(f"{min(pairs)} pairs of records to learn from, {FEWEST_PAIRS} are needed; the weights {weights.version!r} stay")
    linker = model.linker(beside, weights, "sample")
    for rule in TRAINING:
        linker.training.estimate_parameters_using_expectation_maximisation(rule, estimate_without_term_frequencies=True)
    trained = {c.output_column_name: c for c in linker._settings_obj.core_model_settings.comparisons}
    comparisons = {}
    for name, comparison in weights.comparisons.items():
        found = {lv.label_for_charts: lv.m_probability for lv in trained[name].comparison_levels if not lv.is_null_level}
        levels = [lv.model_copy(update={"m": _drawn(lv.m, found[lv.label], min(pairs))}) for lv in comparison.levels]
        total = sum(lv.m for lv in levels)
        comparisons[name] = comparison.model_copy(update={"levels": tuple(lv.model_copy(update={"m": round(lv.m / total, 6)}) for lv in levels)})
    return weights.model_copy(update={"version": version, "comparisons": comparisons})


def _drawn(assumed: float, found: object, pairs: int) -> float:
    """An estimate drawn towards the assumption; the assumption where a level was not observed."""
    if not isinstance(found, int | float):
        return assumed * ASSUMED_PAIRS / (pairs + ASSUMED_PAIRS)
    return (found * pairs + assumed * ASSUMED_PAIRS) / (pairs + ASSUMED_PAIRS)
