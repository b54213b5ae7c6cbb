"""The water case: survey, weights, sample, stops, hotline, projects, control chart, opening of the market."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from ...analysis import control, sampling, satisfaction, supply, targeting
from ...analysis.drivers import ahp, drivers
from ...analysis.pls import cronbach_alpha
from ..answers import Data, Names, Number, Table
from ..exercise import Exercise, ExerciseSet
from ..student import Luck

Floats = npt.NDArray[np.float64]
Tables = dict[str, pd.DataFrame]

DRIVERS = (
    "quality", "continuity", "pressure", "billing", "payment", "service", "communication", "price",
)  # fmt: skip
PERFORMANCE = dict(zip(DRIVERS, (6.1, 7.4, 7.2, 6.6, 7.3, 6.7, 6.0, 6.4), strict=True))
RESPONDENTS = 700
CRITERIA = ("quality", "continuity", "billing", "service", "price")
DISTRICTS = ("old town", "high-rise", "new town", "suburb", "urban village", "industrial")
ITEMS = ("satisfaction", "keep_using", "recommend", "stay_if_cheaper")
FLOOR, BUDGET, BASE = 60, 10.0, 12
QUESTIONS = ("q1", "q2", "q3", "q4")


def data(seed: int) -> Tables:
    tables: Tables = {}
    for make, fits in (
        (_survey, _survey_fits), (_stops, _stops_fit), (_complaints, _complaints_fit), (_judgements, _judgements_fit),
        (_districts, _districts_fit), (_scale, _scale_fits), (_hotline, _hotline_fits),
        (_projects, _projects_fit), (_months, _months_fit), (_opening, _opening_fits),
    ):  # fmt: skip
        tables |= _drawn(seed, make, fits, tables)
    return tables


def _drawn(seed: int, make: Callable[[Luck], Tables], fits: Callable[[Data], bool], before: Tables) -> Tables:
    """The first draw in which the right answer and the typical mistakes differ clearly."""
    for attempt in range(500):
        made = make(Luck(seed, f"water {make.__name__} {attempt}"))
        if fits(before | made):
            return made
    raise RuntimeError(f"water: no draw of {make.__name__} fits seed {seed}")


def _apart(right: float, others: list[float], least: float) -> bool:
    return all(abs(other - right) > least for other in others)


def _sets_apart(*sets: list) -> bool:
    return len({frozenset(each) for each in sets}) == len(sets)


def _scaled(values: Floats, low: int, high: int) -> npt.NDArray[np.int64]:
    """Answers on a scale of whole numbers."""
    return np.clip(np.floor(values + 0.5), low, high).astype(np.int64)


# -- the survey: index, drivers, projects ---------------------------------------------------------------


def _survey(luck: Luck) -> Tables:
    order = luck.order(DRIVERS)
    effect = dict(zip(order, [*luck.uniform(3, 0.2, 0.3), *luck.uniform(5, 0.02, 0.07)], strict=True))
    halo = luck.normal(RESPONDENTS, 0, 0.8)
    given = {
        name: _scaled(
            luck.one(-0.5, 0.5) + PERFORMANCE[name] + halo + luck.normal(RESPONDENTS, 0, 1.5), 1, 10
        )
        for name in DRIVERS
    }
    level = sum(effect[name] * given[name] for name in DRIVERS) / sum(effect.values())
    given["satisfaction"] = _scaled(level + luck.normal(RESPONDENTS, 0, 0.8), 1, 10)
    points = luck.whole(8, 4, 30)
    weights = pd.DataFrame({"driver": DRIVERS, "weight": np.round(points / points.sum(), 3)})
    survey = pd.DataFrame(given)
    survey.insert(0, "respondent", np.arange(1, RESPONDENTS + 1))
    return {"survey": survey, "weights": weights}


def _weights(tables: Data) -> dict[str, float]:
    return dict(zip(tables["weights"]["driver"], tables["weights"]["weight"], strict=True))


def index(tables: Data) -> float:
    return satisfaction.csi(tables["survey"], _weights(tables)).value


def _unweighted(tables: Data) -> float:
    return satisfaction.csi(tables["survey"], DRIVERS).value


def _from_zero(tables: Data) -> float:
    return satisfaction.csi(tables["survey"], _weights(tables), low=0).value


def _satisfied(tables: Data) -> float:
    """Share of answers of 8 to 10, with the weights."""
    shares = (tables["survey"][list(DRIVERS)] >= 8).mean()
    weights = pd.Series(_weights(tables))
    return float(100 * (shares * weights).sum() / weights.sum())


def _measured(tables: Data) -> pd.DataFrame:
    return drivers(tables["survey"], "satisfaction", DRIVERS, bootstrap=0, progress=False).table


def _three(values: pd.Series) -> list[str]:
    return [str(name) for name in values.sort_values(ascending=False, kind="stable").index[:3]]


def top(tables: Data) -> list[str]:
    return _three(_measured(tables)["lmg"])


def _by_experts(tables: Data) -> list[str]:
    return _three(pd.Series(_weights(tables)))


def _best_performing(tables: Data) -> list[str]:
    return _three(_measured(tables)["performance"])


def _worst_performing(tables: Data) -> list[str]:
    return _three(-_measured(tables)["performance"])


def _survey_fits(tables: Data) -> bool:
    lmg = _measured(tables)["lmg"].sort_values(ascending=False)
    weights = tables["weights"]["weight"].sort_values(ascending=False)
    return (
        lmg.iloc[2] > 1.3 * lmg.iloc[3]
        and weights.iloc[2] > weights.iloc[3]
        and _apart(index(tables), [_unweighted(tables), _from_zero(tables), _satisfied(tables)], 0.15)
        and _sets_apart(top(tables), _by_experts(tables), _best_performing(tables), _worst_performing(tables))
    )


# -- stops and rates in print --------------------------------------------------------------------------------


def _stops(luck: Luck) -> Tables:
    rows = int(luck.whole(1, 12, 16)[0])
    start = pd.Timestamp("2025-01-01") + pd.to_timedelta(
        np.sort(luck.whole(rows, 0, 360 * 24 * 12)) * 5, "min"
    )
    lasted = 5 * luck.whole(rows, 8, 90)
    struck = np.round(np.exp(luck.normal(rows, 6.2, 0.8))).astype(np.int64)
    listed = lasted.copy()
    # one of the larger stops, or the slip would hardly show
    wrong = int(np.argsort(struck, kind="stable")[-int(luck.whole(1, 2, 5)[0])])
    listed[wrong] += int(luck.order([240, 300, 600])[0])
    form = "%Y-%m-%d %H:%M"
    stops = pd.DataFrame(
        {
            "start": start.strftime(form),
            "end": (start + pd.to_timedelta(lasted, "min")).strftime(form),
            "minutes": listed,
            "customers": struck,
        }
    )
    return {"stops": stops, "area": pd.DataFrame({"accounts": luck.whole(1, 40_000, 99_000)})}


def _log(tables: Data, trust: str = "times") -> supply.Interruptions:
    accounts = float(tables["area"]["accounts"].iloc[0])
    return supply.interruptions(tables["stops"], accounts, start="start", end="end", trust=trust)


def without_water(tables: Data) -> float:
    return _log(tables).per_account


def _row_left_out(tables: Data) -> float:
    row = int(_log(tables).problems["row"].iloc[0]) - 1
    left = tables["stops"].drop(index=row)
    return supply.interruptions(left, float(tables["area"]["accounts"].iloc[0])).per_account


def _sums_multiplied(tables: Data) -> float:
    stops = tables["stops"]
    between = pd.to_datetime(stops["end"]) - pd.to_datetime(stops["start"])
    minutes = between.dt.total_seconds().sum() / 60
    return float(minutes * stops["customers"].sum() / tables["area"]["accounts"].iloc[0])


def _stops_fit(tables: Data) -> bool:
    right = without_water(tables)
    others = [_log(tables, "listed").per_account, _row_left_out(tables), _log(tables).per_affected]
    return _apart(right, others, 0.03 * right)


def _complaints(luck: Luck) -> Tables:
    names = [f"company {letter}" for letter in "ABCDEFGHIJ"]
    connections = 100 * luck.whole(10, 900, 9000)
    complaints = np.round(luck.uniform(10, 12, 98) * connections / 10_000).astype(np.int64)
    published = [f"{10_000 * c / n:.2f}" for c, n in zip(complaints, connections, strict=True)]
    places = luck.order(range(10))
    first = next(k for k in places if published[k][0] != published[k][1] != "0")
    second = next(k for k in places if k != first and published[k][3] != published[k][4])
    p = published[first]  # two digits change places, before the point at one and behind it at the other
    published[first] = p[1] + p[0] + p[2:]
    p = published[second]
    published[second] = p[:3] + p[4] + p[3]
    return {
        "complaints": pd.DataFrame(
            {
                "company": names,
                "complaints": complaints,
                "connections": connections,
                "published": [float(p) for p in published],
            }
        )
    }


def _rates(tables: Data) -> pd.DataFrame:
    table = tables["complaints"].set_index("company")
    return supply.rates(table["complaints"], table["connections"], published=table["published"])


def misprinted(tables: Data) -> list[str]:
    found = _rates(tables)
    return list(found.index[~found["agrees"]])


def _gross(tables: Data) -> list[str]:
    found = _rates(tables)
    return list(found.index[(found["published"] - found["rate"]).abs() > 1])


def _to_the_last_digit(tables: Data) -> list[str]:
    found = _rates(tables)
    return list(found.index[(found["published"] - found["rate"]).abs() > 1e-6])


def _extremes(tables: Data) -> list[str]:
    found = _rates(tables)["published"]
    return [str(found.idxmin()), str(found.idxmax())]


def _complaints_fit(tables: Data) -> bool:
    right, extremes = misprinted(tables), _extremes(tables)
    return not set(right) & set(extremes) and _sets_apart(
        right, extremes, _gross(tables), _to_the_last_digit(tables)
    )


# -- weights by experts, sample, scale ---------------------------------------------------------------------


def _judgements(luck: Luck) -> Tables:
    size = len(CRITERIA)
    truth = np.exp(luck.normal(size, 0, 0.6))
    rows = []
    contradicting = luck.order("ABCD")[0]
    for expert in "ABCD":
        own = truth * np.exp(luck.normal(size, 0, 0.6))
        matrix = np.ones((size, size))
        for i in range(size):
            for j in range(i + 1, size):
                ratio = own[i] / own[j] * math.exp(luck.one(-0.2, 0.2))
                says = float(min(max(round(max(ratio, 1 / ratio)), 1), 9))
                matrix[i, j] = says if ratio >= 1 else 1 / says
        if expert == contradicting:  # two judgements the other way round
            for place in luck.order([(i, j) for i in range(size) for j in range(i + 1, size)])[:2]:
                matrix[place] = 1 / matrix[place]
        for i in range(size):
            for j in range(i):
                matrix[i, j] = 1 / matrix[j, i]
        for name, row in zip(CRITERIA, np.round(matrix, 4), strict=True):
            rows.append({"expert": expert, "criterion": name, **dict(zip(CRITERIA, row, strict=True))})
    return {"judgements": pd.DataFrame(rows)}


def _matrices(tables: Data) -> dict[str, Floats]:
    columns = list(CRITERIA)
    return {str(e): m[columns].to_numpy(dtype=float) for e, m in tables["judgements"].groupby("expert")}


def _consistent(tables: Data) -> list[Floats]:
    return [m for m in _matrices(tables).values() if ahp(m).consistent]


def weight_of_quality(tables: Data, method: str = "eigenvector") -> float:
    joined = ahp(
        _consistent(tables), CRITERIA, method="geometric" if method == "geometric" else "eigenvector"
    )
    return float(joined.weights["quality"])


def _all_experts(tables: Data) -> float:
    return float(ahp(list(_matrices(tables).values()), CRITERIA).weights["quality"])


def _arithmetic(tables: Data) -> float:
    values, vectors = np.linalg.eig(np.mean(_consistent(tables), axis=0))
    first = np.abs(vectors[:, np.argmax(values.real)].real)
    return float(first[0] / first.sum())


def _one_alone(tables: Data) -> float:
    """By the most consistent expert."""
    found = [ahp(m, CRITERIA) for m in _consistent(tables)]
    return float(min(found, key=lambda each: each.cr).weights["quality"])


def _judgements_fit(tables: Data) -> bool:
    ratios = sorted(ahp(m).cr for m in _matrices(tables).values())
    if not (ratios[2] < 0.07 and ratios[3] > 0.13):
        return False
    right = weight_of_quality(tables)
    return abs(weight_of_quality(tables, "geometric") - right) < 0.003 and _apart(
        right, [_all_experts(tables), _arithmetic(tables), _one_alone(tables)], 0.008
    )


def _districts(luck: Luck) -> Tables:
    share = np.array([0.24, 0.26, 0.20, 0.14, 0.12, 0.04]) * luck.uniform(6, 0.8, 1.2)
    customers = np.round(luck.one(4_000, 9_000) * share / share.sum()).astype(np.int64)
    plan = pd.DataFrame(
        {
            "margin": [luck.order([0.03, 0.035, 0.04])[0]],
            "design_effect": [luck.one(1.2, 1.6, 1)],
            "floor": [FLOOR],
        }
    )
    return {"districts": pd.DataFrame({"district": DISTRICTS, "customers": customers}), "plan": plan}


def allocation(
    tables: Data, *, finite: bool = True, design: bool = True, floor: bool = True, equal: bool = False
) -> pd.DataFrame:
    sizes = tables["districts"].set_index("district")["customers"]
    plan = tables["plan"].iloc[0]
    n = sampling.sample_size(
        float(plan["margin"]),
        float(sizes.sum()) if finite else None,
        design_effect=float(plan["design_effect"]) if design else 1.0,
    )
    if equal:
        return pd.DataFrame({"n": round(n / len(sizes))}, index=sizes.index)
    return sampling.allocate(sizes, n, floor=int(plan["floor"]) if floor else 0).to_frame()


def _districts_fit(tables: Data) -> bool:
    right = allocation(tables)["n"]
    slips = [
        allocation(tables, finite=False), allocation(tables, design=False), allocation(tables, floor=False),
        allocation(tables, equal=True),
    ]  # fmt: skip
    return all((slip["n"] - right).abs().max() > 5 for slip in slips)


def _scale(luck: Luck) -> Tables:
    n = 300
    feeling = luck.normal(n)
    reversed_ = luck.order(QUESTIONS)[0]
    answers = {"respondent": np.arange(1, n + 1)}
    for name in QUESTIONS:
        value = luck.one(6, 7) + luck.one(1.2, 1.7) * feeling + luck.normal(n, 0, 1.4)
        given = _scaled(value, 1, 10)
        answers[name] = 11 - given if name == reversed_ else given
    wording = pd.DataFrame(
        {"question": QUESTIONS, "wording": ["negative" if q == reversed_ else "positive" for q in QUESTIONS]}
    )
    return {"scale": pd.DataFrame(answers), "wording": wording}


def _negative(tables: Data) -> str:
    wording = tables["wording"]
    return str(wording.loc[wording["wording"] == "negative", "question"].iloc[0])


def _turned(tables: Data) -> pd.DataFrame:
    answers = tables["scale"][list(QUESTIONS)]
    name = _negative(tables)
    return answers.assign(**{name: 11 - answers[name]})


def alpha(tables: Data) -> float:
    return cronbach_alpha(_turned(tables))


def _not_turned(tables: Data) -> float:
    return cronbach_alpha(tables["scale"], QUESTIONS)


def _left_out(tables: Data) -> float:
    return cronbach_alpha(tables["scale"], [q for q in QUESTIONS if q != _negative(tables)])


def _mean_correlation(tables: Data) -> float:
    r = _turned(tables).corr().to_numpy()
    return float(r[np.triu_indices(len(r), 1)].mean())


def _scale_fits(tables: Data) -> bool:
    right = alpha(tables)
    others = [_not_turned(tables), _left_out(tables), _mean_correlation(tables), 0.75 * right]
    return abs(cronbach_alpha(_turned(tables), standardised=True) - right) < 0.005 and _apart(
        right, others, 0.02
    )


# -- hotline, projects, control chart, opening --------------------------------------------------------------


def _hotline(luck: Luck) -> Tables:
    return {
        "hotline": pd.DataFrame(
            {
                "calls_per_hour": luck.whole(1, 120, 320),
                "talk_s": luck.whole(1, 170, 240),
                "after_call_s": luck.whole(1, 30, 70),
                "patience_s": luck.whole(1, 90, 180),
            }
        )
    }


def _least(tables: Data, enough: Callable[..., bool], *, talk_only: bool = False, leave: bool = True) -> int:
    """The smallest number of agents with whom the line of the hour is good enough."""
    from ...simulation.erlang import ErlangA

    desk = tables["hotline"].iloc[0]
    handling = float(desk["talk_s"] + (0 if talk_only else desk["after_call_s"]))
    rate = float(desk["calls_per_hour"]) / 3600
    patience = float(desk["patience_s"]) if leave else math.inf
    # from below: no fewer than carry 78 % of the load, as four of five are answered or 20 s of 90 s waited
    servers = max(1, math.floor(rate * handling * 0.75)) if leave else math.floor(rate * handling) + 1
    while not enough(ErlangA(servers, rate, handling, patience)):
        servers += 1
    return servers


def agents(tables: Data, share: float = 0.8, **more: bool) -> int:
    return _least(tables, lambda line: line.service_level(20) >= share, **more)


def _by_mean_wait(tables: Data) -> int:
    return _least(tables, lambda line: line.mean_wait <= 20)


def _load(tables: Data) -> int:
    desk = tables["hotline"].iloc[0]
    return math.ceil(desk["calls_per_hour"] * (desk["talk_s"] + desk["after_call_s"]) / 3600)


def _hotline_fits(tables: Data) -> bool:
    found = [
        agents(tables), agents(tables, talk_only=True), agents(tables, leave=False), _by_mean_wait(tables),
        _load(tables),
    ]  # fmt: skip
    # not on the edge, where the last digit would decide
    return len(set(found)) == len(found) and agents(tables, 0.799) == found[0] == agents(tables, 0.801)


def _projects(luck: Luck) -> Tables:
    of = luck.order([*DRIVERS, *luck.order(DRIVERS)[:2]])
    return {
        "projects": pd.DataFrame(
            {
                "project": [f"P{k}" for k in range(1, 11)],
                "driver": of,
                "cost": np.round(luck.uniform(10, 1.0, 4.5), 1),
                "lift": np.round(luck.uniform(10, 0.2, 1.2), 2),
            }
        )
    }


_SUBSETS = (np.arange(1024)[:, None] >> np.arange(10)) & 1


def _gains(tables: Data) -> pd.DataFrame:
    found = tables["projects"].set_index("project")
    effect = found["driver"].map(_measured(tables)["coefficient"])
    return found.assign(
        gain=effect * found["lift"], experts=found["driver"].map(_weights(tables)) * found["lift"]
    )


def _best(found: pd.DataFrame, value: str) -> tuple[list[str], float]:
    """The feasible projects that bring most, and by how much (share) they lead the next best choice."""
    cost = _SUBSETS @ found["cost"].to_numpy()
    worth = np.where(cost <= BUDGET + 1e-9, _SUBSETS @ found[value].to_numpy(), -np.inf)
    order = np.argsort(-worth, kind="stable")
    names = [str(n) for n in found.index[_SUBSETS[order[0]] == 1]]
    return names, float(1 - worth[order[1]] / worth[order[0]])


def _greedy(found: pd.DataFrame, by: pd.Series) -> list[str]:
    """What still fits, in the order of `by`."""
    taken: list[str] = []
    left = BUDGET
    for name in by.sort_values(ascending=False, kind="stable").index:
        if found.loc[name, "cost"] <= left + 1e-9 and found.loc[name, "gain"] > 0:
            taken.append(str(name))
            left -= found.loc[name, "cost"]
    return taken


CHOICES: dict[str, Callable[[pd.DataFrame], list[str]]] = {
    "best": lambda found: _best(found, "gain")[0],
    "most for the money first": lambda found: _greedy(found, found["gain"] / found["cost"]),
    "lift": lambda found: _best(found, "lift")[0],
    "experts": lambda found: _best(found, "experts")[0],
}


def choose(tables: Data, way: str = "best") -> list[str]:
    return CHOICES[way](_gains(tables))


def _projects_fit(tables: Data) -> bool:
    found = _gains(tables)
    return _sets_apart(*(way(found) for way in CHOICES.values())) and _best(found, "gain")[1] > 0.005


def _months(luck: Luck) -> Tables:
    calls = luck.whole(24, 400, 1800)
    share = np.full(24, luck.one(0.05, 0.08, 3))
    first = int(luck.whole(1, 14, 18)[0])  # the month in which billing moves to a new system
    share[first : first + 4] *= luck.uniform(4, 1.3, 1.9)
    luck_of_month = luck.normal(24)
    few = int(luck.whole(1, 5, 9)[0])  # a month of few calls and, by chance, many abandoned
    calls[few], luck_of_month[few] = luck.whole(1, 200, 300)[0], luck.one(2.3, 2.7)
    # the number abandoned, from its normal approximation
    lost = calls * share + np.sqrt(calls * share * (1 - share)) * luck_of_month
    return {
        "months": pd.DataFrame(
            {"month": np.arange(1, 25), "calls": calls, "abandoned": np.round(lost).astype(np.int64)}
        )
    }


def _chart(tables: Data, *, width: float = 3.0, base: int | None = BASE, alike: bool = False) -> pd.DataFrame:
    table = tables["months"].set_index("month")
    calls = table["calls"]
    if not alike:
        return control.p_chart(table["abandoned"], calls, base, width=width, rules="limit")
    size = float(calls.mean())
    centre = float(table["abandoned"].iloc[:BASE].sum() / calls.iloc[:BASE].sum())
    return control.p_chart(table["abandoned"] / calls * size, size, base, centre=centre, rules="limit")


def _signals(chart: pd.DataFrame) -> list[int]:
    return [int(month) for month in chart.index[chart["signal"]]]


def signals(tables: Data) -> list[int]:
    return _signals(_chart(tables))


def _months_fit(tables: Data) -> bool:
    right = _chart(tables)
    found = [
        right, _chart(tables, width=2.0), _chart(tables, base=None), _chart(tables, alike=True),
    ]  # fmt: skip
    sets = [_signals(each) for each in found]
    return all(sets) and _sets_apart(*sets) and bool(((right["z"].abs() - 3).abs() > 0.02).all())


def _opening(luck: Luck) -> Tables:
    says = luck.order([item for item in ITEMS if item != "keep_using"])
    rate = luck.one(0.04, 0.07, 3)
    steps = np.array([2.6, 1.8, 1.0, 0.45, 0.2]) * rate  # first-year loss by answer 1 to 5

    def asked(n: int, mood: float) -> dict[str, npt.NDArray[np.int64]]:
        common = luck.normal(n, mood, 0.5)
        given = {
            item: _scaled(3.2 + common + luck.normal(n, 0, 1.1), 1, 5)
            for item in ITEMS
            if item != "keep_using"
        }
        # whoever has no choice goes on: nearly all say so
        given["keep_using"] = _scaled(5.0 + 0.2 * common + luck.normal(n, 0, 0.5), 1, 5)
        return {item: given[item] for item in ITEMS}

    pilot = asked(3000, luck.one(0.1, 0.3))
    left = luck.happens(steps[pilot[says[0]] - 1])
    return {
        "pilot": pd.DataFrame(pilot | {"left": left}),
        "city": pd.DataFrame(asked(900, -luck.one(0.2, 0.4))),
    }


def _tells(tables: Data) -> pd.Series:
    """AUC of each question: low answers should be those who leave."""
    pilot = tables["pilot"]
    found = {item: targeting.auc(pilot["left"], -pilot[item]) for item in ITEMS}
    return pd.Series(found).sort_values(ascending=False)


def loss_by(tables: Data, item: str) -> float:
    """First-year loss of the city: rates of the pilot by answer, at the answers of the city."""
    rates = tables["pilot"].groupby(item)["left"].mean()
    return float(tables["city"][item].map(rates).mean())


def loss(tables: Data) -> float:
    return loss_by(tables, str(_tells(tables).index[0]))


def _by_second(tables: Data) -> float:
    return loss_by(tables, str(_tells(tables).drop("keep_using").index[1]))


def _say_so(tables: Data) -> float:
    return float((tables["city"][_tells(tables).index[0]] <= 2).mean())


def _opening_fits(tables: Data) -> bool:
    if not all(set(tables["city"][item]) <= set(tables["pilot"][item]) for item in ITEMS):
        return False
    told, right = _tells(tables), loss(tables)
    others = [loss_by(tables, "keep_using"), _by_second(tables)]
    others += [float(tables["pilot"]["left"].mean()), _say_so(tables)]
    return (
        told.index[0] != "keep_using"
        and told.iloc[0] - told.iloc[1] > 0.08
        and _apart(right, others, 0.04 * right)
    )


SET = ExerciseSet(
    name="water",
    title="The water utility of City A",
    chinese="A市供水企业的满意度与服务",
    chapter="water/1_listening",
    about=(
        "A monopoly 垄断 wants to serve its customers well before its market opens. `survey`: a row a respondent, "
        "eight drivers and overall satisfaction, 1 to 10; `weights`: what experts give each driver. `stops`: the log of "
        "interruptions 停水, customers being those struck; `area`: all accounts. `complaints`: complaints, "
        "connections and the published rate per 10,000 of ten companies. `judgements`: pairwise comparisons of four "
        "experts, a matrix each. `districts`, `plan`: customers, and what the next survey must hold. `scale`, `wording`: "
        "four questions on service, 1 to 10. `hotline`: an hour of calls, times in seconds. `projects`: cost in "
        "millions, the driver it improves and by how many points (lift). `months`: calls and those abandoned. "
        "`pilot`, `city`: answers from 1 to 5; in the pilot district the market has been open for a year and "
        "left says who has gone (1)."
    ),
    data=data,
    exercises=(
        Exercise(
            id="water-1",
            title="The index",
            chinese="客户满意度指数",
            difficulty=1,
            minutes=10,
            points=1,
            goal="What is the customer satisfaction index, from 0 to 100, of `survey`, the eight drivers weighted by "
            "`weights`? The answers run from 1 to 10.",
            hint="The lowest possible answer must give 0: CSI = 100 (sum w x - sum w) / (9 sum w), x the mean answers. "
            "`csi` of `crmsim.analysis.satisfaction` computes it.",
            rubric="All points within .06, for means rounded to two digits.",
            solve=index,
            answer=Number(
                unit="points",
                relative=0.0,
                absolute=0.06,
                why="mean answers rounded to two digits move the index by .06 at most",
                wrong={
                    "all drivers count alike here; the weights are missing 权重": _unweighted,
                    "the scale begins at 1, not at 0: the worst answers must give an index of 0": _from_zero,
                    "this is the share of satisfied answers 满意率, not the index of satisfaction": _satisfied,
                },
            ),
        ),
        Exercise(
            id="water-2",
            title="Repair the log of stops",
            chinese="户均停水时间",
            difficulty=2,
            minutes=15,
            points=2,
            goal="In one row of `stops` the minutes contradict the times of start and end. Take the times there. For how "
            "many minutes was an account without water, as a mean of all accounts of the area?",
            hint="Minutes x customers for each stop, then the sum over all accounts. `interruptions` of "
            "`crmsim.analysis.supply` finds the row if you name the columns of start and end.",
            rubric="All points for the mean a account with the row repaired, within .5 %.",
            solve=without_water,
            answer=Number(
                unit="minutes",
                why="rounding to three digits",
                wrong={
                    "the minutes are taken as listed; one row contradicts its times": lambda d: (
                        _log(d, "listed").per_account
                    ),
                    "the row that contradicts itself is left out; its times tell how long it lasted": _row_left_out,
                    "divided by the customers struck, not by all accounts 分母错误": lambda d: (
                        _log(d).per_affected
                    ),
                    "the sum of minutes is multiplied by the sum of customers, as if every stop struck all of them": (
                        _sums_multiplied
                    ),
                },
            ),
        ),
        Exercise(
            id="water-3",
            title="Misprinted rates",
            chinese="核对公布的投诉率",
            difficulty=1,
            minutes=10,
            points=2,
            goal="Which published rates of `complaints` do not follow from the counts beside them? They should be "
            "complaints per 10,000 connections, rounded to two digits. Give a list of companies.",
            hint="Compute each rate anew and compare at the digits in print. `rates` of `crmsim.analysis.supply` does so with "
            "published=.",
            rubric="Two digits are swapped at two companies, once before and once after the point. Part marks by the "
            "Jaccard index: none for one of the two.",
            solve=misprinted,
            answer=Names(
                what="companies",
                wrong={
                    "only slips of more than 1 are seen; a slip behind the point is one as well": _gross,
                    "compared to the last digit of the computer: a rate in print is rounded 四舍五入": _to_the_last_digit,
                    "the highest and the lowest rate need not be wrong 极端值未必是错误": _extremes,
                },
            ),
        ),
        Exercise(
            id="water-4",
            title="Weights of those who are consistent",
            chinese="层次分析法",
            difficulty=2,
            minutes=20,
            points=3,
            goal="Leave out whoever of the experts in `judgements` has a consistency ratio 一致性比率 of .10 or more. Join "
            "the matrices of the others by the geometric mean of each judgement. What weight has quality, as a share?",
            hint="`ahp` of `crmsim.analysis.drivers` gives `weights`, `cr` and `consistent`; given a list of matrices, it "
            "joins them.",
            rubric="All points within .004: eigenvector and row geometric means differ by less than .003.",
            solve=weight_of_quality,
            answer=Number(
                unit="share",
                relative=0.0,
                absolute=0.004,
                why="weights by the eigenvector or by row geometric means, rounded to three digits",
                wrong={
                    "an expert whose judgements contradict one another counts as well": _all_experts,
                    "judgements are joined by the arithmetic mean: it does not keep b/a the reciprocal of a/b": (
                        _arithmetic
                    ),
                    "this is the weight by one expert alone; the others are consistent too": _one_alone,
                },
            ),
        ),
        Exercise(
            id="water-5",
            title="The next sample",
            chinese="样本量与分层分配",
            difficulty=2,
            minutes=15,
            points=3,
            goal="How many interviews are needed to know a share of about one half within the `margin` of `plan` (95 % "
            "confidence), among the customers of these districts and with its design effect 设计效应? Allocate them to "
            "the districts in proportion to customers, but no fewer than `floor` in each. Give a DataFrame "
            "with a row a district and the column n.",
            hint="n0 = z^2 p (1 - p) / e^2, then n0 / (1 + (n0 - 1) / N), then times the design effect. `sample_size` and "
            "`allocate` of `crmsim.analysis.sampling` do it.",
            rubric="Part marks by districts; one interview more or less is rounding.",
            solve=allocation,
            answer=Table(
                key="district",
                columns=("n",),
                relative=0.0,
                absolute=1.01,
                wrong={
                    "the finite population correction 有限总体校正 is missing": lambda d: allocation(
                        d, finite=False
                    ),
                    "the design effect 设计效应 is missing": lambda d: allocation(d, design=False),
                    "a district has fewer than the floor": lambda d: allocation(d, floor=False),
                    "all districts alike, not in proportion to their customers": lambda d: allocation(
                        d, equal=True
                    ),
                },
            ),
        ),
        Exercise(
            id="water-6",
            title="Do the questions go together?",
            chinese="克隆巴赫系数",
            difficulty=1,
            minutes=10,
            points=2,
            goal="What is Cronbach's alpha of the four questions of `scale`? `wording` says which one is worded negatively "
            "反向题: agreement with it means bad service.",
            hint="Turn the negative question round first, x to 11 - x. `cronbach_alpha` of `crmsim.analysis.pls` does the "
            "rest.",
            rubric="All points within .007: alpha of the answers or of standardised answers.",
            solve=alpha,
            answer=Number(
                unit="coefficient",
                relative=0.0,
                absolute=0.007,
                why="alpha of the answers and of standardised answers differ by less than .005",
                wrong={
                    "the question worded negatively 反向题 is not turned round": _not_turned,
                    "the question worded negatively is left out; turn it round instead": _left_out,
                    "this is the mean correlation of two questions, not alpha of all of them": _mean_correlation,
                    "the factor k / (k - 1) is missing": lambda d: 0.75 * alpha(d),
                },
            ),
        ),
        Exercise(
            id="water-7",
            title="What drives satisfaction",
            chinese="满意度驱动因素",
            difficulty=2,
            minutes=20,
            points=3,
            goal="Which three of the eight drivers explain most of overall `satisfaction` in `survey`, by LMG (the mean "
            "increase of R2 over all orders)? Give their names.",
            hint="`lmg` of `crmsim.analysis.drivers` takes the survey, the outcome and the drivers. Respondent is a "
            "number on a list, no driver.",
            rubric="All points for the three; the third explains at least 1.3 times as much as the fourth.",
            solve=top,
            answer=Names(
                what="drivers",
                wrong={
                    "experts give these the highest weights; customers were to decide": _by_experts,
                    "these have the highest marks: what is good need not matter 表现与重要性": _best_performing,
                    "these have the lowest marks: what is bad need not matter 表现与重要性": _worst_performing,
                },
            ),
        ),
        Exercise(
            id="water-8",
            title="Agents for the hotline",
            chinese="热线坐席人数",
            difficulty=2,
            minutes=20,
            points=3,
            goal="How many agents does the hour of `hotline` need at least, so that 80 % of the calls are answered within "
            "20 seconds? An agent is busy for talk and work after the call 话后处理; callers wait for `patience_s` "
            "seconds on average and then hang up.",
            hint="Erlang A: `ErlangA(servers, arrival_rate, service_time, patience).service_level(20)` of "
            "`crmsim.simulation.erlang`. Keep one unit of time throughout, and add agents until it is enough.",
            rubric="All points for the number itself: agents are whole, and no line lies within .1 points of 80 %.",
            solve=agents,
            answer=Number(
                unit="agents",
                relative=0.0,
                absolute=0.4,
                why="agents are whole",
                wrong={
                    "nobody hangs up in this line (Erlang C); the callers' patience is known": lambda d: (
                        agents(d, leave=False)
                    ),
                    "work after the call 话后处理 is forgotten": lambda d: agents(d, talk_only=True),
                    "so the mean wait is below 20 seconds; asked is 80 % within 20 seconds": _by_mean_wait,
                    "this is the load 话务量 in erlangs, rounded up: calls do not come evenly": _load,
                },
            ),
        ),
        Exercise(
            id="water-9",
            title="Projects under a budget",
            chinese="预算约束下的项目选择",
            difficulty=3,
            minutes=40,
            points=5,
            goal=f"Which of the `projects` raise satisfaction most for at most {BUDGET:.0f} million? The gain of a project is its "
            "lift times the coefficient of its driver in the linear regression of `satisfaction` on all eight "
            "drivers of `survey`; gains add up. Give the names of the projects.",
            hint="The column `coefficient` of `drivers(...).table` (`crmsim.analysis.drivers`) is the regression. Ten projects have only 1,024 "
            "combinations: try them all.",
            rubric="All points for the best feasible choice, which leads the next by at least .5 % of its gain; part "
            "marks by the Jaccard index.",
            solve=choose,
            answer=Names(
                what="projects",
                wrong={
                    "most gain for the money first: near, but it need not fill the budget best": lambda d: (
                        choose(d, "most for the money first")
                    ),
                    "by the lift alone: a point counts as much as its driver matters": lambda d: choose(
                        d, "lift"
                    ),
                    "by the experts' weights, not by the effects in the survey": lambda d: choose(
                        d, "experts"
                    ),
                },
            ),
        ),
        Exercise(
            id="water-10",
            title="Signals of the control chart",
            chinese="控制图",
            difficulty=2,
            minutes=15,
            points=3,
            goal=f"Billing moved to a new system in the second year. In which of the 24 `months` does the share of calls "
            f"abandoned lie beyond the three-sigma limits of a p chart p图 whose centre comes from months 1 to {BASE}? Give the "
            "numbers of the months.",
            hint='The limits depend on the calls of each month. `p_chart(cases, n, base=12, rules="limit")` of '
            "`crmsim.analysis.control` has a column signal.",
            rubric="All points for the right months; part marks by the Jaccard index.",
            solve=signals,
            answer=Names(
                what="months",
                wrong={
                    "limits of two sigma: one month in twenty lies beyond by chance": lambda d: _signals(
                        _chart(d, width=2.0)
                    ),
                    "the centre comes from all months, those of the disturbance among them": lambda d: (
                        _signals(_chart(d, base=None))
                    ),
                    "the same limits for all months: those with few calls vary more": lambda d: _signals(
                        _chart(d, alike=True)
                    ),
                },
            ),
        ),
        Exercise(
            id="water-11",
            title="When the market opens",
            chinese="市场开放后的流失",
            difficulty=3,
            minutes=40,
            points=5,
            goal="Which question of `pilot` foretells best who leaves (the largest AUC, low answers for those who leave)? Take the "
            "share who left for each answer to it, and from the answers of `city` estimate which share of the "
            "city leaves in the first year. Give that share, 0 to 1.",
            hint="`auc(outcome, score)` of `crmsim.analysis.targeting`, with minus the answer as score. Then group the "
            "pilot by the answer, and map the shares to the answers of the city.",
            rubric="All points within 1.5 %, for shares rounded to three digits. The best question leads by an AUC of .08.",
            solve=loss,
            answer=Number(
                unit="share",
                relative=0.015,
                why="shares by answer rounded to three digits, some .0005 of .05",
                wrong={
                    "this is the share of the pilot; the city answers otherwise": lambda d: d["pilot"][
                        "left"
                    ].mean(),
                    "this question foretells little: whoever has no choice goes on 垄断下的忠诚": lambda d: (
                        loss_by(d, "keep_using")
                    ),
                    "another question foretells better who leaves": _by_second,
                    "so many give a low answer; of those only a part leaves 意向与行为": _say_so,
                },
            ),
        ),
    ),
)
