"""Statistics of experiments: many comparisons at once, the best of several, and how large a test must be.

The textbook work is done by statsmodels and SciPy. What is joined to it here is what an experiment adds:
all policies of a replication share its luck, so differences are taken replication by replication.

- `adjusted`: several policies, measures or scenarios compared at once, with intervals and p-values that
  hold for all of them together
- `select_best`: the best policy with a stated probability, and the replications that takes
- `power_of_test`, `minimum_detectable_effect`, `customers_needed`, `churn_within`: planning an A/B test
- `realised_against_expected`: customers saved as counted, against the sum of the chances avoided

`compare` and `replications_needed` (one comparison at a time) are in `research.compare`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from ..simulation.engine import simulate
from ..simulation.run import Run
from ..simulation.scenario import Scenario
from .compare import _UNITS, DIFFERENCES, _known, _Pair, _pairs
from .experiment import PAIRED, Experiment

# How statsmodels calls the corrections.
_METHODS = {"none": "", "bonferroni": "bonferroni", "holm": "holm", "benjamini-hochberg": "fdr_bh"}
CORRECTIONS = (*_METHODS, "max-t")
# A bootstrap of fewer replications than this says little of their spread.
FEWEST_FOR_BOOTSTRAP = 10
_SPREAD = "one replication shows no spread; run at least two"


# -- many comparisons --------------------------------------------------------------------------------


def adjusted(
    table: pd.DataFrame,
    measures: str | Iterable[str] = "kept",
    baseline: str | None = None,
    *,
    pairs: str = "baseline",
    correction: str = "holm",
    level: float = 0.95,
    draws: int = 5_000,
    seed: int = 1,
) -> pd.DataFrame:
    """Several comparisons at once, with p-values and intervals that allow for their number.

    table: of `Experiment.run`; measures: one or more differences of `compare` (no ratios); pairs:
    "baseline" (each policy against the baseline) or "all" (every pair of policies). All rows of the
    result, over measures and scenarios, are one family.

    correction:

    - "holm" (Holm 1979) and "bonferroni": the chance of any false finding is at most 1 - level. Intervals
      are Bonferroni's: all of them hold together with probability `level` at least. Holm's p-values
      are never larger than Bonferroni's, so a row may be a finding although its interval holds zero.
    - "max-t": the same promise, from a bootstrap of whole replications (`draws` of them) of the largest
      t statistic (Westfall & Young 1993). It knows how the comparisons hang together and needs no normal
      differences. It holds for many replications: of twenty it is often wider than Bonferroni's, of a
      hundred narrower. Ten are the least it takes.
    - "benjamini-hochberg": of the findings, a share of at most 1 - level is false on average (Benjamini &
      Hochberg 1995). Intervals are at the level 1 - R (1 - level) / m, with R of m rows found: of those
      of the findings at most a share 1 - level misses its truth, on average (Benjamini & Yekutieli 2005).
    - "none": every row for itself, as `compare`.

    Returns a row a comparison: scenario, policy, against, measure, unit, replications, effect (mean paired
    difference), standard_error, p, low, high (for this row alone), p_adjusted, low_adjusted,
    high_adjusted, found (p_adjusted below 1 - level). Raises ValueError.
    """
    _known(correction, list(CORRECTIONS), "correction")
    _known(pairs, ["baseline", "all"], "value of pairs")
    _is_share(level, "level")
    wanted = [measures] if isinstance(measures, str) else list(measures)
    for measure in wanted:
        _known(measure, list(DIFFERENCES), "measure")
    found, spreads = [], []
    for measure in wanted:
        for pair in _wanted_pairs(table, baseline, pairs):
            if measure in PAIRED and not pair.paired:
                raise ValueError(
                    f"{measure} of {pair.policy!r} is known only against the experiment's own baseline"
                )
            a, b = pair.of(DIFFERENCES[measure])
            if a.size < 2:
                raise ValueError(f"{measure} of {pair.policy!r} in {pair.scenario!r}: {_SPREAD}")
            found.append(
                {
                    "scenario": pair.scenario,
                    "policy": pair.policy,
                    "against": pair.baseline,
                    "measure": measure,
                    "unit": _UNITS[DIFFERENCES[measure]],
                    "replications": a.size,
                }
            )
            spreads.append(a - b)
    return pd.DataFrame(found).assign(**family(spreads, correction, level, draws, seed))


def family(
    spreads: Sequence[np.ndarray], correction: str, level: float = 0.95, draws: int = 5_000, seed: int = 1
) -> dict[str, np.ndarray]:
    """The columns of `adjusted` from effect on, for samples of paired differences that are one family."""
    from scipy.special import stdtr, stdtrit

    freedom = np.array([d.size - 1.0 for d in spreads])
    effect = np.array([d.mean() for d in spreads])
    error = np.array([d.std(ddof=1) / math.sqrt(d.size) for d in spreads])
    # What is the same in every replication is certain, whatever it is.
    t = np.divide(effect, error, out=np.where(effect == 0, 0.0, np.inf), where=error > 0)
    p = 2 * stdtr(freedom, -np.abs(t))
    m, alpha = len(spreads), 1 - level
    half = stdtrit(freedom, 1 - alpha / 2)
    if correction == "max-t":
        largest = _largest_t(spreads, draws, seed)
        p_adjusted = np.array([(1 + np.count_nonzero(largest >= abs(x))) / (1 + draws) for x in t])
        wide = np.full(m, np.quantile(largest, level))
    elif correction == "none":
        p_adjusted, wide = p, half
    else:
        from statsmodels.stats.multitest import multipletests

        p_adjusted = multipletests(p, alpha, method=_METHODS[correction])[1]
        part = 1 / m
        if correction == "benjamini-hochberg":
            part = max(int(np.count_nonzero(p_adjusted < alpha)), 1) / m
        wide = stdtrit(freedom, 1 - part * alpha / 2)
    return {
        "effect": effect,
        "standard_error": error,
        "p": p,
        "low": effect - half * error,
        "high": effect + half * error,
        "p_adjusted": p_adjusted,
        "low_adjusted": effect - wide * error,
        "high_adjusted": effect + wide * error,
        "found": p_adjusted < alpha,
    }


def _wanted_pairs(table: pd.DataFrame, baseline: str | None, pairs: str) -> list[_Pair]:
    if pairs == "baseline":
        return _pairs(table, baseline)
    if baseline is not None:
        raise ValueError('pairs="all" compares every two policies; leave out the baseline')
    names = list(dict.fromkeys(table["policy"])) if "policy" in table else []
    every = {(x.scenario, x.policy, x.baseline): x for name in names for x in _pairs(table, name)}
    scenarios = dict.fromkeys(key[0] for key in every)
    return [
        every[s, b, a] for s in scenarios for a, b in combinations(names, 2) if (s, b, a) in every
    ] or _pairs(table, None)


def _largest_t(spreads: Sequence[np.ndarray], draws: int, seed: int) -> np.ndarray:
    """The largest |t| of the comparisons in each of `draws` resamples of the replications, centred at
    what was found, so that it shows what chance alone makes."""
    n = spreads[0].size
    if any(d.size != n for d in spreads):
        raise ValueError("max-t needs the same replications in all comparisons; run what is missing")
    if n < FEWEST_FOR_BOOTSTRAP:
        raise ValueError(
            f"max-t needs at least {FEWEST_FOR_BOOTSTRAP} replications, not {n}; 'holm' takes fewer"
        )
    centred = np.column_stack([d - d.mean() for d in spreads if d.std() > 0] or [np.zeros(n)])
    counts = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=draws).astype(float)
    mean = counts @ centred / n
    variance = np.maximum(counts @ centred**2 / n - mean**2, 0) * n / (n - 1)
    error = np.sqrt(variance / n)
    t = np.divide(np.abs(mean), error, out=np.where(mean == 0, 0.0, np.inf), where=error > 0)
    return t.max(axis=1)


# -- the best of several -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Selection:
    """The policy `select_best` chose.

    best: its name. With `probability` at least it is the best, if the best is better than the second by
    `indifference` or more; and in any case no policy is better than it by more than that.
    replications: of each policy; first: of the first stage. table: a row a policy with mean,
    standard_error, behind (its mean less that of the best other), low and high (its true mean less that of
    the best other lies between them, for all policies together with `probability`), needed (replications
    that comparing this policy alone with every other would have taken).
    """

    best: str
    outcome: str
    probability: float
    indifference: float
    replications: int
    first: int
    table: pd.DataFrame

    def __repr__(self) -> str:
        return (
            f"{self.best!r} has the best {self.outcome} of {len(self.table)}, with probability "
            f"{self.probability:g} if it leads by {self.indifference:,g}; {self.replications} "
            f"replications of each\n{self.table.round(3).to_string()}"
        )

    def _repr_html_(self) -> str:
        return f"<p>{repr(self).splitlines()[0]}</p>" + self.table.round(3).to_html(border=0)


def select_best(
    source: Experiment | Callable[[range], pd.DataFrame],
    outcome: str = "equity",
    *,
    indifference: float,
    probability: float = 0.95,
    first: int = 20,
    most: int = 1_000,
    largest: bool = True,
    jobs: int = -1,
    progress: bool = False,
) -> Selection:
    """The best policy with a stated probability, in two stages under common luck.

    source: an `Experiment` of one scenario (its cells are used, and more replications are run in its
    folder), or a function that is given a range of replications and returns a table with a row a
    replication and a column a policy. outcome: of a cell, such as "equity" or "kept"; indifference: a
    difference that would not matter, in its unit; first: replications of the first stage; most: no more
    than this are run; largest: False where the smallest mean is best.

    The procedure of Clark & Yang (1986; see Nelson & Matejcik 1995): with k policies, t the quantile
    1 - (1 - probability) / (k - 1) of Student's t with first - 1 degrees of freedom, and s the standard
    deviation of the first stage's paired differences of two policies, every policy gets
    max(first, largest (t s / indifference)^2) replications, and that with the best mean of all is chosen.
    It allows for any correlation between policies, so common luck, which makes s small, is what makes it
    cheap. It takes replications to be normal, as sums over thousands of customers nearly are. The
    intervals are those for comparisons with the best (Hsu 1984) that come with it.

    Raises ValueError, also when more than `most` replications are needed: it then says how many, and
    which indifference that would allow.
    """
    from scipy.special import stdtrit

    _is_share(probability, "probability")
    if not (isinstance(indifference, int | float) and math.isfinite(indifference) and indifference > 0):
        raise ValueError(f"indifference must be a number above 0, not {indifference!r}")
    if isinstance(first, bool) or not isinstance(first, int) or not 2 <= first <= most:
        raise ValueError(f"first must be a whole number from 2 to most ({most}), not {first!r}")
    measure: Callable[[range], pd.DataFrame] = (
        _of_experiment(source, outcome, jobs, progress) if isinstance(source, Experiment) else source
    )
    stage = _measured(measure, range(first), None)
    k = stage.shape[1]
    t = float(stdtrit(first - 1, 1 - (1 - probability) / (k - 1)))
    values = stage.to_numpy(float)
    spread = (values[:, :, None] - values[:, None, :]).std(axis=0, ddof=1)
    needed = np.maximum(np.ceil((t * spread.max(axis=1) / indifference) ** 2), first).astype(np.int64)
    total = int(needed.max())
    if total > most:
        allowed = t * float(spread.max()) / math.sqrt(most)
        raise ValueError(
            f"{total:,} replications are needed to tell differences of {indifference:,g}; with the {most:,} "
            f"allowed by `most`, indifference can be {allowed:,.3g}"
        )
    if total > first:
        more = _measured(measure, range(first, total), list(stage.columns))
        stage = pd.concat([stage, more], ignore_index=True)
    mean = stage.mean()
    sign = 1.0 if largest else -1.0
    others = np.array([(sign * mean.drop(name)).max() for name in mean.index])
    lead = sign * mean.to_numpy() - others  # above zero for the best alone
    low, high = np.minimum(lead - indifference, 0.0), np.maximum(lead + indifference, 0.0)
    table = pd.DataFrame(
        {
            "mean": mean,
            "standard_error": stage.std(ddof=1) / math.sqrt(total),
            "behind": sign * lead,
            "low": low if largest else -high,
            "high": high if largest else -low,
            "needed": needed,
        }
    ).rename_axis("policy")
    best = str(mean.index[int(np.argmax(sign * mean.to_numpy()))])
    return Selection(best, outcome, probability, float(indifference), total, first, table)


def _of_experiment(
    experiment: Experiment, outcome: str, jobs: int, progress: bool
) -> Callable[[range], pd.DataFrame]:
    """A function of the replications that runs what is missing of an experiment."""
    if len(experiment.scenarios) != 1:
        raise ValueError(
            f"select_best takes one scenario, not {len(experiment.scenarios)}: what is best in one need "
            "not be in another"
        )

    def measure(wanted: range) -> pd.DataFrame:
        more = Experiment(
            experiment.policies,
            experiment.scenarios,
            wanted.stop,
            experiment.seed,
            baseline=experiment.baseline,
            cache=experiment.folder,
        )
        table = more.run(jobs=jobs, progress=progress)
        _known(outcome, [c for c in table.columns if table[c].dtype.kind in "if"], "outcome")
        wide = table.pivot(index="replication", columns="policy", values=outcome)
        return wide.loc[list(wanted), list(experiment.policies)]

    return measure


def _measured(
    measure: Callable[[range], pd.DataFrame], wanted: range, names: list[Any] | None
) -> pd.DataFrame:
    table = measure(wanted)
    if not isinstance(table, pd.DataFrame) or len(table) != len(wanted) or table.shape[1] < 2:
        raise ValueError(
            f"the function must return a table of {len(wanted)} rows, one a replication, and a column for "
            "each of at least two policies"
        )
    if names is not None and list(table.columns) != names:
        raise ValueError(f"the policies changed between the stages, from {names} to {list(table.columns)}")
    if not np.isfinite(table.to_numpy(float)).all():
        raise ValueError("an outcome is missing in some replication")
    return table.reset_index(drop=True)


# -- planning an A/B test --------------------------------------------------------------------------------


def churn_within(world: Run | Scenario | str, months: int, start: int = 0, seed: int = 1) -> float:
    """Share of the customers of month `start` who have left `months` later: the base rate of a test.

    world: a finished run, or a scenario, which is run without policies. A customer who was won back since
    counts as there. Raises ValueError where the run is too short.
    """
    run = world if isinstance(world, Run) else simulate(world, [], seed, progress=False)
    lived = run.scenario.population.months
    if start < 0 or months < 1 or start + months > lived:
        raise ValueError(f"months {start} to {start + months} must lie within the {lived} of the run")
    people = run._people
    active = people.column("active") > 0
    left = np.where(active, lived, people.column("left"))
    there = (people.column("joined") <= start) & (left >= start)
    if not there.any():
        raise ValueError(f"nobody is a customer in month {start}")
    return float((left[there] < start + months).mean())


def power_of_test(
    customers: int,
    effect: float,
    *,
    rate: float | None = None,
    sd: float | None = None,
    share: float = 0.5,
    compliance: float = 1.0,
    contamination: float = 0.0,
    level: float = 0.95,
) -> float:
    """Chance that a planned A/B test finds an effect: both sides, at 1 - level.

    customers: in both arms together, `share` of them to be treated. effect: of being treated, on a share
    (then give `rate`, the share without treatment, such as `churn_within(...)`) or on a mean (then give
    `sd`). compliance: of those to be treated, how many are; contamination: of the others, how many are
    as well. The test compares the arms as assigned (intention to treat), so it sees
    (compliance - contamination) x effect.

    statsmodels computes it: `power_proportions_2indep` for shares, `TTestIndPower` for means. Raises
    ValueError.
    """
    _planned(rate, sd, share, compliance, contamination, level)
    if isinstance(customers, bool) or not isinstance(customers, int | np.integer) or customers < 4:
        raise ValueError(f"customers must be a whole number of at least 4, not {customers!r}")
    treated = share * customers
    if min(treated, customers - treated) < 2:
        raise ValueError(f"share {share:g} of {customers} customers leaves an arm with fewer than two")
    ratio = (1 - share) / share
    if rate is None:
        from statsmodels.stats.power import TTestIndPower

        assert sd is not None
        seen = (compliance - contamination) * effect / sd
        return float(TTestIndPower().power(seen, treated, 1 - level, ratio, alternative="two-sided"))
    from statsmodels.stats.proportion import power_proportions_2indep

    a, b = rate + compliance * effect, rate + contamination * effect
    if not (0 < a < 1 and 0 < b < 1 and 0 <= rate + effect <= 1):
        raise ValueError(f"an effect of {effect:g} takes a share of {rate:g} beyond 0 or 1")
    if a == b:
        return float(1 - level)
    return float(power_proportions_2indep(a - b, b, treated, ratio, 1 - level, return_results=False))


def minimum_detectable_effect(
    customers: int,
    *,
    rate: float | None = None,
    sd: float | None = None,
    power: float = 0.8,
    falls: bool = True,
    share: float = 0.5,
    compliance: float = 1.0,
    contamination: float = 0.0,
    level: float = 0.95,
) -> float:
    """The smallest effect of being treated that a test finds with probability `power`.

    Other words as in `power_of_test`. falls: whether the share is to fall (as that of leavers), which for
    shares is not the same as to rise; the effect is below zero then. Raises ValueError, also where even
    the largest possible effect is found less often.
    """
    from scipy.optimize import brentq

    _planned(rate, sd, share, compliance, contamination, level)
    _is_share(power, "power")
    plan: dict[str, Any] = {"rate": rate, "sd": sd, "share": share, "level": level}
    plan |= {"compliance": compliance, "contamination": contamination}
    sign = -1.0 if falls else 1.0
    if compliance == contamination:
        raise ValueError("the arms would not differ: no effect would be found")
    most = math.inf if rate is None else (rate if falls else 1 - rate) * (1 - 1e-9)

    def beyond(size: float) -> float:
        return power_of_test(customers, sign * size, **plan) - power

    # Doubled from below, since statsmodels has no numbers for enormous effects.
    high = 1e-6 * (sd if sd is not None else most)
    low = 0.0
    while beyond(high) < 0:
        if high >= most:
            raise ValueError(
                f"with {customers:,} customers even an effect of {sign * most:.3g} is found with probability "
                f"{beyond(most) + power:.2f} only"
            )
        low, high = high, min(2 * high, most)
    return sign * float(brentq(beyond, low, high, xtol=1e-10 * high))


def customers_needed(
    effect: float,
    *,
    rate: float | None = None,
    sd: float | None = None,
    power: float = 0.8,
    share: float = 0.5,
    compliance: float = 1.0,
    contamination: float = 0.0,
    level: float = 0.95,
) -> int:
    """The smallest number of customers, both arms together, with which a test finds `effect` with
    probability `power`. Words as in `power_of_test`. Raises ValueError."""
    _planned(rate, sd, share, compliance, contamination, level)
    _is_share(power, "power")
    if effect == 0 or compliance == contamination:
        raise ValueError("the arms would not differ: no number of customers finds an effect of 0")
    plan: dict[str, Any] = {"rate": rate, "sd": sd, "share": share, "level": level}
    plan |= {"compliance": compliance, "contamination": contamination}
    least = max(4, math.ceil(2 / min(share, 1 - share)))
    low, high = least - 1, least
    while power_of_test(high, effect, **plan) < power:
        low, high = high, 2 * high
        if high > 10**12:
            raise ValueError(f"an effect of {effect:g} would need more than {high:,} customers")
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if power_of_test(middle, effect, **plan) < power else (low, middle)
    return high


def _planned(
    rate: float | None, sd: float | None, share: float, compliance: float, contamination: float, level: float
) -> None:
    if (rate is None) == (sd is None):
        raise ValueError("give either rate, for an outcome that is a share, or sd, for one that is a mean")
    if rate is not None:
        _is_share(rate, "rate")
    if sd is not None and not (math.isfinite(sd) and sd > 0):
        raise ValueError(f"sd must be a number above 0, not {sd!r}")
    _is_share(share, "share")
    _is_share(level, "level")
    if not 0 <= contamination <= compliance <= 1:
        raise ValueError(
            f"compliance ({compliance:g}) and contamination ({contamination:g}) must be shares, the second "
            "no larger than the first"
        )


def _is_share(value: float, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ValueError(f"{what} must lie between 0 and 1, not {value!r}")


# -- saves, realised and expected ------------------------------------------------------------------------


def realised_against_expected(
    table: pd.DataFrame, level: float = 0.95, *, each: bool = False
) -> pd.DataFrame:
    """Customers saved as counted, against the sum of the chances of leaving that were avoided.

    table: of `Experiment.run`. A row a scenario and policy: replications, saved, harmed, net
    (saved - harmed) with net_low and net_high, expected (`expected_saves`) with expected_low and
    expected_high, gap (net - expected) with gap_low and gap_high, all means over replications with
    Student's intervals; spread_ratio, the standard deviation of net over that of expected. With `each` a
    row a scenario, policy and replication: saved, harmed, net, expected, gap.

    Why two numbers: `saved` counts customers who are there at the end under the policy and gone without
    it. `expected_saves` adds up the chances of leaving that every customer ran, month by month, in
    either world, and takes the difference. Each departure is such a chance that came true, so both have
    the same mean (the chances are the compensator of the departures, Andersen & Gill 1982) and the gap is
    luck alone: its interval should hold zero. What makes them part on average is customers who come back,
    as their second departure is in the chances; then the gap is no luck. The sum of chances needs no
    departure to happen, and where departures are rare it settles sooner.

    Raises ValueError.
    """
    _is_share(level, "level")
    rows, singles = [], []
    for pair in _pairs(table, None):
        cells = pair.with_policy
        if each:
            alone = cells.reset_index()[["scenario", "policy", "replication", "saved", "harmed"]]
            alone["net"] = alone["saved"] - alone["harmed"]
            alone["expected"] = cells["expected_saves"].to_numpy(float)
            singles.append(alone.assign(gap=alone["net"] - alone["expected"]))
            continue
        if len(cells) < 2:
            raise ValueError(_SPREAD)
        net = (cells["saved"] - cells["harmed"]).to_numpy(float)
        expected = cells["expected_saves"].to_numpy(float)
        found: dict[str, Any] = {
            "scenario": pair.scenario,
            "policy": pair.policy,
            "replications": len(cells),
            "saved": cells["saved"].mean(),
            "harmed": cells["harmed"].mean(),
        }
        for name, values in (("net", net), ("expected", expected), ("gap", net - expected)):
            mean, low, high = mean_interval(values, level)
            found |= {name: mean, f"{name}_low": low, f"{name}_high": high}
        spread = expected.std(ddof=1)
        found["spread_ratio"] = net.std(ddof=1) / spread if spread > 0 else math.nan
        rows.append(found)
    return pd.concat(singles, ignore_index=True) if each else pd.DataFrame(rows)


def mean_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Mean of independent values and Student's interval, NaN bounds for a single one."""
    from scipy.special import stdtrit

    n = values.size
    mean = float(values.mean())
    if n < 2:
        return mean, math.nan, math.nan
    half = float(stdtrit(n - 1, (1 + level) / 2) * values.std(ddof=1) / math.sqrt(n))
    return mean, mean - half, mean + half
