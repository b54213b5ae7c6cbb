"""A matplotlib figure that stays: its artists change, the page gets a new picture of it."""

from __future__ import annotations

import base64
import html
import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import ipywidgets

from ..plots.style import families, spoken

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# matplotlib's settings belong to the process, so one page draws at a time
DRAWING = threading.RLock()


class Picture:
    """A figure as an image with alternative text.

    width, height: inches at 100 dots each; the page scales the picture to its place. rows, columns:
    axes in it. `with picture.drawing() as axes:` changes artists and then sends the picture; a page
    makes its artists once and later only moves them. `widget` goes on the page.
    """

    def __init__(
        self,
        width: float = 9.6,
        height: float = 5.4,
        *,
        language: str = "en",
        rows: int = 1,
        columns: int = 1,
        dpi: float = 130,
        **more: Any,
    ) -> None:
        import matplotlib
        from matplotlib.figure import Figure

        self.language, self.told = spoken(language)
        self.dpi = dpi
        self.alt = ""
        self.widget = ipywidgets.HTML()
        self.widget.add_class("cs-picture")
        with DRAWING, matplotlib.rc_context(self._settings()):
            self.figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
            self.axes: list[Axes] = list(self.figure.subplots(rows, columns, squeeze=False, **more).flat)
            for ax in self.axes:
                ax.spines[["top", "right"]].set_visible(False)

    @property
    def ax(self) -> Axes:
        return self.axes[0]

    def _settings(self) -> Any:
        return {
            "font.family": families(self.language),
            "font.size": 14,
            "axes.titlesize": 17,
            "axes.titlelocation": "left",
            "axes.labelsize": 15,
            "text.parse_math": False,
            "axes.grid": True,
            "axes.grid.axis": "y",
            "axes.axisbelow": True,
            "grid.color": "#DDDDDD",
        }

    def margins(self, left: float, right: float, bottom: float, top: float, **between: float) -> None:
        """Fixed places of the axes, in parts of the picture: drawn in half the time, where labels keep
        their size."""
        self.figure.set_layout_engine(None)
        self.figure.subplots_adjust(left=left, right=right, bottom=bottom, top=top, **between)

    @contextmanager
    def drawing(self, alt: Callable[[], str] | str = "") -> Iterator[list[Axes]]:
        """Change the artists inside; the picture is sent at the end. alt: the sentence that says what
        it shows (or a function that gives it), for those who cannot see it."""
        import matplotlib

        with DRAWING, matplotlib.rc_context(self._settings()):
            yield self.axes
            self.alt = (alt() if callable(alt) else alt) or self.alt
            self.send()

    def redraw(self, draw: Callable[[Axes], Any]) -> None:
        """Clear the first axes and let a function of `crmsim.plots` draw on them: for pictures that
        change seldom. The figure's sentence becomes the alternative text."""
        from ..plots import words

        with self.drawing() as (ax, *_):
            ax.clear()
            draw(ax)
            self.alt = words(ax) or self.alt

    def send(self) -> None:
        """Render the figure and hand it to the page."""
        file = io.BytesIO()
        with DRAWING:
            self.figure.savefig(
                file, format="png", dpi=self.dpi, facecolor="white", pil_kwargs={"compress_level": 1}
            )
        data = base64.b64encode(file.getvalue()).decode("ascii")
        self.widget.value = f'<img alt="{html.escape(self.alt)}" src="data:image/png;base64,{data}">'
