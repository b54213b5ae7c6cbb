"""People as rows, months as tiles: a canvas that draws itself in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anywidget
import numpy as np
import traitlets

from ..plots.style import CAUSE_COLOURS, LAYER_COLOURS
from .page import static


class Tiles(anywidget.AnyWidget):
    """One row a customer, one tile a month in the colour of the loyalty layer, a mark at the leaving.

    `layers` and `causes` are their names for the legend, in the order of the codes; `label` is the
    picture's name. `chosen` is the row the reader has chosen by click or arrow keys, -1 for none.
    """

    _esm = static("tiles.js")
    layers = traitlets.List(traitlets.Unicode()).tag(sync=True)
    causes = traitlets.List(traitlets.Unicode()).tag(sync=True)
    layer_colours = traitlets.List(list(LAYER_COLOURS.values())).tag(sync=True)
    cause_colours = traitlets.List(list(CAUSE_COLOURS.values())).tag(sync=True)
    label = traitlets.Unicode("").tag(sync=True)
    # rows of layer codes, one character a month, "." where the customer was not there
    rows = traitlets.List(traitlets.Unicode()).tag(sync=True)
    exits: Any = traitlets.List().tag(sync=True)
    names = traitlets.List(traitlets.Unicode()).tag(sync=True)
    chosen = traitlets.Int(-1).tag(sync=True)

    def show(self, layers: np.ndarray, exits: Sequence[tuple[int, int]], names: Sequence[object]) -> None:
        """layers: (customers, months) codes, missing where not a customer; exits: month and cause
        (-1 and 0 for none) of each; names: what to call them."""
        codes = np.where(np.isnan(layers), -1, layers).astype(int)
        with self.hold_sync():
            self.names = [str(name) for name in names]
            self.exits = [list(map(int, leaving)) for leaving in exits]
            self.rows = ["".join("." if c < 0 else str(c) for c in row) for row in codes]
