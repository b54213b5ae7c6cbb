"""The model's description by the ODD protocol, made from what the model declares.

ODD (Overview, Design concepts, Details; Grimm et al. 2020, Journal of Artificial Societies and Social Simulation
23(2) 7) is how agent-based models are described so that others can build them again. Lists and tables come
from the code: state variables, the order of the month, rules, parameters with bounds and sources, policies,
facts. The sentences between them are written here.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..simulation import columns, draws, engine, month, rules
from ..simulation.policies import LIBRARY
from ..simulation.scenario import Scenario
from ..vocabulary import ChurnCause, LoyaltyLayer, RelationshipStage

PURPOSE = """\
crmsim asks what keeps customers and what a retention policy is worth. It follows every customer of a firm month by
month through experience, satisfaction, four layers of loyalty, purchases or bills, complaints, word of mouth and five
competing causes of leaving, under any policy, and knows for each customer what would have happened without it. It
serves teaching (a class moves a parameter and sees its consequence) and research (methods and policies are tested
where the truth is known). It does not forecast a particular firm unless it has been fitted to that firm's data.

The model is judged by published patterns, each with a band that was fixed before the model was run. {fitted} of them
served to choose the presets' numbers, {tests} test it; `docs/facts.md` says which are met and which are not. With parts
switched off it becomes models with known answers: constant hazards, the shifted beta-geometric model of contracts, the
negative binomial and BG/NBD models of purchases, the gamma-gamma model of spending, Bass's model of growth and
competing constant risks (`crmsim.simulation.nulls`)."""

ENTITIES = """\
**Customers** are the agents. **Touchpoints** are where they meet the firm: a scenario has up to twelve, each with quality,
exposure, chance and severity of failure, weight and kind. The **firm** has levers (prices, quality, staff, payment channels),
policies and books. **Rivals** are what an open market offers; they act by dated events. With a service desk there are **agents,
field crews, clerks and counters** who serve one contact after the other. With districts and segments a customer belongs to
one of each.

Time goes in months, the service desk's in continuous hours within a month of 30 days. Space is at most a line on which
districts lie side by side. A run has {size} customers and {months} months if a scenario says nothing else. Scores are points
from 0 to 100, hazards are monthly, money is the scenario's currency."""

CONCEPTS = {
    "Basic principles": "Satisfaction is disconfirmed expectation, anchored and adjusted (Oliver 1980; Bolton 1998); loyalty "
    "grows in layers, cognitive, affective, conative, action (Oliver 1999); leaving is a competition of causes with proportional "
    "hazards; purchases and spending follow the gamma mixtures of Ehrenberg and of Fader and Hardie. Sources stand beside each "
    "rule below.",
    "Emergence": "Retention that rises with tenure, a concave share of buyers and the silence of most of the dissatisfied are "
    "not written into any rule: they come of differences between customers and of who is left.",
    "Adaptation and objectives": "Customers do not optimise. Expectations follow what was met and an alternative's attraction "
    "follows the market. The firm adapts only as far as a policy does.",
    "Learning": "Expectations learn from perceived quality; perceptions of each touchpoint follow its quality. Nobody else learns.",
    "Prediction": "Customers predict nothing. Policies may score customers by what a firm can see.",
    "Sensing": "A customer knows the own experience and, by word of mouth, that neighbours left. A policy sees a `CustomerView`: "
    "no hidden state. Analyses see the tables of the customer database.",
    "Interaction": "Customers bring customers and miss neighbours who left; they queue for the same agents and crews; a "
    "budgeted campaign spends on one what it cannot spend on another.",
    "Stochasticity": "Every random number is a pure function of seed, replication, purpose, customer and month (Philox4x32-10; "
    "Salmon et al. 2011), everything but the uniform by inverse distribution functions. So a customer meets the same luck "
    "under every policy, and the same scenario and seed give the same bits on any number of threads. A number's purposes "
    "({purposes} of them) are listed in `crmsim.simulation.draws.Purpose`.",
    "Collectives": "Cohorts, districts and segments; they have no behaviour of their own.",
    "Observation": "`Run.monthly` has sums of all customers, `Run.customers` each one's end, `Run.events` what happened to whom; "
    "`Run.to_database` writes what a firm would have recorded, and the truth apart from it. Surveys ask as real ones do, with "
    "non-response, halo, scale use and inattention.",
}

INITIALISATION = """\
At month 0 `population.size` x `population.initial_share` customers join. A customer's lasting traits (purchase rate, spending,
expectations, frailty, propensity to complain, response to offers ...) are drawn once at joining from the distributions whose
parameters are declared in the sections below, by keyed numbers of the person's own; correlations are made by a Gaussian
copula. Later customers are born in the same way. Nobody has a history: perceptions begin at the touchpoints' quality."""

INPUT = """\
None while it runs. A scenario is one TOML file; every number of it is declared with default, bounds, unit, meaning and source.
`crmsim fit` and `crmsim.research.calibrate` choose such numbers from a firm's data."""


def odd(scenarios: Iterable[str] | None = None) -> str:
    """The description as a page of Markdown: `docs/model.md`.

    scenarios: presets whose values are shown beside the defaults, all if not given. Raises ScenarioError for
    an unknown one.
    """
    names = list(Scenario.presets() if scenarios is None else scenarios)
    worlds = {name: Scenario.preset(name) for name in names}
    return "\n".join(
        [
            "# The model 模型说明",
            "",
            "By the ODD protocol (Grimm et al. 2020). Written by `crmsim describe`; lists and tables come from the code and "
            "are not edited by hand.",
            "",
            "## 1 Purpose and patterns",
            "",
            PURPOSE.format(**_facts()),
            "",
            "## 2 Entities, state variables and scales",
            "",
            ENTITIES.format(size=f"{Scenario().population.size:,}", months=Scenario().population.months),
            "",
            *_words("Causes of leaving", ChurnCause),
            *_words("Layers of loyalty", LoyaltyLayer),
            *_words("Stages of a relationship", RelationshipStage),
            "### State of a customer",
            "",
            *_rows(("variable", "meaning"), ((f"`{k}`", text) for k, text in columns.STATE.items())),
            "",
            "## 3 Process overview and scheduling",
            "",
            "Each month:",
            "",
            *_schedule(),
            "",
            "Within `live`, all customers go through these stages in turn, a block of "
            f"{columns.BLOCK:,} at a time; nobody sees what another does in the same month.",
            "",
            *_stages(),
            "",
            "With a service desk the month is lived in two parts: after those who need the firm have called, the stations "
            "answer (`crmsim.simulation.service`), and the second part goes on with what came of it.",
            "",
            "## 4 Design concepts",
            "",
            *(
                f"* **{name}.** {text.format(purposes=len(draws.Purpose)) if '{' in text else text}"
                for name, text in CONCEPTS.items()
            ),
            "",
            "## 5 Initialisation",
            "",
            INITIALISATION,
            "",
            "## 6 Input data",
            "",
            INPUT,
            "",
            "## 7 Submodels",
            "",
            "### Rules",
            "",
            "How one customer changes in one month. `p.section_field` is a parameter below.",
            "",
            *_rules(),
            "### Policies",
            "",
            *_policies(),
            "### Parameters",
            "",
            "Default and, where they differ, the presets' values. Touchpoints, rivals, districts, segments, shifts and policies "
            "are lists in a scenario's file.",
            "",
            *_parameters(worlds),
            "",
        ]
    )


def write_odd(path: str | Path) -> Path:
    """Write `odd()` to a file, whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_text(odd(), encoding="utf-8")
    part.replace(path)
    return path


# -- parts ---------------------------------------------------------------------------------------------


def _facts() -> dict[str, int]:
    from .facts import FACTS

    fitted = sum(fact.fitted for fact in FACTS)
    return {"fitted": fitted, "tests": len(FACTS) - fitted}


def _words(title: str, kind: Any) -> list[str]:
    """A vocabulary's words in both languages."""
    return [f"{title}: " + ", ".join(f"{one.english} {one.chinese}" for one in kind) + ".", ""]


def _rows(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    names = list(head)
    made = [f"| {' | '.join(names)} |", "|" + " --- |" * len(names)]
    return made + [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]


def _sentence(thing: Any) -> str:
    """The first paragraph of a docstring on one line."""
    text = inspect.getdoc(thing) or ""
    return re.sub(r"\s+", " ", text.split("\n\n")[0]).strip()


def _schedule() -> list[str]:
    world = engine.CompiledWorld
    steps = [name for half in (world.begin, world.finish) for name in _in_order(half)]
    return [f"1. `{name}`: {_sentence(getattr(world, name))}" for name in steps]


# Parts of the month that only draw, sort or look up.
HELPERS = {"draw", "draw_luck", "pick", "narrow", "parameters", "differs", "at_home", "meet_at_home", "suffer_at_home",
           "perceive_at_home"}  # fmt: skip


def _stages() -> list[str]:
    rows, seen = list[str](), set[str]()
    for part in (month.first_part, month.second_part):
        for name in _in_order(part):
            function = getattr(month, name, None)
            said = _sentence(function) if inspect.isfunction(function) else ""
            if said and name not in seen | HELPERS and function.__module__ == month.__name__:
                seen.add(name)
                rows.append(f"1. `{name}`: {said}")
    return rows


def _in_order(function: Any) -> list[str]:
    """Names of all that a function calls, in the order of its lines, each once."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    calls.sort(key=lambda node: (node.lineno, node.col_offset))
    return list(
        dict.fromkeys(str(getattr(node.func, "attr", getattr(node.func, "id", ""))) for node in calls)
    )


def _rules() -> list[str]:
    """Every rule under the heading it has in the file, with its arguments and docstring."""
    text = inspect.getsource(rules)
    heads = {
        number: line.strip("# -")
        for number, line in enumerate(text.splitlines(), start=1)
        if line.startswith("# -- ")
    }
    made: list[str] = []
    head = ""
    for node in ast.parse(text).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        own = heads[max((n for n in heads if n < node.lineno), default=min(heads))]
        if own != head:
            head = own
            made += ["", f"#### {own[:1].upper()}{own[1:]}", ""]
        said = re.sub(r"\s+", " ", ast.get_docstring(node) or "").strip()
        last = node.body[-1]
        value = last.value if isinstance(last, ast.Return) and len(node.body) == 2 else None
        formula = f" `{ast.unparse(value)}`" if value is not None else ""
        made.append(f"* **{node.name}**({', '.join(a.arg for a in node.args.args)}): {said}{formula}")
    return [*made[1:], ""]


def _policies() -> list[str]:
    return [*(f"* `{name}`: {_sentence(kind)}" for name, kind in LIBRARY.items()), ""]


def _parameters(worlds: dict[str, Scenario]) -> list[str]:
    tables = {name: world.table() for name, world in worlds.items()}
    default = Scenario().table()
    sections: dict[str, list[tuple[str, ...]]] = {}
    for name, row in default.iterrows():
        if "[" in str(name) or not str(row["meaning"]):
            continue
        section, _, field = str(name).partition(".")
        others = [
            f"{world} {_value(table.at[name, 'value'])}"
            for world, table in tables.items()
            if name in table.index and _value(table.at[name, "value"]) != _value(row["value"])
        ]
        bounds = (
            f"{_value(row['lowest'])} to {_value(row['highest'])}" if row["lowest"] == row["lowest"] else ""
        )
        sections.setdefault(section, []).append(
            (f"`{field}`", _value(row["value"]), "; ".join(others), str(row["unit"]), bounds,
             str(row["meaning"]), str(row["source"]))
        )  # fmt: skip
    made = []
    for section, rows in sections.items():
        head = ("parameter", "default", "presets", "unit", "bounds", "meaning", "source")
        made += [f"#### {section}", "", *_rows(head, rows), ""]
    return made[:-1]


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
