"""crmsim: simulated customers for customer relationship management.

The public names, each imported when it is first used:

- Scenario: one world; `Scenario.preset("subscription")`, `Scenario.load("mine.toml")`
- ScenarioError: what is wrong with a scenario, every fault at once
- simulate: run a scenario with policies; gives a Run
- simulate_process: the same rules as one SimPy process a customer; gives the same kind of Run
- Run: monthly totals, customers, events of one simulated world
- Survey: whom to ask, when, how, and how answers go wrong; `run.survey(Survey(months=(11, 23)))`
- counterfactual: one customer's two lives, with and without policies
- trace: one customer's month, rule by rule
- Experiment: policies x scenarios x replications, cached and resumable
- Study: an experiment from one file, at the points of a design, in parts on disk, on a cluster
- compare: paired differences between policies with intervals
- sensitivity: which parameters an outcome, or a policy's effect, hangs on
- calibrate: parameters of a scenario from one's own data or published figures
- replications_needed: how many replications give a wanted precision
- adjusted: many comparisons at once, with p-values and intervals that allow for their number
- select_best: the best of several policies with a stated probability
- individual_effects: the effect of a policy on every customer, by paired lives
- Trial: an A/B test inside the world, as a campaign that draws lots
- PdcaCycle: rounds of plan, do, check, act: projects under a budget, measured by surveys
- Project: one project of such a round: policies, cost, the touchpoint it aims at
- uplift_data: a campaign by lot with its true effect on every customer
- optimise: search a policy's parameters, judged on luck they were not chosen on
- fit_scenario: a scenario whose simulated customers look like a transaction log
- facts: published facts against simulated worlds
- import_file: a firm's own file of purchases as a customer database, with a report of every row not taken
- load_dataset: the tables of one of the course's data sets; `load_dataset("retail")`
- show: a live page of the course in a notebook; `show("policy-lab")`
- Prediction: a question the reader answers before the evidence is shown
- Sorting: statements to be put into classes, answered at once
- exercises: exercises with data of one's own, checked at once; `exercises.start("rfm", student="17")`
- policy: a policy from its name and parameters
- check_policy: test one's own policy
- Programme: a policy that moves the firm's levers for everyone
- Change: a change of one lever
- Cost: what a programme costs
- Campaign: what a policy that chooses customers must offer
- Offers: what a campaign offers to whom
- Action: what an offer does
- Budget: a campaign within a monthly budget
- PolicyError: what is wrong with a policy
- RuleError: what is wrong with one's own rule
- QualityControl: quality of touchpoints up
- FaultReduction: fewer failures
- PriceCut: lower price
- ProductTraining: staff know the product
- CustomerInsight: know the customer better
- ServiceQuality: better service touchpoints
- SatisfactionFeedback: measure and mend the worst touchpoint each quarter
- Delight: surprise customers
- Personalisation: fit the offer to the person
- ComplaintHandling: resolve more complaints, faster
- EncourageComplaints: make problems heard
- Simplify: simpler procedures
- StaffSkill: better trained staff
- Dunning: reminders for failed payments
- PaymentChannels: more ways to pay
- SwitchingContract: tie customers by contract
- LoyaltyProgramme: points for purchases
- ReferralReward: reward for bringing customers
- FourProblems: the water utility's four problems
- HireAgents: more agents on the hotline
- TrainAgents: more solved at an answer, shorter and kinder calls
- ExtendHours: longer opening hours
- SelfService: questions answered without an agent
- RaiseCrews: more field crews
- HireClerks: more people who answer complaints
- NoticesBySms: planned stops announced in time
- RetentionCall: call customers chosen by risk, value, uplift or at random
- WinBack: offer lapsed customers a way back
- vocabulary: the field's words in English and Chinese
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "simulation.scenario": ("Scenario", "ScenarioError"),
    "simulation.engine": ("simulate",),
    "simulation.process": ("simulate_process",),
    "simulation.run": ("Run",),
    "simulation.survey": ("Survey",),
    "simulation.lives": ("counterfactual", "trace"),
    "simulation.compile": ("RuleError",),
    "simulation.policies": (
        "policy", "check_policy", "Programme", "Change", "Cost", "Campaign", "Offers", "Action",
        "Budget", "PolicyError", "QualityControl", "FaultReduction", "PriceCut", "ProductTraining",
        "CustomerInsight", "ServiceQuality", "SatisfactionFeedback", "Delight", "Personalisation",
        "ComplaintHandling", "EncourageComplaints", "Simplify", "StaffSkill", "Dunning",
        "PaymentChannels", "SwitchingContract", "LoyaltyProgramme", "ReferralReward",
        "FourProblems", "HireAgents", "TrainAgents", "ExtendHours", "SelfService", "RaiseCrews",
        "HireClerks", "NoticesBySms", "RetentionCall", "WinBack",
    ),
    "data.importing": ("import_file",),
    "datasets": ("load_dataset",),
    "research.experiment": ("Experiment",),
    "research.study": ("Study",),
    "research.compare": ("compare", "replications_needed"),
    "research.statistics": ("adjusted", "select_best"),
    "research.truth": ("individual_effects",),
    "research.trials": ("Trial",),
    "research.sensitivity": ("sensitivity",),
    "research.calibrate": ("calibrate",),
    "research.uplift": ("uplift_data",),
    "research.optimise": ("optimise",),
    "research.fit": ("fit_scenario",),
    "research.facts": ("facts",),
    "research.pdca": ("PdcaCycle", "Project"),
    "teaching": ("show", "Prediction", "Sorting"),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [*_HOME, "exercises", "vocabulary"]


def __getattr__(name: str) -> Any:
    if name in ("exercises", "vocabulary"):
        return importlib.import_module(f".{name}", __name__)
    if name not in _HOME:
        raise AttributeError(f"module 'crmsim' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
