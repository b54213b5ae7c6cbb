"""Which model of buying to believe: BG/NBD or Pareto/NBD, by what a record itself says of them.

Both models have four parameters and need the same three figures a customer, and forecast much the same
totals. They part where it matters most, in who is still a customer: the BG/NBD model lets nobody leave
before a second purchase, the Pareto/NBD model at any moment. `choose_model` fits both on the first part of
a record and asks which of them found likelier what the customers did in the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from ..data.transactions import DataError, Transactions, repeat_summary
from . import value

__all__ = ["MODELS", "ModelChoice", "chances_alive", "choose_model"]

MODELS: dict[str, str] = {"BG/NBD": "bgnbd", "Pareto/NBD": "pareto_nbd"}
"""The models by name, and what `value.customer_values` calls them."""
LEAST_DAYS = 180
"""A shorter record is not parted in two."""

_FITS: dict[str, Callable[..., value.BGNBD | value.ParetoNBD]] = {
    "BG/NBD": value.fit_bgnbd,
    "Pareto/NBD": value.fit_pareto_nbd,
}


@dataclass(frozen=True, repr=False)
class ModelChoice:
    """Both models on one record, and the one it bears out.

    chosen: its name in `MODELS`. sure: whether the record parts the two (the distance of their
    log-likelihoods held out is above 1.96 standard errors). split: last day of the time fitted on; None
    where the record was too short to hold a part back, and the fit itself decided. models: by name, fitted
    up to `split`. table: a row a model, the chosen one first: fit_log_likelihood and, with a part held
    back, log_likelihood, behind, behind_error, n of `value.holdout_likelihood`. errors: of
    `value.holdout_errors`, with the rate of the past beside. track: of `value.track_purchases` (None
    without a part held back). summary: of `repeat_summary`, a row a customer. unit: of time, D, W or M.
    why_not: by the name of a model that could not be fitted, why.
    """

    chosen: str
    sure: bool
    split: pd.Timestamp | None
    models: dict[str, value.BGNBD | value.ParetoNBD]
    table: pd.DataFrame
    errors: pd.DataFrame | None
    track: pd.DataFrame | None
    summary: pd.DataFrame
    unit: str
    why_not: dict[str, str]

    @property
    def key(self) -> Literal["bgnbd", "pareto_nbd"]:
        """What `value.customer_values` calls the model chosen."""
        return MODELS[self.chosen]  # type: ignore[return-value]

    @property
    def model(self) -> value.BGNBD | value.ParetoNBD:
        """The model chosen, as fitted up to `split`."""
        return self.models[self.chosen]

    def __repr__(self) -> str:
        how = "the fit alone" if self.split is None else f"the time after {self.split:%Y-%m-%d}"
        head = f"{self.chosen}, by {how}{'' if self.sure else '; the record does not surely part the models'}"
        return f"{head}\n{self.table.to_string(float_format='{:,.2f}'.format, na_rep='-')}"


def choose_model(
    log: Any, *, share: float = 2 / 3, until: Any = None, unit: Literal["D", "W", "M"] = "M"
) -> ModelChoice:
    """The model of buying that a record bears out: fitted on its first part, judged by the rest.

    log: a table with `customer`, `date`, `amount` (one row a purchase; amounts below 0 are no purchases),
    or what `read_transactions` gives. share: of the record to fit on. until: last day observed, that of the
    log if not given. unit: of time, days, weeks or months of 365.25 / 12 days.

    The model under which the purchases held out were likelier is chosen (`value.holdout_likelihood`), and
    `sure` says whether it leads by more than chance. A record of less than half a year is not parted; the
    fit itself decides then, which is fair, since both have four parameters. ValueError when neither model
    can be fitted (fewer than ten repeat buyers); DataError for a table without these columns.
    """
    if not 0 < share < 1:
        raise ValueError(f"share={share!r}: give a share of the record between 0 and 1, such as 0.67")
    table = log.log if isinstance(log, Transactions) else log
    if "amount" in table:
        table = table[table["amount"] >= 0]
    if not len(table):
        raise DataError("The log holds no purchase.")
    first, last = table["date"].min(), table["date"].max() if until is None else pd.Timestamp(until)
    split = None
    if (last - first).days >= LEAST_DAYS:
        split = pd.Timestamp(first + (last - first) * share).tz_localize(None).normalize()
    seen = repeat_summary(table, unit, until, split)
    models, why_not = _fitted(seen)
    if not models and split is not None:  # too few came back early; the whole record may hold enough
        split, seen = None, repeat_summary(table, unit, until)
        models, why_not = _fitted(seen)
    if not models:
        raise ValueError(next(iter(why_not.values())))
    fits = pd.Series(
        {name: model.log_likelihood for name, model in models.items()}, name="fit_log_likelihood"
    )
    if split is None:
        found = fits.sort_values(ascending=False).to_frame().rename_axis("model")
        return ModelChoice(
            str(found.index[0]), False, None, models, found, None, None, seen, unit, why_not
        )  # fmt: skip
    held: dict[str, Any] = {"calibration_end": split, "until": until, "unit": unit}
    found = value.holdout_likelihood(table, models, **held)
    found.insert(0, "fit_log_likelihood", fits.reindex(found.index))
    sure = len(found) > 1 and bool(found["behind"].iloc[1] > 1.96 * found["behind_error"].iloc[1])
    return ModelChoice(
        str(found.index[0]), sure, split, models, found, value.holdout_errors(seen, models),
        value.track_purchases(table, models, **held), seen, unit, why_not,
    )  # fmt: skip


def _fitted(seen: pd.DataFrame) -> tuple[dict[str, value.BGNBD | value.ParetoNBD], dict[str, str]]:
    """Both models on one summary, and why one could not be fitted. What they warn of goes on."""
    models, why_not = {}, {}
    for name, fit in _FITS.items():
        try:
            models[name] = fit(seen["frequency"], seen["recency"], seen["T"])
        except ValueError as error:
            why_not[name] = str(error)
    return models, why_not


def chances_alive(log: Any, *, until: Any = None, unit: Literal["D", "W", "M"] = "M") -> pd.DataFrame:
    """The chance that each buyer is a customer still at the end of a record, by both models fitted on it.

    log, until, unit and errors as in `choose_model`. A row a customer, a column a model that could be fitted,
    chances from 0 to 1. ValueError when neither could be. Sources: those of `value`.
    """
    table = log.log if isinstance(log, Transactions) else log
    if "amount" in table:
        table = table[table["amount"] >= 0]
    seen = repeat_summary(table, unit, until)
    models, why_not = _fitted(seen)
    if not models:
        raise ValueError(next(iter(why_not.values())))
    history = [seen[name].to_numpy(dtype=float) for name in ("frequency", "recency", "T")]
    return pd.DataFrame(
        {name: model.probability_alive(*history) for name, model in models.items()}, index=seen.index
    )
