"""One day at a station: a canvas that plays the calls in the browser."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

from .page import static


class DayAtTheDesk(anywidget.AnyWidget):
    """Callers as dots in a line, agents as seats, a clock that runs.

    `day` holds the calls of one day in order of arrival, hours of the day: `arrives`, `begins` (of the
    service, or -1), `leaves`, `kind` (0 served, 1 hung up), `agent` (from 0, or -1), `problem` (whether
    the call is about one), and `agents`, `opens`, `closes`. `words` are the labels by name.
    """

    _esm = static("desk.js")
    day: Any = traitlets.Dict({}).tag(sync=True)
    words: Any = traitlets.Dict({}).tag(sync=True)
