"""Where the CDNOW files are: inside the installed `lifetimes` package, which is not imported for it."""

import importlib.util
from functools import cache
from pathlib import Path

import pandas as pd

from crmsim.data.transactions import Transactions, read_transactions, repeat_summary


def cdnow_file(name: str) -> Path:
    """The path of a file in the folder `datasets` of `lifetimes`, such as CDNOW_sample.txt."""
    found = importlib.util.find_spec("lifetimes")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError(
            "The CDNOW files come with the package lifetimes: pip install 'crmsim[test]'."
        )
    return Path(found.submodule_search_locations[0]) / "datasets" / name


@cache
def cdnow_sample() -> Transactions:
    """The 1/10 sample: 2,357 customers who first bought in January to March 1997, followed to June 1998."""
    return read_transactions(cdnow_file("CDNOW_sample.txt"), customer=0, date=2, amount=4)


@cache
def cdnow_log() -> pd.DataFrame:
    """The full file: 23,570 customers who first bought in January to March 1997. Not to be changed."""
    return read_transactions(cdnow_file("CDNOW_master.txt"), customer=0, date=1, amount=3).log


@cache
def cdnow_halves() -> pd.DataFrame:
    """One row a customer of the sample: 39 weeks to fit on, 39 weeks held out."""
    return repeat_summary(cdnow_sample(), "W", until="1998-06-30", calibration_end="1997-09-30")
