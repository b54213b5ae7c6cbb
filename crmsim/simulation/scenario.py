"""The world a simulation runs in: every parameter declared once.

A `Scenario` is made of small sections. Each number in them has a default, bounds, a unit, a
sentence that says what it means and, where there is one, the source it comes from. The same
declaration feeds validation, the TOML files, `Scenario.table()`, the README, widgets and
sensitivity analysis.

Perceptions (quality, satisfaction, trust, value, loyalty layers) are on 0 to 100. Money is in
the scenario's currency. Hazards are per month.
"""

from __future__ import annotations

import difflib
import hashlib
import html
import json
import math
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

if TYPE_CHECKING:
    import pandas as pd

    from .town import Town

PRESETS = Path(__file__).parent / "presets"
MAX_TOUCHPOINTS = 12
MAX_PARTS = 12  # districts, and segments


# Where something is wrong, as steps into the content, and what.
Fault = tuple[tuple[str | int, ...], str]


class ScenarioError(ValueError):
    """A scenario that cannot be used. `errors` lists every fault as (where, what)."""

    def __init__(self, errors: list[tuple[str, str]], origin: str = "scenario") -> None:
        self.errors = errors
        self.origin = origin
        lines = "\n".join(f"  {where}: {what}" for where, what in errors)
        count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
        super().__init__(f"{origin}: {count}\n{lines}")

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process borders by their arguments.
        return type(self), (self.errors, self.origin)


def parameter(
    default: float | int, low: float, high: float, unit: str, meaning: str, source: str = "assumed"
) -> Any:
    """Declare one number: default, bounds (both allowed), unit, meaning, source."""
    return Field(
        default, ge=low, le=high, description=meaning, json_schema_extra={"unit": unit, "source": source}
    )


def word(default: Any, meaning: str, unit: str = "word", source: str = "design", **more: Any) -> Any:
    """Declare a parameter that is no number: a name, a choice, yes or no."""
    return Field(default, description=meaning, json_schema_extra={"unit": unit, "source": source}, **more)


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _kind(cls, value: Any, info: ValidationInfo) -> Any:
        """Take numbers for numbers only: neither "78" nor true is one."""
        wanted = cls.model_fields[info.field_name or ""].annotation
        if wanted is bool and not isinstance(value, bool):
            raise ValueError(f"true or false is needed, not {value!r}")
        if wanted in (int, float) and isinstance(value, bool | str):
            raise ValueError(f"a number is needed, not {value!r}")
        return value


class Population(Section):
    """Who the customers are: how they differ from one another."""

    size: int = parameter(10_000, 1, 50_000_000, "customers", "customers at the start")
    months: int = parameter(36, 1, 600, "months", "length of the simulation")
    initial_share: float = parameter(
        1, 0, 1, "share", "share of `size` who are customers at the start; 0 starts from an empty market"
    )
    fit_sd: float = parameter(
        11.5, 0, 40, "points", "spread between persons of the lasting offset of perceived quality"
    )
    fairness_mean: float = parameter(64, 0, 100, "points", "mean judgement of price fairness", "ECSI value")
    fairness_sd: float = parameter(18, 0, 40, "points", "spread of price fairness", "ECSI value")
    complaint_sd: float = parameter(0.5, 0, 5, "logit", "spread of the propensity to complain")
    response_mean: float = parameter(
        0.30, -2, 2, "log hazard", "mean response to a retention call: hazard x exp(-response)"
    )
    response_sd: float = parameter(0.25, 0, 2, "log hazard", "spread of the response to a retention call")
    response_risk_correlation: float = parameter(
        -0.2, -1, 1, "correlation", "correlation of response with frailty", "Ascarza 2018 (sign)"
    )
    scale_use_sd: float = parameter(5, 0, 30, "points", "spread of survey scale use")


class Market(Section):
    """The alternatives customers have, and what leaving costs them."""

    openness: float = parameter(1, 0, 1, "share", "how open the market is; 0 is a monopoly")
    awareness: float = parameter(
        1, 0, 1, "share", "of an open market's customers, who know that they can choose, when it opens",
        "England, water for businesses, first year: .48 of small users, .89 of large (Ofwat 2018)",
    )  # fmt: skip
    awareness_growth: float = parameter(
        0, -1, 1, "per year", "change of that share from the month on in which the market opens"
    )
    attention: float = parameter(
        1, 0, 1, "share", "of those who know, who look at offers at all; a failure makes everybody look"
    )
    size: float = parameter(3, 1, 10_000, "x population.size", "people who might be customers")
    alternative_mean: float = parameter(66, 0, 100, "points", "mean value of the best alternative")
    alternative_sd: float = parameter(6, 0, 40, "points", "spread of the best alternative's value")
    alternative_shift: float = parameter(
        0, -50, 50, "points", "shift of every alternative; rivals' acts add to it"
    )
    switching_cost_mean: float = parameter(30, 0, 100, "points", "mean perceived cost of switching")
    switching_cost_sd: float = parameter(15, 0, 50, "points", "spread of the switching cost")
    switching_cost_shift: float = parameter(
        0, -100, 100, "points", "what the firm adds to switching costs (contract, points, data)"
    )


class Satisfaction(Section):
    """From perceived quality through disconfirmation to cumulative satisfaction."""

    perception_rate: float = parameter(
        0.15, 0, 1, "per month", "speed at which the perception of a touchpoint follows its quality"
    )
    encounter_sd: float = parameter(10, 0, 40, "points", "noise of one month's experience")
    gain: float = parameter(
        0.25, 0, 5, "points per point", "effect of an exceeded expectation", "Anderson & Sullivan 1993 (sign)"
    )
    loss: float = parameter(
        0.55,
        0,
        5,
        "points per point",
        "effect of a missed expectation",
        "Anderson & Sullivan 1993; ratio to gain near Kahneman & Tversky's 2.25",
    )
    adjustment: float = parameter(
        0.20, 0, 1, "per month", "weight of the latest episode in satisfaction", "Bolton 1998"
    )
    expectation_rate: float = parameter(
        0.10, 0, 1, "per month", "speed at which expectation follows experience", "Johnson et al. 1995"
    )
    anchor_rate: float = parameter(0.06, 0, 1, "per month", "pull of expectation towards the person's anchor")
    anchor_offset: float = parameter(
        0, -50, 50, "points", "mean anchor minus mean quality: what the market promises"
    )
    anchor_sd: float = parameter(10, 0, 40, "points", "spread of the expectation anchor")
    promise: float = parameter(
        0, -50, 50, "points", "what advertising adds to the expectation of a new customer"
    )
    delight_share: float = parameter(0, 0, 1, "share of months", "share of customers surprised in a month")
    delight_points: float = parameter(15, 0, 60, "points", "size of a pleasant surprise")


class Value(Section):
    """Perceived value: what is received against what is paid."""

    satisfaction_weight: float = parameter(0.6, 0, 1, "share", "weight of satisfaction in perceived value")
    fairness_shift: float = parameter(0, -50, 50, "points", "shift of every customer's price fairness")
    price: float = parameter(1, 0.01, 10, "x list price", "price charged, relative to the reference price")
    price_effect: float = parameter(60, 0, 500, "points", "points of value for a price change of 100 %")


class Trust(Section):
    """Trust builds slowly and breaks fast; care decays unless renewed."""

    gain: float = parameter(0.04, 0, 1, "per month", "speed of building trust", "Slovic 1993 (direction)")
    loss: float = parameter(0.12, 0, 1, "per month", "speed of losing trust", "Slovic 1993 (direction)")
    care_retention: float = parameter(0.9, 0, 1, "per month", "share of felt care that lasts a month")


class Loyalty(Section):
    """Four layers, each standing on the one below (Oliver 1999)."""

    cognitive_rate: float = parameter(0.30, 0, 1, "per month", "speed of cognitive loyalty")
    affective_rate: float = parameter(0.15, 0, 1, "per month", "speed of affective loyalty")
    conative_rate: float = parameter(0.15, 0, 1, "per month", "speed of conative loyalty")
    action_rate: float = parameter(0.05, 0, 1, "per month", "speed of action loyalty in a plain month")
    action_obstacle_rate: float = parameter(
        0.15, 0, 1, "per month", "speed of action loyalty in a month with an obstacle overcome"
    )
    threshold: float = parameter(60, 0, 100, "points", "level from which a layer counts as reached")
    rival_offer_rate: float = parameter(
        0.15, 0, 1, "per month", "chance of noticing a rival's offer in a fully open market"
    )
    premium_margin: float = parameter(
        0, 0, 1e9, "money per month", "margin of the premium stage; 0 takes the top fifth at the start"
    )
    long_term_months: float = parameter(24, 1, 600, "months", "tenure of the long-term stage")
    lifetime_months: float = parameter(60, 1, 600, "months", "tenure of the lifetime stage")


class Churn(Section):
    """Competing hazards of leaving, per month."""

    natural: float = parameter(0.0025, 0, 1, "per month", "mean hazard of moving away or dying")
    mobility_shape: float = parameter(
        0.3, 0.05, 1000, "gamma shape", "heterogeneity of the natural hazard; small is uneven"
    )
    competitive: float = parameter(0.01, 0, 5, "per month", "base hazard of leaving for a rival")
    frailty_shape: float = parameter(
        1, 0.05, 1000, "gamma shape", "heterogeneity of the competitive hazard; 1000 is none"
    )
    occasion_effect: float = parameter(
        0,
        0,
        1,
        "exponent",
        "how far the competitive hazard follows a person's own purchase rate: 0 is calendar time, "
        "1 is a choice at each purchase occasion",
        "drop-out at purchases as in BG/NBD, Fader, Hardie & Lee 2005",
    )
    value_effect: float = parameter(0.6, 0, 5, "per 10 points", "effect of value over the alternative")
    delight_effect: float = parameter(0, 0, 5, "per 10 points", "extra protection above satisfaction 85")
    switching_effect: float = parameter(0.4, 0, 5, "per 10 points", "effect of switching costs")
    affective_effect: float = parameter(0.25, 0, 5, "per 25 points", "effect of affective loyalty")
    exponent_limit: float = parameter(4, 0, 10, "log hazard", "limit of the sum of effects, both ways")
    fault_minor: float = parameter(0.01, 0, 1, "probability", "chance of leaving at once after a fault")
    fault_major: float = parameter(0.04, 0, 1, "probability", "the same after a major fault")
    major_severity: float = parameter(60, 0, 200, "points", "severity from which a fault is major")
    retaliatory: float = parameter(
        0.001, 0, 1, "per month", "hazard of withholding payment in anger after an unresolved fault"
    )
    retaliatory_satisfaction: float = parameter(40, 0, 100, "points", "satisfaction below which anger acts")
    fault_memory: float = parameter(6, 1, 60, "months", "how long an unresolved fault is remembered")
    baseline_a: float = parameter(
        0, 0, 1000, "beta", "first shape of a person's constant monthly chance of leaving; 0 is off"
    )
    baseline_b: float = parameter(0, 0, 1000, "beta", "second shape of that chance; 0 is off")


class Complaint(Section):
    """Exit, voice and recovery."""

    intercept: float = parameter(-2.2, -20, 20, "logit", "propensity to complain about a problem")
    severity_effect: float = parameter(0.045, 0, 1, "logit per point", "effect of the problem's severity")
    trust_effect: float = parameter(0.01, 0, 1, "logit per point", "effect of trust above 60")
    effort: float = parameter(0, -10, 10, "logit", "effort that complaining takes")
    resolved: float = parameter(0.5, 0, 1, "share", "complaints that are resolved")
    fast: float = parameter(0.5, 0, 1, "share", "resolved complaints that are resolved fast")
    recovery_resolved: float = parameter(0.7, 0, 2, "share", "part of the loss regained when resolved")
    recovery_fast: float = parameter(
        1.1, 0, 2, "share", "part regained when fast, first failure", "de Matos et al. 2007"
    )
    recovery_repeat: float = parameter(
        0.6, 0, 2, "share", "part regained at a repeated failure", "Maxham & Netemeyer 2002"
    )
    loss_unresolved: float = parameter(0.3, 0, 2, "share", "further loss when a complaint is not resolved")
    stay_unresolved: float = parameter(0.9, 0, 2, "factor", "fault exit after an unresolved complaint")
    stay_resolved: float = parameter(0.5, 0, 2, "factor", "fault exit after a resolved complaint")
    stay_fast: float = parameter(0.2, 0, 2, "factor", "fault exit after a fast answer")


class Purchase(Section):
    """What customers buy or are billed, and what it earns."""

    contract: bool = word(False, "billed by contract (true) or buying when they like (false)", "yes/no")
    rate_shape: float = parameter(0.8, 0.05, 1000, "gamma shape", "heterogeneity of the purchase rate")
    rate_mean: float = parameter(0.6, 0, 60, "per month", "mean purchase rate")
    satisfaction_effect: float = parameter(0.01, 0, 0.2, "log rate per point", "effect of satisfaction")
    spend_shape: float = parameter(
        6.25, 0.1, 1000, "gamma shape", "regularity of one customer's spending", "CDNOW gamma-gamma"
    )
    spend_heterogeneity: float = parameter(
        3.74, 1.01, 1000, "gamma shape", "evenness of spending between customers", "CDNOW gamma-gamma"
    )
    spend_scale: float = parameter(15.45, 0.001, 1e7, "money", "scale of spending", "CDNOW gamma-gamma")
    dropout_a: float = parameter(
        0, 0, 1000, "beta", "first shape of the chance of dropping out at a purchase (BG/NBD); 0 is off"
    )
    dropout_b: float = parameter(0, 0, 1000, "beta", "second shape of that chance; 0 is off")
    fee: float = parameter(30, 0, 1e7, "money per month", "mean bill of a contract customer")
    usage_sd: float = parameter(0, 0, 3, "log money", "spread of the bill between customers (log-normal)")
    margin: float = parameter(0.4, -1, 1, "share of revenue", "gross margin")
    cost_to_serve: float = parameter(0, 0, 1e6, "money per month", "cost of serving a customer")
    contact_cost: float = parameter(0, 0, 1e6, "money per complaint", "cost of handling a complaint")
    light_boost: float = parameter(0, -1, 5, "share", "change of a light buyer's purchase rate")
    heavy_boost: float = parameter(0, -1, 5, "share", "change of a heavy buyer's purchase rate")


class Demand(Section):
    """Ups and downs of buying that all customers share."""

    shock_sd: float = parameter(0, 0, 2, "log rate", "spread of the shared monthly demand shock")
    shock_autocorrelation: float = parameter(0.5, -0.99, 0.99, "correlation", "its month-to-month memory")
    season_amplitude: float = parameter(0, 0, 1, "share", "height of the yearly season")
    season_peak: float = parameter(12, 1, 12, "month of year", "month of the seasonal peak")


class Payment(Section):
    """Bills that fail to be paid without ill will (contract only)."""

    manual_share: float = parameter(0.2, 0, 1, "share", "customers paying by hand")
    card_share: float = parameter(0.5, 0, 1, "share", "customers paying by card")
    debit_share: float = parameter(0.3, 0, 1, "share", "customers paying by direct debit")
    manual_failure: float = parameter(0.03, 0, 1, "per month", "failure of a payment by hand")
    card_failure: float = parameter(0.05, 0, 1, "per month", "failure of a card payment", "GoCardless")
    debit_failure: float = parameter(0.008, 0, 1, "per month", "failure of a debit", "GoCardless")
    cure: float = parameter(0.5, 0, 1, "share", "failed payments that are cured", "vendors: median .476")
    cutoff: float = parameter(0.12, 0, 1, "share", "uncured failures that end the contract")
    payer_shape: float = parameter(0.3, 0.05, 1000, "gamma shape", "heterogeneity of payment risk")


class WordOfMouth(Section):
    """What customers tell others, and what their leaving does to neighbours."""

    positive: float = parameter(0.12, 0, 5, "per month", "recommendations at satisfaction 100")
    negative: float = parameter(0.42, 0, 5, "per month", "warnings at satisfaction 20")
    influence: float = parameter(
        1, 0, 1, "share", "how far imitation follows what is told; 0 counts every customer alike"
    )
    contagion: float = parameter(
        0,
        0,
        5,
        "per neighbour",
        "rise of the competitive hazard per neighbour who left",
        "Nitzan & Libai 2011",
    )
    contagion_memory: float = parameter(1.5, 0.1, 60, "months", "decay of that rise", "Nitzan & Libai 2011")


class Acquisition(Section):
    """New customers: won by the firm, or referred by customers (Bass 1969)."""

    external: float = parameter(
        0.03, 0, 5, "per year", "share of non-customers won a year", "Sultan, Farley & Lehmann 1990"
    )
    imitation: float = parameter(
        0.38,
        0,
        20,
        "per year",
        "share won by imitation if all were customers",
        "Sultan, Farley & Lehmann 1990",
    )
    cost: float = parameter(0, 0, 1e6, "money per customer", "cost of winning a customer, not referred")
    referred_fit: float = parameter(3, -20, 20, "points", "better fit of a referred customer")
    referred_hazard: float = parameter(
        0.85, 0.1, 2, "factor", "competitive hazard of a referred customer", "Schmitt et al. 2011"
    )
    referred_margin: float = parameter(
        0.25, -1, 2, "share", "extra margin of a referred customer at first", "Schmitt et al. 2011"
    )
    referred_months: float = parameter(
        29, 1, 600, "months", "until that extra is gone", "Schmitt et al. 2011"
    )


class Firm(Section):
    """What the firm knows and how it counts."""

    score_validity: float = parameter(
        0.5, 0, 1, "correlation", "correlation of the firm's scores (risk, response) with the truth"
    )
    discount_rate: float = parameter(
        0.12, 0, 2, "per year", "discount rate of money", "Gupta, Lehmann & Stuart 2004"
    )
    survey_share: float = parameter(0.05, 0, 1, "share", "customers asked for their satisfaction a month")


class Shift(Section):
    """A group of agents with hours and skills of their own, beside `service.agents`."""

    name: str = word(..., "name of the group in lower case", pattern=r"^[a-z][a-z0-9_]*$")
    agents: int = parameter(1, 0, 10_000, "agents", "agents on the phone")
    from_hour: float = parameter(8, 0, 23.99, "hour", "beginning of the shift")
    to_hour: float = parameter(17, 0.01, 48, "hour", "end of the shift; past midnight above 24")
    days: int = parameter(5, 1, 7, "days", "days of the week it works, from Monday on")
    skills: tuple[str, ...] = word(
        (),
        "what they answer: bill_question, payment_question, other_question, or failures at touchpoints by "
        "name; empty for everything",
    )


class Service(Section):
    """The people customers wait for: hotline, payment counter, complaint office, field crews.

    With `desk = "none"` nobody waits and complaints are answered as `complaint.resolved` and
    `complaint.fast` say. With a desk, a complaint is a call: `complaint.resolved` is the chance that an
    answer solves it, whether and how fast it is answered follows from staff, hours and handling, and
    what happens on the phone becomes the customer's experience of the service touchpoint.
    """

    desk: Literal["none", "fast", "simpy", "erlang"] = word(
        "none", "no waiting; exact first come first served; the SimPy reference; Erlang A approximation"
    )
    touchpoint: str = word("service", "name of the touchpoint that the hotline is experienced as")
    payment_touchpoint: str = word("payment", "name of the touchpoint that the counter is experienced as")
    agents: float = parameter(
        2, 0, 10_000, "agents", "agents on the phone during opening hours; a fraction works part of the day"
    )
    open_from: float = parameter(8, 0, 23, "hour", "opening hour of hotline, office and counter")
    open_to: float = parameter(17, 1, 24, "hour", "closing hour")
    open_days: int = parameter(5, 1, 7, "days", "days of the week open, from Monday on")
    bill_questions: float = parameter(
        0.021, 0, 1, "per customer and month", "calls with a question about the bill",
        "81 calls per 1,000 bills (Lawrence, Kansas, Jan 2019), 26 % of them",
    )  # fmt: skip
    payment_questions: float = parameter(
        0.011, 0, 1, "per customer and month", "calls to pay or about paying", "the same, 14 %"
    )
    other_questions: float = parameter(0.014, 0, 1, "per customer and month", "other calls", "the same, 17 %")
    self_service: float = parameter(
        0, 0, 1, "share", "questions that a voice menu or website answers without an agent"
    )
    dispersion: float = parameter(
        3.6, 1, 50, "variance / mean", "spread of the calls of a day", "Lawrence, Kansas, Jan 2019"
    )
    hourly: tuple[NonNegativeFloat, ...] = word(
        (0.7, 1.2, 1.35, 1.2, 1.0, 1.05, 1.15, 0.9, 0.45),
        "calls through the opening hours, in equal parts, relative to one another", "relative",
        min_length=1, max_length=96,
    )  # fmt: skip
    weekdays: tuple[NonNegativeFloat, ...] = word(
        (1.1, 1.0, 1.0, 1.0, 0.9, 0.5, 0.5),
        "calls from Monday to Sunday, relative to one another; only days open count", "relative",
        "assumed", min_length=7, max_length=7,
    )  # fmt: skip
    common_events: int = parameter(
        4, 1, 60, "per month", "events, such as a burst main, that many call about at once"
    )
    event_spread: float = parameter(1.0, 0.01, 100, "hours", "mean time from such an event to a call")
    patience: float = parameter(8, 0.01, 1_000, "minutes", "mean patience on the phone (exponential)")
    redial: float = parameter(0.5, 0, 1, "share", "of those who hung up, who try again")
    redial_delay: float = parameter(20, 0.1, 10_000, "minutes", "mean time until they do")
    handling: float = parameter(
        3.9, 0.05, 240, "minutes", "mean handling time of a call (lognormal)", "Lawrence: 3:11 to 4:36"
    )
    handling_cv: float = parameter(1.0, 0.01, 5, "sd / mean", "its spread")
    question_resolved: float = parameter(
        0.85, 0, 1, "share", "questions resolved at an answer; of problems `complaint.resolved` says"
    )
    repeat: float = parameter(0.7, 0, 1, "share", "of those not resolved, who call again")
    repeat_delay: float = parameter(24, 0.1, 500, "hours", "mean time until they do")
    callback_after: float = parameter(
        0, 0, 240, "minutes", "expected wait from which a call-back is offered; 0 for never (simpy only)"
    )
    priorities: bool = word(False, "problems before questions (simpy only)")
    shifts: tuple[Shift, ...] = word((), "further agents with hours and skills of their own")
    service_level: float = parameter(20, 1, 3_600, "seconds", "answered within this counts as in time")
    fast: float = parameter(24, 0.1, 1_000, "hours", "a problem solved within this is solved fast")
    wait_free: float = parameter(1, 0, 60, "minutes", "wait on the phone that nobody minds")
    wait_points: float = parameter(
        1.0, 0, 50, "points per minute", "drop in the perception of service for each further minute"
    )
    abandon_points: float = parameter(
        18, 0, 100, "points", "drop after giving up", "-1.6 of 9 on a 10-point scale (design of the case)"
    )
    unresolved_points: float = parameter(18, 0, 100, "points", "drop when the call did not resolve it")
    courtesy: float = parameter(0, -50, 50, "points", "how kindly agents treat callers, against the usual")
    courtesy_sd: float = parameter(5, 0, 50, "points", "spread of it between calls")
    notified: float = parameter(0.5, 0, 1, "share", "planned stops that are announced in time")
    notice_factor: float = parameter(
        0.22, 0, 1, "factor", "severity, and calls, when announced", "-.12 for -.55 (design of the case)"
    )
    crews: float = parameter(2, 0, 1_000, "crews", "field crews; a fraction works part of the day")
    crew_from: float = parameter(7, 0, 23, "hour", "beginning of their day, every day of the week")
    crew_to: float = parameter(19, 1, 24, "hour", "end of it")
    travel: float = parameter(
        45,
        1,
        1_000,
        "minutes",
        "mean travel time (lognormal)",
        "on site 60 min by day (Nan'an): assumed mean",
    )
    repair: float = parameter(
        3.0, 0.05, 200, "hours", "mean repair time (lognormal)", "assumed; stop a leak within 4 h is the rule"
    )
    repair_cv: float = parameter(0.8, 0.01, 5, "sd / mean", "spread of travel and repair times")
    repair_deadline: float = parameter(
        24, 0.1, 1_000, "hours", "a repair later than this after the report missed its deadline",
        "DN500 or less within 24 h (Lianyungang)",
    )  # fmt: skip
    escalation: float = parameter(
        0.07, 0, 1, "share", "of those whose problem the hotline did not solve, who complain formally",
        "formal complaints are some 2 % of contacts (CCW); assumed",
    )  # fmt: skip
    clerks: float = parameter(
        1, 0, 1_000, "clerks", "who answer complaints; a fraction works part of the day"
    )
    complaint_handling: float = parameter(2.0, 0.05, 100, "hours", "mean work on a complaint (lognormal)")
    complaint_deadline: float = parameter(
        72, 1, 2_000, "hours", "a complaint answered later missed its deadline", "3 working days (China)"
    )
    counter_clerks: float = parameter(0, 0, 1_000, "clerks", "at the payment counter; 0 for no counter")
    counter_share: float = parameter(
        0.1, 0, 1, "share", "of the bills paid by hand that are paid at the counter"
    )
    visit: float = parameter(3.0, 0.1, 240, "minutes", "mean service time at the counter (lognormal)")
    counter_free: float = parameter(5, 0, 240, "minutes", "wait at the counter that nobody minds")
    counter_points: float = parameter(0.3, 0, 50, "points per minute", "drop for each further minute")


class Touchpoint(Section):
    """One place where the customer meets the firm. The only way the firm touches a customer."""

    name: str = word(..., "name in lower case", pattern=r"^[a-z][a-z0-9_]*$")
    chinese: str = word("", "the name in Chinese")
    weight: float = parameter(1, 0, 1, "share", "weight in perceived quality; all weights sum to one")
    quality: float = parameter(78, 0, 100, "points", "quality delivered when nothing fails")
    exposure: float = parameter(1, 0, 1, "per month", "chance of meeting the touchpoint in a month")
    failure: float = parameter(0.03, 0, 1, "per meeting", "chance that a meeting fails")
    severity: float = parameter(40, 0, 150, "points", "mean drop of its perception at a failure")
    severity_sd: float = parameter(10, 0, 60, "points", "spread of that drop")
    level: Literal["material", "spiritual", "social"] = word(
        "material", "level of satisfaction it serves", source="测评与提高客户的满意度 (课题九)"
    )
    phase: Literal["pre_sale", "in_sale", "after_sale"] = word(
        "in_sale", "when it is met", source="客户服务在企业价值链中的首要地位"
    )
    kind: Literal["one_dimensional", "must_be", "attractive"] = word(
        "one_dimensional", "how gains and losses of it count", source="Kano et al. 1984"
    )
    planned: float = parameter(
        0, 0, 1, "share", "failures that are planned and can be announced (with a service desk)"
    )
    common: float = parameter(
        0, 0, 1, "share", "calls that belong to events which strike many at once (with a service desk)"
    )
    crew: float = parameter(0, 0, 1, "share", "calls that need a crew on the spot (with a service desk)")


class RivalEvent(Section):
    """What a rival or a regulator does in a given month.

    `price_cut` and `improvement` raise the value of the alternative by `size` points; `entry`
    raises it and opens the market further by `opening`; `opening` sets the openness.
    """

    month: int = parameter(12, 0, 600, "month", "when it happens")
    kind: Literal["price_cut", "improvement", "entry", "opening"] = word("price_cut", "what happens")
    size: float = parameter(5, -50, 50, "points", "points the alternative gains")
    opening: float = parameter(0, 0, 1, "share", "openness reached (opening) or added (entry)")
    ramp: int = parameter(3, 0, 120, "months", "months until the full effect")
    duration: int = parameter(600, 1, 600, "months", "how long a price cut lasts")


class Tier(Section):
    """One step of a tariff: what a cubic metre costs up to some use."""

    upto: float = parameter(1e6, 1e-6, 1e9, "m3 a month", "use up to which the price holds")
    price: float = parameter(3.0, 1e-6, 1e6, "money per m3", "price of what is used in this step")


class Metering(Section):
    """Meters, readings and bills by tariff, for those who are billed for what they use.

    Nothing of it acts back on the customers: the money of a bill is that of the world's months, and the
    use follows from it by the tariff.
    """

    cycle: int = parameter(0, 0, 12, "months", "months that one bill is for; 0 for no meters")
    tiers: tuple[Tier, ...] = word(
        (Tier(),), "steps of the tariff, from the first on; the last has no end", min_length=1, max_length=3
    )
    sewage: float = parameter(0, 0, 1e6, "money per m3", "further charge on everything used")
    smart: float = parameter(0.4, 0, 1, "share", "meters that send their readings", "case of City A")
    estimated: float = parameter(0.02, 0, 1, "share", "readings estimated", "case of City A")
    missed: float = parameter(0.01, 0, 1, "share", "readings that nobody could take", "case of City A")
    touchpoint: str = word("billing", "touchpoint whose failures are bills sent out wrong")
    error_low: float = parameter(0.3, 0, 10, "share of the bill", "least that a wrong bill asks too much")
    error_high: float = parameter(2.0, 0, 10, "share of the bill", "most of it", "x 1.3 to 3, case of City A")
    due: int = parameter(15, 1, 90, "days", "from a bill to the day it is due")
    late: float = parameter(20, 0, 365, "days", "mean delay of a late payment (exponential)")
    late_fee: float = parameter(0.0005, 0, 0.1, "share a day", "charge on what is paid late", "0.05 % a day")


class Disturbance(Section):
    """A kind of event that strikes many customers at once (with a service desk).

    What strikes whom is decided by the touchpoints (`common`, `planned`); this gives it a name. Nothing of
    it acts back on the customers.
    """

    kind: str = word(..., "name in lower case", pattern=r"^[a-z][a-z0-9_]*$")
    chinese: str = word("", "the name in Chinese")
    touchpoint: str = word(..., "touchpoint that it strikes")
    planned: bool = word(False, "whether it is planned and can be announced")
    share: float = parameter(1, 0, 1e6, "relative", "how often, relative to the others of its touchpoint")
    hours: float = parameter(
        5, 0.01, 720, "hours", "median length where no crew ends it (lognormal)", "case of City A"
    )
    aging: float = parameter(
        0, 0, 5, "exponent", "how much oftener where mains are old: share x (age / mean age) ^ this"
    )
    pumped: float = parameter(
        1, 0, 100, "factor", "how many times as often where water is pumped up again in the houses"
    )

    def share_in(self, district: District | None, mean_age: float) -> float:
        """How often in a district (None for none), relative to others of its touchpoint there.

        mean_age: of the town's mains, years; 0 where there are none. `problems` of the district say how often
        the touchpoint fails there; this says by what.
        """
        if district is None:
            return self.share
        old = (district.pipe_age / mean_age) ** self.aging if district.pipe_age and mean_age else 1.0
        return self.share * old * (self.pumped if district.secondary_supply else 1.0)


def _factors() -> Any:
    return Field(
        default_factory=dict,
        description="how many times as often as elsewhere a touchpoint, by name, fails; 1 where not named",
        json_schema_extra={"unit": "factor", "source": "assumed"},
    )


class _Part(Section):
    """What districts and segments have in common: names, share, where they have more trouble."""

    name: str = word(..., "name in lower case", pattern=r"^[a-z][a-z0-9_]*$")
    english: str = word("", "the name in English; left out, `name` itself")
    chinese: str = word("", "the name in Chinese")
    share: float = parameter(1, 0, 1, "share", "share of the customers")
    problems: dict[str, float] = _factors()

    @field_validator("problems", mode="before")
    @classmethod
    def _plain_factors(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise ValueError(f"a table of factors by touchpoint is needed, not {value!r}")
        for touchpoint, factor in value.items():
            number = isinstance(factor, int | float) and not isinstance(factor, bool)
            if not number or not 0 <= factor <= 100:
                raise ValueError(f"the factor of {touchpoint} must be a number from 0 to 100, not {factor!r}")
        return value

    @property
    def words(self) -> str:
        """The name in English."""
        return self.english or self.name.replace("_", " ")


class District(_Part):
    """A part of town. The shares of all sum to one.

    `problems` are relative: they are divided by their mean over the customers, so that the town as a whole
    has the failures of its touchpoints.
    """

    share: float = parameter(1, 0, 1, "share", "customers who live there; all shares sum to one")
    pipe_age: int = parameter(0, 0, 200, "years", "age of the mains; 0 where there are none")
    secondary_supply: bool = word(False, "whether water is pumped up again in the houses", "yes/no")


class Segment(_Part):
    """A kind of customer. Everybody belongs to one that is open to his age.

    `problems` and `leaving` are relative, as those of a `District`.
    """

    share: float = parameter(1, 0, 1, "share", "relative to the others that are open to the same age")
    youngest: int = parameter(18, 0, 120, "years", "age from which one may belong to it")
    oldest: int = parameter(120, 0, 120, "years", "age up to which one may")
    leaving: float = parameter(
        1, 0, 100, "factor", "how many times as great as others' is the hazard of leaving for a rival"
    )


# Sections whose numbers the compiled rules can read, as p.<section>_<field>.
RULE_SECTIONS = (
    "population",
    "market",
    "satisfaction",
    "value",
    "trust",
    "loyalty",
    "churn",
    "complaint",
    "purchase",
    "payment",
    "word_of_mouth",
    "acquisition",
    "firm",
    "service",
)


class Scenario(Section):
    """One world. Read-only; `replace` makes a changed copy through full validation."""

    name: str = Field("custom", description="name of the scenario")
    title: str = Field("", description="one line about the scenario")
    currency: str = Field("EUR", description="currency of all money")
    population: Population = Population()
    market: Market = Market()
    satisfaction: Satisfaction = Satisfaction()
    value: Value = Value()
    trust: Trust = Trust()
    loyalty: Loyalty = Loyalty()
    churn: Churn = Churn()
    complaint: Complaint = Complaint()
    purchase: Purchase = Purchase()
    demand: Demand = Demand()
    payment: Payment = Payment()
    word_of_mouth: WordOfMouth = WordOfMouth()
    acquisition: Acquisition = Acquisition()
    firm: Firm = Firm()
    service: Service = Service()
    touchpoints: tuple[Touchpoint, ...] = Field(
        (Touchpoint(name="product"),), min_length=1, max_length=MAX_TOUCHPOINTS
    )
    metering: Metering = Metering()
    disturbances: tuple[Disturbance, ...] = ()
    districts: tuple[District, ...] = Field((), max_length=MAX_PARTS)
    segments: tuple[Segment, ...] = Field((), max_length=MAX_PARTS)
    rivals: tuple[RivalEvent, ...] = ()
    policies: tuple[dict[str, Any], ...] = Field(
        (), description="policies of the firm: tables with `name`, an optional `label`, and parameters"
    )

    @model_validator(mode="after")
    def _together(self) -> Self:
        if faults := _faults_between(self.model_dump()):
            raise ValueError("; ".join(f"{'.'.join(map(str, steps))}: {what}" for steps, what in faults))
        return self

    # -- making scenarios ------------------------------------------------------------------

    @classmethod
    def presets(cls) -> list[str]:
        """Names of the scenarios that come with the package."""
        return sorted(path.stem for path in PRESETS.glob("*.toml"))

    @classmethod
    def preset(cls, name: str) -> Scenario:
        """A scenario that comes with the package: see `Scenario.presets()`."""
        path = PRESETS / f"{name}.toml"
        if name not in cls.presets():
            raise ScenarioError([(name, _unknown(name, cls.presets(), "preset"))], "preset")
        return cls.load(path)

    @classmethod
    def load(cls, path: str | Path) -> Scenario:
        """Read a TOML file. Every fault is reported at once, with its line.

        Raises `ScenarioError`.
        """
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            raise ScenarioError([(str(path), "no such file")]) from None
        except IsADirectoryError:
            raise ScenarioError([(str(path), "a folder, not a TOML file")]) from None
        except UnicodeDecodeError as error:
            raise ScenarioError(
                [(str(path), f"not UTF-8 text (byte {error.start}); save it again with encoding UTF-8")]
            ) from None
        except (OSError, ValueError) as error:
            raise ScenarioError([(str(path), f"cannot be read ({error})")]) from None
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ScenarioError([_toml_fault(str(error), text)], str(path)) from None
        content.setdefault("name", path.stem)
        return cls.from_dict(content, origin=str(path), text=text)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], origin: str = "scenario", text: str = "") -> Scenario:
        """Build and validate. Raises `ScenarioError` with every fault.

        `text` is the TOML text the content comes from, where there is one: errors then give lines.
        """
        scenario, errors = None, []
        try:
            scenario = cls.model_validate(content)
        except ValidationError as error:
            errors = _explain(error, content, text)
            # Pydantic compares fields with one another only once each is right by itself.
            errors += [(_place(steps, content, text), what) for steps, what in _faults_between(content)]
            errors = errors or [("scenario", item["msg"]) for item in error.errors()]
        errors += [(_place(steps, content, text), what) for steps, what in _policy_faults(scenario, content)]
        if scenario is None or errors:
            errors = sorted(
                dict.fromkeys(errors), key=lambda e: int((re.findall(r"^line (\d+)", e[0]) or [0])[0])
            )
            raise ScenarioError(errors, origin)
        return scenario

    @classmethod
    def from_name(cls, name: str | Path | Scenario) -> Scenario:
        """A preset's name, a TOML file or a Scenario: whatever a user types."""
        if isinstance(name, Scenario):
            return name
        text = str(name)
        if text in cls.presets():
            return cls.preset(text)
        if text.endswith(".toml") or "/" in text or "\\" in text or Path(text).is_file():
            return cls.load(text)
        raise ScenarioError([(text, _unknown(text, cls.presets(), "preset") + " (nor is it a TOML file)")])

    def replace(self, **changes: Any) -> Scenario:
        """A changed copy, validated.

        `replace(name="open", market__openness=1.0, touchpoints__billing__quality=80)`: double
        underscores go into sections and, for touchpoints, by name. Raises `ScenarioError`.
        """
        content = self.model_dump()
        errors: list[tuple[str, str]] = []
        for key, value in changes.items():
            target: Any = content
            steps = key.split("__")
            for depth, step in enumerate(steps):
                if isinstance(target, tuple | list):
                    known = [t.get("name", str(i)) for i, t in enumerate(target)]
                    if step not in known:
                        errors.append((".".join(steps[: depth + 1]), _unknown(step, known, "name")))
                        break
                    target = target[known.index(step)]
                    if depth == len(steps) - 1:
                        errors.append((key.replace("__", "."), "name a field of it too"))
                elif not isinstance(target, dict) or step not in target:
                    known = list(target) if isinstance(target, dict) else []
                    errors.append((".".join(steps[: depth + 1]), _unknown(step, known, "parameter")))
                    break
                elif depth == len(steps) - 1:
                    if isinstance(value, BaseModel):
                        value = value.model_dump()
                    elif isinstance(value, tuple | list):
                        value = [v.model_dump() if isinstance(v, BaseModel) else v for v in value]
                    target[step] = value
                else:
                    target = target[step]
        if errors:
            raise ScenarioError(errors, "replace")
        return Scenario.from_dict(content, origin="replace")

    # -- writing ---------------------------------------------------------------------------

    def to_toml(self, *, defaults: bool = False) -> str:
        """The scenario as TOML text; without `defaults`, only what differs from them."""
        import tomli_w

        content = self.model_dump(mode="json", exclude_defaults=not defaults)
        content["touchpoints"] = [t.model_dump(mode="json") for t in self.touchpoints]
        # TOML has no None; a parameter left out has its default, which is what None stands for.
        policies = [{k: v for k, v in p.items() if v is not None} for p in content.get("policies", [])]
        content |= {"policies": policies} if policies else {}
        ordered = {k: content[k] for k in type(self).model_fields if k in content}
        return tomli_w.dumps({"name": self.name, **ordered})

    def save(self, path: str | Path) -> Path:
        """Write a TOML file, whole or not at all."""
        path = Path(path)
        part = path.with_name(path.name + ".part")
        part.write_text(self.to_toml(), encoding="utf-8")
        part.replace(path)
        return path

    # -- reading ---------------------------------------------------------------------------

    def sections(self) -> Iterator[tuple[str, Section]]:
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Section):
                yield name, value

    def table(self) -> pd.DataFrame:
        """Every parameter: name, value, default, unit, lowest, highest, meaning, source."""
        import pandas as pd

        rows = []
        groups: list[tuple[str, Section]] = list(self.sections())
        groups += [(f"touchpoints.{t.name}", t) for t in self.touchpoints]
        groups += [(f"metering.tiers.{i}", t) for i, t in enumerate(self.metering.tiers)]
        groups += [(f"disturbances.{d.kind}", d) for d in self.disturbances]
        groups += [(f"districts.{d.name}", d) for d in self.districts]
        groups += [(f"segments.{k.name}", k) for k in self.segments]
        groups += [(f"rivals.{i}", r) for i, r in enumerate(self.rivals)]
        for prefix, section in groups:
            for name, info in type(section).model_fields.items():
                low, high = bounds(info)
                extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
                rows.append(
                    {
                        "name": f"{prefix}.{name}",
                        "value": getattr(section, name),
                        "default": None
                        if info.is_required()
                        else info.get_default(call_default_factory=True),
                        "unit": extra.get("unit", ""),
                        "lowest": low,
                        "highest": high,
                        "meaning": info.description or "",
                        "source": extra.get("source", ""),
                    }
                )
        return pd.DataFrame(rows).set_index("name")

    @cached_property
    def bill(self) -> float:
        """Mean monthly revenue of a new customer: the unit in which policies are priced."""
        p = self.purchase
        if p.contract:
            return p.fee
        spend = p.spend_shape * p.spend_scale / (p.spend_heterogeneity - 1)
        return p.rate_mean * spend

    @cached_property
    def town(self) -> Town | None:
        """Who lives where and of which kind; None without districts and segments."""
        from .town import Town

        return Town(self) if self.districts or self.segments else None

    @cached_property
    def hash(self) -> str:
        """Sixteen hex digits that change whenever anything does that customers live: all of the scenario but
        its names, its meters and the kinds of disturbances, of which only tables are written."""
        untouched = {"title", "name", "metering", "disturbances"}
        # A world without them is the same as before there were any.
        untouched |= {name for name in ("districts", "segments") if not getattr(self, name)}
        text = json.dumps(self.model_dump(mode="json", exclude=untouched), sort_keys=True)
        if "-0.0" in text:  # a file leaves out what equals the default, and so the sign of a zero
            text = json.dumps(json.loads(text, parse_float=lambda word: float(word) + 0.0), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __hash__(self) -> int:
        """Factors of districts and segments stand in dictionaries, which have no hash of their own."""
        return hash(self.hash)

    def __repr__(self) -> str:
        p = self.population
        size = f"{p.size:,} customers x {p.months} months, {len(self.touchpoints)} touchpoints"
        return f"Scenario({self.name!r}, {size})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        changed = self.table()
        changed = changed[[v != d for v, d in zip(changed["value"], changed["default"], strict=True)]]
        return (
            f"<p><b>{html.escape(repr(self))}</b><br>{html.escape(self.title)}</p>"
            + changed[["value", "unit", "meaning"]].to_html()
        )


def bounds(info: FieldInfo) -> tuple[float | None, float | None]:
    """Lowest and highest allowed value of a declared number (None: no bound)."""
    low = high = None
    for constraint in info.metadata:
        low = getattr(constraint, "ge", low)
        high = getattr(constraint, "le", high)
    return low, high


def _unknown(word: str, known: list[str], what: str) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else (f"; known: {', '.join(known)}" if known else "")
    return f"unknown {what} {word!r}{hint}"


def _toml_fault(message: str, text: str) -> tuple[str, str]:
    """The TOML reader's complaint as (place, what), with the line it stumbled over."""
    found = re.fullmatch(r"(.*) \(at (line (\d+), column \d+)\)", message)
    if not found:
        return "TOML", message
    line = text.splitlines()[int(found[3]) - 1].strip()
    return found[2], f"{found[1][0].lower()}{found[1][1:]} in: {line}"


def _faults_between(content: Mapping[str, Any]) -> list[Fault]:
    """Faults that lie between parameters, as (steps to the place, what).

    Reads a scenario's content as it was given; what is wrong by itself is left to Pydantic.
    """
    faults: list[Fault] = []

    def number(section: str, field: str) -> float:
        model = Scenario.model_fields[section].annotation
        assert model is not None
        part = content.get(section)
        found = part.get(field) if isinstance(part, Mapping) else None
        found = model.model_fields[field].default if found is None else found
        return float(found) if isinstance(found, int | float) and math.isfinite(found) else math.nan

    given = content.get("touchpoints")
    points = [t for t in given if isinstance(t, Mapping)] if isinstance(given, list | tuple) else []
    weights = [t.get("weight", 1.0) for t in points]
    if weights and all(isinstance(w, int | float) and math.isfinite(w) for w in weights):
        total = sum(weights)
        if abs(total - 1) > 1e-6:
            faults.append((("touchpoints",), f"the weights sum to {total:.6g}, they must sum to 1"))
    names = [str(t["name"]) for t in points if "name" in t]
    for name in sorted({n for n in names if names.count(n) > 1}):
        faults.append((("touchpoints",), f"the name {name!r} is used {names.count(name)} times"))
    shares = sum(number("payment", f"{channel}_share") for channel in ("manual", "card", "debit"))
    if abs(shares - 1) > 1e-6:
        faults.append((("payment",), f"the three channel shares sum to {shares:.6g}, they must sum to 1"))
    faults += _service_faults(content.get("service"), names)
    faults += _metering_faults(content, names)
    faults += _town_faults(content, names)
    for section, field in (("churn", "baseline"), ("purchase", "dropout")):
        a, b = number(section, f"{field}_a"), number(section, f"{field}_b")
        if a * b == 0 and a + b > 0:
            faults.append(((section,), f"give both {field}_a and {field}_b above 0, or neither"))
    return faults


def _metering_faults(content: Mapping[str, Any], touchpoints: list[str]) -> list[Fault]:
    """Faults of meters and disturbances, as `_faults_between` gives them."""
    faults: list[Fault] = []
    have = ", ".join(touchpoints)
    given = content.get("disturbances")
    for i, one in enumerate(given if isinstance(given, list | tuple) else ()):
        if isinstance(one, Mapping) and "touchpoint" in one and one["touchpoint"] not in touchpoints:
            what = f"unknown touchpoint {one.get('touchpoint')!r}; the scenario has {have}"
            faults.append((("disturbances", str(i)), what))
    metering = content.get("metering")
    if not isinstance(metering, Mapping) or not metering.get("cycle"):
        return faults
    purchase = content.get("purchase")
    if not (isinstance(purchase, Mapping) and purchase.get("contract")):
        faults.append((("metering",), "meters need customers with a contract (purchase.contract = true)"))
    tiers = metering.get("tiers")
    given = tiers if isinstance(tiers, list | tuple) else []
    ends = [t.get("upto", Tier().upto) for t in given if isinstance(t, Mapping)]
    ends = [end for end in ends if isinstance(end, int | float)]
    if any(a >= b for a, b in pairwise(ends)):
        faults.append((("metering", "tiers"), "each step must end above the one before"))
    known = {name: info.default for name, info in Metering.model_fields.items()} | dict(metering)
    low, high = known["error_low"], known["error_high"]
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        faults.append((("metering",), "error_low must not be above error_high"))
    return faults


def _town_faults(content: Mapping[str, Any], touchpoints: list[str]) -> list[Fault]:
    """Faults of districts and segments, as `_faults_between` gives them."""
    faults: list[Fault] = []
    have = ", ".join(touchpoints)
    for section in ("districts", "segments"):
        given = content.get(section)
        parts = [p for p in given if isinstance(p, Mapping)] if isinstance(given, list | tuple) else []
        names = [str(p["name"]) for p in parts if "name" in p]
        for name in sorted({n for n in names if names.count(n) > 1}):
            faults.append(((section,), f"the name {name!r} is used {names.count(name)} times"))
        factors = [p.get("problems") or {} for p in parts]
        factors = [f if isinstance(f, Mapping) else {} for f in factors]
        for i, own in enumerate(factors):
            for name in own:
                if name not in touchpoints:
                    what = f"unknown touchpoint {name!r}; the scenario has {have}"
                    faults.append(((section, i, "problems"), what))
        for name in touchpoints:
            if factors and all(own.get(name, 1) == 0 for own in factors):
                faults.append(((section,), f"the factors of {name} are 0 everywhere; one must be above"))
        shares = [p.get("share", 1.0) for p in parts]
        if not all(isinstance(x, int | float) and math.isfinite(x) for x in shares):
            continue
        if section == "districts" and parts and abs(sum(shares) - 1) > 1e-6:
            faults.append(((section,), f"the shares sum to {sum(shares):.6g}, they must sum to 1"))
        if section == "segments" and parts:
            faults += _age_faults(parts, shares)
    return faults


def _age_faults(segments: Sequence[Mapping[str, Any]], shares: Sequence[float]) -> list[Fault]:
    """Whether everybody finds a segment that is open to his age, as `_faults_between` gives faults."""
    from .town import OLDEST, YOUNGEST

    ends = [(s.get("youngest", 18), s.get("oldest", 120)) for s in segments]
    if not all(isinstance(x, int | float) for pair in ends for x in pair):
        return []
    faults: list[Fault] = []
    for i, (low, high) in enumerate(ends):
        if low > high:
            faults.append((("segments", i), "youngest must not be above oldest"))
    reach = list(zip(ends, shares, strict=True))
    alone = [
        age
        for age in range(YOUNGEST, OLDEST + 1)
        if not any(low <= age <= high and share > 0 for (low, high), share in reach)
    ]
    if alone:
        what = f"no segment is open to those of {alone[0]} years; from {YOUNGEST} to {OLDEST} all need one"
        faults.append((("segments",), what))
    return faults


def _service_faults(service: Any, touchpoints: list[str]) -> list[Fault]:
    """Faults between the parts of the section `service`, as `_faults_between` gives them."""
    if not isinstance(service, Mapping) or service.get("desk", "none") == "none":
        return []
    given = {name: info.default for name, info in Service.model_fields.items()} | dict(service)
    faults: list[Fault] = []
    if given["touchpoint"] not in touchpoints:
        have = ", ".join(touchpoints)
        faults.append(
            (("service",), f"a desk needs the touchpoint {given['touchpoint']!r}; the scenario has {have}")
        )
    for begin, finish in (("open_from", "open_to"), ("crew_from", "crew_to")):
        numbers = all(isinstance(given[k], int | float) for k in (begin, finish))
        if numbers and not given[begin] < given[finish]:
            faults.append((("service",), f"{begin} must come before {finish}"))
    for name, some in (("hourly", None), ("weekdays", given["open_days"])):
        weights = given[name]
        if isinstance(weights, list | tuple) and all(isinstance(x, int | float) for x in weights):
            part = weights[:some] if some is None or isinstance(some, int) else weights
            if not sum(part) > 0:
                faults.append((("service", name), "some of the weights must be above 0"))
    shifts = [s for s in given["shifts"] if isinstance(s, Mapping)] if given["shifts"] else []
    known = {"bill_question", "payment_question", "other_question", *touchpoints}
    for shift in shifts:
        unknown = [s for s in shift.get("skills", ()) if s not in known]
        if unknown:
            faults.append(
                (("service", "shifts"), f"unknown skill {unknown[0]!r}; there are {', '.join(sorted(known))}")
            )
    beyond = [
        what
        for what, wanted in (
            ("call-backs", given["callback_after"]),
            ("priorities", given["priorities"]),
            ("skills", any(s.get("skills") for s in shifts)),
        )
        if wanted
    ]
    if beyond and given["desk"] in ("fast", "erlang"):
        faults.append((("service",), f'{" and ".join(beyond)} need desk = "simpy"'))
    return faults


def _policy_faults(scenario: Scenario | None, content: Mapping[str, Any]) -> list[Fault]:
    """Faults of the policy tables, as (steps to the place, what)."""
    tables = content.get("policies")
    if not isinstance(tables, list | tuple) or not tables:
        return []
    from .policies import PolicyError, policies_of, policy

    faults: list[Fault] = []
    for i, table in enumerate(tables):
        if not isinstance(table, Mapping):
            continue  # Pydantic says so
        try:
            made = policy(table)
            if scenario is not None:
                policies_of(scenario, made)
        except PolicyError as error:
            faults.append((("policies", i), str(error)))
    return faults


def _explain(error: ValidationError, content: Mapping[str, Any], text: str) -> list[tuple[str, str]]:
    """Pydantic's errors in our words: place (with line where the text is known), fault, remedy."""
    found = []
    for item in error.errors():
        steps = item["loc"]
        if not steps:
            continue  # of `_together`, which `from_dict` asks itself
        model: Any = Scenario
        for step in steps[:-1]:
            model = _submodel(model, step)
        kind, last = item["type"], steps[-1]
        info = model.model_fields.get(last) if model is not None else None
        if kind == "extra_forbidden":
            known = list(model.model_fields) if model is not None else []
            what = _unknown(str(last), known, "parameter" if len(steps) > 1 else "section or parameter")
        elif kind == "missing":
            what = "is missing"
        elif kind in ("model_type", "dict_type"):
            what = f"a table is needed, not {item['input']!r}"
        elif kind == "tuple_type":
            what = f"an array of tables is needed ([[{last}]]), not {item['input']!r}"
        elif kind in ("too_short", "too_long"):
            if kind == "too_short" and item["input"]:
                continue  # Pydantic counts only items that are right
            least, most = item["ctx"].get("min_length", 0), item["ctx"].get("max_length")
            what = f"{len(item['input'])} given, " + (f"at most {most}" if most else f"at least {least}")
        else:
            what = str(item.get("ctx", {}).get("error", "")) or f"{item['msg'][0].lower()}{item['msg'][1:]}"
            if kind != "value_error":
                what += f" (found {item['input']!r})"
            if info is not None and isinstance(info.json_schema_extra, dict):
                low, high = bounds(info)
                if low is not None:
                    unit = info.json_schema_extra.get("unit")
                    what += f"; {info.description}, from {low:,.12g} to {high:,.12g} {unit}"
        found.append((_place(steps, content, text), what))
    return found


def _place(steps: Sequence[str | int], content: Any, text: str) -> str:
    """A place as a person names it: `line 7, touchpoints.billing.weight`."""
    shown: list[str] = []
    value = content
    for step in steps:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            value = None
        named = isinstance(step, int) and isinstance(value, Mapping) and value.get("name")
        shown.append(str(value["name"] if named else step))
    line = _line_of(text, tuple(steps))
    return (f"line {line}, " if line else "") + ".".join(shown)


def _submodel(model: Any, step: Any) -> Any:
    if model is None or isinstance(step, int):
        return model
    info = getattr(model, "model_fields", {}).get(step)
    if info is None:
        return None
    for candidate in (info.annotation, *getattr(info.annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _line_of(text: str, steps: tuple[str | int, ...]) -> int | None:
    """The line of TOML text that gives `steps`, else the first line within them, else the line that
    holds them (the header of the table, or the inline table)."""
    counts: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    lines: dict[tuple[str | int, ...], int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*(\[\[?)\s*([^\]]+?)\s*\]", line):
            table = ()
            parts = _dotted(header.group(2))
            for depth, part in enumerate(parts, start=1):
                table += (part,)
                if header.group(1) == "[[" and depth == len(parts):
                    counts[table] = counts.get(table, -1) + 1
                if table in counts:
                    table += (counts[table],)
            lines.setdefault(table, number)
        elif key := re.match(r"\s*((?:[\w-]+|\"[^\"]*\"|'[^']*'|\s*\.\s*)+?)\s*=", line):
            lines.setdefault(table + _dotted(key.group(1)), number)
    within = [n for path, n in lines.items() if path[: len(steps)] == steps]
    holding = [(len(path), n) for path, n in lines.items() if path and steps[: len(path)] == path]
    return lines.get(steps) or min(within, default=None) or max(holding, default=(0, None))[1]


def _dotted(key: str) -> tuple[str, ...]:
    return tuple(part.strip().strip("\"'") for part in key.split("."))
