"""Controls made from what is declared: a scenario's parameters, a policy's settings.

Each control has a label, a unit, one line of help and bounds, in English or Chinese. Its value is
read and set under its name.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Any

import ipywidgets

from ..simulation.policies import LIBRARY
from ..simulation.scenario import Scenario
from .words import Pair, parameter_words, pick, policy_words, unit_words


class Control:
    """A labelled widget with a name. `widget` holds the value, `box` goes on the page."""

    def __init__(self, name: str, label: str, widget: Any, unit: str = "", help: str = "") -> None:
        self.name, self.widget = name, widget
        self.default = widget.value
        parts = [widget]
        if label:  # a checkbox carries its own
            about = f' <span class="cs-unit">{html.escape(unit)}</span>' if unit else ""
            head = ipywidgets.HTML(f'<span class="cs-label">{html.escape(label)}</span>{about}')
            head.add_class("cs-head")
            parts = [head, widget]
        if help:
            parts.append(ipywidgets.HTML(f'<span title="{html.escape(help)}">{html.escape(help)}</span>'))
            parts[-1].add_class("cs-help")
        self.box = ipywidgets.VBox(parts)
        self.box.add_class("cs-control")
        if label and hasattr(widget, "options") and not isinstance(widget, ipywidgets.SelectionSlider):
            self.box.add_class("cs-choice")

    @property
    def value(self) -> Any:
        return self.widget.value

    @value.setter
    def value(self, value: Any) -> None:
        """Raises ValueError for what the control cannot hold, where the widget would cut it off."""
        low, high = getattr(self.widget, "min", None), getattr(self.widget, "max", None)
        if low is not None and not (isinstance(value, Real) and low <= value <= high):
            raise ValueError(f"{self.name} must be from {low:g} to {high:g}, not {value!r}")
        if hasattr(self.widget, "options"):
            known = [option[1] if isinstance(option, tuple) else option for option in self.widget.options]
            if value not in known:
                told = ", ".join(map(str, known))
                raise ValueError(f"{self.name} must be one of {told}, not {value!r}")
        self.widget.value = value


# -- what a page declares ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Parameter:
    """A number of the scenario, such as `market.openness` or `touchpoints.network.quality`.

    Bounds, unit, label and help are those declared; `low`, `high` narrow them to what is worth
    showing, `step` defaults to about a hundredth of the range. `default`: the scenario's own.
    """

    name: str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    default: float | None = None
    label: Pair | None = None
    help: Pair | None = None

    def control(self, scenario: Scenario, language: str) -> Control:
        table = scenario.table()
        if self.name not in table.index:
            raise ValueError(f"a page asks for the parameter {self.name!r}, which {scenario.name} has not")
        row: Any = table.loc[self.name]
        label, help = parameter_words(self.name, str(row["meaning"]), scenario)
        low = row["lowest"] if self.low is None else self.low
        high = row["highest"] if self.high is None else self.high
        value = row["value"] if self.default is None else self.default
        # the value has the kind declared; a default of 1 may stand for a share
        whole = isinstance(row["value"], int)
        return Control(
            self.name,
            pick(self.label or label, language),
            slider(float(value), float(low), float(high), self.step, whole),
            unit_words(str(row["unit"]), language, scenario.currency),
            pick(self.help or help, language),
        )


@dataclass(frozen=True)
class Setting:
    """A number of a policy, such as `dunning.cure`, with the bounds, unit and help declared there."""

    name: str
    low: float | None = None
    high: float | None = None
    step: float | None = None
    default: float | None = None
    label: Pair | None = None
    help: Pair | None = None

    def control(self, scenario: Scenario, language: str) -> Control:
        policy, _, number = self.name.partition(".")
        row: Any = LIBRARY[policy].table().loc[number]
        label, help = policy_words(policy, number, str(row["meaning"]))
        low = row["lowest"] if self.low is None else self.low
        high = row["highest"] if self.high is None else self.high
        value = row["default"] if self.default is None else self.default
        return Control(
            self.name,
            pick(self.label or label, language),
            slider(float(value), float(low), float(high), self.step, isinstance(row["default"], int)),
            unit_words(str(row["unit"]), language, scenario.currency),
            pick(self.help or help, language),
        )


@dataclass(frozen=True)
class Number:
    """A number that belongs to the page alone."""

    name: str
    label: Pair
    value: float
    low: float
    high: float
    step: float | None = None
    unit: Pair = ("", "")
    help: Pair = ("", "")
    whole: bool = False

    def control(self, scenario: Scenario, language: str) -> Control:
        widget = slider(self.value, self.low, self.high, self.step, self.whole)
        return Control(self.name, pick(self.label, language), widget, pick(self.unit, language),
                       pick(self.help, language))  # fmt: skip


@dataclass(frozen=True)
class Choice:
    """One of a few: `options` are (key, (English, Chinese)); the value is the key."""

    name: str
    label: Pair
    options: Sequence[tuple[Any, Pair]]
    value: Any = None
    help: Pair = ("", "")
    # a row of buttons instead of a list that opens
    buttons: bool = False

    def control(self, scenario: Scenario, language: str) -> Control:
        options = [(pick(words, language), key) for key, words in self.options]
        value = self.options[0][0] if self.value is None else self.value
        kind = ipywidgets.ToggleButtons if self.buttons else ipywidgets.Dropdown
        widget = kind(options=options, value=value, layout=ipywidgets.Layout(width="auto"))
        return Control(self.name, pick(self.label, language), widget, "", pick(self.help, language))


@dataclass(frozen=True)
class Switch:
    """Yes or no."""

    name: str
    label: Pair
    value: bool = False
    help: Pair = ("", "")

    def control(self, scenario: Scenario, language: str) -> Control:
        widget = ipywidgets.Checkbox(value=self.value, indent=False, description=pick(self.label, language))
        return Control(self.name, "", widget, "", pick(self.help, language))


@dataclass(frozen=True)
class Group:
    """Controls under a heading."""

    title: Pair
    controls: Sequence[Parameter | Setting | Number | Choice | Switch] = field(default_factory=tuple)


def slider(value: float, low: float, high: float, step: float | None, whole: bool) -> Any:
    """A slider that always holds its value: bounds widen to it, steps are round numbers."""
    low, high = min(low, value), max(high, value)
    layout = ipywidgets.Layout(width="auto")
    if whole:
        return ipywidgets.IntSlider(
            value=round(value), min=round(low), max=round(high), step=max(round(step or 1), 1), layout=layout
        )
    step = step or round_step((high - low) / 100)
    digits = max(0, min(6, -int(f"{step:e}".partition("e")[2])))
    return ipywidgets.FloatSlider(
        value=value, min=low, max=high, step=step, readout_format=f".{digits}f", layout=layout
    )


def round_step(wanted: float) -> float:
    """1, 2 or 5 times a power of ten, the nearest that is not above `wanted`."""
    power = 10.0 ** int(f"{wanted:e}".partition("e")[2])
    return next(k * power for k in (5, 2, 1) if k * power <= wanted * 1.000001)


class Panel:
    """All controls of a page: groups of them in a column, values by name.

    changed(name): called when the reader, or `set`, changes one.
    """

    def __init__(
        self, groups: Sequence[Group], scenario: Scenario, language: str, changed: Callable[[str], None]
    ) -> None:
        self.controls: dict[str, Control] = {}
        self._quiet = False
        boxes = []
        for group in groups:
            head = ipywidgets.HTML(f"<h3>{html.escape(pick(group.title, language))}</h3>")
            children = [head]
            for declared in group.controls:
                control = declared.control(scenario, language)
                self.controls[control.name] = control
                control.widget.observe(self._tell(control.name, changed), names="value")
                children.append(control.box)
            box = ipywidgets.VBox(children)
            box.add_class("cs-group")
            boxes.append(box)
        self.box = ipywidgets.VBox(boxes)
        self.box.add_class("cs-panel")

    def _tell(self, name: str, changed: Callable[[str], None]) -> Callable[[Any], None]:
        def told(_: Any) -> None:
            if not self._quiet:
                changed(name)

        return told

    @property
    def values(self) -> dict[str, Any]:
        return {name: control.value for name, control in self.controls.items()}

    def set(self, values: dict[str, Any]) -> None:
        """Set several at once without a word to anybody. Raises ValueError for an unknown name or value."""
        for name in values:
            if name not in self.controls:
                raise ValueError(f"no control {name!r}; there are {', '.join(self.controls)}")
        self._quiet = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._quiet = False

    def reset(self) -> None:
        self.set({name: control.default for name, control in self.controls.items()})
