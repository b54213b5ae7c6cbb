"""Why a customer stayed or left, told in two languages from the trace of a month."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING

from ..vocabulary import ChurnCause, LoyaltyLayer
from .names import STAGES, STEPS
from .words import Pair, pick, term

if TYPE_CHECKING:
    from ..simulation.lives import Step, Trace

TEXT: dict[str, Pair] = {
    "left": ("Customer {who} leaves in month {month}: {cause}.", "客户{who}在第{month}个月离开：{cause}。"),
    "root": ("At its root stands {cause}.", "根本原因是{cause}。"),
    "stays": ("Customer {who} is still there in month {month}.", "客户{who}在第{month}个月仍是客户。"),
    "draw": (
        "What decided it: “{what}”, drawn {draw:.4f} where less than {threshold:.4f} means yes.",
        "决定性的抽签：“{what}”，抽到{draw:.4f}，小于{threshold:.4f}即发生。",
    ),
    "state": (
        "At the month's end: satisfaction (满意度) {satisfaction:.0f}, trust (信任) {trust:.0f}, {layer}.",
        "月末：满意度{satisfaction:.0f}，信任{trust:.0f}，{layer}。",
    ),
    "step": ("step", "步骤"),
    "result": ("result", "结果"),
    "from": ("from", "依据"),
    "drawn": ("drawn {draw:.4f}", "抽到{draw:.4f}"),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
}  # fmt: skip
# the decisions by which a cause strikes
ENDING: dict[ChurnCause, tuple[str, ...]] = {
    ChurnCause.NATURAL: ("natural churn strikes", "constant chance of leaving strikes"),
    ChurnCause.COMPETITIVE: ("competitive churn strikes", "constant chance of leaving strikes"),
    ChurnCause.FAULT: ("fault churn strikes",),
    ChurnCause.PAYMENT_LAPSE: ("contract is cut off",),
    ChurnCause.RETALIATORY: ("retaliatory churn strikes",),
}


def step_words(step: Step, language: str, places: dict[str, str] | None = None) -> str:
    """What a step of a trace decides or computes; `places`: Chinese names of touchpoints."""
    return words_for(step.what, step.stage, language, places or {})


def words_for(what: str, stage: str, language: str, places: dict[str, str]) -> str:
    """The same for a draw or rule by its name; without a stage a touchpoint's name comes first."""
    if language != "zh":
        return what.replace("_", " ")
    for pattern, words in ((r"meets (\w+)", "遇到{}"), (r"(\w+) fails", "{}出现失误"),
                           (r"severity at (\w+)", "{}失误的严重程度")):  # fmt: skip
        found = re.fullmatch(pattern, what)
        # "payment fails" is a touchpoint's failure where one meets it, else a bill's
        met = stage == "meet" if stage else found and found[1] in places
        if found and (met or what not in STEPS):
            return words.format(places.get(found[1], found[1]))
    return STEPS.get(what, what)


def summary(trace: Trace, language: str) -> list[str]:
    """How the month ended for the customer and which draw decided it, in two to four sentences."""
    after = trace.after
    parts = []
    if after["active"]:
        parts.append(_say("stays", language, who=trace.customer, month=trace.month + 1))
    else:
        cause, root = (ChurnCause(int(after[name])) for name in ("cause", "attributed"))
        parts.append(
            _say("left", language, who=trace.customer, month=trace.month + 1, cause=term(cause, language))
        )
        struck = next((s for name in ENDING[cause] for s in trace if s.what == name and s.output == 1), None)
        if struck is not None and struck.draw is not None and struck.threshold is not None:
            what = step_words(struck, language)
            parts.append(_say("draw", language, what=what, draw=struck.draw, threshold=struck.threshold))
        if root is not cause:
            parts.append(_say("root", language, cause=term(root, language)))
    layer = term(LoyaltyLayer(int(after["layer"])), language)
    parts.append(
        _say("state", language, satisfaction=after["satisfaction"], trust=after["trust"], layer=layer)
    )
    return parts


def table(trace: Trace, language: str) -> str:
    """All steps of the month as an HTML table; the reason stands in the tooltip, in English."""
    places = {t.name: t.chinese or t.name for t in trace.scenario.touchpoints}
    rows, stage = [], ""
    for step in trace:
        if step.stage != stage:
            stage = step.stage
            title = pick(STAGES.get(stage, (stage, "")), language)
            rows.append(f"<tr><th colspan=3>{html.escape(title)}</th></tr>")
        inputs = ", ".join(f"{name}={value + 0.0:.4g}" for name, value in step.inputs.items())
        cells = (step_words(step, language, places), _result(step, language), inputs)
        line = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        rows.append(f'<tr title="{html.escape(step.meaning)}">{line}</tr>')
    heads = "".join(f"<th>{_say(key, language)}</th>" for key in ("step", "result", "from"))
    return f'<table class="cs-steps"><tr>{heads}</tr>{"".join(rows)}</table>'


def _result(step: Step, language: str) -> str:
    if step.draw is None:
        return f"{step.output + 0.0:.5g}"
    if step.threshold is None:
        return f"{step.output:.4g} ({_say('drawn', language, draw=step.draw)})"
    if step.output in (0.0, 1.0) and (step.draw < step.threshold) == bool(step.output):
        told, sign = ("yes", "<") if step.output else ("no", "≥")
        return f"{_say(told, language)}: {step.draw:.4f} {sign} {step.threshold:.4f}"
    return f"{step.output:g} ({_say('drawn', language, draw=step.draw)})"


def _say(key: str, language: str, **values: object) -> str:
    return pick(TEXT[key], language).format(**values)
