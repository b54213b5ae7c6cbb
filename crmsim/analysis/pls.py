"""Satisfaction as a path model of latent variables: PLS, consistent PLS, and how reliable they are.

A `PathModel` says which latent variables (潜变量) there are, by which questions each is measured and which
acts on which; `ECSI`, `ACSI` and `CCSI` are given. `pls` estimates it from answers, a row a respondent.

Words shared by all functions here: `frame`, answers, a row a respondent and a column a question; `items`, the
columns used; `blocks`, latent variable -> columns, or a `PathModel`; `weights`, customers each respondent
stands for, alike if not given; `missing`, "mean" to put the mean of the question in place of a missing
answer, "drop" to leave the respondent out. ValueError for columns that are missing, hold no numbers or do not
vary, weights that are negative or of another length, and fewer than five respondents.

Sources, named again at each formula:

- Tenenhaus et al. 2005: Tenenhaus, Vinzi, Chatelin & Lauro, PLS path modeling, Computational Statistics &
  Data Analysis 48, 159-205;
- Dijkstra & Henseler 2015: Consistent partial least squares path modeling, MIS Quarterly 39(2), 297-316;
- Henseler et al. 2015: Henseler, Ringle & Sarstedt, A new criterion for assessing discriminant validity,
  Journal of the Academy of Marketing Science 43(1), 115-135;
- Fornell et al. 1996: The American Customer Satisfaction Index, Journal of Marketing 60(4), 7-18.
"""

from __future__ import annotations

import difflib
import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    from typing import Self

__all__ = [
    "ACSI",
    "CCSI",
    "ECSI",
    "PathFit",
    "PathModel",
    "cronbach_alpha",
    "htmt",
    "pls",
    "reliability",
    "survey_model",
]

Floats = npt.NDArray[np.float64]
Limits = float | Mapping[str, float]

HTMT_LIMIT = 0.9
"""Two latent variables are told apart when their HTMT is below this (Henseler et al. 2015)."""


# -- models ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PathModel:
    """Latent variables with their indicators (the columns that measure them), and the paths between them.

    blocks: latent variable -> its columns. paths: (cause, effect). chinese: latent variable -> its Chinese
    name, for tables and figures. A model may be a template with empty blocks, to be filled by
    `with_indicators`. Raises ValueError for a path to an unknown latent variable, one from a variable to
    itself, a circle of paths, a column that measures two variables, and a variable without a path.

    >>> model = PathModel({"quality": ["q1", "q2"], "loyalty": ["l1"]}, [("quality", "loyalty")])
    >>> model.latents, model.items
    (('quality', 'loyalty'), ('q1', 'q2', 'l1'))
    """

    blocks: Mapping[str, Iterable[str]]
    paths: Iterable[tuple[str, str]]
    chinese: Mapping[str, str] = field(default_factory=dict)
    name: str = "path model"

    def __post_init__(self) -> None:
        blocks = {}
        for latent, items in self.blocks.items():
            if isinstance(items, str):
                raise ValueError(f"{latent}: give a list of columns, not the word {items!r}")
            blocks[str(latent)] = tuple(items)
        paths = tuple((str(source), str(target)) for source, target in self.paths)
        object.__setattr__(self, "blocks", blocks)
        object.__setattr__(self, "paths", paths)
        for source, target in paths:
            for end in (source, target):
                if end not in blocks:
                    raise ValueError(
                        f"the path {source} -> {target} names {end!r}, which is none of {', '.join(blocks)}"
                    )
            if source == target:
                raise ValueError(f"{source} has a path to itself")
        if twice := _twice(paths):
            raise ValueError(f"the path {' -> '.join(twice)} is there twice")
        if twice := _twice([item for items in blocks.values() for item in items]):
            raise ValueError(f"the column {twice!r} measures more than one latent variable, or one twice")
        if alone := [latent for latent in blocks if not any(latent in path for path in paths)]:
            raise ValueError(f"{alone[0]} has no path to or from it; connect it or leave it out")
        left = set(blocks)
        while free := [k for k in left if not any(a in left and b == k for a, b in paths)]:
            left -= set(free)
        if left:
            raise ValueError(f"the paths run in a circle through {', '.join(k for k in blocks if k in left)}")

    @property
    def latents(self) -> tuple[str, ...]:
        """The latent variables, in the order given."""
        return tuple(self.blocks)

    @property
    def items(self) -> tuple[str, ...]:
        """All indicator columns, block by block."""
        return tuple(item for items in self.blocks.values() for item in items)

    def with_indicators(self, **blocks: Iterable[str]) -> Self:
        """The same paths with other columns: `CCSI.with_indicators(image=["i1", "i2"], ...)`.

        Raises ValueError for a variable the model does not have.
        """
        for latent in blocks:
            if latent not in self.blocks:
                raise ValueError(f"{self.name} has no {latent!r}; it has {', '.join(self.latents)}")
        return self._new(dict(self.blocks) | blocks, self.paths)

    def without(self, *latents: str) -> Self:
        """The same model without these latent variables and the paths that touch them.

        Raises ValueError for a variable the model does not have.
        """
        for latent in latents:
            if latent not in self.blocks:
                raise ValueError(f"{self.name} has no {latent!r}; it has {', '.join(self.latents)}")
        kept = {latent: items for latent, items in self.blocks.items() if latent not in latents}
        return self._new(kept, [path for path in self.paths if not set(path) & set(latents)])

    def _new(self, blocks: Mapping[str, Iterable[str]], paths: Iterable[tuple[str, str]]) -> Self:
        return type(self)(blocks, paths, self.chinese, self.name)


def _twice(values: Iterable[Any]) -> Any:
    seen = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


CHINESE = {
    "image": "品牌形象",
    "expectation": "预期质量",
    "quality": "感知质量",
    "value": "感知价值",
    "satisfaction": "顾客满意度",
    "complaints": "顾客抱怨",
    "loyalty": "顾客忠诚",
}


def _numbered(word: str, n: int) -> tuple[str, ...]:
    return tuple(f"{word}{k}" for k in range(1, n + 1))


ECSI = PathModel(
    {
        "image": _numbered("IMAG", 5),
        "expectation": _numbered("CUEX", 3),
        "quality": _numbered("PERQ", 7),
        "value": _numbered("PERV", 2),
        "satisfaction": _numbered("CUSA", 3),
        "complaints": ("CUSCO",),
        "loyalty": _numbered("CUSL", 3),
    },
    [
        ("image", "expectation"),
        ("image", "satisfaction"),
        ("image", "loyalty"),
        ("expectation", "quality"),
        ("expectation", "value"),
        ("expectation", "satisfaction"),
        ("quality", "value"),
        ("quality", "satisfaction"),
        ("value", "satisfaction"),
        ("satisfaction", "complaints"),
        ("satisfaction", "loyalty"),
        ("complaints", "loyalty"),
    ],
    CHINESE,
    "ECSI",
)
"""European Customer Satisfaction Index (欧洲顾客满意指数), with the paths of Tenenhaus et al. 2005 and the
column names of their mobile-phone questionnaire; `complaints` is how well a complaint was handled."""

ACSI = PathModel(
    {latent: () for latent in CHINESE if latent != "image"},
    [path for path in ECSI.paths if "image" not in path],
    CHINESE,
    "ACSI",
)
"""American Customer Satisfaction Index (美国顾客满意指数) of Fornell et al. 1996; the columns are yours."""

CCSI = PathModel(
    {latent: () for latent in CHINESE if latent != "complaints"},
    [("image", "quality"), *(path for path in ECSI.paths if "complaints" not in path)],
    CHINESE,
    "CCSI",
)
"""China Customer Satisfaction Index (中国顾客满意指数): six latent variables and eleven paths. Open sources
give the variables and the number of paths; these are the ten that ECSI has between the same variables, and
品牌形象 -> 感知质量. The columns are yours."""


def survey_model(items: pd.DataFrame) -> PathModel:
    """The satisfaction model that the package's own questionnaire can measure.

    items: the table `survey_items`, or that part of it that belongs to one survey. Quality is measured by
    the questions on touchpoints, image by those on a touchpoint `image` where there is one, loyalty by the
    four layers. Handling of complaints is not asked. Raises ValueError when the questions are missing.
    """
    table = items.drop_duplicates("item")
    asked = {k: list(part["item"]) for k, part in table.groupby("construct", sort=False)}
    touchpoints = table["touchpoint"].fillna("").ne("") & table["construct"].ne("importance")
    blocks = {
        "image": asked.get("image", []),
        "expectation": asked.get("expectation", []),
        "quality": list(table.loc[touchpoints & table["construct"].ne("image"), "item"]),
        "value": asked.get("value", []),
        "satisfaction": asked.get("satisfaction", []),
        "loyalty": [q for k in ("cognitive", "affective", "conative", "action") for q in asked.get(k, [])],
    }
    for latent in ("quality", "satisfaction"):
        if not blocks[latent]:
            raise ValueError(
                f"the questions measure no {latent}; they measure {', '.join(map(str, asked)) or 'nothing'}"
            )
    empty = [latent for latent, columns in blocks.items() if not columns]
    return CCSI.without(*empty).with_indicators(**{k: v for k, v in blocks.items() if v})


# -- answers -----------------------------------------------------------------------------------------


class _Answers(NamedTuple):
    """Numbers of the respondents used, their weights (mean 1) and rows in the frame, and what was mended
    on the way."""

    x: Floats
    weights: Floats
    rows: npt.NDArray[np.int64]
    notes: list[str]


def _answers(frame: pd.DataFrame, items: Iterable[str], weights: Any, missing: str) -> _Answers:
    items = list(items)
    for item in items:
        if item not in frame:
            near = difflib.get_close_matches(str(item), [str(c) for c in frame.columns], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"the answers have no column {item!r}{hint}")
    try:
        x = frame[items].to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError):
        words = [i for i in items if not pd.api.types.is_numeric_dtype(frame[i])]
        raise ValueError(f"the column {(words or items)[0]!r} must hold numbers only") from None
    if np.isinf(x).any():
        raise ValueError(f"the column {items[int(np.isinf(x).any(axis=0).argmax())]!r} has an infinite value")
    if weights is None:
        w = np.ones(len(x))
    else:
        w = np.asarray(weights, dtype=float)
        if w.shape != (len(x),):
            raise ValueError(f"weights has {w.size:,} entries for {len(x):,} respondents")
        if not (np.isfinite(w) & (w >= 0)).all():
            raise ValueError("weights must be 0 or more, and none missing")
    notes = []
    gaps = np.isnan(x)
    if missing not in ("mean", "drop"):
        raise ValueError(f'missing must be "mean" or "drop", not {missing!r}')
    kept = ~(gaps.all(axis=1) if missing == "mean" else gaps.any(axis=1)) & (w > 0)
    if dropped := int((~kept).sum()):
        notes.append(f"{dropped:,} of {len(x):,} respondents left out for missing answers or no weight")
    x, w, gaps = x[kept], w[kept], gaps[kept]
    if len(x) < 5:
        raise ValueError(f"{len(x)} respondents with answers are too few; at least 5 are needed")
    w = w / w.mean()
    if gaps.any():
        known = np.where(gaps, 0.0, w[:, None]).sum(axis=0)
        if (known == 0).any():
            raise ValueError(f"the column {items[int((known == 0).argmax())]!r} has no answers")
        mean = np.where(gaps, 0.0, w[:, None] * np.where(gaps, 0.0, x)).sum(axis=0) / known
        x = np.where(gaps, mean, x)
        notes.append(f"{gaps.mean():.1%} of the answers were missing and took the mean of their question")
    flat = np.ptp(x, axis=0) == 0
    if flat.any():
        raise ValueError(f"everybody answers {items[int(flat.argmax())]!r} alike; it measures nothing here")
    return _Answers(x, w, np.flatnonzero(kept), notes)


def _moments(x: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Means, standard deviations and correlations with weights that sum to the number of rows."""
    n = weights.sum()
    mean = weights @ x / n
    centred = x - mean
    covariance = (centred * weights[:, None]).T @ centred / n
    sd = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = covariance / np.outer(sd, sd)
    np.fill_diagonal(r, 1.0)
    return mean, sd, r


# -- the algorithm -----------------------------------------------------------------------------------


class _Structure(NamedTuple):
    """A model in numbers: indicator x latent membership, and for each latent its causes and effects."""

    member: npt.NDArray[np.bool_]
    causes: list[npt.NDArray[np.int64]]
    effects: list[npt.NDArray[np.int64]]


def _structure(model: PathModel) -> _Structure:
    place = {latent: j for j, latent in enumerate(model.latents)}
    member = np.zeros((len(model.items), len(place)), dtype=bool)
    row = 0
    for j, items in enumerate(model.blocks.values()):
        width = len(tuple(items))
        member[row : row + width, j] = True
        row += width

    def those(k: int, end: int) -> npt.NDArray[np.int64]:
        found = [place[path[1 - end]] for path in model.paths if place[path[end]] == k]
        return np.array(found, dtype=np.int64)

    latents = range(len(place))
    return _Structure(member, [those(j, 1) for j in latents], [those(j, 0) for j in latents])


class _Inner(NamedTuple):
    """Estimates of B data sets at once: outer weights (B, p, J; latent variables have variance 1), latent
    correlations (B, J, J), iterations until the last converged, and which converged (B)."""

    weights: Floats
    latent: Floats
    iterations: int
    converged: npt.NDArray[np.bool_]


def _iterate(r: Floats, s: _Structure, tolerance: float, most: int, start: Floats | None = None) -> _Inner:
    """PLS, mode A, path weighting scheme (Tenenhaus et al. 2005, section 1.3), from correlations (B, p, p).

    Everything the iteration needs of the answers is in their correlations, so its cost does not grow with
    the number of respondents. `start` (p, J) also fixes the signs; without it a latent variable points
    where most of its indicators point.
    """
    w = _unit(r, np.broadcast_to(s.member if start is None else start, (len(r), *s.member.shape)))
    converged = np.zeros(len(r), dtype=bool)
    done = 0
    while done < most and not converged.all():
        latent = _across(r, w)
        inner = np.zeros_like(latent)
        for j in range(s.member.shape[1]):
            inner[:, s.effects[j], j] = latent[:, s.effects[j], j]
            if len(s.causes[j]):
                inner[:, s.causes[j], j] = _regress(latent, s.causes[j], j)
        new = _unit(r, np.where(s.member, r @ (w @ inner), 0.0))
        new *= np.where((new * w).sum(axis=1) < 0, -1.0, 1.0)[:, None, :]
        change = np.abs(new - w).max(axis=(1, 2))
        w = new
        converged, done = change < tolerance, done + 1
    # without a start: where most indicators point
    pointing = (np.where(s.member, r @ w, 0.0) if start is None else w * start).sum(axis=1)
    w = w * np.where(pointing < 0, -1.0, 1.0)[:, None, :]
    return _Inner(w, _across(r, w), done, converged)


def _unit(r: Floats, w: Any) -> Floats:
    variance = np.einsum("bpj,bpj->bj", w, r @ w)
    return np.asarray(w / np.sqrt(np.maximum(variance, 1e-300))[:, None, :], dtype=np.float64)


def _across(r: Floats, w: Floats) -> Floats:
    return np.swapaxes(w, 1, 2) @ r @ w


def _regress(latent: Floats, causes: npt.NDArray[np.int64], j: int) -> Floats:
    """Standardised coefficients of latent j on its causes, (B, causes)."""
    left = latent[:, causes[:, None], causes]
    right = latent[:, causes, j][..., None]
    try:
        return np.asarray(np.linalg.solve(left, right)[..., 0], dtype=np.float64)
    except np.linalg.LinAlgError:
        return np.asarray((np.linalg.pinv(left) @ right)[..., 0], dtype=np.float64)


def _coefficients(latent: Floats, s: _Structure) -> tuple[Floats, Floats]:
    """Path coefficients, [b, cause, effect], and the share explained of each latent variable, [b, latent]."""
    paths, explained = np.zeros_like(latent), np.full(latent.shape[:2], np.nan)
    for j, causes in enumerate(s.causes):
        if len(causes):
            beta = _regress(latent, causes, j)
            paths[:, causes, j] = beta
            explained[:, j] = (beta * latent[:, causes, j]).sum(axis=1)
    return paths, explained


def _total(paths: Floats) -> Floats:
    """Direct and indirect effects together: (I - B)^-1 - I."""
    unit = np.eye(paths.shape[-1])
    return np.asarray(np.linalg.inv(unit - paths) - unit, dtype=np.float64)


def _rho_a(r: Floats, w: Floats, s: _Structure) -> Floats:
    """Reliability of the latent scores, (B, J): Dijkstra & Henseler 2015, equation 3; 1 for one indicator."""
    rho = np.ones((len(r), s.member.shape[1]))
    for j in range(s.member.shape[1]):
        block = np.flatnonzero(s.member[:, j])
        if len(block) < 2:
            continue
        own = w[:, block, j]
        within = r[:, block[:, None], block] * (1 - np.eye(len(block)))
        square = (own**2).sum(axis=1)
        above = np.einsum("bi,bij,bj->b", own, within, own)
        with np.errstate(divide="ignore", invalid="ignore"):
            rho[:, j] = square**2 * above / (square**2 - (own**4).sum(axis=1))
    return rho


def _consistent(latent: Floats, rho: Floats) -> Floats:
    """Correlations of the latent variables corrected for what their scores miss."""
    with np.errstate(invalid="ignore", divide="ignore"):
        corrected = latent / np.sqrt(rho[:, :, None] * rho[:, None, :])
    place = np.arange(latent.shape[1])
    corrected[:, place, place] = 1.0
    return corrected


# -- reliability -------------------------------------------------------------------------------------


def cronbach_alpha(
    frame: pd.DataFrame, items: Iterable[str] | None = None, *, standardised: bool = False
) -> float:
    """Cronbach's alpha (克隆巴赫系数) of k questions: k / (k - 1) (1 - sum of variances / variance of sum).

    Respondents with a missing answer are left out. standardised: of the answers divided by their standard
    deviations, as PLS programs print it. Source: Cronbach 1951. Raises ValueError with fewer than two
    questions or five respondents.
    """
    columns = list(frame.columns if items is None else items)
    if len(columns) < 2:
        raise ValueError("alpha needs at least two questions")
    x = _answers(frame, columns, None, "drop").x
    covariance = np.corrcoef(x.T) if standardised else np.cov(x.T)
    k = len(columns)
    return float(k / (k - 1) * (1 - np.trace(covariance) / covariance.sum()))


def htmt(
    frame: pd.DataFrame,
    blocks: Mapping[str, Iterable[str]] | PathModel,
    *,
    weights: Any = None,
    missing: Literal["mean", "drop"] = "mean",
) -> pd.DataFrame:
    """Heterotrait-monotrait ratios (异质-单质比) of all pairs of latent variables; 1 on the diagonal.

    Mean correlation of questions on different variables over the geometric mean of those on the same one;
    the absolute values are averaged. A variable of one question counts as measured without error. Below .9
    the two are told apart (Henseler et al. 2015). A frame with the latent variables as rows and columns.
    """
    chosen = {k: list(v) for k, v in (blocks.blocks if isinstance(blocks, PathModel) else blocks).items()}
    columns = [item for items in chosen.values() for item in items]
    data = _answers(frame, columns, weights, missing)
    table = _htmt(_moments(data.x, data.weights)[2], [len(items) for items in chosen.values()])
    return pd.DataFrame(table, index=list(chosen), columns=list(chosen))


def _htmt(r: Floats, widths: list[int]) -> Floats:
    ends = np.cumsum([0, *widths])
    size = np.abs(r)
    k = len(widths)
    out = np.eye(k)
    for i in range(k):
        for j in range(k):
            out[i, j] = size[ends[i] : ends[i + 1], ends[j] : ends[j + 1]].mean()
    for i, width in enumerate(widths):
        # within a block the ones of the diagonal do not count
        out[i, i] = 1.0 if width == 1 else (out[i, i] * width - 1.0) / (width - 1)
    own = np.sqrt(np.diag(out))
    with np.errstate(divide="ignore", invalid="ignore"):
        out = out / np.outer(own, own)
    np.fill_diagonal(out, 1.0)
    return out


def reliability(
    frame: pd.DataFrame,
    blocks: Mapping[str, Iterable[str]] | PathModel,
    *,
    weights: Any = None,
    missing: Literal["mean", "drop"] = "mean",
) -> pd.DataFrame:
    """How well the questions on each latent variable go together (信度与收敛效度), without a path model.

    Columns: `items` (number), `alpha` (standardised), `cr` composite reliability (组合信度, (sum l)^2 / ((sum
    l)^2 + sum(1 - l^2)), rho_c of Jöreskog 1971), `ave` average variance extracted (平均方差提取量, mean l^2,
    Fornell & Larcker 1981), `least_loading`. Loadings l are correlations with the block's first principal
    component; `PathFit.latents` has the same table from the loadings of the model. Usual limits: alpha and
    cr above .7, ave above .5. A block of one question has no alpha. Raises ValueError for unknown items.
    """
    chosen = {k: list(v) for k, v in (blocks.blocks if isinstance(blocks, PathModel) else blocks).items()}
    columns = [item for items in chosen.values() for item in items]
    data = _answers(frame, columns, weights, missing)
    r = _moments(data.x, data.weights)[2]
    ends = np.cumsum([0, *(len(items) for items in chosen.values())])
    rows = []
    for k in range(len(chosen)):
        own = r[ends[k] : ends[k + 1], ends[k] : ends[k + 1]]
        values, vectors = np.linalg.eigh(own)
        first = vectors[:, -1] * math.sqrt(values[-1])
        rows.append(_reliability(own, first * (1.0 if first.sum() >= 0 else -1.0)))
    return pd.DataFrame(rows, index=pd.Index(list(chosen), name="latent"))


def _reliability(r: Floats, loadings: Floats) -> dict[str, float]:
    k = len(loadings)
    error = (1 - loadings**2).sum()
    return {
        "items": k,
        "alpha": math.nan if k < 2 else k / (k - 1) * (1 - k / r.sum()),
        "cr": loadings.sum() ** 2 / (loadings.sum() ** 2 + error),
        "ave": (loadings**2).mean(),
        "least_loading": loadings.min(),
    }


# -- estimates ---------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False, eq=False)
class PathFit:
    """A path model estimated by `pls`.

    - `paths`: a row a path: `source`, `target`, `estimate` (standardised), `standard_error`, `lower`,
      `upper` (bootstrap percentiles), and `consistent`, `consistent_lower`, `consistent_upper` of
      consistent PLS, missing where it may not be shown (`why_not` says why).
    - `effects`: total effects (总效应), direct and over other variables, for every pair that has one:
      `source`, `target`, `direct`, `total`, `lower`, `upper`, `consistent` (total).
    - `latents`: a row a latent variable: `chinese`, `index` (0 to 100, see `pls`) with `index_lower` and
      `index_upper`, `r2` (share explained), `r2_consistent`, and `items`, `alpha`, `rho_a`, `cr`, `ave`,
      `least_loading` as in `reliability`.
    - `measurement`: a row an indicator: `latent`, `item`, `mean`, `weight` (outer weight of the
      standardised answers), `raw_weight` (of the answers as given), `loading`, `lower`, `upper` (of the
      loading).
    - `htmt`: ratios of all pairs. `n`: respondents. `iterations`, `converged`: of the algorithm.
    - `notes`: what a reader must know, in sentences.
    """

    model: PathModel
    paths: pd.DataFrame
    effects: pd.DataFrame
    latents: pd.DataFrame
    measurement: pd.DataFrame
    htmt: pd.DataFrame
    n: int
    iterations: int
    converged: bool
    why_not: str
    notes: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """The paths, a row each: `paths`."""
        return self.paths

    def coefficient(self, source: str, target: str, *, consistent: bool = False) -> float:
        """A standardised path coefficient; consistent: that of PLSc. ValueError if there is no such path."""
        row = self.paths[(self.paths["source"] == source) & (self.paths["target"] == target)]
        if row.empty:
            raise ValueError(f"{self.model.name} has no path {source} -> {target}")
        return float(row["consistent" if consistent else "estimate"].iloc[0])

    def scores(self, frame: pd.DataFrame, low: Limits = 1, high: Limits = 10) -> pd.DataFrame:
        """The latent variables of each respondent on 0 to 100, with the weights of this fit.

        frame: answers with the model's columns, of these respondents or of another wave. low, high: ends
        of the scale. A respondent with a missing answer to a variable's questions has no score of it. Raises
        ValueError for answers without one of the questions.
        """
        out = {}
        for latent, rows in self.measurement.groupby("latent", sort=False):
            items = list(rows["item"])
            for item in items:
                if item not in frame:
                    raise ValueError(f"the answers have no column {item!r}")
            bottom, top = _limits(low, items, "low"), _limits(high, items, "high")
            w = rows["raw_weight"].to_numpy(dtype=float)
            x = frame[items].to_numpy(dtype=float, na_value=np.nan)
            out[latent] = 100 * ((x - bottom) @ w) / ((top - bottom) @ w)
        return pd.DataFrame(out, index=frame.index)

    def __repr__(self) -> str:
        rows = [
            f"  {row['source']} -> {row['target']}: {row['estimate']:.3f}"
            + ("" if math.isnan(row["lower"]) else f" [{row['lower']:.3f}, {row['upper']:.3f}]")
            + ("" if math.isnan(row["consistent"]) else f", consistent {row['consistent']:.3f}")
            for row in self.paths.to_dict("records")
        ]
        state = "" if self.converged else ", NOT CONVERGED"
        head = f"{self.model.name}: {self.n:,} respondents, {self.iterations} iterations{state}"
        index = ", ".join(f"{k} {v:.1f}" for k, v in self.latents["index"].items())
        notes = [f"  note: {note}" for note in self.notes]
        return "\n".join([head, *rows, f"  index: {index}", *notes])

    def _repr_html_(self) -> str:
        tables = [self.paths, self.latents.reset_index()]
        shown = [
            t.to_html(float_format=lambda v: f"{v:.3f}", na_rep="", border=0, index=False) for t in tables
        ]
        state = "" if self.converged else " (not converged)"
        notes = "".join(f"<p>{note}</p>" for note in self.notes)
        return f"<p>{self.model.name}: {self.n:,} respondents{state}</p>{shown[0]}{shown[1]}{notes}"


def _limits(limit: Limits, items: list[str], name: str) -> Floats:
    if not isinstance(limit, Mapping):
        return np.full(len(items), float(limit))
    if missing := [item for item in items if item not in limit]:
        raise ValueError(f"{name} says nothing of {missing[0]!r}; give one number, or one for each column")
    return np.array([float(limit[item]) for item in items])


def pls(
    frame: pd.DataFrame,
    model: PathModel,
    *,
    weights: Any = None,
    missing: Literal["mean", "drop"] = "mean",
    low: Limits = 1,
    high: Limits = 10,
    bootstrap: int = 500,
    seed: int = 1,
    confidence: float = 0.95,
    consistent: Literal["guard", "always", "never"] = "guard",
    tolerance: float = 1e-7,
    iterations: int = 300,
    progress: bool = True,
) -> PathFit:
    """Estimate a path model by partial least squares (偏最小二乘路径模型): mode A, path weighting scheme.

    frame: a row a respondent, a column an indicator (see `satisfaction.wide` for the long form of the
    database); other columns are ignored. model: the paths and their questions. weights: customers each
    respondent stands for. missing: "mean" puts the mean of the question in place of a missing answer, "drop"
    leaves the respondent out. low, high: ends of the answer scale, one number or one for each column, for the
    index 100 (sum w x - sum w low) / (sum w high - sum w low) of unstandardised outer weights w (Fornell et
    al. 1996); on scales from 1 to 10 that is 100 (sum w x - sum w) / (9 sum w).

    bootstrap: resamples of the respondents for the intervals, 0 for none; seed: of their luck. tolerance,
    iterations: largest change of a weight at which the search ends, and most rounds of it. confidence: of the
    intervals, above 0 and below 1. progress: a bar over the resamples. The signs of a resample follow those
    of the estimate, whose latent variables point where most of their indicators point. Resamples are analysed
    together, so 500 take well under a second.

    PLS takes scores for the latent variables themselves, and so finds paths too weak, by a quarter and more
    with few or noisy indicators. consistent: PLSc (Dijkstra & Henseler 2015) corrects that with the
    reliability rho_A of the scores; where two variables cannot be told apart it explodes. "guard" shows it
    only when every HTMT is below .9 and the corrected correlations are possible ones, and else says why
    not in `why_not`; "always" and "never" are for teaching.

    Raises ValueError for a column that is missing, not numeric or without variation, and for a variable
    without indicators. Source: Tenenhaus et al. 2005; the figures are those of SmartPLS.
    """
    if empty := [latent for latent, items in model.blocks.items() if not tuple(items)]:
        raise ValueError(
            f"{model.name}: {empty[0]} has no indicators; give them with model.with_indicators("
            f"{empty[0]}=[...]), or leave it out with model.without({empty[0]!r})"
        )
    if consistent not in ("guard", "always", "never"):
        raise ValueError(f'consistent must be "guard", "always" or "never", not {consistent!r}')
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must be between 0 and 1, not {confidence!r}")
    items = list(model.items)
    bottom, top = _limits(low, items, "low"), _limits(high, items, "high")
    if not (top > bottom).all():
        raise ValueError("high must be above low")
    data = _answers(frame, items, weights, missing)
    notes, s = list(data.notes), _structure(model)
    mean, sd, r = _moments(data.x, data.weights)
    found = _iterate(r[None], s, tolerance, iterations)
    if not found.converged[0]:
        notes.append(f"the weights still moved by more than {tolerance:g} after {iterations} iterations")
        warnings.warn(f"{model.name}: {notes[-1]}; do not trust the estimates", RuntimeWarning, stacklevel=2)

    point = _quantities(found, r[None], mean[None], sd[None], s, bottom, top)
    ratios = _htmt(r, [len(tuple(b)) for b in model.blocks.values()])
    why_not = "" if consistent == "always" else _why_not(model, point, ratios, consistent)
    if why_not and consistent == "guard":
        notes.append(f"consistent PLS is not shown: {why_not}")
    w = found.weights[0]
    if ((w < 0) & s.member).any():
        odd = items[int(((w < 0) & s.member).any(axis=1).argmax())]
        notes.append(f"{odd} has a negative weight: it runs against its block, and the index means little")

    draws, lost = _resample(data, s, found, tolerance, iterations, bootstrap, seed, progress, bottom, top)
    if lost:
        notes.append(f"{lost} of {bootstrap} resamples did not converge and are left out of the intervals")
    return _tables(model, s, data, point, draws, ratios, confidence, why_not, found, mean, sd, r, notes)


class _Quantities(NamedTuple):
    """What is reported, of B data sets: arrays with B in front."""

    paths: Floats
    total: Floats
    explained: Floats
    loadings: Floats
    level: Floats
    rho: Floats
    corrected: Floats
    paths_c: Floats
    total_c: Floats
    explained_c: Floats


def _quantities(
    found: _Inner, r: Floats, mean: Floats, sd: Floats, s: _Structure, low: Floats, high: Floats
) -> _Quantities:
    paths, explained = _coefficients(found.latent, s)
    raw = found.weights / sd[:, :, None]
    above = np.einsum("bpj,bp->bj", raw, mean - low)
    index = 100 * above / np.einsum("bpj,p->bj", raw, high - low)
    loadings = np.where(s.member, r @ found.weights, 0.0).sum(axis=2)
    rho = _rho_a(r, found.weights, s)
    corrected = _consistent(found.latent, rho)
    impossible: Any = ~np.isfinite(corrected).all(axis=(1, 2), keepdims=True)
    paths_c, explained_c = _coefficients(np.where(impossible, np.eye(corrected.shape[-1]), corrected), s)
    total_c = np.where(impossible, np.nan, _total(paths_c))
    paths_c = np.where(impossible, np.nan, paths_c)
    explained_c = np.where(impossible[..., 0], np.nan, explained_c)
    return _Quantities(
        paths, _total(paths), explained, loadings, index, rho, corrected, paths_c, total_c, explained_c
    )


def _why_not(model: PathModel, point: _Quantities, ratios: Floats, consistent: str) -> str:
    """Why consistent PLS may not be shown; empty if it may."""
    if consistent == "never":
        return "it was not asked for"
    names = model.latents
    pairs = [(ratios[i, j], names[i], names[j]) for i in range(len(names)) for j in range(i)]
    bad = sorted((p for p in pairs if not p[0] < HTMT_LIMIT), reverse=True)
    if bad:
        told = ", ".join(f"{b} and {a} ({value:.2f})" for value, a, b in bad[:3])
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        return f"HTMT is not below {HTMT_LIMIT:g} for {told}{more}; the answers do not tell them apart"
    rho, corrected = point.rho[0], point.corrected[0]
    if not ((rho > 0) & (rho <= 1)).all():
        worst = int((~((rho > 0) & (rho <= 1))).argmax())
        return f"the reliability rho_A of {names[worst]} is {rho[worst]:.2f}, which none can be"
    if np.linalg.eigvalsh(corrected)[0] <= 0:
        return "the corrected correlations of the latent variables are impossible together"
    return ""


def _resample(
    data: _Answers,
    s: _Structure,
    found: _Inner,
    tolerance: float,
    iterations: int,
    times: int,
    seed: int,
    progress: bool,
    low: Floats,
    high: Floats,
    chunk: int = 100,
) -> tuple[_Quantities | None, int]:
    """The quantities of resamples of the respondents, and how many resamples were lost."""
    if times < 0:
        raise ValueError(f"bootstrap must be 0 or more, not {times}")
    if not times:
        return None, 0
    from tqdm.auto import tqdm

    rng = np.random.default_rng(seed)
    n, parts = len(data.x), []
    start = found.weights[0]
    with tqdm(total=times, desc="bootstrap", leave=False, disable=not progress, delay=2) as bar:
        for first in range(0, times, chunk):
            size = min(chunk, times - first)
            drawn = []
            for _ in range(size):
                counts = np.bincount(rng.integers(0, n, n), minlength=n)
                drawn.append(_moments(data.x, counts * data.weights))
            mean, sd, r = (np.stack(part) for part in zip(*drawn, strict=True))
            usable = (sd > 0).all(axis=1) & np.isfinite(r).all(axis=(1, 2))
            mean, sd, r = mean[usable], sd[usable], r[usable]
            if len(r):
                inner = _iterate(r, s, tolerance, iterations, start)
                got = _quantities(inner, r, mean, sd, s, low, high)
                parts.append(_Quantities(*(part[inner.converged] for part in got)))
            bar.update(size)
    if not parts:
        return None, times
    draws = _Quantities(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    return draws, times - len(draws.paths)


def _tables(
    model: PathModel,
    s: _Structure,
    data: _Answers,
    point: _Quantities,
    draws: _Quantities | None,
    ratios: Floats,
    confidence: float,
    why_not: str,
    found: _Inner,
    mean: Floats,
    sd: Floats,
    r: Floats,
    notes: list[str],
) -> PathFit:
    names = model.latents
    place = {latent: j for j, latent in enumerate(names)}

    def spread(name: str, *at: Any) -> tuple[float, float, float]:
        """Standard error and interval of one quantity over the resamples."""
        if draws is None:
            return math.nan, math.nan, math.nan
        values = getattr(draws, name)[(slice(None), *at)]
        values = values[np.isfinite(values)]
        if len(values) < 2:
            return math.nan, math.nan, math.nan
        ends = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
        return float(values.std(ddof=1)), float(ends[0]), float(ends[1])

    def shown(value: Any) -> float:
        return math.nan if why_not else float(value)

    rows = []
    for source, target in model.paths:
        at = (place[source], place[target])
        error, lower, upper = spread("paths", *at)
        _, lower_c, upper_c = spread("paths_c", *at)
        rows.append(
            {
                "source": source,
                "target": target,
                "estimate": float(point.paths[0][at]),
                "standard_error": error,
                "lower": lower,
                "upper": upper,
                "consistent": shown(point.paths_c[0][at]),
                "consistent_lower": shown(lower_c),
                "consistent_upper": shown(upper_c),
            }
        )
    paths = pd.DataFrame(rows)

    reach = _total(np.asarray([[float((a, b) in model.paths) for b in names] for a in names])[None])[0] > 0
    rows = []
    for source in names:
        for target in names:
            at = (place[source], place[target])
            if reach[at]:
                _, lower, upper = spread("total", *at)
                rows.append(
                    {
                        "source": source,
                        "target": target,
                        "direct": float(point.paths[0][at]),
                        "total": float(point.total[0][at]),
                        "lower": lower,
                        "upper": upper,
                        "consistent": shown(point.total_c[0][at]),
                    }
                )
    effects = pd.DataFrame(rows)

    rows = []
    for j, latent in enumerate(names):
        block = s.member[:, j]
        _, lower, upper = spread("level", j)
        quality = _reliability(r[np.ix_(block, block)], point.loadings[0][block])
        rows.append(
            {
                "chinese": model.chinese.get(latent, ""),
                "index": float(point.level[0, j]),
                "index_lower": lower,
                "index_upper": upper,
                "r2": float(point.explained[0, j]),
                "r2_consistent": shown(point.explained_c[0, j]),
                "items": quality["items"],
                "alpha": quality["alpha"],
                "rho_a": float(point.rho[0, j]),
                "cr": quality["cr"],
                "ave": quality["ave"],
                "least_loading": quality["least_loading"],
            }
        )
    latents = pd.DataFrame(rows, index=pd.Index(names, name="latent"))

    w = found.weights[0].sum(axis=1)
    ends = [spread("loadings", k) for k in range(len(w))]
    measurement = pd.DataFrame(
        {
            "latent": [names[j] for j in s.member.argmax(axis=1)],
            "item": list(model.items),
            "mean": mean,
            "weight": w,
            "raw_weight": w / sd,
            "loading": point.loadings[0],
            "lower": [e[1] for e in ends],
            "upper": [e[2] for e in ends],
        }
    )
    return PathFit(
        model=model,
        paths=paths,
        effects=effects,
        latents=latents,
        measurement=measurement,
        htmt=pd.DataFrame(ratios, index=list(names), columns=list(names)),
        n=len(data.x),
        iterations=found.iterations,
        converged=bool(found.converged[0]),
        why_not=why_not,
        notes=tuple(notes),
    )
