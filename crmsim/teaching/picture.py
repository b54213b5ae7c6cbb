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
from PIL import Image

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
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.language, self.told = spoken(language)
        self.dpi = dpi
        self.alt = ""
        self.widget = ipywidgets.HTML()
        self.widget.add_class("cs-picture")
        with DRAWING, matplotlib.rc_context(self._settings()):
            self.figure = Figure(figsize=(width, height), dpi=dpi, layout="constrained", facecolor="white")
            # drawn by ourselves: saving a figure draws it twice
            self._canvas = FigureCanvasAgg(self.figure)
            self._engine: Any = self.figure.get_layout_engine()
            self._placed: Any = None
            self._title_sizes: dict[Any, float] = {}
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
            self._place()
            self._fit_titles()
            self._canvas.draw()
            width, height = self._canvas.get_width_height()
            pixels = Image.frombuffer(
                "RGBA", (width, height), self._canvas.buffer_rgba(), "raw", "RGBA", 0, 1
            )
            pixels.convert("RGB").save(file, format="png", compress_level=1)
        data = base64.b64encode(file.getvalue()).decode("ascii")
        self.widget.value = f'<img alt="{html.escape(self.alt)}" src="data:image/png;base64,{data}">'

    def _place(self) -> None:
        """Lay the axes out, but only when what stands around them has changed its size: it takes longer
        than drawing, and the axes of a picture that moves should stand still."""
        if self.figure.get_layout_engine() is not self._engine:
            return  # the page has a layout of its own
        around = _around(self.figure)
        if around != self._placed:
            self.figure.set_layout_engine("constrained")
            self.figure.draw_without_rendering()
            self._placed = around
        self.figure.set_layout_engine("none")
        self._engine = self.figure.get_layout_engine()

    def _fit_titles(self) -> None:
        """A title says what is found, and may be long: it is written smaller rather than cut off."""
        renderer, edge = self._canvas.get_renderer(), self.figure.bbox.width - 4
        for ax in self.figure.axes:
            title = ax._left_title  # type: ignore[attr-defined]  # nothing public gives the artist
            if not title.get_text():
                continue
            known = self._title_sizes.get(title)
            if known is not None and title.get_fontsize() < known:
                title.set_fontsize(known)
            self._title_sizes[title] = size = title.get_fontsize()
            box = title.get_window_extent(renderer)
            if box.x1 > edge:
                title.set_fontsize(max(10.0, size * (edge - box.x0) / box.width))


def wipe(ax: Axes) -> None:
    """Take away what was drawn on the axes, and nothing else: ticks, labels and scales stay, since to
    make them anew (`ax.clear()`) takes longer than what is drawn. The limits follow what is drawn next."""
    for artist in (*ax.lines, *ax.patches, *ax.collections, *ax.texts, *ax.images):
        artist.remove()
    ax.containers.clear()
    if (legend := ax.get_legend()) is not None:
        legend.remove()
    ax.relim()
    ax.autoscale(True)


def _around(figure: Any) -> list[Any]:
    """What takes room beside the data: titles, labels, ticks, texts, legends, as far as they are long."""
    found: list[Any] = [tuple(figure.get_size_inches()), len(figure.legends), _sizes(figure.texts)]
    for ax in figure.axes:
        ticks = []
        for axis in (ax.xaxis, ax.yaxis):
            written = [str(w) for w in axis.get_major_formatter().format_ticks(axis.get_majorticklocs())]
            ticks.append(
                (max(map(len, written), default=0), max((w.count("\n") for w in written), default=0))
            )
        heads = [text.count("\n") if text else -1 for text in (ax.get_title("left"), ax.get_title())]
        labels = (bool(ax.get_xlabel()), ax.get_ylabel().count("\n"), bool(ax.get_ylabel()))
        shown = ax.get_visible(), ax.axison, ax.get_legend() is None
        found.append((ticks, heads, labels, shown, _sizes(ax.texts)))
    return found


def _sizes(texts: Any) -> list[tuple[int, int]]:
    return [(len(text.get_text()), text.get_text().count("\n")) for text in texts]
