"""Sections of a report on what customers say and meet: satisfaction, loyalty, service, and the truth.

A section takes the `sheet` to write on, the `firm` and the `settings`, and says what it finds, or why it
cannot; it returns nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..data.transactions import DataError
from ..vocabulary import ChurnCause, LoyaltyType
from . import churn, drivers, loyalty, pls, portfolio, sampling, satisfaction, targeting, value
from .firm import Firm, Settings, plain, row_with
from .forecast import chances_alive
from .pages import Sheet, count, listed, many, number, percent, word
from .sections_campaign import true_offers

FEW = 30  # respondents from whom drivers and paths are estimated at least
SOON = 20  # seconds within which a call should be answered, in the usual 80/20 rule

# -- satisfaction --------------------------------------------------------------------------------------


def satisfaction_section(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    """Index, drivers and path model of the survey waves, and the monthly question."""
    asked = len(firm.waves) > 0 and firm.has("survey_answers", "survey_items")
    if not asked and not firm.has("survey"):
        sheet.cannot("No customer was asked: the database has neither survey waves nor monthly answers.")
        return
    if asked:
        with sheet.part("The waves", "满意度指数"):
            _waves(sheet, firm)
        answered = len(_wave_of(firm)[2])
        if answered < FEW:
            sheet.cannot(
                f"What drives satisfaction cannot be told from {many(answered, 'respondent')} in the last "
                f"wave; at least {FEW} are needed."
            )
        else:
            with sheet.part("What drives satisfaction", "满意度驱动因素与重要性-绩效分析"):
                _drivers(sheet, firm, settings)
            with sheet.part("The satisfaction model", "满意度指数模型（PLS）"):
                _model(sheet, firm, settings)
    if firm.has("survey"):
        with sheet.part("The monthly question", "月度满意度回访"):
            _monthly(sheet, firm)


def _wave_of(firm: Firm) -> tuple[int, str, pd.DataFrame, pd.DataFrame, pd.Series]:
    """The last wave: number, its survey, answers (a row a respondent), questions, weights."""
    last = firm.waves.sort_values(["month", "wave"]).iloc[-1]
    wave, survey = int(last["wave"]), str(last["survey"])
    frame = satisfaction.wide(firm["survey_answers"], wave)
    items = firm["survey_items"]
    items = items[items["survey"] == survey].reset_index(drop=True)
    weights = pd.Series(1.0, index=frame.index)
    if firm.has("survey_sample"):
        sample = firm["survey_sample"]
        known = sample[sample["wave"] == wave].set_index("customer")["weight"]
        weights = known.reindex(frame.index).fillna(float(known.mean()))
    return wave, survey, frame, items, weights


def _waves(sheet: Sheet, firm: Firm) -> None:
    answers = firm["survey_answers"]
    answers = answers[answers["wave"].isin(firm.waves["wave"])]
    found = satisfaction.by_wave(answers, waves=firm.waves)
    about = firm.waves.set_index("wave")[["mode", "frame", "asked", "reached", "completed"]]
    found = found.join(about, on="wave")
    found["response"] = found["completed"] / found["asked"]
    found["when"] = [firm.month(int(m)) for m in found["month"]]
    found = found.sort_values(["survey", "month"])
    last = found.sort_values(["month", "wave"]).iloc[-1]
    sheet.stress(
        f"The satisfaction index of {last['when']} is {last['index']:.1f} of 100 ({last['index_lower']:.1f} "
        f"to {last['index_upper']:.1f}), from {many(int(last['n']), 'answer')}."
    )
    same = found[found["survey"] == last["survey"]]
    if len(same) > 1:
        before = same.iloc[-2]
        change = float(last["index"] - before["index"])
        error = float(np.hypot(last["index_error"], before["index_error"]))
        sure = abs(change) > 1.96 * error
        sheet.say(
            f"Since {before['when']} it {'rose' if change > 0 else 'fell'} by {abs(change):.1f} points (give "
            f"or take {1.96 * error:.1f}), "
            + ("more than chance explains." if sure else "which chance alone may have done.")
        )
    if last["nps"] == last["nps"]:
        sheet.say(
            f"The net promoter score is {number(0)(last['nps'])} ({number(0)(last['nps_lower'])} to "
            f"{number(0)(last['nps_upper'])}); {percent(last['top_box'])} gave one of the two best answers."
        )
    sheet.say(
        f"{percent(last['response'])} of the {int(last['asked']):,} asked answered. Who answers differs from "
        "who does not, and no interval shows that."
    )
    sheet.figure("waves", "index_by_wave", found)
    if found["nps"].notna().any():
        one = found[found["survey"] == last["survey"]]
        sheet.figure("nps", "recommendation_by_wave", one)
    sheet.table(
        "waves", found, "Waves of the surveys",
        {
            "survey": ("survey", word), "when": ("month", word), "mode": ("by", word),
            "n": ("answers", count),
            "response": ("response", percent), "index": ("index", number(1)),
            "index_lower": ("from", number(1)),
            "index_upper": ("to", number(1)), "top_box": ("top two", percent), "nps": ("NPS", number(0)),
        },
        rows=20,
    )  # fmt: skip


def _drivers(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    _, _, frame, items, weights = _wave_of(firm)
    performance = satisfaction.construct_scores(frame, items, "touchpoints")
    if performance.shape[1] < 2:
        sheet.cannot("The questionnaire asks about fewer than two touchpoints, so none can be compared.")
        return
    names = list(performance.columns)
    outcome = satisfaction.construct_scores(frame, items, ["satisfaction"])["satisfaction"]
    try:
        stated: pd.DataFrame | None = satisfaction.stated_importance(frame, items)
    except DataError:
        stated = None
    both = performance.assign(overall=outcome)
    found = drivers.drivers(
        both,
        "overall",
        names,
        stated=stated,
        weights=weights,
        bootstrap=settings.bootstrap,
        seed=settings.seed,
        progress=False,
    )
    firm.drivers = found
    shares = found.shares[found.shares["method"] == "lmg"].set_index("driver")
    ipa = satisfaction.importance_performance(shares["share"], found.table["performance"])
    best = str(shares["share"].idxmax())
    first = shares.loc[best]
    urgent = list(ipa.index[ipa["quadrant"] == "concentrate"])
    sheet.find(
        f"{plain(best)} explains most of satisfaction: {percent(first['share'])} of what the "
        f"touchpoints explain together ({percent(first['lower'])} to "
        f"{percent(first['upper'])}). "
        + (
            f"Important and rated below the mean: {listed([plain(u).lower() for u in urgent])}."
            if urgent
            else "Nothing important is rated below the mean."
        )
    )
    sheet.say(
        f"All touchpoints together explain {percent(found.r2)} of the differences in satisfaction between "
        f"{many(found.n, 'respondent')}. Importance is the part of R² (LMG); what customers say to be "
        "important stands beside it and is often something else."
    )
    table = shares[["share", "lower", "upper"]].join(ipa[["performance", "quadrant", "english", "chinese"]])
    table = table.join(found.table[["coefficient", "correlation"]])
    if "stated" in found.table:
        table["stated"] = found.table["stated"]
    table = table.rename_axis("driver").reset_index().sort_values("share", ascending=False)
    table["name"] = [plain(name) for name in table["driver"]]
    sheet.figure("ipa", "importance_performance", ipa)
    sheet.figure("drivers", "driver_importance", found.shares)
    if stated is not None and set(names) <= set(stated):
        _gaps(sheet, performance, stated[names], items)
    with sheet.part():
        contrast = drivers.penalty_reward(
            both, "overall", names, bootstrap=settings.bootstrap, seed=settings.seed
        )
        sheet.figure("contrast", "penalty_reward_bars", contrast)
    sheet.table(
        "drivers", table, "Drivers of satisfaction",
        {
            "name": ("touchpoint", word), "share": ("importance", percent), "lower": ("from", percent),
            "upper": ("to", percent), "performance": ("mean answer", number(2)),
            **({"stated": ("stated importance", number(2))} if "stated" in table else {}),
            "english": ("what to do", word), "chinese": ("", word),
        },
    )  # fmt: skip


def _gaps(sheet: Sheet, performance: pd.DataFrame, stated: pd.DataFrame, items: pd.DataFrame) -> None:
    """How each touchpoint is rated beside how important it is said to be, on the scale of both."""
    asked = items[items["construct"].isin(performance.columns)]
    low, high = float(asked["low"].min()), float(asked["high"].max())
    gaps = satisfaction.gap_scores(performance, stated, low=low, high=high)
    worst = row_with(gaps, "gap", least=True)
    if worst["upper"] < 0:
        name = plain(gaps["gap"].idxmin())
        sheet.say(
            f"{name} falls furthest short of how important it is said to be: by "
            f"{number(1)(-worst['gap'])} points of the answer."
        )
    sheet.figure("gaps", "gap_bars", gaps, expected="stated importance")


def _model(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    _, _, frame, items, weights = _wave_of(firm)
    model = pls.survey_model(items)
    low = items.set_index("item")["low"].to_dict()
    high = items.set_index("item")["high"].to_dict()
    fit = pls.pls(
        frame, model, weights=weights, bootstrap=settings.bootstrap, seed=settings.seed, progress=False,
        low={name: low[name] for name in model.items}, high={name: high[name] for name in model.items},
    )  # fmt: skip
    latents = fit.latents.rename_axis("latent").reset_index() if "latent" not in fit.latents else fit.latents
    latents = latents.assign(name=[plain(name) for name in latents["latent"]])
    row = latents.set_index("latent")
    goal = "loyalty" if "loyalty" in row.index else latents["latent"].iloc[-1]
    into = fit.effects[fit.effects["target"] == goal].sort_values("total", ascending=False).iloc[0]
    sheet.say(
        f"A path model of the kind of ECSI and CCSI, estimated by PLS from {many(fit.n, 'respondent')}, "
        f"explains {percent(row.loc[goal, 'r2'])} of {plain(goal).lower()}. The strongest effect on it in "
        f"all is that of {plain(into['source']).lower()}: {into['total']:.2f} ({into['lower']:.2f} to "
        f"{into['upper']:.2f})."
    )
    if fit.why_not:
        sheet.cannot(f"Consistent PLS is not shown: {fit.why_not.rstrip('.')}.")
    sheet.figure("model", "path_diagram", fit.paths, fit.latents)
    sheet.figure("reliability", "reliability", fit.latents)
    sheet.figure("htmt", "htmt", fit.htmt)
    sheet.table(
        "latents", latents, "Indices and reliability",
        {
            "name": ("latent variable", word), "chinese": ("", word), "index": ("index", number(1)),
            "index_lower": ("from", number(1)), "index_upper": ("to", number(1)),
            "r2": ("explained", percent),
            "alpha": ("alpha", number(2)), "cr": ("CR", number(2)), "ave": ("AVE", number(2)),
        },
    )  # fmt: skip
    paths = fit.paths.assign(
        path=[
            f"{plain(a)} → {plain(b).lower()}"
            for a, b in zip(fit.paths["source"], fit.paths["target"], strict=True)
        ]
    )
    sheet.table(
        "paths", paths, "Paths",
        {
            "path": ("path", word), "estimate": ("coefficient", number(2)), "lower": ("from", number(2)),
            "upper": ("to", number(2)),
        },
        rows=20,
    )  # fmt: skip


def _monthly(sheet: Sheet, firm: Firm) -> None:
    said = firm["survey"]
    size = 3 if firm.months >= 9 else 1
    rows = []
    for period, part in said.groupby(said["month"] // size):
        if len(part) > 1:
            found = sampling.mean(part["satisfaction"])
            rows.append((firm.month(size * int(str(period))), found.n, found.value, found.low, found.high))
    table = pd.DataFrame(rows, columns=["begin", "n", "mean", "low", "high"])
    if not len(table):
        sheet.cannot("There are too few monthly answers for a mean.")
        return
    first, last = table.iloc[0], table.iloc[-1]
    change = float(last["mean"] - first["mean"])
    sheet.stress(
        f"The answers to the monthly question of satisfaction average {last['mean']:.1f} of 100 points "
        f"lately ({last['low']:.1f} to {last['high']:.1f}), {abs(change):.1f} "
        f"{'more' if change >= 0 else 'less'} than in the beginning."
    )
    sheet.say(f"{many(len(said), 'answer')} of {many(said['customer'].nunique(), 'customer')} in all.")
    sheet.table(
        "monthly", table, "Reported satisfaction, points from 0 to 100",
        {
            "begin": ("from", word), "n": ("answers", count), "mean": ("mean", number(1)),
            "low": ("from", number(1)),
            "high": ("to", number(1)),
        },
        rows=24,
    )  # fmt: skip


# -- loyalty -------------------------------------------------------------------------------------------


def loyalty_section(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    """Attitude and behaviour, layers, the curve of satisfaction and loyalty, eight standards."""
    items = firm.table("survey_items")
    if (
        not len(items)
        or not items["item"].astype(str).str.startswith("loyalty_").any()
        or not len(firm.waves)
    ):
        sheet.cannot(
            "Loyalty is attitude and behaviour. No customer was asked about the one, so the layers of "
            "loyalty and the table of attitude and behaviour cannot be made; repeat buying stands under "
            "churn."
        )
        return
    with sheet.part("Attitude and behaviour", "态度与行为的交叉分类"):
        found = loyalty.loyalty_types(firm)
        table = found.table
        share = table.set_index("type")["share"]
        names = {kind.key: kind for kind in LoyaltyType}
        told = [
            f"{percent(share[key])} {names[key].english} ({names[key].chinese})"
            if key in names
            else f"{percent(share[key])} {key}"
            for key in table["type"]
        ]
        sheet.stress(f"Attitude and repeat buying crossed: {listed(told)}.")
        sheet.say(
            f"Attitude counts as strong from {found.attitude_cut:.0f} of 100 points, behaviour when there "
            f"was a purchase or paid bill in {percent(found.behaviour_cut)} of the months or more. Where the "
            "cuts lie decides the shares."
        )
        sheet.figure("types", "loyalty_types", found)
        sheet.table(
            "types", table, "Kinds of loyalty among those who answered",
            {
                "english": ("kind", word), "chinese": ("", word), "customers": ("customers", count),
                "share": ("share", percent), "low": ("from", percent), "high": ("to", percent),
            },
        )  # fmt: skip
    with sheet.part("Layers of loyalty", "忠诚层次"):
        points = loyalty.scores(firm)
        table = loyalty.layer_shares(loyalty.layers(points))
        top = table.iloc[-1]
        sheet.say(
            f"{percent(top['share'])} of those who answered have reached {top['english']} "
            f"({top['chinese']}), the deepest layer; {percent(table.iloc[0]['share'])} have reached none."
        )
        sheet.figure("layers", "loyalty_layers", table)
        sheet.table(
            "layers", table, "The deepest layer reached",
            {
                "english": ("layer", word), "chinese": ("", word), "customers": ("customers", count),
                "share": ("share", percent), "low": ("from", percent), "high": ("to", percent),
            },
        )  # fmt: skip
    with sheet.part("Is satisfaction enough?", "满意是忠诚的必要条件，不是充分条件"):
        _enough(sheet, firm)
    with sheet.part("The curve of satisfaction and loyalty", "满意度与忠诚度曲线"):
        _curve(sheet, firm)
    with sheet.part("The eight standards", "忠诚度的八项标准"):
        _standards(sheet, firm)


def _enough(sheet: Sheet, firm: Firm) -> None:
    constructs = loyalty.scores(firm, by="construct").set_index("customer")
    answers = constructs[["satisfaction", "conative"]].dropna()
    broken = loyalty.exceptions(answers["satisfaction"], answers["conative"])
    need, enough = broken.iloc[0], broken.iloc[1]
    sheet.say(
        f"Of those who mean to stay, {percent(need['share'])} are not satisfied (exceptions to: satisfaction "
        f"is necessary); of the satisfied, {percent(enough['share'])} do not mean to stay (exceptions to: "
        "satisfaction is sufficient)."
    )
    found = loyalty.necessity(answers["satisfaction"], answers["conative"], permutations=200, seed=1)
    sheet.figure("ceiling", "ceiling", found, outcome="means to stay, points")
    sheet.table(
        "exceptions", broken, "Exceptions to necessary and to sufficient",
        {
            "claim": ("satisfaction is", word), "chinese": ("", word), "n": ("customers it speaks of", count),
            "exceptions": ("exceptions", count), "share": ("share", percent), "low": ("from", percent),
            "high": ("to", percent),
        },
    )  # fmt: skip


def _curve(sheet: Sheet, firm: Firm) -> None:
    wide = loyalty.loyalty_measures(firm)
    rows = wide.melt(["satisfaction"], list(loyalty.MEASURES), "measure", "loyalty").dropna()
    enough = [m for m, n in rows["measure"].value_counts().items() if n >= 60]
    rows = rows[rows["measure"].isin(enough)]
    names = {key: words for key, (words, _) in loyalty.MEASURES.items()}
    curve = loyalty.satisfaction_loyalty(
        rows["satisfaction"].to_numpy(), rows["loyalty"].to_numpy(), bins=6,
        by=rows["measure"].map(names).to_numpy(),
    )  # fmt: skip
    shapes = curve.shape
    ends = curve.table.groupby("group")["loyalty"].agg(["first", "last"]).loc[shapes["group"]]
    told = [
        f"{group} from {low:.0f} to {high:.0f} ({shape})"
        for group, low, high, shape in zip(
            ends.index, ends["first"], ends["last"], shapes["shape"], strict=True
        )
    ]
    sheet.say(
        f"From the least satisfied sixth to the most satisfied, loyalty by its measure: {listed(told)}. "
        "Intention is in points, the others in per cent of the customers; all waves are taken together."
    )
    sheet.say(
        "The shape is a matter of the measure. The convex curve that Jones and Sasser drew for open markets "
        "is that of the share who are surely loyal; the mean of intentions has no reason to bend, and "
        "what customers later do depends on more than their satisfaction."
    )
    bent = [str(g) for g, shape in zip(shapes["group"], shapes["shape"], strict=True) if shape == "convex"]
    sheet.figure(
        "curve", "satisfaction_loyalty", curve, loyalty="points, or % of customers",
        title=f"Loyalty and satisfaction: {len(bent)} of {len(shapes)} measures give a convex curve",
    )  # fmt: skip
    sheet.table(
        "curve", curve.table, "Loyalty by satisfaction, both from 0 to 100",
        {
            "group": ("loyalty as", word), "satisfaction": ("satisfaction", number(1)),
            "n": ("answers", count), "loyalty": ("loyalty", number(1)), "low": ("from", number(1)),
            "high": ("to", number(1)),
        },
        rows=24,
    )  # fmt: skip


def _standards(sheet: Sheet, firm: Firm) -> None:
    eight = loyalty.standards(firm)
    measured = eight.table[eight.table["why_not"] == ""]
    sheet.say(
        f"{len(measured)} of the {len(eight.table)} standards can be measured on this database; the table of "
        "all says how, and why the others cannot."
    )
    sheet.table(
        "standards", eight.table, "Standards of loyalty",
        {
            "english": ("standard", word), "chinese": ("", word), "mean": ("mean", number(2)),
            "unit": ("unit", word), "n": ("customers", count), "measured_by": ("measured by", word),
            "why_not": ("why not", word),
        },
    )  # fmt: skip
    early = firm.waves[firm.waves["month"] <= firm.months - 7].sort_values("month")
    asked = firm["survey_answers"]
    early = early[early["wave"].isin(asked.loc[asked["item"].str.startswith("loyalty_"), "wave"])]
    if not len(early) or not (firm.has("departures") or firm.has("truth.departures")):
        return
    last = early.iloc[-1]
    span = min(12, firm.months - 1 - int(last["month"]))
    then = loyalty.standards(firm, wave=int(last["wave"]))
    found = loyalty.standards_and_churn(then, firm, months=span)
    names = dict(zip(eight.table["standard"], eight.table["english"], strict=True))
    known = found[found["auc"].notna()]
    sheet.say(
        f"Which of them foretells churn? Measured by the end of {firm.month(int(last['month']))}, against "
        f"who left in the {many(span, 'month')} after"
        + ("" if firm.has("departures") else " (as the simulation knows)")
        + ": a standard that says nothing puts half of the pairs of one who left and one who stayed in the "
        "right order."
    )
    sheet.figure("foretell", "standards_and_churn", known, names=names)
    sheet.table(
        "foretell", known.assign(name=known["standard"].map(names)), "Standards of loyalty and churn",
        {
            "name": ("standard", word), "n": ("customers", count), "left": ("of them left", count),
            "auc": ("right order", percent), "low": ("from", percent), "high": ("to", percent),
        },
    )  # fmt: skip


# -- service -------------------------------------------------------------------------------------------


def service_section(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    """The hotline, complaints, letters and repairs."""
    if not firm.has("contacts") and not firm.has("complaints"):
        sheet.cannot("Neither contacts nor complaints are on file.")
        return
    if firm.has("contacts"):
        with sheet.part("The hotline", "热线：等待与放弃"):
            _hotline(sheet, firm)
    else:
        sheet.cannot("Calls and waits are not on file; complaints are.")
    if firm.has("complaints"):
        with sheet.part("Complaints", "投诉"):
            _complaints(sheet, firm)
    if firm.has("formal_complaints"):
        with sheet.part("Complaints in writing", "书面投诉"):
            letters = firm["formal_complaints"]
            late = 1 - float(letters["in_time"].mean())
            told = f"{percent(late)} were not answered in time" if late else "all were answered in time"
            sheet.say(f"{many(len(letters), 'complaint')} came in writing; {told}.")
    if firm.has("jobs"):
        with sheet.part("Repairs", "抢修"):
            jobs = firm["jobs"]
            wait = (jobs["finished"] - jobs["reported"]).dropna()
            sheet.say(
                f"Of {many(len(jobs), 'repair')}, {percent(float(jobs['in_time'].mean()))} were done in "
                f"time; half took less than {number(1)(wait.median())} hours from report to end, one in ten "
                f"more than {number(1)(wait.quantile(0.9))}."
            )


def _hotline(sheet: Sheet, firm: Firm) -> None:
    calls = firm["contacts"]
    calls = calls[calls["station"] == "hotline"]
    if not len(calls):
        sheet.cannot("No call to the hotline is on file.")
        return
    outcome = calls["outcome"].astype(str)
    calls = calls.assign(
        open=outcome != "closed", served=outcome == "service", lost=outcome.isin(["renege", "unserved"])
    )
    calls["wait"] = calls["waited"].where(calls["served"])
    calls["soon"] = (calls["waited"] <= SOON) & calls["served"]

    def line(rows: Any) -> pd.DataFrame:
        table = rows.agg(
            calls=("open", "sum"), served=("served", "sum"), lost=("lost", "sum"), wait=("wait", "mean"),
            soon=("soon", "sum"), attempts=("open", "size"), solved=("solved", "sum"),
        )  # fmt: skip
        base = table["calls"].where(table["calls"] > 0)
        table["abandoned"], table["level"] = table["lost"] / base, table["soon"] / base
        table["closed"] = table["attempts"] - table["calls"]
        table["solved_share"] = table["solved"] / table["served"].where(table["served"] > 0)
        return table

    monthly = line(calls.groupby("month")).reset_index()
    everything = line(calls.groupby(np.zeros(len(calls)))).iloc[0]
    sheet.stress(
        f"{percent(everything['abandoned'])} of {many(int(everything['calls']), 'call')} to the hotline were "
        f"given up; those answered waited {number(0)(everything['wait'])} seconds on average, and "
        f"{percent(everything['level'])} of the calls were answered within {SOON} seconds."
    )
    sheet.say(
        f"An answer solved the matter in {percent(everything['solved_share'])} of the calls answered; "
        f"{many(int(everything['closed']), 'attempt')} met a closed line."
    )
    worst = row_with(monthly, "abandoned")
    sheet.say(
        f"The worst month was {firm.month(int(worst['month']))}: {percent(worst['abandoned'])} given up."
    )
    kinds = {"service": "service", "renege": "renege", "closed": "closed", "unserved": "unserved"}
    drawn = pd.DataFrame(
        {
            "month": calls["month"], "record_type": outcome.map(kinds),
            "arrival_time": 24.0 * (calls["day"] - 1) + calls["hour"], "waiting_time": calls["waited"] / 3600,
            "called_back": calls["called_back"],
        }
    )  # fmt: skip
    sheet.figure("month", "service_month", drawn)
    sheet.figure("waits", "waits", drawn)
    monthly["when"] = [firm.month(int(m)) for m in monthly["month"]]
    columns = {
        "calls": ("calls", count), "served": ("answered", count), "abandoned": ("given up", percent),
        "wait": ("mean wait, s", count), "level": (f"within {SOON} s", percent),
        "solved_share": ("solved", percent),
    }  # fmt: skip
    sheet.table(
        "months",
        monthly.iloc[::-1],
        "The hotline by month, latest first",
        {"when": ("month", word), **columns},
    )
    reasons = line(calls.groupby("reason", observed=True)).reset_index().sort_values("calls", ascending=False)
    sheet.table("reasons", reasons, "Why they call", {"reason": ("reason", word), **columns})


def _complaints(sheet: Sheet, firm: Firm) -> None:
    made = firm["complaints"]
    size = 3 if firm.months >= 9 else 1
    table = made.groupby(made["month"] // size).agg(
        complaints=("customer", "size"), resolved=("resolved", "mean"), fast=("fast", "mean")
    )
    table = table.rename_axis("period").reset_index()
    table["begin"] = [firm.month(size * int(p)) for p in table["period"]]
    again = made["customer"].value_counts()
    (sheet.find if firm.has("contacts") else sheet.stress)(
        f"{many(len(made), 'complaint')} reached the firm; {percent(float(made['resolved'].mean()))} were "
        f"resolved, {percent(float(made['fast'].mean()))} of all fast."
    )
    sheet.say(
        f"They came from {many(len(again), 'customer')}; {percent(float((again > 1).mean()))} of them "
        "complained more than once. Who does not complain is not satisfied for that."
    )
    sheet.table(
        "complaints", table, "Complaints by quarter of the record" if size == 3 else "Complaints by month",
        {
            "begin": ("from", word), "complaints": ("complaints", count), "resolved": ("resolved", percent),
            "fast": ("resolved fast", percent),
        },
        rows=24,
    )  # fmt: skip


# -- the truth -----------------------------------------------------------------------------------------


def truth_section(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    """What a simulation knows, beside what was found."""
    if not firm.has("truth.customers"):
        sheet.cannot(
            "The truth is known for simulated customers only; this database is not from a simulation."
        )
        return
    sheet.say(
        "A simulation knows what no firm can: who has really left and of what, how satisfied everyone is, "
        "what each is worth. So the methods above can be graded."
    )
    if firm.contract and firm.has("departures", "truth.departures"):
        with sheet.part("Causes stated and true", "自述原因与真实原因"):
            _stated(sheet, firm)
    if firm.contract:
        with sheet.part("Value forecast and true", "价值预测与真实价值"):
            _true_value(sheet, firm, settings)
    elif firm.has("purchases"):
        with sheet.part("Who was really lost", "真实流失与判断"):
            _really_lost(sheet, firm)
    if firm.has("survey") or len(firm.waves):
        with sheet.part("Satisfaction measured and true", "测得满意度与真实满意度"):
            _true_satisfaction(sheet, firm)
    if firm.has("offers") and (firm.contract or firm.has("purchases")):
        with sheet.part("What offers truly change", "优惠的真实效果"):
            true_offers(sheet, firm, settings)
    with sheet.part("The methods graded", "成绩单"):
        _grades(sheet, firm, settings)
    if firm.drivers is not None:
        with sheet.part("Driver weights found and true", "驱动因素权重"):
            _true_weights(sheet, firm, firm.drivers)


def _stated(sheet: Sheet, firm: Firm) -> None:
    found = churn.stated_and_true(firm)
    table = found.table.merge(
        pd.DataFrame({"cause": [c.key for c in ChurnCause], "english": [c.english for c in ChurnCause],
                      "chinese": [c.chinese for c in ChurnCause]}), on="cause",
    )  # fmt: skip
    worst = row_with(table, "difference", size=True)
    sheet.stress(
        f"{percent(found.accuracy)} of {many(found.n, 'departure')} stated the true cause (kappa "
        f"{found.kappa:.2f})."
    )
    sheet.say(
        f"Furthest off is {worst['english']}: stated by {percent(worst['stated'])}, true of "
        f"{percent(worst['true'])}."
    )
    sheet.figure("causes", "stated_causes", found.table)
    sheet.table(
        "causes", table, "Causes stated and true, shares of all departures",
        {
            "english": ("cause", word), "chinese": ("", word), "stated": ("stated", percent),
            "true": ("true", percent),
            "recall": ("of the true, stated so", percent), "precision": ("of the stated, true", percent),
        },
    )  # fmt: skip


def _true_value(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    truth = firm["truth.customers"].set_index("customer")
    values = firm.worth
    here = truth["left_month"].isna().reindex(values.index).fillna(False)
    chance = truth["hazard"].reindex(values.index).clip(0, 1)
    kept = value.retention_value(
        np.ones(len(values)), 1 - chance.fillna(0.0).to_numpy(), discount_rate=settings.discount_rate,
        periods=settings.horizon,
    )  # fmt: skip
    true = (values["margin"] * kept).where(here, 0.0)
    both = pd.DataFrame({"forecast": values["current"], "true": true})[here & (values["current"] > 0)]
    if len(both) < 10:
        sheet.cannot("Too few customers are left to compare.")
        return
    total, real = both["forecast"].sum(), both["true"].sum()
    rank = float(both["forecast"].corr(both["true"], method="spearman"))
    caught = value.caught(both["true"].to_numpy(), both["forecast"].to_numpy(), 0.2) / real
    ideal = portfolio.top_share(both["true"])
    sheet.find(
        f"With everyone's true chance of leaving, the {many(len(both), 'customer')} now there are worth "
        f"{firm.money(real)} over {many(settings.horizon, 'month')}; the forecast, with one rate of leaving "
        f"for all, says {firm.money(total)} ({percent(abs(total / real - 1))} too "
        f"{'much' if total > real else 'little'})."
    )
    sheet.say(
        f"The order of the customers is {'hardly ' if rank > 0.9 else ''}affected (rank correlation "
        f"{rank:.2f}): the best fifth by forecast hold {percent(caught)} of the true value, the true best "
        f"fifth {percent(ideal)}. The true chance is that of the last month, and would change if customers "
        "do."
    )
    ranked = both.assign(tenth=pd.qcut(both["forecast"].rank(method="first"), 10, labels=False))
    table = ranked.groupby("tenth")[["forecast", "true"]].mean().iloc[::-1].reset_index()
    table["group"] = [f"{10 - int(k)}" for k in table["tenth"]]
    sheet.table(
        "value", table, "Value ahead by tenths of the forecast, the best first, a customer",
        {
            "group": ("tenth", word), "forecast": (firm.money.head("forecast"), firm.money.plain),
            "true": (firm.money.head("true"), firm.money.plain),
        },
    )  # fmt: skip


def _really_lost(sheet: Sheet, firm: Firm) -> None:
    truth, log = firm["truth.customers"], firm.log
    people = firm["customers"][firm["customers"]["customer"].isin(log["customer"])]
    errors = churn.inactivity_errors(log, truth, people, months=firm.months)
    gap = firm.silence
    errors["recall_precision"] = 2 * errors["hits"] / (errors["said"] + errors["gone"])
    mine = errors[errors["gap"] == gap]
    best = row_with(errors, "accuracy")
    share = float(errors["churn_true"].iloc[0])
    told = ""
    if len(mine):
        row = mine.iloc[0]
        told = (
            f" The rule of {many(gap, 'month')} of silence calls {percent(row['churn_said'])} lost; "
            f"{percent(row['precision'])} of these are, and it finds {percent(row['recall'])} of those gone."
        )
    sheet.stress(f"{percent(share)} of the buyers have really left." + told)
    sheet.say(
        f"Right most often is a rule of {many(int(best['gap']), 'month')}: {percent(best['accuracy'])} of "
        "verdicts."
    )
    sheet.figure("silence", "silence_rule", errors)
    sheet.table(
        "silence", errors, "The rule of silence against the truth",
        {
            "gap": ("months of silence", count), "said": ("said lost", count), "gone": ("gone", count),
            "precision": ("of the said, gone", percent), "recall": ("of the gone, said", percent),
            "alarm_rate": ("false alarms", percent), "accuracy": ("right", percent),
        },
    )  # fmt: skip
    with sheet.part("Who is still a customer: chance and truth", "客户仍存续的概率与真实情况"):
        _really_there(sheet, firm, truth)


def _really_there(sheet: Sheet, firm: Firm, truth: pd.DataFrame) -> None:
    chances = chances_alive(firm.log)
    there = truth.set_index("customer")["left_month"].isna().reindex(chances.index)
    known = there.notna().to_numpy()
    here, chances = there[known].astype(float), chances[known]
    if len(here) < 50 or here.nunique() < 2:
        sheet.cannot("Too few buyers have left, or too few are still there, to grade the chances.")
        return
    tables = {name: targeting.calibration_table(here, chances[name]) for name in chances}
    rows = pd.DataFrame(
        {
            "model": list(tables),
            "mean": [float(chances[name].mean()) for name in tables],
            "true": float(here.mean()),
            "auc": [targeting.auc(here, chances[name]) for name in tables],
            "brier": [targeting.brier(here, chances[name]) for name in tables],
        }
    )
    used = firm.forecast.chosen if firm.forecast else "BG/NBD"
    told = [f"{name} {percent(mean)}" for name, mean in zip(rows["model"], rows["mean"], strict=True)]
    best = row_with(rows, "auc")
    sheet.find(
        f"{percent(float(here.mean()))} of the buyers are really customers still. The models say "
        f"{listed(told)}; of one who is and one who is not, {best['model']} puts the right one first in "
        f"{percent(best['auc'])} of cases. The values of this report rest on {used}."
    )
    sheet.figure(
        "alive", "calibration", tables, forecast="chance of being a customer still, by the model, %",
        outcome="really customers still, %",
    )  # fmt: skip
    sheet.table(
        "alive", rows, "Chance of being a customer still, by model and in truth",
        {
            "model": ("model", word), "mean": ("mean chance", percent), "true": ("really there", percent),
            "auc": ("right order (AUC)", number(3)), "brier": ("Brier score, 0 is best", number(3)),
        },
    )  # fmt: skip


GRADED = {
    "alive": "who is still a customer",
    "purchases": "who buys in the next year",
    "spending": "who spends in the next year",
    "value": "who spends in the next year",
    "churn": "who leaves next month",
    "uplift": "whom an offer keeps",
    "drivers": "what drives satisfaction",
    "exit": "why they left",
    "causes": "why they left",
}


METHODS = {
    "lmg": "LMG",
    "coefficient": "regression in points",
    "beta": "standardised regression",
    "correlation": "correlation",
    "stated": "stated importance",
    "entropy": "entropy weights",
}


def _method(name: Any) -> str:
    """A method's key as words; models have their names already."""
    return METHODS.get(str(name), str(name))


def _grades(sheet: Sheet, firm: Firm, settings: Settings) -> None:
    weights = firm.weights
    card = targeting.report_card(
        firm,
        {"weights": weights} if weights else None,
        rows=20_000,
        seed=settings.seed,
    )
    table = card.table
    if not len(table):
        sheet.cannot("Nothing could be graded on this record.")
        return
    graded = table.dropna(subset=["grade"])
    first = graded.drop_duplicates("task")[["task", "measure"]]
    best = graded.merge(first, on=["task", "measure"]).sort_values("grade", ascending=False)
    told = [
        f"{GRADED.get(str(task), str(task))}: {_method(rows.iloc[0]['method'])} "
        f"({percent(rows.iloc[0]['grade'])} of the way)"
        for task, rows in best.groupby("task", sort=False)
    ]
    if told:
        sheet.say(
            f"How far the best method gets from guessing to knowing the truth, by task: {'; '.join(told)}."
        )
    sheet.figure("grades", "report_card", table)
    sheet.table(
        "grades", table.assign(what=[GRADED.get(str(t), str(t)) for t in table["task"]]),
        "Every method and measure",
        {
            "what": ("task", word), "method": ("method", _method), "measure": ("measure", word),
            "score": ("score", number(3)), "chance": ("guessing", number(3)), "best": ("knowing", number(3)),
            "grade": ("grade", number(2)),
        },
        rows=40,
    )  # fmt: skip
    for note in card.notes:
        if weights or "weights" not in note:  # the next part says it too
            sheet.cannot(note)


def _true_satisfaction(sheet: Sheet, firm: Firm) -> None:
    truth = firm["truth.customers"].set_index("customer")
    here = truth[truth["left_month"].isna()]
    real = float(here["satisfaction"].mean())
    told = [
        f"The true satisfaction of present customers averages {real:.1f} points at the end of the record."
    ]
    if firm.has("survey"):
        said = firm["survey"]
        late = said[said["month"] >= firm.months - 3].set_index("customer")["satisfaction"]
        told.append(f"The monthly question of the last quarter says {late.mean():.1f}.")
    if len(firm.waves):
        last = firm.waves.sort_values(["month", "wave"]).iloc[-1]
        frame = satisfaction.wide(firm["survey_answers"], int(last["wave"]))
        names = [name for name in ("satisfaction_1", "satisfaction_2", "satisfaction_3") if name in frame]
        if names:
            index = satisfaction.csi(frame, names, high=float(last["scale"]))
            points = 100 * (frame[names].mean(axis=1) - 1) / (float(last["scale"]) - 1)
            both = pd.DataFrame(
                {"said": points, "true": truth["satisfaction"].reindex(points.index)}
            ).dropna()
            told.append(
                f"The index of the wave of {firm.month(int(last['month']))} is {index.value:.1f}; the "
                f"respondents' own true satisfaction averages {both['true'].mean():.1f} at the end, and "
                f"their answers correlate with it by {both['said'].corr(both['true']):.2f}."
            )
    sheet.say(*told)


def _true_weights(sheet: Sheet, firm: Firm, found: drivers.Drivers) -> None:
    weights = firm.weights
    known = {name: float(weights[name]) for name in found.table.index if name in weights}
    if len(known) < len(found.table):
        sheet.cannot(
            "The true weights of the touchpoints are not in the database (truth.weights), so the drivers "
            "cannot be graded here."
        )
        return
    true = pd.Series(known) / sum(known.values())
    errors = found.errors(true)
    errors = errors.rename_axis("method").reset_index() if "method" not in errors else errors
    wide = found.shares.pivot(index="driver", columns="method", values="share").assign(true=true)
    best = errors.sort_values(errors.columns[1]).iloc[0]
    sheet.find(
        f"Nearest to the true weights of the touchpoints comes, in the last wave, {_method(best['method'])}, "
        f"with a mean error of {percent(best[errors.columns[1]])}."
    )
    table = wide.rename_axis("driver").reset_index().sort_values("true", ascending=False)
    methods = [name for name in METHODS if name in wide]
    sheet.figure("weights", "driver_importance", found.shares, truth=true, methods=methods)
    table["driver"] = [plain(name) for name in table["driver"]]
    columns = {"driver": ("touchpoint", word), "true": ("true", percent)}
    columns |= {name: (_method(name), percent) for name in METHODS if name in table}
    sheet.table("weights", table, "True weights and importance by each method", columns)
