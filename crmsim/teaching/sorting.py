"""Sort statements into classes: a small exercise that answers at once."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets

from .page import Manners, static
from .words import Pair, pick

TEXT: dict[str, Pair] = {
    "check": ("Check", "检查"),
    "choose": ("choose …", "请选择……"),
    "open": ("{n} still to be sorted.", "还有{n}项未归类。"),
    "all": ("All {n} are right.", "{n}项全部正确。"),
    "some": (
        "{right} of {n} are right; look again at those marked.",
        "{n}项中有{right}项正确；请重新考虑标出的项目。",
    ),
}


class Sorting:
    """Statements to be put into classes; wrong ones are marked, the right class is not told.

    question: a sentence, or (English, Chinese). items: statement -> its class. classes: the names to
    choose from, in order (default: those of the items). Show it as a cell's last value; `answers` is
    what has been chosen, `right` how many are so.

    Raises ValueError for an item whose class is not among the classes.
    """

    def __init__(
        self,
        question: Pair | str,
        items: Mapping[str, str],
        classes: Sequence[str] = (),
        *,
        language: str = "en",
    ) -> None:
        self.language, self.items = language, dict(items)
        self.classes = list(classes) or list(dict.fromkeys(items.values()))
        if stray := [word for word in items.values() if word not in self.classes]:
            raise ValueError(f"no class {stray[0]!r}; there are {', '.join(self.classes)}")
        options = [(self._say("choose"), ""), *((name, name) for name in self.classes)]
        self._choices: dict[str, Any] = {}
        rows = []
        for statement in self.items:
            choice = ipywidgets.Dropdown(options=options, value="", layout=ipywidgets.Layout(width="230px"))
            text = ipywidgets.HTML(f'<span class="cs-statement">{html.escape(statement)}</span>')
            row = ipywidgets.HBox([choice, text])
            row.add_class("cs-control")
            row.add_class("cs-sorting-row")
            self._choices[statement] = choice
            choice.observe(lambda _, row=row: self._unmark(row), names="value")
            rows.append(row)
        self._rows = dict(zip(self.items, rows, strict=True))
        self.button = ipywidgets.Button(description=self._say("check"), button_style="primary")
        self.button.on_click(lambda _: self.check())
        self._told = ipywidgets.HTML()
        head = ipywidgets.HTML(f"<b>{html.escape(pick(question, language))}</b>")
        style = ipywidgets.HTML(f"<style>{static('page.css')}{static('sorting.css')}</style>")
        style.add_class("cs-hidden")
        below = ipywidgets.HBox([self.button, self._told])
        self.root = ipywidgets.VBox([style, Manners(language=language), head, *rows, below])
        self.root.add_class("cs-page")

    @property
    def answers(self) -> dict[str, str]:
        """The class chosen for each statement, empty where none is yet."""
        return {statement: choice.value for statement, choice in self._choices.items()}

    @property
    def right(self) -> int:
        return sum(self.items[statement] == chosen for statement, chosen in self.answers.items())

    def answer(self, statement: str, chosen: str) -> None:
        """Choose for the reader. Raises ValueError for an unknown statement or class."""
        if statement not in self._choices:
            raise ValueError(f"no statement {statement!r}")
        if chosen not in self.classes:
            raise ValueError(f"no class {chosen!r}; there are {', '.join(self.classes)}")
        self._choices[statement].value = chosen

    def check(self) -> str:
        """Say how many are right, and mark those that are not; gives the words."""
        missing = sum(not chosen for chosen in self.answers.values())
        for statement, chosen in self.answers.items():
            if chosen and chosen != self.items[statement]:
                self._rows[statement].add_class("cs-wrong")
        if missing:
            words = self._say("open", n=missing)
        else:
            key = "all" if self.right == len(self.items) else "some"
            words = self._say(key, n=len(self.items), right=self.right)
        self._told.value = f'<span role="status">{html.escape(words)}</span>'
        return words

    def _unmark(self, row: Any) -> None:
        row.remove_class("cs-wrong")

    def _say(self, key: str, **values: Any) -> str:
        return pick(TEXT[key], self.language).format(**values)

    def _ipython_display_(self, **_: Any) -> None:
        from IPython.display import display

        display(self.root)
