"""A prediction the reader commits to before the evidence is shown."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import anywidget  # noqa: F401  (the extra `course` is needed as a whole)
import ipywidgets

from .controls import Control
from .page import Manners, static
from .words import Pair, pick

TEXT: dict[str, Pair] = {
    "commit": ("This is my prediction", "这是我的预测"),
    "first": ("Choose, then commit: the answer comes further down.", "先选择并提交，答案在后面。"),
    "choose": (
        "Nothing is chosen yet: choose one of the answers, then commit.",
        "尚未选择：请先选择一个答案，再提交。",
    ),
    "kept": ("Noted: {answer}. Now read on.", "已记录：{answer}。请继续。"),
    "none": ("no prediction was made", "没有作出预测"),
    "you": ("You predicted {answer}; it is {actual}.", "你的预测是{answer}；实际为{actual}。"),
    "nothing": ("You made no prediction; it is {actual}.", "你没有作出预测；实际为{actual}。"),
    "right": ("Right.", "正确。"),
    "near": ("Close.", "接近。"),
    "wrong": ("Not so.", "并非如此。"),
}


class Prediction:
    """A question with choices, or with a number to guess, that is locked when committed.

    question: a sentence, or (English, Chinese). options: what can be chosen; or `low`, `high` and
    `unit` for a number. Show it as a cell's last value. After the evidence,
    `prediction.compare(actual)` puts both side by side; `answer` is None until committed.

    Raises ValueError without options and without bounds.
    """

    def __init__(
        self,
        question: Pair | str,
        options: Sequence[str] = (),
        *,
        low: float | None = None,
        high: float | None = None,
        unit: str = "",
        step: float | None = None,
        language: str = "en",
    ) -> None:
        self.question, self.unit, self.language = pick(question, language), unit, language
        self.answer: Any = None
        width = ipywidgets.Layout(width="auto")
        if options:
            self.widget: Any = ipywidgets.RadioButtons(options=list(options), value=None, layout=width)
        elif low is not None and high is not None and low < high:
            step = step or (high - low) / 100
            self.widget = ipywidgets.FloatSlider(
                value=(low + high) / 2, min=low, max=high, step=step, readout_format=".4g", layout=width
            )
        else:
            raise ValueError("a prediction needs options to choose from, or low < high for a number")
        self.button = ipywidgets.Button(description=self._say("commit"), button_style="primary")
        self.button.on_click(lambda _: self.commit())
        self._told = ipywidgets.HTML(f"<span>{html.escape(self._say('first'))}</span>")
        head = ipywidgets.HTML(
            f'<span class="cs-label">{html.escape(self.question)}</span> '
            f'<span class="cs-unit">{html.escape(unit)}</span>'
        )
        box = ipywidgets.VBox([head, self.widget])
        box.add_class("cs-control")
        self._control = Control("the prediction", "", self.widget)
        style = ipywidgets.HTML(f"<style>{static('page.css')}</style>")
        style.add_class("cs-hidden")
        manners = Manners(language=language)
        row = ipywidgets.HBox([self.button])
        self.root = ipywidgets.VBox([style, manners, box, row, self._told])
        self.root.add_class("cs-page")
        self.root.add_class("cs-prediction")

    def commit(self, answer: Any = None) -> None:
        """Lock the answer: the one chosen, or the one given here. A locked one stays.

        Raises ValueError for an answer that cannot be chosen.
        """
        if self.answer is not None:
            return
        if answer is not None:
            self._control.value = answer
        if self.widget.value is None:
            self._told.value = f'<span role="alert"><b>{html.escape(self._say("choose"))}</b></span>'
            return
        self.answer = self.widget.value
        self.widget.disabled = self.button.disabled = True
        self._told.value = f"<span>{html.escape(self._say('kept', answer=self._words(self.answer)))}</span>"

    def compare(self, actual: Any, near: float | None = None) -> None:
        """Print the prediction beside what is so; `near`: within so much a number counts as close."""
        words = self._words(actual)
        if self.answer is None:
            print(self._say("nothing", actual=words))
            return
        if isinstance(actual, str):
            verdict = "right" if actual == self.answer else "wrong"
        else:
            verdict = "near" if near is not None and abs(actual - self.answer) <= near else ""
        told = self._say("you", answer=self._words(self.answer), actual=words)
        print(f"{told} {self._say(verdict) if verdict else ''}".strip())

    def _say(self, key: str, **values: Any) -> str:
        return pick(TEXT[key], self.language).format(**values)

    def _words(self, answer: Any) -> str:
        return answer if isinstance(answer, str) else f"{answer:.4g} {self.unit}".strip()

    def _ipython_display_(self, **_: Any) -> None:
        from IPython.display import display

        display(self.root)
