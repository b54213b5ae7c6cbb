"""The hands of the course: live pages, predictions, the laboratory.

`show("policy-lab")` puts a page into a notebook; `crmsim demo policy-lab` opens the same page in a
browser. What is here needs the extra `course` (ipywidgets, anywidget); it is imported when used.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "pages": ("PAGES", "show"),
    "page": ("Page",),
    "prediction": ("Prediction",),
    "sorting": ("Sorting",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'crmsim.teaching' has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
