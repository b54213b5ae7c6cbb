"""Whom to address: scores of risk, value and uplift, and what each of them is worth.

From the customer database to features as a firm knew them at the end of a month, churn scores, uplift
learners (meta-learners), and the measures to judge them: lift, AUC, calibration, Qini, profit. At the end
`report_card`, which fits the usual methods on what the firm could see and grades them against the truth
where the database has it, that is where the customers are simulated.

scikit-learn does the learning; it is imported when a model is fitted (`pip install "crmsim[research]"`).

Words shared by the measures, arrays with one entry a customer: `outcome`, 0 or 1, or an amount where that is
said; `score`, any number, the highest is addressed first; `treated`, 0 or 1, as chance had it; `probability`,
0 to 1. Then `share`, of the customers, above 0 up to 1; `groups`, 2 at least; `X`, a row a customer and a
column a feature; `source`, a `Database` or its tables by name. They raise ValueError for values outside these
limits, missing ones, columns of different length or none, and an experiment without treated or without
untreated.

Sources, named again at each formula:

- Neslin, Gupta, Kamakura, Lu & Mason (2006), Defection detection, Journal of Marketing Research 43(2);
- Radcliffe (2007), Using control groups to target on predicted lift, Direct Marketing Analytics Journal;
- Gutierrez & Gérardy (2017), Causal inference and uplift modelling, PMLR 67, 1-13;
- Künzel, Sekhon, Bickel & Yu (2019), Metalearners for estimating heterogeneous treatment effects, PNAS
  116(10), 4156-4165;
- Ascarza (2018), Retention futility, Journal of Marketing Research 55(1), 80-98.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from .value import caught, last_month, read_table, under_contract

Floats = npt.NDArray[np.float64]

# -- what the firm knew --------------------------------------------------------------------------------

FEATURES = {
    "tenure": "months since joining; a lower bound for who was there at the start",
    "initial": "was there when the record began",
    "referred": "was brought by a customer",
    "recency": "months since the last purchase or paid bill, since joining if there was none",
    "frequency": "purchases or paid bills in the window",
    "money": "money that came in in the window",
    "money_recent": "money that came in in the last three months",
    "complaints": "complaints in the window",
    "complaints_recent": "complaints in the last three months",
    "unresolved": "complaints in the window that were not resolved",
    "contacts": "contacts with the hotline or the counter in the window",
    "formal_complaints": "complaints in writing in the window",
    "failed": "bills in the window whose first attempt failed",
    "failed_recent": "bills in the last three months whose first attempt failed",
    "unpaid": "bills in the window that were not paid",
    "card": "pays by card",
    "debit": "pays by direct debit",
    "offers": "offers in the window",
    "since_offer": "months since the last offer in the window, else one more than the window",
    "satisfaction": "latest reported satisfaction in the window, points; missing when not asked",
}
"""Columns of `monthly_features`, and what they mean."""


class _Log:
    """One table by month: columns as arrays, of which a stretch of months is taken quickly.

    `who` is the place of each row's customer in `people`; rows of strangers are left out.
    """

    def __init__(self, source: Any, name: str, people: pd.Index[Any]) -> None:
        frame = read_table(source, name)
        self.rows = len(frame)
        if self.rows and not {"customer", "month"} <= set(frame):
            raise ValueError(f"{name} needs customer and month; it has {', '.join(map(str, frame.columns))}")
        self.size = len(people)
        if self.rows:
            who = people.get_indexer(pd.Index(frame["customer"]))
            order = np.argsort(frame["month"].to_numpy(), kind="stable")
            order = order[who[order] >= 0]
            self.who, self.frame = who[order], frame.iloc[order]
            self.months = self.frame["month"].to_numpy()
        else:
            self.who, self.frame, self.months = np.empty(0, dtype=np.intp), frame, np.empty(0)
        self._arrays: dict[str, Any] = {}

    def column(self, name: str) -> Any:
        if name not in self._arrays:
            if self.rows and name not in self.frame:
                raise ValueError(f"the column {name} is missing beside {', '.join(self.frame.columns)}")
            self._arrays[name] = self.frame[name].to_numpy() if self.rows else np.empty(0)
        return self._arrays[name]

    def between(self, after: int, until: int) -> slice:
        """Rows of the months above `after` up to `until`."""
        low, high = np.searchsorted(self.months, [after, until], side="right")
        return slice(int(low), int(high))

    def total(self, part: slice, column: str | None = None, where: Any = None) -> Floats:
        """Rows, or the sum of a column, by customer; `where` says which rows count."""
        each = np.ones(part.stop - part.start) if column is None else self.column(column)[part].astype(float)
        if where is not None:
            each = np.where(where, each, 0.0)
        return np.bincount(self.who[part], weights=each, minlength=self.size).astype(np.float64)

    def latest(self, part: slice, column: str, where: Any = None) -> Floats:
        """The latest value of a column by customer, NaN without one."""
        out = np.full(self.size, np.nan)
        who, values = self.who[part], self.column(column)[part]
        if where is not None:
            who, values = who[where], values[where]
        out[who] = values  # of several rows the last remains
        return out


def monthly_features(
    source: Any, months: int | Iterable[int] | None = None, *, window: int = 12
) -> pd.DataFrame:
    """What the firm knew of each customer at the end of a month, or of several; nothing later is in it.

    source: a `Database`, or its tables by name. months: counted from 0; the last of the record when left
    out. window: months looked back. A row for everyone under contract at the end of the month, or, without
    contracts, who had joined: columns `customer`, `month`, and those of `FEATURES`. Tables that the database
    lacks count as empty. `customers.channel`, the latest way to pay, is not used, as it may be of later; the
    payments of the window tell it. Raises ValueError for a month outside the record.
    """
    last = last_month(source)
    chosen = [last] if months is None else [months] if isinstance(months, int | np.integer) else list(months)
    for month in chosen:
        if not 0 <= month <= last:
            raise ValueError(f"month {month} is outside the record, which runs from 0 to {last}")
    if window < 1:
        raise ValueError(f"window must be at least 1 month, not {window!r}")
    people = read_table(source, "customers")
    if not {"customer", "joined_month", "source"} <= set(people):
        raise ValueError("the table customers with customer, joined_month and source is needed")
    names = (
        "bills",
        "payments",
        "purchases",
        "complaints",
        "contacts",
        "formal_complaints",
        "offers",
        "survey",
    )
    people = people.set_index("customer")
    logs = {name: _Log(source, name, people.index) for name in names}
    return pd.concat(
        [_features(people, logs, source, int(month), window) for month in chosen], ignore_index=True
    )


def _features(
    people: pd.DataFrame, logs: Mapping[str, _Log], source: Any, month: int, window: int
) -> pd.DataFrame:
    start, recent = month - window, month - min(3, window)
    contract = logs["bills"].rows > 0
    bought = logs["payments" if contract else "purchases"]
    paid = bought.column("paid").astype(bool) if contract else np.ones(len(bought.who), dtype=bool)
    all_, late, past = bought.between(start, month), bought.between(recent, month), bought.between(-1, month)
    tenure = (month - people["joined_month"]).to_numpy(dtype=float)
    ago = month - bought.latest(past, "month", paid[past])
    out: dict[str, Any] = {
        "tenure": tenure,
        "initial": (people["source"] == "initial").to_numpy(dtype=float),
        "referred": (people["source"] == "referred").to_numpy(dtype=float),
        "recency": np.where(np.isnan(ago), tenure + 1, ago),
        "frequency": bought.total(all_, where=paid[all_]),
        "money": bought.total(all_, "amount", paid[all_]),
        "money_recent": bought.total(late, "amount", paid[late]),
    }
    made = logs["complaints"]
    stretch = made.between(start, month)
    out["complaints"] = made.total(stretch)
    out["complaints_recent"] = made.total(made.between(recent, month))
    out["unresolved"] = made.total(stretch, where=~made.column("resolved")[stretch].astype(bool))
    calls, letters = logs["contacts"], logs["formal_complaints"]
    stretch = calls.between(start, month)
    out["contacts"] = calls.total(stretch, where=calls.column("attempt")[stretch] == 1)
    out["formal_complaints"] = letters.total(letters.between(start, month))
    bills = logs["payments"]
    failed, settled = (bills.column(name).astype(bool) for name in ("failed", "paid"))
    stretch, late = bills.between(start, month), bills.between(recent, month)
    out["failed"] = bills.total(stretch, where=failed[stretch])
    out["failed_recent"] = bills.total(late, where=failed[late])
    out["unpaid"] = bills.total(stretch, where=~settled[stretch])
    channel = np.full(len(people), "", dtype=object)
    channel[bills.who[stretch]] = np.asarray(bills.column("channel"), dtype=object)[stretch]
    out["card"], out["debit"] = (channel == "card").astype(float), (channel == "debit").astype(float)
    offers, asked = logs["offers"], logs["survey"]
    stretch = offers.between(start, month)
    since = month - offers.latest(stretch, "month")
    out["offers"] = offers.total(stretch)
    out["since_offer"] = np.where(np.isnan(since), window + 1, since)
    out["satisfaction"] = asked.latest(asked.between(start, month), "satisfaction")
    here = np.array(people["joined_month"] <= month, dtype=bool)
    if contract:
        there = under_contract(source, month)
        here &= there.reindex(people.index).fillna(False).to_numpy(dtype=bool)
    frame = pd.DataFrame({"customer": people.index, "month": month, **out})
    return frame[["customer", "month", *FEATURES]][here]


def outcomes(source: Any, panel: pd.DataFrame, horizon: int = 3) -> pd.DataFrame:
    """What became of the rows of `monthly_features` in the months after: to fit on and to judge by.

    horizon: months. Columns, in the order of `panel`: `left` (1 if the contract ended in the months after;
    missing without contracts, where a firm cannot see it), `bought` (purchases, or bills paid), `spent`
    (money), `offered` (1 if an offer was made in the first of these months). Raises ValueError where the
    record ends too early.
    """
    last = last_month(source)
    if not {"customer", "month"} <= set(panel):
        raise ValueError("panel needs the columns customer and month, as monthly_features gives them")
    if horizon < 1 or (len(panel) and panel["month"].max() + horizon > last):
        raise ValueError(
            f"{horizon} months after month {panel['month'].max()} are not in the record; its last is {last}"
        )
    contract = len(read_table(source, "bills")) > 0
    people = pd.Index(panel["customer"].unique())
    left, offers = _Log(source, "departures", people), _Log(source, "offers", people)
    bought = _Log(source, "payments" if contract else "purchases", people)
    paid = bought.column("paid").astype(bool) if contract else np.ones(len(bought.who), dtype=bool)
    place, when = people.get_indexer(pd.Index(panel["customer"])), panel["month"].to_numpy()
    out = np.zeros((len(panel), 4))
    for month in np.unique(when):
        rows = when == month
        stretch = bought.between(month, month + horizon)
        found = (
            left.total(left.between(month, month + horizon)) > 0
            if contract
            else np.full(len(people), np.nan),
            bought.total(stretch, where=paid[stretch]),
            bought.total(stretch, "amount", paid[stretch]),
            offers.total(offers.between(month, month + 1)) > 0,
        )
        for k, values in enumerate(found):
            out[rows, k] = values[place[rows]]
    return pd.DataFrame(out, index=panel.index, columns=["left", "bought", "spent", "offered"])


def past_offers(
    source: Any,
    until: int | None = None,
    *,
    horizon: int = 3,
    pause: int = 6,
    span: int = 36,
    rows: int = 60_000,
    seed: int | np.random.Generator = 0,
) -> pd.DataFrame:
    """Customers who got an offer, beside those who got none at the time: an experiment if chance decided.

    source: a `Database`, or its tables by name. until: last month whose outcome may be looked at, the last of
    the record when left out. A row a customer and month, of the `span` months before in which some were
    offered something: the columns of `monthly_features` (what was known at the end of the month) and of
    `outcomes` over the `horizon` months after, where `offered` is 1 for an offer in the first of them. In are
    customers whose last offer is more than `pause` months ago and who have not been silent for longer than
    anybody with an offer, since a campaign that leaves the silent out makes them no control group; former
    customers under contract, whom a campaign wins back, are not. Of the many without an offer at most three
    for one with (at least 1,000, at most `rows`) are kept, drawn with `seed`. Who has none now may get one
    within the horizon, which hides a little of the effect. Empty where no such month is in the record.
    Raises ValueError as `monthly_features` does.
    """
    now = last_month(source) if until is None else until
    rng = np.random.default_rng(seed)
    offers = read_table(source, "offers")
    made = set(offers["month"]) if len(offers) else set()
    months = [month for month in range(max(now - span, 3), now - horizon + 1) if month + 1 in made]
    if not months:
        return pd.DataFrame(columns=["customer", "month", *FEATURES, "left", "bought", "spent", "offered"])
    panel = monthly_features(source, months)
    panel = panel[panel["since_offer"] > pause].reset_index(drop=True)
    panel = panel.join(outcomes(source, panel, horizon))
    # whom a campaign leaves out for a long silence is no control
    longest = panel.loc[panel["offered"] == 1, "recency"].max()
    panel = panel[panel["recency"] <= longest].reset_index(drop=True)
    got = panel["offered"].to_numpy() == 1
    # of the many without an offer some are enough; drawn by chance, they bias nothing
    keep = np.flatnonzero(~got)
    keep = np.sort(rng.choice(keep, min(len(keep), max(3 * int(got.sum()), 1_000), rows), replace=False))
    keep = np.sort(np.concatenate((np.flatnonzero(got), keep)))
    return panel.iloc[keep].reset_index(drop=True)


def selection_auc(offers: pd.DataFrame) -> float:
    """How well the firm's data tell who got an offer: near 0.5 where chance decided, as an experiment needs.

    offers: what `past_offers` gives. The AUC of a logistic model of `offered` on `FEATURES`, each half of the
    customers scored by the model of the other half, so that a model that only remembers does not count.
    Raises ValueError with fewer than ten rows with and without an offer in a half, ImportError without
    scikit-learn.
    """
    _, place = np.unique(offers["customer"].to_numpy(), return_inverse=True)
    odd = place % 2 == 1
    score = np.empty(len(offers))
    for half in (odd, ~odd):
        model = fit_churn(offers.loc[~half, list(FEATURES)], offers.loc[~half, "offered"], "logistic")
        score[half] = model.score(offers.loc[half])
    return auc(offers["offered"], score)


# -- scores ----------------------------------------------------------------------------------------------


def _learning() -> None:
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise ImportError('scikit-learn is needed here: pip install "crmsim[research]"') from None


def _one_thread() -> Any:
    """The trees of so few customers are faster on one thread, above all on a busy machine."""
    # threadpoolctl comes with scikit-learn
    from threadpoolctl import threadpool_limits  # type: ignore[import-not-found,import-untyped,unused-ignore]

    return threadpool_limits(limits=1, user_api="openmp")


def _estimator(method: str, classify: bool = True) -> Any:
    """A scikit-learn estimator that takes missing values: `logistic` (or linear) or `boosting`."""
    _learning()
    if method == "boosting":
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        kind = HistGradientBoostingClassifier if classify else HistGradientBoostingRegressor
        return kind(
            max_iter=120, learning_rate=0.05, max_leaf_nodes=8, min_samples_leaf=80, random_state=0,
            early_stopping=False,
        )  # fmt: skip
    if method == "logistic":
        from sklearn.impute import SimpleImputer
        from sklearn.linear_model import LogisticRegression, Ridge
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        model = LogisticRegression(max_iter=500) if classify else Ridge()
        return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), model)
    raise ValueError(
        f'method={method!r} is not known; give "logistic", "boosting" or a scikit-learn estimator'
    )


def _matrix(X: Any, columns: Sequence[str] | None) -> Floats:
    if isinstance(X, pd.DataFrame) and columns is not None:
        lacking = [c for c in columns if c not in X]
        if lacking:
            raise ValueError(f"X lacks the column {lacking[0]!r}")
        X = X[list(columns)]
    out = np.asarray(X, dtype=np.float64)
    if out.ndim != 2:
        raise ValueError(f"X must have a row a customer and a column a feature, not the shape {out.shape}")
    return out


def _columns_of(X: Any, columns: Sequence[str] | None) -> list[str] | None:
    if columns is not None:
        return list(columns)
    if not isinstance(X, pd.DataFrame):
        return None
    return [c for c in X.columns if c not in ("customer", "month")]


@dataclass(frozen=True, eq=False, repr=False)
class ChurnScore:
    """A fitted churn score (流失评分). `columns`: features used; `n`, `events`: rows fitted on, leavers.

    method: as in `fit_churn`. estimator: the scikit-learn model.
    """

    method: str
    columns: list[str] | None
    estimator: Any
    n: int
    events: int

    def score(self, X: Any) -> Floats:
        """Probability to leave within the horizon it was fitted on, one a row of `X`.

        ValueError where `X` lacks a column.
        """
        with _one_thread():
            return np.asarray(self.estimator.predict_proba(_matrix(X, self.columns))[:, 1])

    @property
    def table(self) -> pd.DataFrame:
        """Coefficients of a logistic score by feature, for one standard deviation more (log odds).

        Raises ValueError for any other score.
        """
        if self.method != "logistic" or self.columns is None:
            raise ValueError("only a logistic score on named columns has a table of coefficients")
        size = self.estimator[-1].coef_[0]
        return pd.DataFrame({"coefficient": size}, index=pd.Index(self.columns, name="feature"))

    def __repr__(self) -> str:
        width = len(self.columns) if self.columns else "?"
        return f"ChurnScore({self.method}, {width} features; {self.events:,} of {self.n:,} left)"


def fit_churn(
    X: Any, left: npt.ArrayLike, method: Any = "logistic", *, columns: Sequence[str] | None = None
) -> ChurnScore:
    """A score of the risk of leaving: `"logistic"`, `"boosting"`, or a scikit-learn classifier of one's own.

    method: one of these. X: a row a customer, such as `monthly_features`; `columns` of it, all but customer
    and month when left out. left: 1 for who left (see `outcomes`), 0 else. Raises ValueError where fewer than
    ten left or stayed, ImportError without scikit-learn.
    """
    _learning()
    names = _columns_of(X, columns)
    data, y = _matrix(X, names), _binary(left, "left")
    _same_length(X=data, left=y)
    if min(y.sum(), len(y) - y.sum()) < 10:
        raise ValueError(
            f"{y.sum():.0f} of {len(y):,} left; at least ten must leave and ten must stay to fit"
        )
    if isinstance(method, str):
        label, estimator = method, _estimator(method)
    else:
        from sklearn.base import clone

        label, estimator = type(method).__name__, clone(method)
    with _one_thread():
        estimator.fit(data, y)
    return ChurnScore(label, names, estimator, len(y), int(y.sum()))


# -- how good a score is -----------------------------------------------------------------------------------


def _binary(values: npt.ArrayLike, name: str) -> Floats:
    out = np.asarray(values, dtype=np.float64).ravel()
    wrong = ~np.isin(out, (0.0, 1.0))
    if wrong.any():
        raise ValueError(f"{name} must be 0 or 1; row {int(np.argmax(wrong))} is {out[wrong][0]!r}")
    return out


def _numbers(values: npt.ArrayLike, name: str) -> Floats:
    out = np.asarray(values, dtype=np.float64).ravel()
    wrong = ~np.isfinite(out)
    if wrong.any():
        raise ValueError(f"{name} is missing or infinite in row {int(np.argmax(wrong))}")
    return out


def _same_length(**columns: npt.NDArray[Any]) -> None:
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) > 1:
        raise ValueError("the columns differ in length: " + ", ".join(f"{k} {n:,}" for k, n in sizes.items()))
    if not next(iter(sizes.values()), 0):
        raise ValueError("there are no customers")


def auc(outcome: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Chance that who has the outcome is scored above who has not (area under the ROC curve); ties are half.

    outcome: 0 or 1, or each one's true probability: then the AUC is the one expected over the outcomes these
    give, free of their luck, and that of the probabilities themselves is the most a score can reach. NaN
    where all or nobody has the outcome. Mann & Whitney (1947). Raises ValueError for values outside 0 to 1.
    """
    y, s = _numbers(outcome, "outcome"), _numbers(score, "score")
    _same_length(outcome=y, score=s)
    if ((y < 0) | (y > 1)).any():
        raise ValueError("outcome must lie from 0 to 1")
    _, place = np.unique(s, return_inverse=True)
    yes, no = np.bincount(place, weights=y), np.bincount(place, weights=1 - y)
    below = np.cumsum(no) - no
    pairs = y.sum() * (1 - y).sum() - (y * (1 - y)).sum()  # nobody is paired with herself
    won = float(yes @ (below + no / 2)) - float((y * (1 - y)).sum()) / 2
    return won / float(pairs) if pairs > 0 else math.nan


def _groups(score: Floats, groups: int) -> npt.NDArray[np.int64]:
    """1 for the highest-scored of `groups` equal groups; customers with one score stay together."""
    if groups < 2:
        raise ValueError(f"groups must be at least 2, not {groups!r}")
    _, place, size = np.unique(-score, return_inverse=True, return_counts=True)
    middle = np.cumsum(size) - (size + 1) / 2  # rank of the middle of those tied, from 0
    return (np.minimum(middle * groups // len(score), groups - 1).astype(np.int64) + 1)[place]


def lift_table(outcome: npt.ArrayLike, score: npt.ArrayLike, groups: int = 10) -> pd.DataFrame:
    """Outcome by tenths of the score, highest first (提升表).

    outcome: 0 or 1, or an amount. A row a group (from 1): `customers`, `score` (mean), `outcome` (sum),
    `rate` (mean), `lift` (rate over that of all), and for this and the better groups together `share` (of
    the customers), `captured` (share of the outcome), `cumulative_lift`. Tied customers stay in one group, so
    groups can be missing. Errors: see the module.
    """
    y, s = _numbers(outcome, "outcome"), _numbers(score, "score")
    _same_length(outcome=y, score=s)
    frame = pd.DataFrame({"group": _groups(s, groups), "score": s, "outcome": y})
    table = frame.groupby("group").agg(
        customers=("score", "size"), score=("score", "mean"), outcome=("outcome", "sum")
    )
    table["rate"] = table["outcome"] / table["customers"]
    mean = y.mean()
    table["lift"] = table["rate"] / mean if mean else math.nan
    table["share"] = table["customers"].cumsum() / len(y)
    table["captured"] = table["outcome"].cumsum() / y.sum() if mean else math.nan
    table["cumulative_lift"] = table["captured"] / table["share"]
    return table.reset_index()


def top_lift(outcome: npt.ArrayLike, score: npt.ArrayLike, share: float = 0.1) -> float:
    """Rate of the outcome among the best-scored `share` of the customers over that of all (top-decile lift).

    1 is no better than chance. Tied customers at the border count in part. Neslin et al. (2006). Errors: see
    the module.
    """
    y, s = _numbers(outcome, "outcome"), _numbers(score, "score")
    _same_length(outcome=y, score=s)
    _share("share", share)
    return caught(y, s, share) / (share * y.sum()) if y.sum() else math.nan


def _share(name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise ValueError(f"{name}={value!r}: give a share above 0 up to 1, 0.1 for the best tenth")


def calibration_table(outcome: npt.ArrayLike, probability: npt.ArrayLike, groups: int = 10) -> pd.DataFrame:
    """Predicted against actual rate by tenths of the probability, highest first (校准表).

    A row a group: `customers`, `predicted` (mean), `actual` (rate), `low` and `high` (95 %, Wilson 1927).
    outcome: 0 or 1, or true probabilities. Raises ValueError for probabilities outside 0 to 1.
    """
    y, p = _numbers(outcome, "outcome"), _numbers(probability, "probability")
    _same_length(outcome=y, probability=p)
    if ((p < 0) | (p > 1)).any():
        raise ValueError("probability must lie from 0 to 1")
    frame = pd.DataFrame({"group": _groups(p, groups), "p": p, "y": y})
    table = frame.groupby("group").agg(customers=("p", "size"), predicted=("p", "mean"), actual=("y", "mean"))
    n, rate, z = table["customers"], table["actual"], 1.959964
    middle = (rate + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(rate * (1 - rate) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return table.assign(low=middle - half, high=middle + half).reset_index()


def brier(outcome: npt.ArrayLike, probability: npt.ArrayLike) -> float:
    """Mean squared error of probabilities (Brier 1950): 0 is perfect, 1 the worst.

    ValueError for missing values and columns of different length.
    """
    y, p = _numbers(outcome, "outcome"), _numbers(probability, "probability")
    _same_length(outcome=y, probability=p)
    return float(np.mean((y - p) ** 2))


# -- uplift: who changes --------------------------------------------------------------------------------


class _Learner:
    """What the learners share. The effect is on the mean of the outcome, in its unit.

    estimator: `"boosting"`, `"logistic"`, or a scikit-learn classifier (outcome 0 or 1) or regressor.
    columns: of X, all but customer and month when left out.
    """

    name: ClassVar[str] = ""

    def __init__(self, estimator: Any = "boosting", columns: Sequence[str] | None = None) -> None:
        self.estimator = estimator
        self.columns = columns

    def fit(self, X: Any, outcome: npt.ArrayLike, treated: npt.ArrayLike) -> Self:
        """Learn from an experiment. X: a row a customer; outcome: 0 or 1, or a number; treated: 0 or 1.

        Whom to treat must have been left to chance, or to what is in X; else the effects are biased. Raises
        ValueError with fewer than 50 treated or not treated, ImportError without scikit-learn.
        """
        _learning()
        self._names = _columns_of(X, self.columns)
        data, y = _matrix(X, self._names), _numbers(outcome, "outcome")
        t = _binary(treated, "treated").astype(bool)
        _same_length(X=data, outcome=y, treated=t)
        if min(t.sum(), (~t).sum()) < 50:
            raise ValueError(f"{t.sum():,} treated and {(~t).sum():,} not; at least 50 of each are needed")
        self._classify = bool(np.isin(y, (0.0, 1.0)).all())
        with _one_thread():
            self._learn(data, y, t)
        return self

    def predict(self, X: Any) -> Floats:
        """Estimated effect of the treatment on each row of `X`, in the unit of the outcome."""
        if not hasattr(self, "_names"):
            raise ValueError(f"{type(self).__name__} is not fitted yet; call fit first")
        with _one_thread():
            return self._effect(_matrix(X, self._names))

    def _learn(self, X: Floats, y: Floats, t: npt.NDArray[np.bool_]) -> None:
        raise NotImplementedError

    def _effect(self, X: Floats) -> Floats:
        raise NotImplementedError

    def _model(self, X: Floats, y: Floats, classify: bool) -> Any:
        """A fitted model of the mean of y; of a constant y, the constant."""
        from sklearn.base import clone, is_classifier
        from sklearn.dummy import DummyRegressor

        if np.all(y == y[0]):
            return DummyRegressor().fit(X, y)
        model = self.estimator
        if isinstance(model, str):
            model = _estimator(model, classify)
        elif is_classifier(model) and not classify:
            model = _estimator("boosting", False)
        return clone(model).fit(X, y)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.estimator!r})"


def _mean(model: Any, X: Floats) -> Floats:
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(X)[:, 1])
    return np.asarray(model.predict(X), dtype=np.float64)


class SLearner(_Learner):
    """One model with the treatment among its features; the effect is what it changes (Künzel et al. 2019)."""

    name = "S-learner"

    def _learn(self, X: Floats, y: Floats, t: npt.NDArray[np.bool_]) -> None:
        self._both = self._model(np.column_stack((X, t)), y, self._classify)

    def _effect(self, X: Floats) -> Floats:
        one = np.ones(len(X))
        return _mean(self._both, np.column_stack((X, one))) - _mean(self._both, np.column_stack((X, 0 * one)))


class TLearner(_Learner):
    """Two models, of the treated and of the others; the effect is their difference (Künzel et al. 2019)."""

    name = "T-learner"

    def _learn(self, X: Floats, y: Floats, t: npt.NDArray[np.bool_]) -> None:
        self._treated, self._others = (self._model(X[part], y[part], self._classify) for part in (t, ~t))

    def _effect(self, X: Floats) -> Floats:
        return _mean(self._treated, X) - _mean(self._others, X)


class XLearner(TLearner):
    """Learns from what each customer differs from the other group's model (Künzel et al. 2019).

    Made for few treated among many: the two estimates are weighted by the share treated.
    """

    name = "X-learner"

    def _learn(self, X: Floats, y: Floats, t: npt.NDArray[np.bool_]) -> None:
        super()._learn(X, y, t)
        self._share = float(t.mean())
        self._gain = self._model(X[t], y[t] - _mean(self._others, X[t]), False)
        self._lack = self._model(X[~t], _mean(self._treated, X[~t]) - y[~t], False)

    def _effect(self, X: Floats) -> Floats:
        return self._share * _mean(self._lack, X) + (1 - self._share) * _mean(self._gain, X)


CHANCE = 0.55
"""A `selection_auc` up to this passes for chance."""

LEARNERS: tuple[type[_Learner], ...] = (SLearner, TLearner, XLearner)


def _experiment(
    outcome: npt.ArrayLike, treated: npt.ArrayLike, score: npt.ArrayLike
) -> tuple[Floats, Floats, Floats]:
    y, t, s = _numbers(outcome, "outcome"), _binary(treated, "treated"), _numbers(score, "score")
    _same_length(outcome=y, treated=t, score=s)
    if not 0 < t.sum() < len(t):
        raise ValueError("treated must hold both 0 and 1: without a control group there is no uplift")
    return y, t, s


def uplift_curve(outcome: npt.ArrayLike, treated: npt.ArrayLike, score: npt.ArrayLike) -> pd.DataFrame:
    """What an experiment says of treating the best-scored customers only, from nobody to all.

    outcome: 0 or 1, or an amount, high is good (stayed, not left); treated: 0 or 1, by chance; score: high
    is treated first. A row for each number of customers at which the score changes, the first with none:

    - `share`, `customers`, `treated`, `control`: how many so far;
    - `uplift`: difference of their mean outcomes;
    - `gain`: uplift x customers, the outcomes won if all of them were treated (Gutierrez & Gérardy 2017);
    - `qini`: Y_t - Y_c N_t / N_c, the outcomes won by those who were treated (Radcliffe 2007);
    - `random_gain`, `random_qini`: the same when customers are chosen by chance.

    Errors: see the module.
    """
    y, t, s = _experiment(outcome, treated, score)
    _, place = np.unique(-s, return_inverse=True)
    yes = [
        np.concatenate(([0.0], np.bincount(place, weights=w).cumsum()))
        for w in (t, 1 - t, t * y, (1 - t) * y)
    ]
    n_t, n_c, y_t, y_c = yes
    customers = n_t + n_c
    rate_t = np.divide(y_t, n_t, out=np.zeros_like(y_t), where=n_t > 0)
    rate_c = np.divide(y_c, n_c, out=np.zeros_like(y_c), where=n_c > 0)
    uplift = np.where((n_t > 0) & (n_c > 0), rate_t - rate_c, 0.0)
    gain, qini_ = uplift * customers, np.where(n_c > 0, y_t - rate_c * n_t, 0.0)
    share = customers / len(y)
    return pd.DataFrame(
        {
            "share": share,
            "customers": customers.astype(np.int64),
            "treated": n_t.astype(np.int64),
            "control": n_c.astype(np.int64),
            "uplift": uplift,
            "gain": gain,
            "qini": qini_,
            "random_gain": share * gain[-1],
            "random_qini": share * qini_[-1],
        }
    )


def qini(
    outcome: npt.ArrayLike,
    treated: npt.ArrayLike,
    score: npt.ArrayLike,
    *,
    normalisation: Literal["treated", "perfect"] = "treated",
) -> float:
    """Qini coefficient: area between the Qini curve and the straight line of chance (Radcliffe 2007).

    Several normalisations are called so; say which you print. `"treated"`: the curve is counted per treated
    customer and against the share of customers, so it is in outcomes a customer (0 is chance, below 0 worse).
    `"perfect"`: that area over the one of the order which puts treated customers with the outcome first and
    untreated with it last, at most 1; for outcomes of 0 and 1 only. ValueError for another `normalisation`.
    """
    y, t, s = _experiment(outcome, treated, score)
    if normalisation not in ("treated", "perfect"):
        raise ValueError(f'normalisation={normalisation!r} is not known; give "treated" or "perfect"')
    area = _area(uplift_curve(y, t, s), "qini", "random_qini") / t.sum()
    if normalisation == "treated":
        return area
    y = _binary(y, "outcome")
    best = _area(uplift_curve(y, t, y * (2 * t - 1)), "qini", "random_qini") / t.sum()
    return area / best if best > 0 else math.nan


def auuc(
    outcome: npt.ArrayLike,
    treated: npt.ArrayLike,
    score: npt.ArrayLike,
    *,
    normalisation: Literal["customers", "above_random"] = "customers",
) -> float:
    """Area under the curve of the cumulative gain (Gutierrez & Gérardy 2017), gain counted per customer.

    In outcomes a customer. normalisation: `"customers"`: the whole area; scores without any merit get about
    half the mean effect. `"above_random"`: less that of the straight line of chance, so that 0 is chance.
    ValueError for another `normalisation`.
    """
    if normalisation not in ("customers", "above_random"):
        raise ValueError(f'normalisation={normalisation!r} is not known; give "customers" or "above_random"')
    curve = uplift_curve(outcome, treated, score)
    line = "random_gain" if normalisation == "above_random" else None
    return _area(curve, "gain", line) / float(curve["customers"].iloc[-1])


def _area(curve: pd.DataFrame, column: str, line: str | None) -> float:
    height = curve[column].to_numpy(float) - (curve[line].to_numpy(float) if line else 0.0)
    return float(np.trapezoid(height, curve["share"].to_numpy(float)))


class Uplift(NamedTuple):
    """Uplift with its 95 % interval, in the unit of the outcome: value, low, high, standard error (`error`),
    and the customers behind it, `treated` and `control`. NaN with fewer than two of either."""

    value: float
    low: float
    high: float
    error: float
    treated: int
    control: int


def _uplift(y: Floats, t: Floats) -> Uplift:
    one, zero = y[t == 1], y[t == 0]
    if min(len(one), len(zero)) < 2:
        return Uplift(math.nan, math.nan, math.nan, math.nan, len(one), len(zero))
    value = float(one.mean() - zero.mean())
    error = math.sqrt(float(one.var(ddof=1)) / len(one) + float(zero.var(ddof=1)) / len(zero))
    return Uplift(value, value - 1.959964 * error, value + 1.959964 * error, error, len(one), len(zero))


def uplift_at(
    outcome: npt.ArrayLike, treated: npt.ArrayLike, score: npt.ArrayLike, share: float = 0.1
) -> Uplift:
    """Uplift at k: mean outcome of treated less not treated among the best-scored `share` of the customers.

    All who are tied at the border are taken in. Errors: see the module.
    """
    y, t, s = _experiment(outcome, treated, score)
    _share("share", share)
    border = np.sort(s)[::-1][max(math.ceil(share * len(s) - 1e-9), 1) - 1]
    return _uplift(y[s >= border], t[s >= border])


def bootstrap_interval(
    measure: Callable[[npt.NDArray[np.intp]], float],
    customers: npt.ArrayLike,
    *,
    resamples: int = 200,
    confidence: float = 0.95,
    seed: int | np.random.Generator = 0,
) -> tuple[float, float]:
    """Interval of a measure from customers drawn anew, each with all rows (percentile bootstrap, Efron 1979).

    measure: takes the numbers of rows, with repetition, and gives a number in any unit; what is not finite is
    left out. customers: who each row is of; a customer's rows belong together, since they are alike.
    resamples: how often, from `seed`. Returns the lower and the upper end; NaN where no resample gave a
    number. Raises ValueError for a confidence outside 0 to 1 and fewer than one resample.
    """
    if resamples < 1 or not 0 < confidence < 1:
        raise ValueError(f"resamples={resamples!r}, confidence={confidence!r}: give at least 1, and 0 to 1")
    rng = np.random.default_rng(seed)
    _, who = np.unique(np.asarray(customers), return_inverse=True)
    order = np.argsort(who, kind="stable")
    size = np.bincount(who)
    start = np.cumsum(size) - size
    found = []
    for _ in range(resamples):
        drawn = rng.integers(0, len(size), len(size))
        many = size[drawn]
        ends = np.cumsum(many)
        rows = np.arange(ends[-1]) - np.repeat(ends - many, many) + np.repeat(start[drawn], many)
        found.append(measure(order[rows]))
    finite = np.array(found)[np.isfinite(found)]
    if not len(finite):
        return math.nan, math.nan
    low, high = np.quantile(finite, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def uplift_table(
    outcome: npt.ArrayLike, treated: npt.ArrayLike, score: npt.ArrayLike, groups: int = 10
) -> pd.DataFrame:
    """Predicted against measured uplift by tenths of the score, highest first.

    A row a group: `customers`, `predicted` (mean score), `uplift`, `low`, `high` (95 %), `treated`,
    `control` (customers). Errors: see the module.
    """
    y, t, s = _experiment(outcome, treated, score)
    group = _groups(s, groups)
    rows = []
    for g in np.unique(group):
        here = group == g
        found = _uplift(y[here], t[here])
        rows.append(
            {"group": int(g), "customers": int(here.sum()), "predicted": float(s[here].mean()),
             "uplift": found.value, "low": found.low, "high": found.high, "treated": found.treated,
             "control": found.control}
        )  # fmt: skip
    return pd.DataFrame(rows)


def expected_saves(
    score: npt.ArrayLike, effect: npt.ArrayLike, *, value: npt.ArrayLike = 1.0
) -> pd.DataFrame:
    """Customers expected to be kept by treating the best-scored first, from nobody to all.

    effect: of the treatment on each one's chance to stay, as a learner estimates it or as a simulation
    knows it; value: money a customer kept is worth (1 counts customers). Columns as of `uplift_curve`:
    `share`, `customers`, `gain` (sum of effect x value), `random_gain`, and `best_gain` (the order of effect
    x value itself, which nothing exceeds). Tied customers count alike. Errors: see the module.
    """
    s, e = _numbers(score, "score"), _numbers(effect, "effect")
    _same_length(score=s, effect=e)
    worth = e * np.broadcast_to(np.asarray(value, dtype=np.float64), e.shape)

    def along(order: Floats) -> Floats:
        _, place, size = np.unique(-order, return_inverse=True, return_counts=True)
        mean = np.bincount(place, weights=worth) / size
        return np.concatenate(([0.0], np.cumsum(np.repeat(mean, size))))

    gain = along(s)
    share = np.arange(len(s) + 1) / len(s)
    return pd.DataFrame(
        {
            "share": share,
            "customers": np.arange(len(s) + 1),
            "gain": gain,
            "random_gain": share * gain[-1],
            "best_gain": along(worth),
        }
    )


def profit_curve(
    curve: pd.DataFrame,
    *,
    value: float = 1.0,
    contact: float = 0.0,
    offer: float = 0.0,
    accept: float = 1.0,
    fixed: float = 0.0,
    customers: int | None = None,
) -> pd.DataFrame:
    """Profit of a campaign by how many are addressed (利润曲线).

    curve: what `uplift_curve` or `expected_saves` gives: `customers` and `gain`. value: money one of the
    outcomes is worth, such as the lifetime value of a customer kept (1 if the gain is in money already);
    contact: cost of addressing one; offer: cost of the offer, taken by the share `accept`, whether they
    would have stayed or not; fixed: cost of the campaign. customers: scale to a base of so many. Profit =
    value x gain - (contact + accept x offer) x customers - fixed, after Neslin et al. (2006), with the gain
    measured rather than assumed. Columns `share`, `customers`, `gain`, `revenue`, `cost`, `profit`.
    ValueError for a curve without its columns and for costs below 0.
    """
    lacking = [c for c in ("share", "customers", "gain") if c not in curve]
    if lacking:
        raise ValueError(f"curve lacks {', '.join(lacking)}; uplift_curve and expected_saves give them")
    for name, number in (("contact", contact), ("offer", offer), ("accept", accept), ("fixed", fixed)):
        if not number >= 0:
            raise ValueError(f"{name} must be 0 or more, not {number!r}")
    base = float(curve["customers"].iloc[-1])
    scale = 1.0 if customers is None else customers / base
    n = curve["customers"].to_numpy(float) * scale
    gain = curve["gain"].to_numpy(float) * scale
    cost = (contact + accept * offer) * n + np.where(n > 0, fixed, 0.0)
    return pd.DataFrame(
        {
            "share": curve["share"].to_numpy(float),
            "customers": n,
            "gain": gain,
            "revenue": value * gain,
            "cost": cost,
            "profit": value * gain - cost,
        }
    )


# -- the report card --------------------------------------------------------------------------------------

TASKS = {
    "alive": "who is still a customer, where nobody gives notice",
    "purchases": "who buys how often in the months after",
    "value": "who spends how much in the months after",
    "churn": "who leaves in the month after",
    "uplift": "whom an offer keeps",
    "drivers": "what satisfaction depends on",
    "exit": "why customers left",
}
"""What the report card grades, and the question behind it."""


@dataclass(frozen=True, eq=False, repr=False)
class ReportCard:
    """Methods graded (`report_card`).

    `table`: a row a task, method and measure: `task` (of `TASKS`), `method`, `measure`, `score`, `chance`
    (what guessing reaches), `best` (what knowing the truth reaches), `grade` (0 is chance, 1 the best:
    (score - chance) / (best - chance); missing where one of the two is unknown), `n` (customers or answers).
    `notes`: what to know when reading it, and what could not be graded.
    """

    table: pd.DataFrame
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        shown = self.table.round(3).to_string(index=False) if len(self.table) else "nothing could be graded"
        return "\n".join([f"ReportCard\n{shown}", *(f"- {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{note}</li>" for note in self.notes)
        table = self.table.to_html(index=False, float_format=lambda v: f"{v:.3f}", na_rep="", border=0)
        return f"{table}<ul>{notes}</ul>"


class _Sheet:
    """Collects rows and notes of a report card."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.notes: list[str] = []

    def add(
        self, task: str, method: str, measure: str, score: float, chance: float, best: float, n: int
    ) -> None:
        span = best - chance
        grade = (score - chance) / span if math.isfinite(span) and abs(span) > 1e-12 else math.nan
        self.rows.append(
            {"task": task, "method": method, "measure": measure, "score": float(score), "chance": chance,
             "best": best, "grade": grade, "n": n}
        )  # fmt: skip

    def card(self) -> ReportCard:
        columns = ["task", "method", "measure", "score", "chance", "best", "grade", "n"]
        return ReportCard(pd.DataFrame(self.rows, columns=columns), tuple(self.notes))


def report_card(
    source: Any,
    truth: Mapping[str, Any] | None = None,
    *,
    horizon: int = 12,
    rows: int = 60_000,
    seed: int = 0,
) -> ReportCard:
    """Fit the usual methods on what the firm could see, and grade them (成绩单).

    source: a `Database`, or its tables by name. truth: what the firm could not see: `customers` and
    `departures`, the tables of the schema `truth` (taken from `source` when left out and there), and
    `weights`, the true weight of each touchpoint in satisfaction, which no table holds. Without truth the
    methods are graded by what happened afterwards, as far as a firm sees that.

    Without contracts, at `horizon` months before the end of the record, among who had bought by then:
    RFM, own rate, recency, BG/NBD and Pareto/NBD tell who is alive (AUC; and the share), and who buys and
    spends most in the months after (share of it made by the best fifth; total error).

    With contracts: churn scores (tenure, failures and complaints, logistic, boosting) fitted on the months
    up to the last but one are judged on the last: AUC against the true chance of leaving, whose own AUC is
    the ceiling. With offers: uplift learners, beside the risk score, by the share of the departures that the
    best tenth could be kept from; the true effect is hazard x (1 - exp(-response)), for an offer of strength
    1. With departures: the stated cause. With survey answers and `weights`: every method of
    `drivers.drivers`.

    rows: at most so many customers (or customers and months) are fitted on, drawn with `seed`. Gives a
    `ReportCard`. ValueError for a record that is too short; what cannot be graded is said in `notes`.
    """
    last = last_month(source)
    sheet = _Sheet()
    known: dict[str, Any] = {
        name: table
        for name in ("customers", "departures")
        if len(table := read_table(source, f"truth.{name}"))
    }
    known.update(truth or {})
    rng = np.random.default_rng(seed)
    if "customers" not in known:
        sheet.notes.append("There is no truth: graded by what happened afterwards, luck included.")
    if len(read_table(source, "bills")):
        _grade_contract(sheet, source, known, last, rows, rng)
    elif len(read_table(source, "purchases")):
        _grade_buying(sheet, source, known, last, horizon, rows, rng)
    _grade_drivers(sheet, source, known)
    _grade_exit(sheet, source, known)
    return sheet.card()


def _truly_there(source: Any, known: Mapping[str, Any], month: int) -> pd.Series | None:
    """Whether each customer is truly one at the end of a month; None when not known."""
    if "departures" not in known:
        return None
    return under_contract(source, month, departures=known["departures"])


def _grade_buying(
    sheet: _Sheet, source: Any, known: Mapping[str, Any], last: int, horizon: int, rows: int, rng: Any
) -> None:
    from ..data.transactions import repeat_summary
    from .rfm import rfm
    from .value import BGNBD, ParetoNBD, clv, fit_bgnbd, fit_gamma_gamma, fit_pareto_nbd

    log = read_table(source, "purchases")
    split = last - horizon
    if split < 5:
        raise ValueError(
            f"the record has {last + 1} months: after the {horizon} held out there are fewer than 6 to fit on"
        )
    log = log[(log["amount"] > 0) & (log["month"] <= last)]
    early = pd.Index(log.loc[log["month"] <= split, "customer"].unique())
    if len(early) > rows:
        early = pd.Index(rng.choice(early.to_numpy(), rows, replace=False))
    log = log[log["customer"].isin(early)]
    past, later = log[log["month"] <= split], log[log["month"] > split]
    until = pd.Timestamp(past["date"].max()) + pd.offsets.MonthEnd(0)
    summary = repeat_summary(past[["customer", "date", "amount"]], "M", until)
    who = summary.index
    x, recency, age = (summary[c].to_numpy(float) for c in ("frequency", "recency", "T"))
    cells = rfm(past, until, method="independent").reindex(who)
    # distinct days, as the models count them
    visits = later.drop_duplicates(["customer", "date"]).groupby("customer").size()
    bought = np.asarray(visits.reindex(who).fillna(0.0), dtype=np.float64)
    spent = later.groupby("customer")["amount"].sum().reindex(who).fillna(0.0).to_numpy(float)
    earned = past.groupby("customer")["amount"].sum().reindex(who).to_numpy(float)
    # a customer of a month is not yet one of a whole rate
    rate = np.divide(x, age, out=np.zeros_like(x), where=age >= 1)
    ranks = np.asarray(cells[["r", "f", "m"]].sum(axis=1), dtype=np.float64)
    bg, pareto = fit_bgnbd(x, recency, age), fit_pareto_nbd(x, recency, age)
    models: dict[str, BGNBD | ParetoNBD] = {"BG/NBD": bg, "Pareto/NBD": pareto}
    alive = {name: model.probability_alive(x, recency, age) for name, model in models.items()}
    n = len(who)
    there = _truly_there(source, known, split)
    if there is not None:
        truly = there.reindex(who).to_numpy(dtype=float)
        scores = {"RFM": ranks, "recency": recency - age, "own rate": rate, **alive}
        for name, score in scores.items():
            sheet.add("alive", name, "AUC", auc(truly, score), 0.5, 1.0, n)
        for name, chance in alive.items():
            sheet.add("alive", name, "share alive", chance.mean(), math.nan, truly.mean(), n)
    ahead = {
        name: model.conditional_expected_purchases(float(horizon), x, recency, age)
        for name, model in models.items()
    }
    ahead["own rate"] = rate * horizon
    best = caught(bought, bought, 0.2) / bought.sum()
    for name, score in {"RFM": ranks, **ahead}.items():
        share = caught(bought, score, 0.2) / bought.sum()
        sheet.add("purchases", name, "caught by the best fifth", share, 0.2, best, n)
    for name, forecast in ahead.items():
        sheet.add("purchases", name, "total error", forecast.sum() / bought.sum() - 1, math.nan, 0.0, n)
        sheet.add("purchases", name, "mean error", np.abs(forecast - bought).mean(),
                  float(np.abs(bought.mean() - bought).mean()), 0.0, n)  # fmt: skip
    again = (x > 0) & (summary["monetary_value"].to_numpy(float) > 0)
    amounts = fit_gamma_gamma(x[again], summary["monetary_value"].to_numpy(float)[again])
    money = np.where(again, summary["monetary_value"].to_numpy(float), amounts.mean)
    worth = {
        f"{name} + gamma-gamma": clv(
            model, amounts, x, recency, age, money, months=horizon, discount_rate=0.0, unit="M"
        )
        for name, model in models.items()
    }
    worth["own spend"] = np.divide(earned, np.maximum(age, 1.0)) * horizon
    best = caught(spent, spent, 0.2) / spent.sum()
    for name, score in {"RFM": ranks, **worth}.items():
        share = caught(spent, score, 0.2) / spent.sum()
        sheet.add("value", name, "caught by the best fifth", share, 0.2, best, n)
    for name, forecast in worth.items():
        sheet.add("value", name, "total error", forecast.sum() / spent.sum() - 1, math.nan, 0.0, n)


def _grade_contract(
    sheet: _Sheet, source: Any, known: Mapping[str, Any], last: int, rows: int, rng: Any
) -> None:
    if last < 8:
        raise ValueError(f"the record has {last + 1} months; at least 9 are needed to fit and to judge")
    now = last - 1  # what was known before the last month, which is judged
    panel = monthly_features(source, range(max(now - 24, 3), now))
    if len(panel) > rows:
        panel = panel.iloc[np.sort(rng.choice(len(panel), rows, replace=False))].reset_index(drop=True)
    after = outcomes(source, panel, 1)
    today = monthly_features(source, now)
    hazard = actual = outcomes(source, today, 1)["left"].to_numpy(float)
    people = known.get("customers")
    if people is not None:
        found = people.set_index("customer")["hazard"].reindex(today["customer"]).to_numpy(dtype=float)
        hazard = np.where(np.isfinite(found), found, actual)
    n = len(today)
    scores: dict[str, Floats] = {
        "tenure": -today["tenure"].to_numpy(float),
        "failures, complaints": (today["failed"] + today["complaints"] + today["unresolved"]).to_numpy(float),
    }
    fitted = {}
    if min(after["left"].sum(), (1 - after["left"]).sum()) >= 10:
        fitted = {name: fit_churn(panel, after["left"], name) for name in ("logistic", "boosting")}
        scores |= {name: model.score(today) for name, model in fitted.items()}
    else:
        sheet.notes.append("Fewer than ten customers left in the months to fit on: no churn scores.")
    ceiling = auc(hazard, hazard) if people is not None else math.nan
    for name, score in scores.items():
        sheet.add("churn", name, "AUC", auc(hazard, score), 0.5, ceiling, n)
    for name, score in scores.items():
        top = caught(hazard, score, 0.1) / hazard.sum() if hazard.sum() else math.nan
        best = caught(hazard, hazard, 0.1) / hazard.sum() if people is not None else math.nan
        sheet.add("churn", name, "caught by the best tenth", top, 0.1, best, n)
    for name in fitted:
        sheet.add("churn", name, "mean chance", scores[name].mean(), math.nan, hazard.mean(), n)
    if len(read_table(source, "offers")):
        _grade_uplift(sheet, source, people, last, rows, rng, scores)


def _grade_uplift(
    sheet: _Sheet, source: Any, people: pd.DataFrame | None, last: int, rows: int, rng: Any,
    scores: Mapping[str, Floats],
) -> None:  # fmt: skip
    """Learners fitted on past offers, three months of outcome, judged on who has no offer running."""
    pause, now = 6, last - 1
    after = past_offers(source, now, pause=pause, rows=rows, seed=rng)
    panel = after[["customer", "month", *FEATURES]]
    if not 200 <= after["offered"].sum() <= len(after) - 200:
        sheet.notes.append("Fewer than 200 offers, or customers without one: uplift is not graded.")
        return
    chosen = selection_auc(after)
    if chosen > CHANCE:
        sheet.notes.append(
            f"Offers were not made by chance (AUC {chosen:.2f} of who got one): the learners are biased "
            "where the features do not tell why."
        )
    stayed = 1 - after["left"]
    today = monthly_features(source, now)
    free = (today["since_offer"] > pause).to_numpy()
    risk = {f"risk ({name})": scores[name][free] for name in ("logistic", "boosting") if name in scores}
    if people is None:
        # the latest third of the months is the test
        late = (panel["month"] > panel["month"].quantile(2 / 3)).to_numpy()
        for kind in LEARNERS:
            score = kind().fit(panel[~late], stayed[~late], after["offered"][~late]).predict(panel[late])
            found = qini(stayed[late], after["offered"][late], score)
            sheet.add("uplift", kind.name, "Qini per treated", found, 0.0, math.nan, int(late.sum()))
        return
    true = people.set_index("customer").reindex(today.loc[free, "customer"])
    effect = (true["hazard"] * (1 - np.exp(-true["response"]))).to_numpy(dtype=float)
    scores = dict(risk)
    for kind in LEARNERS:
        scores[kind.name] = kind().fit(panel, stayed, after["offered"]).predict(today[free])
    seen = np.isfinite(effect)
    best = caught(effect[seen], effect[seen], 0.1)
    chance = 0.1 * effect[seen].sum() / best
    for name, score in scores.items():
        saved = caught(effect[seen], score[seen], 0.1) / best
        sheet.add("uplift", name, "saves of the best tenth", saved, chance, 1.0, int(seen.sum()))
    ranks = pd.Series(effect[seen]).rank()
    for name, score in scores.items():
        alike = float(pd.Series(score[seen]).rank().corr(ranks))
        sheet.add("uplift", name, "rank correlation", alike, 0.0, 1.0, int(seen.sum()))


def _grade_drivers(sheet: _Sheet, source: Any, known: Mapping[str, Any]) -> None:
    answers, items = read_table(source, "survey_answers"), read_table(source, "survey_items")
    if not len(answers) or not len(items):
        return
    if "weights" not in known:
        sheet.notes.append("The true weights of the touchpoints were not given: drivers are not graded.")
        return
    from .drivers import drivers

    items = items.drop_duplicates("item").set_index("item")
    rows = answers.join(items[["construct", "touchpoint"]], on="item")
    by = rows.groupby(["wave", "customer", "construct"], observed=True)["answer"].mean().unstack()
    points = [name for name in known["weights"] if name in by]
    if "satisfaction" not in by or len(points) < 2:
        sheet.notes.append("The survey has no overall satisfaction, or no touchpoints of the weights given.")
        return
    asked = rows[rows["construct"] == "importance"]
    stated = None
    if len(asked):
        mean = asked.groupby("touchpoint", observed=True)["answer"].mean()
        if set(points) <= set(mean.index):
            stated = {name: float(mean[name]) for name in points}
    found = drivers(by, "satisfaction", points, stated=stated, bootstrap=0, progress=False)
    weights = pd.Series(dict(known["weights"]), dtype=float)[points]
    weights = weights / weights.sum()
    alike = float((weights - 1 / len(weights)).abs().mean())
    for method, row in found.errors(weights).iterrows():
        sheet.add("drivers", str(method), "mean error of a weight", row["mean_error"], alike, 0.0, found.n)
    for method, row in found.errors(weights).iterrows():
        sheet.add("drivers", str(method), "rank correlation", row["rank_correlation"], 0.0, 1.0, found.n)


def _grade_exit(sheet: _Sheet, source: Any, known: Mapping[str, Any]) -> None:
    said = read_table(source, "departures")
    if "departures" not in known or not len(said):
        return
    both = said.merge(known["departures"], on=["customer", "month"])
    if not len(both):
        return
    stated, cause = both["stated_cause"].astype(str), both["cause"].astype(str)
    of_stated, of_cause = stated.value_counts(normalize=True), cause.value_counts(normalize=True)
    chance = float((of_stated * of_cause.reindex(of_stated.index).fillna(0.0)).sum())
    sheet.add("exit", "stated cause", "share right", float((stated == cause).mean()), chance, 1.0, len(both))
    apart = of_stated.sub(of_cause, fill_value=0.0).abs()
    sheet.add("exit", "stated cause", "largest error of a cause's share", float(apart.max()), math.nan, 0.0,
              len(both))  # fmt: skip
