"""Loyalty 客户忠诚 from what customers answer and do: layers, standards, types, and what it owes to
satisfaction.

Answers become points from 0 to 100 (`scores`), whatever their scale. What customers feel is asked, what
they do is in the books; the methods say which of the two they use. Arguments called `source` take a
customer database (`crmsim.data.database.Database`, or its tables by name).

Words shared by all functions here: `confidence`, of the intervals from low to high, above 0 and below 1;
figures a customer are arrays of one length, or series matched by their index. Shares are from 0 to 1.
ValueError for another confidence or length; DataError, a ValueError too, for tables and columns that lack.

Sources, named again at each formula:

- DB 1994: Dick & Basu, Customer loyalty, Journal of the Academy of Marketing Science 22(2), 99-113;
- D 2016: Dul, Necessary condition analysis, Organizational Research Methods 19(1), 10-52;
- DLK 2020: Dul, van der Laan & Kuik, A statistical significance test for NCA, Organizational Research
  Methods 23(2), 385-395;
- JS 1995: Jones & Sasser, Why satisfied customers defect, Harvard Business Review 73(6), 88-99;
- MK 2001: Mittal & Kamakura, Satisfaction, repurchase intent, and repurchase behavior, Journal of Marketing
  Research 38(1), 131-142;
- O 1999: Oliver, Whence consumer loyalty?, Journal of Marketing 63, 33-44.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from ..data.transactions import DataError
from ..vocabulary import LoyaltyLayer, LoyaltyType, three_layer_view
from .churn import _has, _need, _table, _wilson, _z
from .sampling import mean

__all__ = [
    "STANDARDS",
    "Curve",
    "LoyaltyTypes",
    "Necessity",
    "Standard",
    "Standards",
    "exceptions",
    "layer_shares",
    "layers",
    "loyalty_measures",
    "loyalty_types",
    "necessity",
    "satisfaction_loyalty",
    "scores",
    "standards",
    "standards_and_churn",
]

Floats = npt.NDArray[np.float64]

LAYER_ITEMS = {
    "cognitive": "loyalty_cognitive",
    "affective": "loyalty_affective",
    "conative": "loyalty_conative",
    "action": "loyalty_action",
}
REACHED = 60.0
"""Points from which a layer, or a good attitude, counts as reached. A convention; the course sets no
limit."""


# -- answers as points -------------------------------------------------------------------------------------


def scores(
    source: Any, wave: int | None = None, *, by: Literal["item", "construct"] = "item"
) -> pd.DataFrame:
    """The answers of one survey wave as points from 0 to 100, a row a respondent.

    source: a customer database with the tables survey_waves, survey_items and survey_answers. wave: its
    number; by default the last that asked about loyalty, else the last. by: a column an item, or a column
    a construct with the mean of its items answered.

    points = 100 (answer - low) / (high - low) by the scale of the item; a question skipped is missing.
    Checks and causes of leaving are no points and are left out. DataError when there is no such wave;
    ValueError for another `by`.
    """
    waves, items, answers = (
        _table(source, name) for name in ("survey_waves", "survey_items", "survey_answers")
    )
    if not len(answers):
        raise DataError("survey_answers is empty: no survey was taken")
    known = sorted(int(w) for w in answers["wave"].unique())
    if wave is None:
        asked = answers.loc[answers["item"].isin(LAYER_ITEMS.values()), "wave"]
        wave = int(asked.max()) if len(asked) else known[-1]
    if wave not in known:
        raise DataError(f"wave {wave} has no answers; those with answers: {', '.join(map(str, known))}")
    survey = waves.loc[waves["wave"] == wave, "survey"].iloc[0]
    asked_items = items[(items["survey"] == survey) & ~items["construct"].isin(["check", "cause"])]
    here = answers[answers["wave"] == wave].merge(asked_items, on="item")
    here = here.assign(
        points=100 * (here["answer"].astype(float) - here["low"]) / (here["high"] - here["low"])
    )
    if by not in ("item", "construct"):
        raise ValueError(f"by={by!r}: use 'item' or 'construct'")
    wide = here.pivot_table(index="customer", columns=by, values="points", aggfunc="mean", observed=True)
    wide = wide.reindex(columns=list(dict.fromkeys(asked_items[by])))
    everyone = answers.loc[answers["wave"] == wave, "customer"].unique()
    wide = wide.reindex(np.sort(everyone))
    wide.columns.name = None
    wide.index.name = "customer"
    return wide.reset_index()


# -- layers 忠诚层次 ---------------------------------------------------------------------------------------


def layers(
    points: pd.DataFrame,
    *,
    items: Mapping[str, str | Sequence[str]] | None = None,
    behaviour: pd.Series | None = None,
    threshold: float = REACHED,
    view: Literal[4, 3] = 4,
) -> pd.DataFrame:
    """The deepest layer of loyalty 忠诚层次 each customer has reached.

    points: a row a customer with `customer` and the answers in points, as `scores` gives them. items: for
    each layer (cognitive, affective, conative, action) the column, or columns whose mean counts; by
    default those of the questionnaire. behaviour: points of what customers do (index: customer), in place
    of what they say of it, for the layer of action 行为. view: 4 layers
    (认知, 情感, 意向, 行为; O 1999) or 3 (认知, 情感, 行为), where one with the intention but not the deed is
    shown as affective.

    Gives customer, cognitive, affective, conative, action (points), layer (key of `LoyaltyLayer`; missing
    where a layer has no answer). A layer is reached when it and all below it have the `threshold` (points).
    DataError for columns that lack; ValueError for another `view` and unknown layers.
    """
    if view not in (4, 3):
        raise ValueError(f"view={view!r}: use 4 (认知, 情感, 意向, 行为) or 3 (认知, 情感, 行为)")
    given = {**LAYER_ITEMS, **(items or {})}
    if strange := [name for name in given if name not in LAYER_ITEMS]:
        raise ValueError(f"items: {strange[0]!r} is no layer; they are {', '.join(LAYER_ITEMS)}")
    _need(points, ["customer"], "points")
    out = pd.DataFrame({"customer": points["customer"].to_numpy()})
    for layer, columns in given.items():
        if layer == "action" and behaviour is not None:
            out[layer] = behaviour.reindex(out["customer"]).to_numpy(dtype=float)
            continue
        names = [columns] if isinstance(columns, str) else list(columns)
        _need(points, names, "points")
        out[layer] = points[names].astype(float).mean(axis=1).to_numpy()
    four = out[list(LAYER_ITEMS)].to_numpy(dtype=float)
    code = np.cumprod(four >= threshold, axis=1).sum(axis=1)
    keys = np.array(LoyaltyLayer.keys(), dtype=object)
    if view == 3:
        code = np.array([int(three_layer_view(c)) for c in range(len(keys))])[code]
    words = keys[code]
    words[np.isnan(four).any(axis=1)] = None
    return out.assign(layer=pd.Categorical(words, categories=list(keys), ordered=True))


def layer_shares(
    found: pd.DataFrame, by: Any = None, *, layer: str = "layer", confidence: float = 0.95
) -> pd.DataFrame:
    """How many customers stand on each layer, with the interval of the share.

    found: of `layers`, or any frame with a layer by key (`truth.customers`). by: a column of groups. layer:
    its column. Gives (the group,) layer, english, chinese, customers, share, low, high (Wilson 1927), from
    none to action. ValueError when nobody has a layer.
    """
    _need(found, [layer, *([by] if isinstance(by, str) else [])], "found")
    known = found[found[layer].notna()]
    if not len(known):
        raise ValueError("nobody has a layer: every row lacks an answer")
    groups = [("all", known)] if by is None else list(known.groupby(by, observed=True))
    rows = []
    for name, part in groups:
        for term in sorted(LoyaltyLayer):
            here = (part[layer].astype(object) == term.key).to_numpy()
            estimate = _share(here, confidence)
            head = {} if by is None else {str(by): name}
            rows.append(
                head
                | {"layer": term.key, "english": term.english, "chinese": term.chinese}
                | {"customers": int(here.sum()), **estimate}
            )
    return pd.DataFrame(rows)


def _share(yes: Any, confidence: float) -> dict[str, float]:
    """Share of true values and its interval (Wilson 1927)."""
    low, high = _wilson(np.sum(yes), len(yes), confidence)
    return {"share": float(np.mean(yes)), "low": float(low), "high": float(high)}


# -- eight standards 忠诚度标准 ------------------------------------------------------------------------------


class Standard(NamedTuple):
    """One standard of loyalty: key and names (english, chinese), whether a high or a low figure is loyal
    (loyal_when), unit, what it is measured by (measured_by), and why a customer database cannot hold it
    (why_not, "" if it can)."""

    key: str
    english: str
    chinese: str
    loyal_when: Literal["high", "low"]
    unit: str
    measured_by: str
    why_not: str


STANDARDS: tuple[Standard, ...] = (
    Standard("repeat_purchase", "repeat purchase", "重复购买率", "high", "share of months",
             "months with a purchase, or with a bill paid, of those as a customer", ""),
    Standard("brand_concern", "concern for the brand", "品牌关心程度", "high", "share",
             "surveys answered, of those in which the customer was reached",
             "nobody was asked in a survey (survey_sample), and visits or letters opened are not recorded"),
    Standard("share_of_wallet", "share of needs met", "需求满足率", "high", "share",
             "categories of products bought, of all the firm sells (breadth, not spending elsewhere)",
             "no lines of purchases in more than one category, and what customers spend elsewhere is not "
             "recorded; ask for category_spend"),
    Standard("price_sensitivity", "price sensitivity", "价格敏感", "low", "points",
             "100 - answer to stay_if_cheaper", "no survey asked stay_if_cheaper"),
    Standard("rival_attitude", "attitude to rivals' products", "对竞争产品态度", "low", "points",
             "100 - answer to loyalty_cognitive", "no survey asked loyalty_cognitive"),
    Standard("recommendation", "recommendation", "认同度（推荐）", "high", "points", "answer to recommend",
             "no survey asked recommend"),
    Standard("choosing_time", "time to choose", "挑选时间", "low", "any", "given",
             "purchases have a day, but nobody wrote down when a customer began to look: that needs the "
             "first visit or enquiry of each purchase, or a question"),
    Standard("failure_tolerance", "tolerance of failures", "质量事故承受力", "high", "share",
             "still there after a problem that was reported", "no problem was reported that long ago"),
)  # fmt: skip
"""The eight standards, after the usual answer to the course's question; the course names none itself.

Two are stand-ins for what a firm cannot see. Concern for the brand is read from the trouble taken to answer
when asked, which is also a matter of time and habit. The share of needs met is the breadth of what is bought
here; what is bought elsewhere stays unknown, so it can be high for one who buys a little of everything. The
time to choose cannot be had from these tables at all."""


@dataclass(frozen=True, repr=False)
class Standards:
    """The eight standards of loyalty on a customer database.

    customers: customer and a column a standard (missing where it cannot be said of that customer). table:
    standard, english, chinese, loyal_when (high or low), unit, mean, n (customers), measured_by, why_not
    (empty where it was measured). until: last month that was read.
    """

    customers: pd.DataFrame
    table: pd.DataFrame
    until: int

    def __repr__(self) -> str:
        shown = self.table[["standard", "chinese", "mean", "n", "unit", "why_not"]]
        head = f"{len(self.customers):,} customers, up to month {self.until}"
        return f"{head}\n{shown.to_string(index=False, float_format='{:.3f}'.format, na_rep='-')}"


def standards(
    source: Any,
    *,
    wave: int | None = None,
    until: int | None = None,
    months: int = 12,
    patience: int = 3,
    given: pd.DataFrame | None = None,
) -> Standards:
    """The eight standards of loyalty 忠诚度标准, each from answers or behaviour where the data has it.

    source: a customer database. wave: the survey wave whose answers count (default as in `scores`).
    until: last month whose records count; by default that of the wave, else the last of the record, so
    that later departures can be foretold (`standards_and_churn`). months: how far back purchases and
    problems count. patience: months after a problem within which one must be there still, or buy again.
    given: what the database does not hold, by customer: choosing_time, category_spend (money spent on such
    products anywhere in those months, from which the share of wallet is computed), and any standard measured
    better elsewhere, which takes the place of that of the tables.

    Gives standards of those who are customers at the end of `until`, as far as the firm knows. A standard
    that cannot be computed says why. Under contract whoever is there has borne every failure; the mean of
    failure_tolerance therefore counts those who left after one, too. DataError, ValueError.
    """
    customers = _table(source, "customers")
    contract = bool(len(customers) and customers["contract"].all())
    if until is None:
        until = _last_month(source, wave)
    if months < 1 or patience < 1:
        raise ValueError("months and patience must be 1 at least")
    joined = pd.Series(customers["joined_month"].to_numpy(), index=customers["customer"].to_numpy())
    there = joined[joined <= until]
    if contract:
        there = there[~there.index.isin(_gone(source, until))]
    if not len(there):
        raise ValueError(f"there are no customers at the end of month {until}")
    first = max(until - months + 1, 0)
    out = pd.DataFrame(index=pd.Index(there.index, name="customer").sort_values())
    why = {s.key: s.why_not for s in STANDARDS}

    bought = _bought(source, contract)
    bought = bought[(bought["month"] >= first) & (bought["month"] <= until)]
    active = bought.drop_duplicates(["customer", "month"]).groupby("customer").size()
    length = until - there.clip(lower=first) + 1
    out["repeat_purchase"] = (active.reindex(out.index).fillna(0) / length.reindex(out.index)).clip(upper=1)
    spent = bought.groupby("customer")["amount"].sum().reindex(out.index).fillna(0)

    points = _answers(source, wave)
    for key, item, turned in (
        ("price_sensitivity", "stay_if_cheaper", True),
        ("rival_attitude", "loyalty_cognitive", True),
        ("recommendation", "recommend", False),
    ):
        if points is not None and item in points:
            answer = points.set_index("customer")[item].reindex(out.index)
            out[key] = 100 - answer if turned else answer
    tolerant = _tolerance(source, contract, bought, first, until, patience)
    out["failure_tolerance"] = tolerant.reindex(out.index)
    out["brand_concern"] = _answering(source, until).reindex(out.index)
    out["share_of_wallet"] = _breadth(source, first, until).reindex(out.index)
    how = {s.key: s.measured_by for s in STANDARDS}

    if given is not None:
        _need(given, ["customer"], "given")
        extra = given.set_index("customer").reindex(out.index)
        if "category_spend" in extra:
            need = extra.pop("category_spend").astype(float)
            out["share_of_wallet"] = (spent / need.where(need > 0)).clip(upper=1)
            how["share_of_wallet"] = "amount bought of all spent, as given"
        keys = {s.key for s in STANDARDS}
        if strange := [c for c in extra if c not in keys]:
            raise ValueError(
                f"given: column {strange[0]!r} is none of the standards; they are {', '.join(sorted(keys))}, "
                "and category_spend"
            )
        for name in extra:
            out[name] = extra[name].astype(float)
            how[str(name)] = "given"
    rows = []
    for standard in STANDARDS:
        if standard.key not in out:
            out[standard.key] = np.nan
        column = out[standard.key]
        if standard.key == "failure_tolerance" and contract and how[standard.key] != "given":
            column = tolerant  # whoever is there has stayed: those who left count in the mean
        known = int(column.notna().sum())
        rows.append(
            {
                "standard": standard.key,
                "english": standard.english,
                "chinese": standard.chinese,
                "loyal_when": standard.loyal_when,
                "unit": standard.unit,
                "mean": float(column.mean()) if known else math.nan,
                "n": known,
                "measured_by": how[standard.key] if known else "",
                "why_not": "" if known else why[standard.key] or "there is no record of it",
            }
        )
    return Standards(out[[s.key for s in STANDARDS]].reset_index(), pd.DataFrame(rows), int(until))


def _last_month(source: Any, wave: int | None) -> int:
    """Month of the wave whose answers count, else the last month of the record."""
    if _has(source, "survey_waves") and _has(source, "survey_answers"):
        waves, answers = _table(source, "survey_waves"), _table(source, "survey_answers")
        if wave is None:
            asked = answers.loc[answers["item"].isin([*LAYER_ITEMS.values(), "recommend"]), "wave"]
            wave = int(asked.max()) if len(asked) else None
        if wave is not None:
            month = waves.loc[waves["wave"] == wave, "month"]
            if not len(month):
                raise DataError(f"there is no wave {wave}; waves: {', '.join(map(str, waves['wave']))}")
            return int(month.iloc[0])
    if _has(source, "about"):
        about = _table(source, "about").set_index("name")["value"]
        if "months" in about:
            return int(about["months"]) - 1
    latest = [
        _table(source, name)["month"].max()
        for name in ("purchases", "payments", "departures")
        if _has(source, name) and len(_table(source, name))
    ]
    if not latest:
        raise DataError("the length of the record is not known; give until")
    return int(max(latest))


def _answers(source: Any, wave: int | None) -> pd.DataFrame | None:
    if not (_has(source, "survey_answers") and len(_table(source, "survey_answers"))):
        return None
    return scores(source, wave)


def _gone(source: Any, until: int) -> set[Any]:
    """Customers of a contract who had left by the end of a month and not come back."""
    left = _table(source, "departures")
    latest = left[left["month"] <= until].groupby("customer")["month"].max()
    if not _has(source, "returns"):
        return set(latest.index)
    back = _table(source, "returns")
    returned = back[back["month"] <= until].groupby("customer")["month"].max()
    # who comes back in the month of leaving is there
    return set(latest.index[~(returned.reindex(latest.index) >= latest).to_numpy()])


def _bought(source: Any, contract: bool) -> pd.DataFrame:
    if contract:
        paid = _table(source, "payments")
        return paid.loc[paid["paid"].to_numpy(dtype=bool), ["customer", "month", "amount"]]
    return _table(source, "purchases")[["customer", "month", "amount"]]


def _tolerance(
    source: Any, contract: bool, bought: pd.DataFrame, first: int, until: int, patience: int
) -> pd.Series:
    """Of each customer with a problem reported, whether (1 or 0) they were there after the latest one."""
    told = [_table(source, "complaints")[["customer", "month"]]] if _has(source, "complaints") else []
    if _has(source, "contacts"):
        contacts = _table(source, "contacts")
        told.append(contacts.loc[contacts["reason"] == "problem", ["customer", "month"]])
    problems = pd.concat(told) if told else pd.DataFrame({"customer": [], "month": []})
    problems = problems[(problems["month"] >= first) & (problems["month"] + patience <= until)]
    latest = problems.groupby("customer")["month"].max()
    if not len(latest):
        return pd.Series(dtype=float)
    if contract:
        left = _table(source, "departures")[["customer", "month"]]
        ends = latest.rename("problem").reset_index().merge(left, on="customer")
        soon = ends[ends["month"].between(ends["problem"], ends["problem"] + patience)]
        return pd.Series(1.0 - latest.index.isin(soon["customer"]), index=latest.index)
    again = latest.rename("problem").reset_index().merge(bought, on="customer")
    soon = again[again["month"].between(again["problem"] + 1, again["problem"] + patience)]
    return pd.Series(latest.index.isin(soon["customer"]).astype(float), index=latest.index)


def _answering(source: Any, until: int) -> pd.Series:
    """Of the surveys by a month's end in which a customer was reached, the share that was answered."""
    if not (_has(source, "survey_sample") and _has(source, "survey_waves")):
        return pd.Series(dtype=float)
    asked, waves = _table(source, "survey_sample"), _table(source, "survey_waves")
    # those asked on leaving are gone
    known = waves.loc[(waves["month"] <= until) & (waves["frame"] != "leavers"), "wave"]
    reached = asked[asked["wave"].isin(known) & (asked["outcome"] != "not_reached")]
    return (reached["outcome"] == "complete").groupby(reached["customer"]).mean().astype(float)


def _breadth(source: Any, first: int, until: int) -> pd.Series:
    """Categories of products each customer bought in these months, as a share of all that were sold then."""
    needed = ("purchases", "purchase_lines", "products")
    if not all(_has(source, name) and len(_table(source, name)) for name in needed):
        return pd.Series(dtype=float)
    purchases, lines, products = (_table(source, name) for name in needed)
    purchases = purchases[(purchases["month"] >= first) & (purchases["month"] <= until)]
    kinds = products.dropna(subset=["category"])[["product", "category"]]
    bought = purchases[["purchase", "customer"]].merge(lines[["purchase", "product"]], on="purchase")
    bought = bought.merge(kinds, on="product")
    number = bought["category"].nunique()
    if number < 2:
        return pd.Series(dtype=float)
    return bought.groupby("customer")["category"].nunique() / number


def standards_and_churn(
    found: Standards, left: Any, *, months: int = 12, confidence: float = 0.95
) -> pd.DataFrame:
    """Which standard foretells churn: how well each parts those who leave from those who stay.

    found: of `standards`. left: a customer database whose departures in the `months` after `found.until`
    count (without contracts the true ones, where it is simulated), or truth values by customer.

    Gives standard, n, left (of them), auc (chance that one who leaves is less loyal by this standard than
    one who stays; .5 says nothing; missing where all have the same value), low, high (Hanley & McNeil
    1982, Radiology 143), best first. ValueError when no standard is known both of leavers and stayers.
    """
    if isinstance(left, pd.Series):
        gone = left.astype(bool)
    else:
        name = "departures" if len(_table(left, "departures")) else "truth.departures"
        table = _table(left, name)
        ended = table[table["month"].between(found.until + 1, found.until + months)]
        people = found.customers["customer"]
        gone = pd.Series(people.isin(ended["customer"]).to_numpy(), index=people)
        if name != "departures":  # the firm does not see who is gone already; the truth does
            back = _table(left, "returns") if _has(left, "returns") else table.iloc[:0]
            before = table[table["month"] <= found.until].groupby("customer")["month"].max()
            last_back = back[back["month"] <= found.until].groupby("customer")["month"].max()
            away = before.index[~(last_back.reindex(before.index) >= before).to_numpy()]
            gone = gone[~gone.index.isin(away)]
    rows = []
    for standard in STANDARDS:
        column = found.customers.set_index("customer")[standard.key].dropna()
        column = column[column.index.isin(gone.index)]
        was = gone.reindex(column.index).to_numpy(dtype=bool)
        value = column.to_numpy(dtype=float) * (1 if standard.loyal_when == "low" else -1)
        rows.append(
            {"standard": standard.key, "n": len(value), "left": int(was.sum())} | _auc(value, was, confidence)
        )
    out = pd.DataFrame(rows)
    if not out["auc"].notna().any():
        raise ValueError("no standard is known both of some who left and of some who stayed")
    return out.sort_values("auc", ascending=False, ignore_index=True)


def _auc(value: Floats, was: npt.NDArray[np.bool_], confidence: float) -> dict[str, float]:
    from scipy.stats import rankdata

    n1, n0 = int(was.sum()), int((~was).sum())
    if not n1 or not n0 or np.ptp(value) == 0:  # the same for everybody says nothing, not .5
        return {"auc": math.nan, "low": math.nan, "high": math.nan}
    auc = float((rankdata(value)[was].sum() - n1 * (n1 + 1) / 2) / (n1 * n0))
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (auc * (1 - auc) + (n1 - 1) * (q1 - auc**2) + (n0 - 1) * (q2 - auc**2)) / (n1 * n0)
    reach = _z(confidence) * math.sqrt(max(variance, 0.0))
    return {"auc": auc, "low": max(auc - reach, 0.0), "high": min(auc + reach, 1.0)}


# -- types 忠诚类型 ----------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class LoyaltyTypes:
    """Attitude and behaviour crossed. customers: customer, attitude, behaviour, type (key of
    `LoyaltyType`). table: type, english, chinese, customers, share, low, high. attitude_cut,
    behaviour_cut: from where on they count as strong."""

    customers: pd.DataFrame
    table: pd.DataFrame
    attitude_cut: float
    behaviour_cut: float

    def __repr__(self) -> str:
        head = (
            f"{len(self.customers):,} customers; strong from attitude {self.attitude_cut:g}, "
            f"behaviour {self.behaviour_cut:g}"
        )
        return f"{head}\n{self.table.to_string(index=False, float_format='{:.3f}'.format)}"


def loyalty_types(
    attitude: Any,
    behaviour: pd.Series | None = None,
    *,
    attitude_cut: float | Literal["median"] = REACHED,
    behaviour_cut: float | Literal["median"] = "median",
    confidence: float = 0.95,
) -> LoyaltyTypes:
    """True, latent, spurious and no loyalty: attitude and repeat buying crossed, DB 1994.

    attitude, behaviour: a figure a customer (series by customer), the higher the more loyal; or a
    customer database by itself, where attitude is the mean of the answers on what it offers against
    others and on liking it (loyalty_cognitive, loyalty_affective; points), and behaviour
    `repeat_purchase` of `standards`. attitude_cut, behaviour_cut: figures, or "median"; at the cut counts as
    strong. Where cuts lie decides the shares: name them.

    真正忠诚 true: both; 潜在忠诚 latent: attitude only; 虚假忠诚 spurious: behaviour only, from habit or for
    want of a choice. ValueError when nobody has both figures, behaviour is missing, or for another cut.
    """
    if behaviour is None:
        if isinstance(attitude, pd.Series):
            raise ValueError("behaviour is needed beside attitude; or give a customer database alone")
        source = attitude
        points = scores(source).set_index("customer")
        _need(points, [LAYER_ITEMS["cognitive"], LAYER_ITEMS["affective"]], "survey_answers")
        attitude = points[[LAYER_ITEMS["cognitive"], LAYER_ITEMS["affective"]]].mean(axis=1)
        behaviour = standards(source).customers.set_index("customer")["repeat_purchase"]
    both = pd.DataFrame({"attitude": attitude, "behaviour": behaviour}).astype(float).dropna()
    if not len(both):
        raise ValueError("nobody has both figures; are attitude and behaviour indexed by the same customers?")
    cuts = {}
    for name, cut in (("attitude", attitude_cut), ("behaviour", behaviour_cut)):
        if isinstance(cut, str) and cut != "median":
            raise ValueError(f"{name}_cut={cut!r}: give a figure or 'median'")
        cuts[name] = float(both[name].median()) if cut == "median" else float(cut)
    code = 2 * (both["attitude"] >= cuts["attitude"]) + 1 * (both["behaviour"] >= cuts["behaviour"])
    keys = list(LoyaltyType.keys())
    both["type"] = pd.Categorical.from_codes(code.to_numpy(dtype=np.int8), categories=pd.Index(keys))
    both.index.name = "customer"
    table = pd.DataFrame(
        [
            {"type": t.key, "english": t.english, "chinese": t.chinese}
            | {"customers": int((code == t).sum()), **_share((code == t).to_numpy(), confidence)}
            for t in sorted(LoyaltyType, reverse=True)
        ]
    )
    return LoyaltyTypes(both.reset_index(), table, cuts["attitude"], cuts["behaviour"])


# -- satisfaction and loyalty 满意与忠诚 ---------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Curve:
    """Loyalty by satisfaction. table: (group,) bin (from 1), n, satisfaction (mean of the bin), loyalty
    (mean), low, high. shape: (group,) n, rise (of loyalty from the 5th to the 95th percentile of
    satisfaction), rise_low, rise_high, bend (half of what it rises more in the upper half of that way
    than in the lower), bend_low, bend_high, shape: flat, convex, concave or straight."""

    table: pd.DataFrame
    shape: pd.DataFrame

    def __repr__(self) -> str:
        return self.shape.to_string(index=False, float_format="{:.3f}".format)


def satisfaction_loyalty(
    satisfaction: Any,
    loyalty: Any,
    *,
    by: Any = None,
    bins: int = 10,
    flat: float | None = None,
    confidence: float = 0.95,
) -> Curve:
    """The curve of loyalty over satisfaction, by tenths of the customers: 满意度与忠诚度曲线.

    satisfaction, loyalty: a figure a customer (arrays, or series by customer), loyalty perhaps truth
    values such as has stayed. by: groups, such as markets. bins: classes of equal size; equal answers
    stay together. flat: a rise below this counts as none, in the unit of loyalty;
    by default 10, or .1 where no figure is above 1 (shares and truth values).

    JS 1995: where customers can choose, only the very satisfied are loyal, and the curve is convex; where
    they cannot, it is flat and high whatever they feel. The shape comes from a quadratic fit with
    intervals that do not assume equal spread (HC1): flat when the rise is not surely different from 0 or
    is small, else convex or concave when the bend surely has that sign, else straight. Which it is
    depends on how loyalty is measured, so try several (`loyalty_measures`): the convex curve of JS 1995 is
    that of the share who are surely loyal, while the mean of intentions is straight or even concave, and
    behaviour convex (MK 2001). Answers that crowd at the top bend it too. ValueError for fewer than 30
    customers (in a group, too), fewer than three degrees of satisfaction, and fewer than two bins.
    """
    table = _together(satisfaction, loyalty, by)
    if len(table) < 30:
        raise ValueError(f"{len(table)} customers have both figures; at least 30 are needed")
    if bins < 2:
        raise ValueError(f"bins must be 2 at least, not {bins!r}")
    groups = [("all", table)] if by is None else list(table.groupby("group", observed=True))
    small = (0.1 if table["y"].max() <= 1 else 10.0) if flat is None else flat
    rows, shapes = [], []
    for name, part in groups:
        head = {} if by is None else {"group": name}
        if len(part) < 30 or part["x"].nunique() < 3:
            raise ValueError(
                f"group {name!r}: 30 customers and three different degrees of satisfaction are needed"
            )
        place = pd.qcut(part["x"], bins, labels=False, duplicates="drop")
        for k, (_, here) in enumerate(part.groupby(place), start=1):
            found = mean(here["y"], confidence=confidence) if len(here) > 1 else None
            rows.append(
                head
                | {"bin": k, "n": len(here), "satisfaction": here["x"].mean(), "loyalty": here["y"].mean()}
                | {"low": found.low if found else math.nan, "high": found.high if found else math.nan}
            )
        shapes.append(head | {"n": len(part)} | _shape(part, small, confidence))
    return Curve(pd.DataFrame(rows), pd.DataFrame(shapes))


MEASURES: dict[str, tuple[str, str]] = {
    "intention": ("means to stay", "留存意向"),
    "if_cheaper": ("would surely stay if a rival were cheaper", "对手降价仍留存"),
    "promoter": ("would recommend (9 or 10)", "愿推荐（9、10）"),
    "stayed": ("was there later", "之后仍为客户"),
}
"""The measures of `loyalty_measures`: words in English and Chinese."""


def loyalty_measures(source: Any, *, months: int = 6, surely: float = 80.0) -> pd.DataFrame:
    """Satisfaction and four measures of loyalty of everyone who answered a survey, for their curves.

    source: a customer database; all its waves that asked customers in general count, a row a respondent and
    wave. months: after the wave in which behaviour counts. surely: points of an answer from which a
    customer is surely loyal.

    Gives wave, customer, satisfaction (mean of its questions, points), intention (of the questions on
    staying, points), if_cheaper (surely stays if a rival were cheaper), promoter (9 or 10 of 10 to
    recommend), stayed (a contract not ended, or a purchase, in the `months` after; missing where the record
    ends sooner), these three as 0 or 100, so that means are per cent. A question not asked is missing.
    ValueError for months below 1; DataError when no wave asked about satisfaction.
    """
    if months < 1:
        raise ValueError(f"months must be 1 at least, not {months!r}")
    waves = _table(source, "survey_waves")
    answered = set(_table(source, "survey_answers")["wave"])
    waves = waves[waves["wave"].isin(answered) & (waves["frame"] != "leavers")]
    customers = _table(source, "customers")
    contract = bool(len(customers) and customers["contract"].all())
    last = _record_end(source)
    parts = []
    for wave, month in zip(waves["wave"], waves["month"], strict=True):
        means = scores(source, int(wave), by="construct").set_index("customer")
        items = scores(source, int(wave)).set_index("customer")
        if "satisfaction" not in means:
            continue
        nothing = pd.Series(np.nan, index=means.index)
        cheaper, recommend = (items.get(name, nothing) for name in ("stay_if_cheaper", "recommend"))
        stayed = nothing
        if last is not None and month + months <= last:
            table = _table(source, "departures") if contract else _bought(source, contract)
            later = table.loc[table["month"].between(month + 1, month + months), "customer"]
            stayed = pd.Series(100.0 * (means.index.isin(later) ^ contract), index=means.index)
        parts.append(
            pd.DataFrame(
                {
                    "wave": int(wave),
                    "satisfaction": means["satisfaction"],
                    "intention": means.get("conative", nothing),
                    "if_cheaper": (100.0 * (cheaper >= surely)).where(cheaper.notna()),
                    "promoter": (100.0 * (recommend >= 90)).where(recommend.notna()),
                    "stayed": stayed,
                }
            ).reset_index()
        )
    if not parts:
        raise DataError("no wave asked customers in general how satisfied they are")
    return pd.concat(parts, ignore_index=True)[["wave", "customer", "satisfaction", *MEASURES]]


def _record_end(source: Any) -> int | None:
    """The last month of the record; None when it is not known."""
    if not _has(source, "about"):
        return None
    about = _table(source, "about").set_index("name")["value"]
    return int(about["months"]) - 1 if "months" in about else None


def _together(x: Any, y: Any, by: Any) -> pd.DataFrame:
    """Both figures (and the group) of those who have them, matched by index where both are series."""
    if isinstance(x, pd.Series) and isinstance(y, pd.Series):
        table = pd.DataFrame({"x": x.astype(float), "y": y.astype(float)})
    else:
        a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        if a.shape != b.shape or a.ndim != 1:
            raise ValueError(f"satisfaction and loyalty must have one length, not {a.shape} and {b.shape}")
        table = pd.DataFrame({"x": a, "y": b})
    if by is not None:
        if isinstance(by, pd.Series) and isinstance(x, pd.Series):
            table["group"] = by.reindex(table.index)
        elif len(by) == len(table):
            table["group"] = np.asarray(by)
        else:
            raise ValueError(f"by has {len(by):,} entries for {len(table):,} customers")
    return table.dropna()


def _shape(part: pd.DataFrame, small: float, confidence: float) -> dict[str, Any]:
    from scipy.special import stdtrit

    x, y = part["x"].to_numpy(dtype=float), part["y"].to_numpy(dtype=float)
    start, end = np.percentile(x, [5, 95])
    if end <= start:
        start, end = x.min(), x.max()
    # u runs from -1 to 1 over the central nine tenths: the rise is twice the slope at the middle
    u = 2 * (x - start) / (end - start) - 1
    design = np.column_stack([np.ones_like(u), u, u**2])
    inverse = np.linalg.pinv(design.T @ design)
    beta = inverse @ design.T @ y
    residual = y - design @ beta
    n = len(y)
    meat = (design * residual[:, np.newaxis] ** 2).T @ design * n / (n - 3)
    covariance = inverse @ meat @ inverse
    t = float(stdtrit(n - 3, 0.5 + confidence / 2))
    rise, rise_reach = 2 * beta[1], 2 * t * math.sqrt(covariance[1, 1])
    # the upper half rises by b1 + b2, the lower by b1 - b2: their difference is 2 b2
    bend, bend_reach = beta[2], t * math.sqrt(covariance[2, 2])
    low, high = rise - rise_reach, rise + rise_reach
    if low <= 0 <= high or abs(rise) < small:
        word = "flat"
    elif bend - bend_reach > 0:
        word = "convex"
    elif bend + bend_reach < 0:
        word = "concave"
    else:
        word = "straight"
    return {
        "rise": rise,
        "rise_low": low,
        "rise_high": high,
        "bend": bend,
        "bend_low": bend - bend_reach,
        "bend_high": bend + bend_reach,
        "shape": word,
    }


# -- necessary, not sufficient 必要而非充分 --------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Necessity:
    """Necessary condition analysis of one condition and one outcome.

    table: a row a ceiling: ceiling (ce_fdh, cr_fdh), effect (empty corner as a share of the scope, 0 to
    1), size (small below .1, medium below .3, large below .5, very large; D 2016), accuracy (share of
    customers on or below the ceiling), slope, intercept (of cr_fdh), p (of the permutation test, missing
    when not asked for). lines: ceiling, x, y: the ceilings to draw. peers: x, y: the customers who carry
    the ceiling. bottleneck: outcome (% of its scope) and for each ceiling the level of the condition (%
    of its scope) without which that outcome does not occur; missing where none is needed. points: x, y as
    used. scope: x_low, x_high, y_low, y_high.
    """

    table: pd.DataFrame
    lines: pd.DataFrame
    peers: pd.DataFrame
    bottleneck: pd.DataFrame
    points: pd.DataFrame
    scope: tuple[float, float, float, float]

    def __repr__(self) -> str:
        head = f"{len(self.points):,} customers, {len(self.peers)} on the ceiling"
        return f"{head}\n{self.table.to_string(index=False, float_format='{:.3f}'.format, na_rep='-')}"


def necessity(
    condition: Any,
    outcome: Any,
    *,
    scope: tuple[float, float, float, float] | None = None,
    permutations: int = 1000,
    seed: int = 0,
) -> Necessity:
    """Is the condition necessary for the outcome: the ceiling over the scatter (D 2016) 必要条件.

    condition, outcome: a figure a customer, such as satisfaction and loyalty (arrays, or series by
    customer). scope: lowest and highest condition, lowest and highest outcome there can be; by default
    those that occur. permutations: of the outcomes among the customers, for the test (0 for none); seed:
    of theirs.

    ce_fdh is the step line over the highest outcomes so far, which no customer exceeds; cr_fdh the
    straight line through its corners, which few exceed. The effect size is the area above the ceiling as
    a share of the scope; p the share of permutations with an effect as large, (k + 1) / (m + 1), DLK
    2020. One odd customer in the corner undoes a ceiling, and so do careless answers of a large survey:
    look at `peers`, and at `exceptions` for shares instead of limits. Corners that coincide count once
    here; the R package NCA counts them as often as they occur in cr_fdh. ValueError for fewer than 3
    customers, a figure that does not vary, a scope that leaves customers out, and permutations below 0.
    """
    table = _together(condition, outcome, None)
    x, y = table["x"].to_numpy(dtype=float), table["y"].to_numpy(dtype=float)
    if len(x) < 3:
        raise ValueError(f"{len(x)} customers have both figures; at least 3 are needed")
    if scope is None:
        scope = (float(x.min()), float(x.max()), float(y.min()), float(y.max()))
    x0, x1, y0, y1 = map(float, scope)
    if not (x0 < x1 and y0 < y1):
        raise ValueError(f"scope: condition and outcome must vary, not {scope}")
    if x.min() < x0 or x.max() > x1 or y.min() < y0 or y.max() > y1:
        raise ValueError(
            f"scope {scope} leaves customers out: the condition runs from {x.min():g} to {x.max():g}, the "
            f"outcome from {y.min():g} to {y.max():g}"
        )
    if permutations < 0:
        raise ValueError(f"permutations must be 0 at least, not {permutations!r}")
    order = np.argsort(x, kind="stable")
    levels, begin = np.unique(x[order], return_index=True)
    box = (x0, x1, y0, y1)
    effects, fit, corner = _ceilings(y[order][np.newaxis, :], levels, begin, box)
    p = np.full(2, np.nan)
    if permutations:
        rng = np.random.default_rng(seed)
        as_large = np.zeros(2)
        piece = max(1, 2_000_000 // len(x))
        for start in range(0, permutations, piece):
            rows = min(piece, permutations - start)
            shuffled = rng.permuted(np.broadcast_to(y, (rows, len(y))), axis=1)
            as_large += (_ceilings(shuffled, levels, begin, box)[0] >= effects - 1e-12).sum(axis=0)
        p = (as_large + 1) / (permutations + 1)
    slope, intercept = fit[0]
    px = levels[corner[0]]
    py = np.maximum.accumulate(np.maximum.reduceat(y[order], begin))[corner[0]]
    over = y > intercept + slope * x + 1e-9 * (y1 - y0)
    accuracy = (1.0, 1 - over.mean() if math.isfinite(slope) else math.nan)
    size = [
        ("small", "medium", "large", "very large")[int(np.searchsorted((0.1, 0.3, 0.5), e, "right"))]
        for e in effects[0]
    ]
    result = pd.DataFrame(
        {
            "ceiling": ["ce_fdh", "cr_fdh"],
            "effect": effects[0],
            "size": size,
            "accuracy": accuracy,
            "slope": [math.nan, slope],
            "intercept": [math.nan, intercept],
            "p": p,
        }
    )
    step_x = np.r_[np.repeat(px, 2), x1]
    step_y = np.r_[y0, np.repeat(py, 2)]
    lines = [pd.DataFrame({"ceiling": "ce_fdh", "x": step_x, "y": step_y})]
    if math.isfinite(slope):
        ends = np.clip(np.array([(y0 - intercept) / slope, (y1 - intercept) / slope]), x0, x1)
        lines.append(pd.DataFrame({"ceiling": "cr_fdh", "x": ends, "y": intercept + slope * ends}))
    return Necessity(
        table=result,
        lines=pd.concat(lines, ignore_index=True),
        peers=pd.DataFrame({"x": px, "y": py}),
        bottleneck=_bottleneck(px, py, slope, intercept, box),
        points=pd.DataFrame({"x": x, "y": y}),
        scope=box,
    )


def _ceilings(
    y: Floats, levels: Floats, begin: npt.NDArray[np.intp], box: tuple[float, float, float, float]
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Effects of both ceilings, slope and intercept of the second, and the corners, for each row of
    outcomes.

    y: outcomes in the order of the condition, whose levels begin at `begin`.
    """
    x0, x1, y0, y1 = box
    top = np.maximum.accumulate(np.maximum.reduceat(y, begin, axis=1), axis=1)
    width = np.diff(np.r_[levels, x1])
    area = (levels[0] - x0) * (y1 - y0) + ((y1 - top) * width).sum(axis=1)
    corner = np.ones(top.shape, dtype=bool)
    corner[:, 1:] = np.diff(top, axis=1) > 0
    n = corner.sum(axis=1)
    mean_x = (corner * levels).sum(axis=1) / n
    mean_y = np.where(corner, top, 0.0).sum(axis=1) / n
    dx = np.where(corner, levels - mean_x[:, np.newaxis], 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = (dx * (top - mean_y[:, np.newaxis])).sum(axis=1) / np.where(
            n > 1, (dx**2).sum(axis=1), np.nan
        )
        intercept = mean_y - slope * mean_x
        # the line enters the scope from below at `low` and leaves it above at `high`
        low, high = (np.clip((limit - intercept) / slope, x0, x1) for limit in (y0, y1))
    triangle = (high - low) * (y1 - (intercept + slope * (low + high) / 2))
    line = (low - x0) * (y1 - y0) + np.where(high > low, triangle, 0.0)
    whole = (x1 - x0) * (y1 - y0)
    effects = np.column_stack([area, np.where(n > 1, line, 0.0)]) / whole
    return effects, np.column_stack([slope, intercept]), corner


def _bottleneck(
    px: Floats, py: Floats, slope: float, intercept: float, box: tuple[float, float, float, float]
) -> pd.DataFrame:
    x0, x1, y0, y1 = box
    percent = np.arange(0, 101, 10)
    wanted = y0 + percent / 100 * (y1 - y0)
    place = np.searchsorted(py, wanted - 1e-12, side="left")
    step = np.r_[px, np.nan][place]  # an outcome nobody reaches has no figure
    step = np.where((place == 0) & (step <= x0), np.nan, step)
    line = (wanted - intercept) / slope if math.isfinite(slope) else np.full(len(wanted), np.nan)
    line = np.where(line > x0, np.minimum(line, x1), np.nan)
    return pd.DataFrame(
        {
            "outcome": percent,
            "ce_fdh": 100 * (step - x0) / (x1 - x0),
            "cr_fdh": 100 * (line - x0) / (x1 - x0),
        }
    )


def exceptions(
    satisfaction: Any,
    loyalty: Any,
    *,
    satisfied: float = REACHED,
    loyal: float = REACHED,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """How often the rule "no loyalty without satisfaction" is broken, and its converse: 必要与充分.

    satisfaction, loyalty: a figure a customer, in points; satisfied, loyal: from which figure on each counts.

    Gives two rows: claim (necessary: whoever is loyal is satisfied; sufficient: whoever is satisfied is
    loyal), chinese, n (customers it speaks of), exceptions, share (of n), low, high (Wilson 1927). Few
    exceptions to the first and many to the second is what the course teaches of open markets; many to the
    first is spurious loyalty, as under a monopoly. ValueError when nobody is loyal, or nobody satisfied.
    """
    table = _together(satisfaction, loyalty, None)
    pleased, true = (table["x"] >= satisfied).to_numpy(), (table["y"] >= loyal).to_numpy()
    rows = []
    for claim, chinese, of, broken in (
        ("necessary", "必要条件", true, ~pleased),
        ("sufficient", "充分条件", pleased, ~true),
    ):
        if not of.any():
            raise ValueError(f"nobody is {'loyal' if claim == 'necessary' else 'satisfied'} at this cut")
        rows.append(
            {"claim": claim, "chinese": chinese, "n": int(of.sum()), "exceptions": int((of & broken).sum())}
            | _share(broken[of], confidence)
        )
    return pd.DataFrame(rows)
