"""Answers as plain data: numbers, text, lists and tables, which can cross between processes as JSON.

This file is read on both sides of the sandbox and imports nothing of the package. Only values of exactly the
known types are taken: an object of a class of the student's own, which could claim to be equal to
everything, becomes a note of its type.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

DEEPEST = 6
# read as lists: `range`, and what `dict.keys` and `dict.values` give
LISTS: tuple[type, ...] = (list, tuple, set, frozenset, range, type({}.keys()), type({}.values()))
LONGEST = 200_000  # entries of a list, cells of a table


def plain(value: Any, depth: int = 0) -> Any:
    """The value as JSON can hold it.

    A dict becomes ``{"$dict": [[key, value], ...]}``, a Series ``{"$series": {index, values}}``, a DataFrame
    ``{"$table": {columns, index, rows}}``, a function ``{"$function": True}``, a missing value None, the
    ``...`` of a starter ``{"$open": True}`` and anything else ``{"$odd": name of its type}``.
    """
    kind = type(value)
    if value is None or kind is bool or kind is str:
        return value
    if kind is int:
        return value if abs(value) < 2**63 else {"$odd": "number of more than 18 digits"}
    if kind is float:
        return value if math.isfinite(value) else {"$odd": "NaN" if value != value else "infinity"}
    if value is Ellipsis:
        return {"$open": True}
    if depth > DEEPEST:
        return {"$odd": "list within lists"}
    if kind in LISTS:
        if len(value) > LONGEST:
            return {"$odd": "list that is too long"}
        return [plain(each, depth + 1) for each in value]
    if kind is dict:
        return {"$dict": [[plain(k, depth + 1), plain(v, depth + 1)] for k, v in value.items()]}
    if kind in (dt.date, dt.datetime):
        return value.isoformat()
    module = kind.__module__.partition(".")[0]
    if module == "numpy":
        return _numpy(value, kind, depth)
    if module == "pandas":
        return _pandas(value, kind, depth)
    if kind.__name__ in ("function", "builtin_function_or_method", "method") and callable(value):
        return {"$function": True}
    return {"$odd": str(kind.__name__)[:40]}


def _numpy(value: Any, kind: type, depth: int) -> Any:
    import numpy as np

    if kind is np.ndarray:
        if value.size > LONGEST:
            return {"$odd": "array that is too long"}
        return plain(value.tolist(), depth)
    if issubclass(kind, np.floating):
        return plain(float(value), depth)
    if issubclass(kind, np.bool_ | np.integer | np.str_):
        return plain(value.item(), depth)
    if kind is np.datetime64:
        return str(value)
    return {"$odd": kind.__name__[:40]}


def _pandas(value: Any, kind: type, depth: int) -> Any:
    import pandas as pd

    if value is pd.NA or value is pd.NaT:
        return {"$odd": "missing value"}
    if kind is pd.Timestamp:
        return value.isoformat()
    if kind is pd.DataFrame:
        if value.size > LONGEST or value.shape[0] > LONGEST:
            return {"$odd": "table that is too large"}
        columns = [_cells(value.iloc[:, k], depth) for k in range(value.shape[1])]
        rows = [list(row) for row in zip(*columns, strict=True)] if columns else []
        names = [plain(name, depth + 1) for name in value.columns]
        return {"$table": {"columns": names, "index": _labels(value.index, depth), "rows": rows}}
    if len(value) > LONGEST:
        return {"$odd": "list that is too long"}
    if kind is pd.Series:
        return {"$series": {"index": _labels(value.index, depth), "values": _cells(value, depth)}}
    if isinstance(value, pd.Index):
        return _labels(value, depth)
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return [plain(each, depth + 1) for each in value]
    return {"$odd": kind.__name__[:40]}


def _cells(column: Any, depth: int) -> list[Any]:
    return [plain(each, depth + 1) for each in column.tolist()]


def _labels(index: Any, depth: int) -> list[Any]:
    return [plain(each, depth + 1) for each in index.tolist()]
