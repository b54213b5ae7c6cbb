"""The columns of a customer, and where each stands in a block.

Customers are kept in blocks of 1,024. A block is one run of single-precision numbers, column
after column, so that a stage of the month finds all it needs in the processor's cache. `STATE`
lasts from month to month; `SCRATCH` is rewritten every month. `C.satisfaction` and `W.severity`
are the offsets used in `month.py`: customer i's satisfaction is `b[C.satisfaction + i]`.
"""

from __future__ import annotations

from .scenario import MAX_TOUCHPOINTS

BLOCK = 1024
# Distance between columns: a little more than a block, since columns exactly 4 KB apart would fight
# for the same places in the processor's cache.
STRIDE = BLOCK + 16
# Totals of a block are kept in so many lanes and added up at the end of the month.
LANES = 32

# name: meaning. Every number is a float32; months, counts and codes are whole.
STATE: dict[str, str] = {
    "active": "1 while a customer, else 0",
    "joined": "month of joining",
    "left": "month of the last departure, -1 while never left",
    "cause": "code of the proximate cause of leaving, 0 while active",
    "attributed": "code of the attributed cause of leaving",
    "source": "0 there at the start, 1 won by the firm, 2 referred",
    "returned": "month of the last return after a win-back, -1 for never",
    "fit": "lasting offset of perceived quality, points",
    "fairness": "judgement of price fairness, points",
    "anchor": "what the person expects by nature, points",
    "alternative": "value of the best alternative, points",
    "switching": "perceived cost of switching, points",
    "frailty": "own multiplier of the competitive hazard",
    "mobility": "multiplier of the natural hazard, mean 1",
    "payer": "multiplier of payment failure, mean 1",
    "rate": "own purchase rate a month",
    "spend_rate": "own rate parameter of spending (gamma-gamma)",
    "usage": "own bill relative to the mean bill",
    "propensity": "own propensity to complain, logit",
    "response": "own response to a retention call, log hazard",
    "channel_draw": "uniform number that places the person among the payment channels",
    "scale_use": "own use of survey scales, points",
    "baseline": "own constant monthly hazard of leaving",
    "dropout": "own chance of dropping out at a purchase",
    "expectation": "expected quality, points",
    "satisfaction": "cumulative satisfaction, points",
    "trust": "trust, points",
    "care": "stock of felt care",
    "value": "perceived value, points",
    "cognitive": "cognitive loyalty, points",
    "affective": "affective loyalty, points",
    "conative": "conative loyalty, points",
    "action": "action loyalty, points",
    "layer": "highest loyalty layer reached, 0 to 4",
    "stage": "stage of the relationship, 1 to 6",
    "neighbours": "decaying count of neighbours who left",
    "last_failure": "month of the last failure, -999 for never",
    "unresolved": "month of the last unresolved failure, -999 for never",
    "failures": "failures met",
    "complaints": "complaints made",
    "last_complaint": "month of the last complaint, -999 for never",
    "fault_points": "satisfaction lost to failures lately, decaying, points",
    "purchases": "purchases or paid bills",
    "last_purchase": "month of the last purchase or paid bill",
    "revenue": "revenue so far",
    "historical_value": "margin so far, less costs to serve",
    "discounted_value": "the same, discounted to month 0",
    "payment_failures": "failed payments",
    "last_payment_failure": "month of the last failed payment, -999 for never",
    "offer_strength": "strength of the running offer",
    "offer_months": "months the running offer still lasts",
    "offers": "offers received",
    "last_offer": "month of the last offer, -999 for never",
    "second_life": "hazard multiplier after a win-back, 1 before",
    "referrals": "new customers brought",
    "expected_exit": "sum of the monthly chances of leaving so far",
    "hazard": "chance of leaving in the last month as a customer",
    "group": "district and segment as one number (`town.Town`), 0 without them",
    "perception": "perception of each touchpoint, points (one column a touchpoint)",
}

# What a stage of the month leaves for the next; also what `trace` and the event log read.
SCRATCH: dict[str, str] = {
    "draws": "four uniforms of the current Philox block",
    "draws_1": "",
    "draws_2": "",
    "draws_3": "",
    "luck": "uniforms that decide: the experience, leaving (natural, competitive), a referral",
    "luck_1": "",
    "luck_2": "",
    "luck_3": "",
    "more_luck": "uniforms that decide: a failed payment, a rival's offer, delight, constant leaving",
    "more_luck_1": "",
    "more_luck_2": "",
    "more_luck_3": "",
    "met": "1 if any touchpoint was met",
    "failed": "touchpoints that failed",
    "severity": "the worst drop of a touchpoint's perception, points",
    "gap": "weighted distance of perception from expectation, points",
    "lost_points": "quality points lost to failures, weighted",
    "quality": "perceived quality of the month, points",
    "episode": "satisfaction with the month, points",
    "lost": "satisfaction lost to failures this month, points",
    "complained": "1 if a complaint was made",
    "reason": "why the hotline was called: 0 not, 1 bill, 2 payment, 3 other, 4 + d failure at touchpoint d",
    "called": "calls made, with those again",
    "waited": "minutes waited on the phone",
    "gave_up": "1 if no call was answered in the end",
    "visited": "1 if at the payment counter",
    "resolved": "1 if it was resolved",
    "fast": "1 if it was answered fast",
    "restored": "share of the drop in perception that recovery restores",
    "stay": "factor of the chance to leave at a fault",
    "delighted": "1 if surprised",
    "bought": "purchases of the month",
    "spent": "revenue of the month",
    "earned": "margin of the month",
    "dropped": "1 if the customer dropped out at a purchase",
    "unpaid": "1 if a payment failed",
    "cured": "1 if it was cured",
    "cut": "time of a cut-off within the month, 2 for none",
    "obstacle": "1 if an obstacle was overcome",
    "exit_time": "time of leaving within the month, 2 for none",
    "exit_cause": "cause of leaving, 0 for none",
    "exit_chance": "chance of leaving this month",
    "exit_natural": "hazard: natural",
    "exit_competitive": "hazard: competitive",
    "exit_fault": "hazard: fault",
    "exit_retaliatory": "hazard: retaliatory",
    "exit_payment": "chance of a cut-off",
    "praise": "recommendations told",
    "warning": "warnings told",
    "referred": "1 if a new customer was brought",
    "was_active": "1 if active at the start of the month",
    "tally": "column to be summed",
    "drop": "drop of each touchpoint's perception, points (twelve columns)",
}


class Offsets:
    """Offsets of named columns in a block: `offsets.trust` is where trust begins."""

    def __init__(self, names: dict[str, str]) -> None:
        self._at = {name: k * STRIDE for k, name in enumerate(names)}

    def __getattr__(self, name: str) -> int:
        try:
            return self.__dict__["_at"][name]
        except KeyError:
            raise AttributeError(f"no column {name!r}") from None


C = Offsets(STATE)
W = Offsets(SCRATCH)
INDEX = {name: k for k, name in enumerate(STATE)}
SCRATCH_INDEX = {name: k for k, name in enumerate(SCRATCH)}
STATE_FIXED = len(STATE) - 1
SCRATCH_COLUMNS = len(SCRATCH) - 1 + MAX_TOUCHPOINTS


def state_columns(touchpoints: int) -> int:
    """Number of columns of a block's state with so many touchpoints."""
    return STATE_FIXED + touchpoints


# Sums over customers that a month reports, in the order the tally stage writes them.
TOTALS: tuple[str, ...] = (
    "customers",
    "at_risk",
    "satisfaction",
    "expectation",
    "quality",
    "value",
    "trust",
    "layer_cognitive",
    "layer_affective",
    "layer_conative",
    "layer_action",
    "stage_new",
    "stage_repeat",
    "stage_long_term",
    "stage_premium",
    "stage_lifetime",
    "stage_advocate",
    "spurious",
    "failures",
    "complaints",
    "resolved",
    "delighted",
    "purchases",
    "revenue",
    "margin",
    "failed_payments",
    "cured_payments",
    "left_natural",
    "left_competitive",
    "left_fault",
    "left_payment_lapse",
    "left_retaliatory",
    "attributed_fault",
    "expected_natural",
    "expected_competitive",
    "expected_fault",
    "expected_payment_lapse",
    "expected_retaliatory",
    "recommendations",
    "warnings",
    "referrals",
)
