"""The section of a report on offers made to single customers: what followed, whom to address, what it earns.

What an offer changes can be told only where chance, and not the firm, decided who got one; the section
finds that out first. `trial` is what it and the section of the truth share. Both take the `sheet` to write
on, the `firm` and the `settings`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from . import sampling, targeting
from .firm import Firm, Settings, row_with
from .pages import SPACE, Sheet, count, many, number, percent, tenth, word

HORIZON, PAUSE, LEAST = 3, 6, 200  # months looked ahead; months since the offer before; rows of each kind
LEARNER = "uplift (T-learner)"


@dataclass
class Trial:
    """Past offers beside customers without one, parted by time, and the scores fitted on the first part.

    rows: of `targeting.past_offers`, with `good` (1: stayed, or without contracts bought). late: which rows
    are of the last third of the months, to judge by. auc: how well the firm's data tell who got an offer.
    models: name of a score -> fitted model.
    """

    rows: pd.DataFrame
    late: np.ndarray
    auc: float
    models: dict[str, Any]

    @property
    def by_chance(self) -> bool:
        """Whether chance decided who got an offer, as far as the firm's data tell."""
        return self.auc <= targeting.CHANCE

    def score(self, name: str, customers: pd.DataFrame) -> np.ndarray:
        """Scores of customers, rows of `targeting.monthly_features`; the highest is addressed first.

        name: a key of `models`.
        """
        model = self.models[name]
        return model.score(customers) if isinstance(model, targeting.ChurnScore) else model.predict(customers)


def trial(firm: Firm, settings: Settings) -> Trial | None:
    """What past offers can teach; None where fewer than `LEAST` were made or withheld."""
    if firm.trial is None:
        rows = _past(firm, settings)
        if not LEAST <= rows["offered"].sum() <= len(rows) - LEAST:
            return None
        late = (rows["month"] > rows["month"].quantile(2 / 3)).to_numpy()
        if not late.any() or rows["offered"][late].nunique() < 2:
            return None
        early = rows[~late]
        features = early[list(targeting.FEATURES)]
        models: dict[str, Any] = {}
        if min(early["good"].sum(), (1 - early["good"]).sum()) >= 10:
            models["risk"] = targeting.fit_churn(features, 1 - early["good"])
        if min(early["offered"].sum(), (1 - early["offered"]).sum()) >= 50:
            models[LEARNER] = targeting.TLearner("logistic").fit(features, early["good"], early["offered"])
        firm.trial = Trial(rows, late, targeting.selection_auc(rows), models)
    return firm.trial


def _past(firm: Firm, settings: Settings) -> pd.DataFrame:
    """Rows of `targeting.past_offers`, with `good`."""
    if firm.past_offers is None:
        rows = targeting.past_offers(firm, horizon=HORIZON, pause=PAUSE, rows=20_000, seed=settings.seed)
        good = 1 - rows["left"] if firm.contract else rows["bought"] > 0
        firm.past_offers = rows.assign(good=good.astype(float))
    return firm.past_offers


def offer_cost(firm: Firm, settings: Settings) -> float:
    """What an offer is taken to cost, in money."""
    return settings.offer_cost * float(firm.bought["amount"].mean())


def campaign_section(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    """What followed offers, whom to address, what an offer changes and earns."""
    if not firm.has("offers"):
        sheet.cannot(
            "No offer to single customers is on file (table offers: customer and month): none was made, or "
            "nobody wrote down who got one. So there is no response to measure."
        )
        return
    if not firm.has("customers") or not (firm.has("purchases") or firm.has("bills")):
        sheet.cannot("What followed the offers needs customers with purchases or bills; there are none.")
        return
    with sheet.part("Offers, and what followed", "优惠与随后的结果"):
        _followed(sheet, firm, settings)
    found = trial(firm, settings)
    if found is None:
        sheet.cannot(
            f"Fewer than {LEAST} offers to present customers whose {HORIZON} months after are on file, or as "
            "few customers without one at the time: too few to say whom to address and what an offer changes."
        )
        return
    with sheet.part("Whom to address: lift", "提升与增益"):
        _lift(sheet, firm, found)
    with sheet.part("What an offer changes: uplift", "增量响应与Qini曲线"):
        _uplift(sheet, firm, settings, found)
    if found.by_chance:
        with sheet.part("What it earns", "利润曲线"):
            _profit(sheet, firm, settings, found)


def _kept(firm: Firm) -> str:
    return "stayed" if firm.contract else "bought"


def _followed(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    offers = firm["offers"]
    first, last = int(offers["month"].min()), int(offers["month"].max())
    people = offers["customer"].nunique()
    sheet.say(
        f"{many(len(offers), 'offer')} to {many(people, 'customer')} are on file, from {firm.month(first)} "
        f"to {firm.month(last)}."
    )
    if "cost" in offers and offers["cost"].notna().all():
        total = float(offers["cost"].sum())
        sheet.say(
            f"They were expected to cost {firm.money(total)} in all, {firm.money(total / len(offers))} an "
            "offer."
        )
    if firm.has("returns"):
        former = _to_former(firm)
        back = sampling.share(np.arange(former) < len(firm["returns"]))
        sheet.stress(
            f"Of {many(former, 'offer')} to former customers {tenth(back.value)} brought one back "
            f"({tenth(back.low)} to {tenth(back.high)})."
        )
    rows = _past(firm, settings)
    if not len(rows) or rows["offered"].nunique() < 2:
        return
    size = 3 if rows["month"].nunique() > 8 else 1
    # an offer is made in the month after the features
    period_of = (rows["month"] + 1) // size
    shares = []
    for period, part in [("all", rows), *rows.groupby(period_of)]:
        line: dict[str, Any] = {"period": period}
        for name, yes in (("offered", 1), ("others", 0)):
            chosen = part.loc[part["offered"] == yes, "good"]
            if len(chosen):
                found = sampling.share(chosen.astype(bool))
                line |= {name: found.value, f"{name}_low": found.low, f"{name}_high": found.high}
            line[f"{name}_n"] = len(chosen)
        shares.append(line)
    table = pd.DataFrame(shares)
    whole, table = table.iloc[0], table.iloc[1:].dropna().reset_index(drop=True)
    done = "were still there" if firm.contract else "bought"
    when = "after" if firm.contract else "within"
    sheet.stress(
        f"Of the customers who got an offer, {tenth(whole['offered'])} {done} {when} "
        f"{many(HORIZON, 'month')} ({tenth(whole['offered_low'])} to {tenth(whole['offered_high'])}); of "
        f"those without one at the same time, {tenth(whole['others'])} ({tenth(whole['others_low'])} to "
        f"{tenth(whole['others_high'])})."
    )
    if not len(table):
        return
    table["when"] = [firm.month(size * int(p)) for p in table["period"]]
    axis = f"still there after {HORIZON} months, %" if firm.contract else f"bought within {HORIZON} months, %"
    drawn = table.assign(period=table["when"].str.replace(SPACE, " "))
    sheet.figure("response", "offer_response", drawn, response=axis)
    sheet.table(
        "response", table, f"Share who {_kept(firm)}, by {'quarter' if size == 3 else 'month'} of the offer",
        {
            "when": ("from", word), "offered_n": ("with an offer", count), "offered": (_kept(firm), tenth),
            "offered_low": ("from", tenth), "offered_high": ("to", tenth),
            "others_n": ("without, drawn", count), "others": (_kept(firm), tenth),
            "others_low": ("from", tenth), "others_high": ("to", tenth),
        },
        note=f"Without: customers whose last offer is more than {PAUSE} months ago; of many, some are drawn.",
    )  # fmt: skip


def _to_former(firm: Firm) -> int:
    """Offers to those who had left; of all, where the firm cannot see who left."""
    offers, back = firm["offers"], firm["returns"]
    gone = firm.table("departures")
    if not len(gone):
        return len(offers)

    def before(events: pd.DataFrame) -> pd.Series:
        both = offers.reset_index().merge(
            events[["customer", "month"]], on="customer", suffixes=("", "_event")
        )
        earlier = both[both["month_event"] < both["month"]]
        return earlier.groupby("index").size().reindex(range(len(offers)), fill_value=0)

    return max(int((before(gone) > before(back)).sum()), len(back))


def _lift(sheet: Sheet, firm: Firm, found: Trial) -> None:
    late = found.rows[found.late]
    if "risk" not in found.models:
        sheet.cannot(
            f"Nearly all customers, or nearly none, {_kept(firm)}: there is nothing to rank them by."
        )
        return
    bad = firm.contract
    risk = found.score("risk", late)
    outcome = (1 - late["good"] if bad else late["good"]).to_numpy(float)
    rule = -late["tenure"] if bad else -late["recency"]
    scores = {"score": risk if bad else -risk, "tenure" if bad else "recency": rule.to_numpy(float)}
    tables = {name: targeting.lift_table(outcome, score) for name, score in scores.items()}
    tops = {name: targeting.top_lift(outcome, score) for name, score in scores.items()}
    who = "who leave" if bad else "who buy"
    sheet.find(
        f"A score of what the firm knows, fitted on earlier months, finds those {who}: its best tenth holds "
        f"{percent(0.1 * tops['score'])} of them, {number(1)(tops['score'])} times a tenth drawn by chance; "
        f"{'the newest tenth of the customers' if bad else 'the tenth who bought last'} holds "
        f"{percent(0.1 * tops['tenure' if bad else 'recency'])}. Who is likeliest to "
        f"{'leave' if bad else 'buy'} is not who changes by an offer."
    )
    share = percent(0.1 * tops["score"]).replace(SPACE, " ")
    sheet.figure("lift", "lift_curve", tables, title=f"The best tenth by score holds {share} of those {who}")
    sheet.table(
        "lift", tables["score"], f"Those {who}, by tenths of the score, the highest first",
        {
            "group": ("tenth", count), "customers": ("customers", count), "rate": (who[4:], tenth),
            "lift": ("lift", number(2)), "captured": ("of all so far", percent),
        },
    )  # fmt: skip


def _uplift(sheet: Sheet, firm: Firm, settings: Settings, found: Trial) -> None:
    rows = found.rows
    if not found.by_chance:
        sheet.find(
            f"The firm chose who got an offer: of a customer with one and a customer without, what was on "
            f"file points to the right one in {percent(found.auc)} of cases (50 % would be chance). So the "
            "two groups differ from the start, and their difference is not what the offer changes."
        )
        sheet.cannot(
            "Uplift, Qini and profit need a group that gets no offer by chance: leave out every fifth of "
            "those chosen, drawn by lot, and this part tells what the offer is worth."
        )
        return
    overall = _overall(rows, settings)
    surely = overall.low > 0 or overall.high < 0
    sheet.stress(
        f"An offer {'changes' if surely else 'does not surely change'} whether a customer "
        f"{'stays' if firm.contract else 'buys'}: {_points(overall.value)} percentage points within "
        f"{many(HORIZON, 'month')} ({_points(overall.low)} to {_points(overall.high)}), from "
        f"{many(overall.treated, 'offer')} and {many(overall.control, 'customer')} without one."
    )
    sheet.say(
        f"Chance decided who got one, as far as the firm's data can tell (they point to the right one in "
        f"{percent(found.auc)} of cases), so those without are a control group."
    )
    late = rows[found.late].reset_index(drop=True)
    good, offered = late["good"].to_numpy(float), late["offered"].to_numpy(float)
    curves, lines = {}, []
    for name in found.models:
        score = found.score(name, late)
        curves[name] = targeting.uplift_curve(good, offered, score)

        def area(k: np.ndarray, score: np.ndarray = score) -> float:
            return targeting.qini(good[k], offered[k], score[k])

        low, high = targeting.bootstrap_interval(
            area, late["customer"], resamples=settings.bootstrap, seed=settings.seed
        )
        value = targeting.qini(good, offered, score)
        top = targeting.uplift_at(good, offered, score, 0.2)
        lines.append((name, value, low, high, top.value, top.low, top.high))
    if not lines:
        sheet.cannot("Too few offers in the earlier months to fit a score.")
        return
    columns = ["score", "qini", "low", "high", "uplift", "uplift_low", "uplift_high"]
    table = pd.DataFrame(lines, columns=columns)
    sure = table[table["low"] > 0]
    verdict = (
        f"addressing the best by {sure.iloc[0]['score']} wins surely more than addressing as many by lot"
        if len(sure)
        else "no score surely finds those whom an offer changes"
    )
    sheet.say(f"Fitted on the earlier months and judged on the last third: {verdict}.")
    sheet.figure("qini", "uplift_curves", curves, title=verdict)
    sheet.table(
        "qini", table.assign(**{c: 100 * table[c] for c in columns[1:]}),
        "Qini coefficient by score, and uplift of the best fifth, per 100 customers",
        {
            "score": ("score", word), "qini": ("Qini", number(2)), "low": ("from", number(2)),
            "high": ("to", number(2)), "uplift": ("uplift of the best fifth", number(1)),
            "uplift_low": ("from", number(1)), "uplift_high": ("to", number(1)),
        },
        note="Qini coefficient: area between the Qini curve and chance, per treated customer; 0 is chance.",
    )  # fmt: skip


def _overall(rows: pd.DataFrame, settings: Settings) -> targeting.Uplift:
    """Uplift of an offer to anybody, its interval from customers drawn whole."""
    good, offered = rows["good"].to_numpy(float), rows["offered"].to_numpy(float)
    found = targeting.uplift_at(good, offered, np.zeros(len(rows)), 1.0)

    def difference(k: np.ndarray) -> float:
        y, t = good[k], offered[k]
        return float(y[t == 1].mean() - y[t == 0].mean())

    low, high = targeting.bootstrap_interval(
        difference, rows["customer"], resamples=settings.bootstrap, seed=settings.seed
    )
    return found._replace(low=low, high=high)


def _points(share: float) -> str:
    text = number(1)(100 * share)
    return text if share < 0 or text == "0.0" else f"+{text}"


def _profit(sheet: Sheet, firm: Firm, settings: Settings, found: Trial) -> None:
    money, late = firm.money, found.rows[found.late]
    cost = offer_cost(firm, settings)
    today = targeting.monthly_features(firm, firm.months - 1)
    people = int((today["recency"] <= found.rows["recency"].max()).sum())
    if firm.contract:
        values = firm.worth
        worth = float(values.loc[values["active"].astype(bool), "current"].clip(lower=0).mean())
        what = f"a customer kept is worth {money(worth)}, what a present one is expected to bring"
    else:
        worth = settings.margin * float(firm.bought["amount"].mean())
        what = f"a customer who buys brings a margin of {money(worth)}"
    overall = _overall(found.rows, settings)

    def earned(uplift: float) -> float:
        return people * (worth * uplift - cost)

    everybody = [earned(u) for u in (overall.value, overall.low, overall.high)]
    pays = everybody[1] > 0
    need = cost / worth if worth > 0 else float("nan")
    sheet.find(
        f"An offer to each of today's {many(people, 'customer')} would "
        f"{'earn' if everybody[0] > 0 else 'lose'} {money(abs(everybody[0]))} "
        f"({money(everybody[1])} to {money(everybody[2])})"
        + ("." if pays or everybody[2] < 0 else ": whether it pays cannot be said yet.")
    )
    sheet.say(
        f"Counted so: an offer costs {money(cost)}, {what}. It pays where it changes more than "
        f"{tenth(need)} of those addressed."
    )
    curves = {}
    for name in found.models:
        curve = targeting.uplift_curve(late["good"], late["offered"], found.score(name, late))
        curves[name] = targeting.profit_curve(curve, value=worth, contact=cost, customers=people)
    if not curves:
        return
    sheet.say(
        "The curves are of the last third of the months alone, which no score was fitted on, so they end "
        "elsewhere."
    )
    sheet.figure(
        "profit", "profit_curves", curves, currency=money.currency,
        title="Profit by how many are addressed, in the last third of the months",
    )  # fmt: skip
    lines = []
    for name, curve in curves.items():
        for share in (0.1, 0.2, 0.3, 0.5, 1.0):
            row = curve.iloc[int((curve["share"] - share).abs().to_numpy().argmin())]
            lines.append((name, share, *(float(row[c]) for c in ("customers", "gain", "cost", "profit"))))
    columns = ["score", "share", "customers", "gain", "cost", "profit"]
    sheet.table(
        "profit", pd.DataFrame(lines, columns=columns), "Profit by whom is addressed, on today's customers",
        {
            "score": ("best by", word), "share": ("addressed", percent), "customers": ("customers", count),
            "gain": ("won", number(1)), "cost": (money.head("cost"), money.plain),
            "profit": (money.head("profit"), money.plain),
        },
        rows=20, note="The highest point of such a curve is partly luck, for it was looked for.",
    )  # fmt: skip


# -- the truth -----------------------------------------------------------------------------------------


def true_offers(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    """What an offer would truly change, customer by customer, and how near the scores come to it."""
    found = trial(firm, settings)
    if found is None:
        sheet.cannot("Too few offers were made to fit a score that could be graded.")
        return
    now = firm.months - 1
    today = targeting.monthly_features(firm, now)
    today = today[today["since_offer"] > PAUSE]
    truth = firm["truth.customers"].set_index("customer").reindex(today["customer"])
    here = (truth["left_month"].isna() & truth["hazard"].notna()).to_numpy()
    today, truth = today[here], truth[here]
    if len(today) < 50:
        sheet.cannot("Too few customers without an offer are left to grade the scores on.")
        return
    hazard = truth["hazard"].clip(0, 1).to_numpy(float)
    calmed = np.clip(hazard * np.exp(-truth["response"].to_numpy(float)), 0, 1)
    effect = (1 - calmed) ** HORIZON - (1 - hazard) ** HORIZON
    sheet.find(
        f"An offer to all {many(len(today), 'customer')} without a recent one would truly keep "
        f"{number(1)(float(effect.sum()))} of them more for {many(HORIZON, 'month')}: "
        f"{_points(float(effect.mean()))} percentage points on average. "
        f"{percent(float((effect < 0).mean()))} would rather leave because of it."
    )
    if firm.contract and found.by_chance:
        overall = _overall(found.rows, settings)
        inside = overall.low <= effect.mean() <= overall.high
        sheet.say(
            f"What was measured, {_points(overall.value)} points ({_points(overall.low)} to "
            f"{_points(overall.high)}), {'agrees' if inside else 'does not agree'} with that average; it is "
            "of earlier months and other customers."
        )
    worth = firm.worth["current"].reindex(today["customer"]).fillna(0.0).clip(lower=0).to_numpy(float)
    cost = offer_cost(firm, settings)
    scores = {name: found.score(name, today) for name in found.models}
    saves = {name: targeting.expected_saves(score, effect) for name, score in scores.items()}
    scores["knowing the effect"] = effect * worth
    profits = {
        name: targeting.profit_curve(targeting.expected_saves(score, effect, value=worth), contact=cost)
        for name, score in scores.items()
    }
    if saves:
        sheet.figure(
            "saves", "uplift_curves", saves, column="gain",
            title=f"Customers truly kept, by how many are addressed; all: {number(1)(float(effect.sum()))}",
        )  # fmt: skip
    sheet.figure("profit", "profit_curves", profits, currency=firm.money.currency)
    lines = []
    for name, score in scores.items():
        profit = profits[name]["profit"].to_numpy(float)
        top = int(profit.argmax())
        kept = targeting.caught(effect, score, 0.1)
        share = float(profits[name]["share"].iloc[top])
        lines.append((name, kept, share, float(profit[top]), float(profit[-1])))
    columns = ["score", "kept", "share", "profit", "everybody"]
    table = pd.DataFrame(lines, columns=columns)
    money = firm.money
    ideal = table.iloc[-1]
    if len(table) > 1:
        best = row_with(table.iloc[:-1], "profit")
        sheet.say(
            (
                f"At {money(cost)} an offer, the best that can be earned by the {best['score']} score is "
                f"{money(best['profit'])}, with {percent(best['share'])} addressed; "
                if best["profit"] > 0
                else f"At {money(cost)} an offer, addressing customers by a score does not pay; "
            )
            + f"knowing everyone's effect it would be {money(ideal['profit'])}, with "
            f"{percent(ideal['share'])} addressed."
        )
    sheet.table(
        "offers", table, "Whom to address, by what is true",
        {
            "score": ("best by", word), "kept": ("kept by the best tenth", number(2)),
            "share": ("best share to address", percent), "profit": (money.head("profit then"), money.plain),
            "everybody": (money.head("profit of addressing all"), money.plain),
        },
        note=f"For an offer that calls up each one's full response for {HORIZON} months, as a call does.",
    )  # fmt: skip
