"""The section of a report on what customers are worth, and how well that can be foretold.

It takes the `sheet` to write on, the `firm` and the `settings`, and says what it finds, or why it cannot.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..vocabulary import ValueTier
from . import churn, portfolio, value
from .firm import Firm, Settings
from .forecast import ModelChoice, choose_model
from .pages import Sheet, Write, count, fine, listed, many, number, percent, tenth, whole, word


def value_section(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    """Past, current and potential value, equity, and forecasts against what came."""
    if not firm.has("customers") or not (firm.has("purchases") or firm.has("bills")):
        sheet.cannot(
            "What customers are worth needs customers with purchases or bills; the database has none."
        )
        return
    if not firm.contract:
        with sheet.part("Which model to believe", "购买模型的选择"):
            _choice(sheet, firm)
        if firm.forecast is None:
            with sheet.part("What customers brought so far", "历史价值"):
                _past(sheet, firm, settings)
            return
    with sheet.part("Past, present and potential", "历史价值、当前价值与潜在价值"):
        _worth(sheet, firm, settings)
    with sheet.part("Customer equity", "客户资产"):
        _equity(sheet, firm, settings)
    if firm.contract:
        with sheet.part("How long contracts last: forecast and outcome", "sBG模型：留存预测"):
            _renewal(sheet, firm)
    elif firm.forecast is not None:
        with sheet.part("Purchases: forecast and outcome", "购买预测与实际"):
            _forecast(sheet, firm, firm.forecast)
        with sheet.part("What a purchase brings: observed and fitted", "购买金额：观测与拟合"):
            _spend(sheet, firm, firm.forecast)


def _choice(sheet: Sheet, firm: Firm) -> None:
    try:
        found = choose_model(firm.log)
    except ValueError as error:
        sheet.cannot(
            f"What customers will bring cannot be foretold: {str(error).rstrip('.')}. What they brought is "
            "known."
        )
        return
    firm.forecast = found
    table = found.table.rename_axis("model").reset_index()
    columns: dict[str, tuple[str, Write]] = {"model": ("model", word)}
    for name, why in found.why_not.items():
        sheet.cannot(f"The {name} model could not be fitted: {why.rstrip('.')}.")
    if found.split is None:
        sheet.find(
            f"The values below rest on the {found.chosen} model"
            + (", which fits the record best." if len(table) > 1 else ".")
        )
        sheet.cannot("The record is too short to fit the models on a part and judge them by the rest.")
        columns["fit_log_likelihood"] = ("log-likelihood", number(1))
    else:
        until = f"{found.split.day} {firm.month_of(found.split)}"
        lead = ""
        if len(table) > 1:
            other = table.iloc[1]
            lead = (
                f": its log-likelihood there is {number(1)(other['behind'])} higher than that of "
                f"{other['model']}, give or take {number(1)(1.96 * other['behind_error'])}"
            )
        sheet.find(
            f"The values below rest on the {found.chosen} model. Both were fitted on the record up to "
            f"{until}, and {found.chosen} found likelier what "
            f"{many(int(table['n'].iloc[0]), 'customer')} did afterwards{lead}"
            + ("." if found.sure or not lead else ", so the record does not surely part the two.")
        )
        columns |= {
            "fit_log_likelihood": ("log-likelihood of the time fitted", number(1)),
            "log_likelihood": ("of the time held out", number(1)), "behind": ("behind the best", number(1)),
            "behind_error": ("standard error", number(1)),
        }  # fmt: skip
    sheet.say(
        "Both models let every customer buy at a rate of their own and leave one day. By BG/NBD customers "
        "leave after a repeat purchase only, so who bought once counts as there for ever; by Pareto/NBD they "
        "leave at any moment. Totals differ little, the chance that somebody is still a customer much."
    )
    if len(table) > 1:
        sheet.table("models", table, "Two models of buying, by how likely they find the record", columns)


def _past(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    money = firm.money
    past = value.historical_value(firm.log, margin=settings.margin).sort_values(ascending=False)
    sheet.find(
        f"So far {many(len(past), 'customer')} brought a margin of {money(float(past.sum()))}, "
        f"{percent(settings.margin)} of what they paid."
    )
    table = past.rename_axis("customer").reset_index()
    sheet.table(
        "customers", table, "The most valuable customers so far",
        {"customer": ("customer", whole), "historical": (money.head("historical"), money.plain)}, rows=10,
    )  # fmt: skip


def _values(firm: Firm, settings: Settings, at: int | None = None) -> pd.DataFrame:
    return value.customer_values(
        firm,
        at=at,
        margin=settings.margin,
        discount_rate=settings.discount_rate,
        months=settings.horizon,
        model=firm.forecast.key if firm.forecast else "bgnbd",
    )


def _worth(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    money = firm.money
    values = _values(firm, settings)
    firm.valued = values
    past, ahead, potential = (float(values[name].sum()) for name in ("historical", "current", "potential"))
    people = len(values)
    referred = f", and {money(potential)} through those they refer" if potential > 0 else ""
    sheet.stress(
        f"So far the {people:,} customers brought a margin of {money(past)}; the next "
        f"{many(settings.horizon, 'month')} are expected to bring {money(ahead)} from those who are still "
        f"there{referred}."
    )
    best = portfolio.top_share(values["current"].clip(lower=0)) if ahead > 0 else float("nan")
    active = float(values["active"].astype(float).sum())
    by = "the departures on file" if firm.forecast is None else f"the {firm.forecast.chosen} model"
    sheet.say(
        f"{count(active)} of them ({percent(active / people)}) are still customers by {by}. "
        f"The best 20 % hold {percent(best)} of the value ahead."
    )
    ordered = values.sort_values("total", ascending=False)
    tier = portfolio.tiers(values["current"] + values["potential"], ties="order")
    by_tier = values.groupby(tier.to_numpy(), observed=True)[["historical", "current", "potential"]].sum()
    by_tier = by_tier.assign(customers=tier.value_counts()).rename_axis("tier").reset_index()
    by_tier = by_tier.sort_values("current", ascending=False)
    names = {t.key: f"{t.english} ({t.chinese})" for t in ValueTier}
    by_tier["name"] = [names.get(str(key), str(key)) for key in by_tier["tier"]]
    by_tier["ahead_share"] = by_tier["current"] / by_tier["current"].sum()
    sheet.figure("parts", "value_parts", values, currency=money.currency)
    sheet.table(
        "tiers", by_tier, "Value by tier of what is ahead: the best fifth, the next three tenths, the rest",
        {
            "name": ("tier", word), "customers": ("customers", count),
            "historical": (money.head("historical 历史"), money.plain),
            "current": (money.head("current 当前"), money.plain), "ahead_share": ("of current", percent),
            "potential": (money.head("potential 潜在"), money.plain),
        },
    )  # fmt: skip
    columns = {
        "customer": ("customer", whole), "historical": (money.head("historical"), money.plain),
        "current": (money.head("current"), money.plain), "potential": (money.head("potential"), money.plain),
        "total": (money.head("total"), money.plain), "active": ("still there", percent),
    }  # fmt: skip
    sheet.table(
        "customers", ordered.rename_axis("customer").reset_index(), "The most valuable customers", columns,
        rows=10,
    )  # fmt: skip


def _equity(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    money, values = firm.money, firm.worth
    people = firm["customers"].set_index("customer")["joined_month"].reindex(values.index)
    span = min(12, firm.months - 1)
    young = (people > firm.months - 1 - span).to_numpy() if span else np.zeros(len(values), dtype=bool)
    joining = float(young.sum()) / span if span else 0.0
    newcomer = float(values.loc[young, "current"].mean()) if young.any() else 0.0
    equity = value.customer_equity(
        values,
        joining=joining,
        newcomer=newcomer,
        discount_rate=settings.discount_rate,
        months=settings.horizon,
    )
    total = float(equity["amount"]["total"])
    sheet.find(
        f"Customer equity, what customers are still worth to the firm, is {money(total)}: "
        f"{percent(equity.loc['current', 'share'])} from those there now as they are, "
        f"{percent(equity.loc['potential', 'share'])} from whom they refer, "
        f"{percent(equity.loc['future', 'share'])} from those who will join in the next "
        f"{many(settings.horizon, 'month')}."
    )
    if not joining:
        sheet.say("Nobody joined in the last months, so nobody to come is counted.")
    else:
        sheet.say(
            f"The last part counts {number(1)(joining)} new customers a month, as in the last "
            f"{many(span, 'month')}, each worth {money(newcomer)}; what it costs to win them is not on file "
            "and not taken off."
        )
    names = {
        "current": "there now",
        "potential": "referred by them",
        "future": "still to come",
        "total": "all",
    }
    table = equity.rename_axis("part").reset_index()
    table["name"] = [names.get(str(key), str(key)) for key in table["part"]]
    sheet.table(
        "equity", table, "Customer equity",
        {
            "name": ("customers", word), "amount": (money.head("amount"), money.plain),
            "share": ("share", percent), "customers": ("number", count),
        },
    )  # fmt: skip
    if firm.months < 24:
        sheet.cannot("Where a change of equity comes from needs two years of records.")
        return
    before = _values(firm, settings, firm.months - 13)
    change = value.equity_change(before.clip(lower=0), values.clip(lower=0))
    roads = change.roads
    road_names = {
        "acquisition": "winning customers",
        "expansion": "larger bills or purchases",
        "retention": "staying",
    }
    parts = [f"{road_names.get(str(k), str(k))} {'+' if v > 0 else ''}{money(v)}" for k, v in roads.items()]
    sheet.say(
        f"In the last twelve months the value ahead of present customers went from {money(change.before)} to "
        f"{money(change.after)}. By the three roads to profit (赢利三条路): {listed(parts)}."
    )
    sheet.figure("change", "equity_waterfall", change, currency=money.currency)
    sheet.table(
        "change", change.table, "Where the change of equity came from",
        {
            "road": ("road", word), "chinese": ("", word), "part": ("part", word),
            "customers": ("customers", count), "amount": (money.head("amount"), money.plain),
        },
    )  # fmt: skip


def _forecast(sheet: Sheet, firm: Firm, found: ModelChoice) -> None:
    if found.errors is None or found.track is None or found.split is None:
        sheet.cannot("The record is shorter than half a year: too short to fit on a part and check the rest.")
        return
    errors = found.errors.rename_axis("model").reset_index()
    row = errors[errors["model"] == found.chosen].iloc[0]
    off = float(row["total_error"])
    sheet.find(
        f"Fitted on the record up to {found.split.day} {firm.month_of(found.split)}, the {found.chosen} "
        f"model forecast {count(row['predicted'])} repeat purchases for the rest, where "
        f"{count(row['actual'])} came: {percent(abs(off))} too {'many' if off > 0 else 'few'}."
    )
    told = []
    for name, error in zip(errors["model"], errors["total_error"].astype(float), strict=True):
        if name != found.chosen:
            by = "everyone's own past rate" if name == "own rate" else name
            told.append(f"by {by} {percent(abs(error))} too {'many' if error > 0 else 'few'}")
    sheet.say(
        f"It would have been {listed(told)}. The fifth of the customers with the highest forecast made "
        f"{percent(row['caught'])} of the purchases to come."
    )
    model = found.model
    sheet.say(f"{_story(model)} The forecasts by month and by customer are of those who had bought by then.")
    sheet.figure("tracking", "purchase_tracking", found.track)
    sheet.figure("months", "purchases_by_period", found.track)
    means = value.holdout_means(found.summary, found.models)
    sheet.figure("before", "forecast_by_group", means)
    sheet.table(
        "holdout", errors, "Forecast against outcome in the time held out",
        {
            "model": ("forecast by", word), "predicted": ("predicted", count), "actual": ("came", count),
            "total_error": ("error", percent), "mae": ("error a customer", number(2)),
            "caught": ("caught by best 20 %", percent),
        },
    )  # fmt: skip
    names: dict[str, tuple[str, Write]] = {name: (name, number(2)) for name in found.models}
    sheet.table(
        "before", means, "Purchases a customer in the time held out, by repeat purchases before",
        {
            "group": ("purchases before", word), "customers": ("customers", count),
            "actual": ("came", number(2)), **names,
        },
    )  # fmt: skip
    each = found.track.copy()
    each[["actual", *found.models]] = each[["actual", *found.models]].diff().fillna(each)
    counts: dict[str, tuple[str, Write]] = {name: (name, count) for name in found.models}
    sheet.table(
        "tracking", each.iloc[::-1], "Repeat purchases of the cohort by month (latest first)",
        {
            "end": ("month to", lambda day: f"{day:%Y-%m-%d}"), "actual": ("came", count), **counts,
            "held_out": ("", lambda out: "forecast" if out else "fitted"),
        },
        rows=12,
    )  # fmt: skip


def _spend(sheet: Sheet, firm: Firm, found: ModelChoice) -> None:
    seen = found.summary
    again = seen[(seen["frequency"] > 0) & (seen["monetary_value"] > 0)]
    often, amount = again["frequency"], again["monetary_value"]
    model = value.fit_gamma_gamma(often, amount)
    table = value.spend_distribution(model, often, amount)
    alike = float(often.corr(amount))
    usual = model.mean if np.isfinite(model.mean) else float(amount.mean())
    sheet.say(
        f"By the gamma-gamma model, fitted to {many(len(again), 'repeat buyer')}, a purchase brings "
        f"{firm.money(usual)} on average. It takes how much to be independent of how often; here the "
        f"two correlate by {number(2)(alike)}"
        + (", near enough." if abs(alike) < 0.2 else ", so its values of frequent buyers are to be doubted.")
    )
    sheet.figure("spend", "spend_distribution", table, currency=firm.money.currency)


def _story(model: value.BGNBD | value.ParetoNBD) -> str:
    """The parameters of a model, in months, and what they mean."""
    buys = f"A customer buys {12 * model.r / model.alpha:.1f} times a year while active, and leaves "
    if isinstance(model, value.BGNBD):
        return (
            f"Parameters of BG/NBD: r {model.r:.3f}, alpha {model.alpha:.2f} months, a {model.a:.3f}, "
            f"b {model.b:.2f}. {buys}after a purchase with a chance of "
            f"{percent(model.a / (model.a + model.b))}, on average."
        )
    gone = 1 - (model.beta / (model.beta + 12)) ** model.s
    return (
        f"Parameters of Pareto/NBD: r {model.r:.3f}, alpha {model.alpha:.2f} months, s {model.s:.3f}, "
        f"beta {model.beta:.2f} months. {buys}within the first year with a chance of {percent(gone)}, on "
        "average."
    )


def _renewal(sheet: Sheet, firm: Firm) -> None:
    if not firm.has("departures"):
        sheet.cannot("No departure is on file, so there is nothing to forecast.")
        return
    spells = churn.spells(firm)
    cohort = spells[(spells["start"] == 0) & (spells["spell"] == 0)]
    if len(cohort) < 50 or firm.months < 9:
        sheet.cannot(
            "Too few customers or months to fit a model on a part of the record and check it on the rest."
        )
        return
    left = cohort.loc[cohort["left"], "duration"].to_numpy()
    gone = np.array([(left <= t).sum() for t in range(firm.months)])
    actual = (len(cohort) - gone).astype(float)
    held = max(4, 2 * firm.months // 3)
    model = value.fit_sbg(actual[:held])
    table = pd.DataFrame({"month": np.arange(firm.months), "actual": actual / len(cohort)})
    table["forecast"] = model.survival(table["month"])
    table["held_out"] = table["month"] >= held
    end = table.iloc[-1]
    lasting = np.exp(np.log(actual[held - 1] / len(cohort)) * end["month"] / (held - 1))
    sheet.find(
        f"Fitted on the first {many(held, 'month')}, the sBG model expected {tenth(end['forecast'])} of the "
        f"customers of the first month to be there after {count(end['month'])} months; "
        f"{tenth(end['actual'])} were."
    )
    sheet.say(
        f"A constant rate of leaving would have expected {tenth(lasting)}. In the sBG model those likely to "
        f"leave go first, so retention rises with time: from {fine(model.retention(1))} in the first month "
        f"to {fine(model.retention(firm.months))} in month {firm.months}."
    )
    curves = table.set_index("month")
    sheet.figure(
        "sbg", "survival", {"there": curves["actual"], "sBG": curves["forecast"]},
        note=f"fitted on the first {many(held, 'month')}",
        title=f"Expected to be there after {count(end['month'])} months: {tenth(end['forecast'])}; there: "
        f"{tenth(end['actual'])}",
    )  # fmt: skip
    sheet.table(
        "sbg", table.iloc[[*range(0, firm.months, 3), *([firm.months - 1] if (firm.months - 1) % 3 else [])]],
        "Share of the customers of the first month still there",
        {
            "month": ("after months", count), "actual": ("there", tenth), "forecast": ("sBG", tenth),
            "held_out": ("", lambda out: "forecast" if out else "fitted"),
        },
    )  # fmt: skip
