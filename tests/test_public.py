"""The public names: what the package's docstring lists is what it offers."""

import importlib
import inspect
import re
import subprocess
import sys

import pytest

import crmsim


def test_the_docstring_is_the_table_of_contents():
    listed = re.findall(r"^- (\w+): \S", crmsim.__doc__, flags=re.MULTILINE)
    assert listed and sorted(listed) == sorted(crmsim.__all__)
    assert len(set(listed)) == len(listed)


@pytest.mark.parametrize("name", crmsim.__all__)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(crmsim, name)
    assert name in dir(crmsim)
    assert inspect.getdoc(value), f"{name} has no docstring"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'simulte'"):
        _ = crmsim.simulte
    assert importlib.import_module("crmsim").__version__


def test_simulating_needs_no_pandas_and_no_matplotlib():
    """Tables and figures bring them in; a run of numbers alone stays light."""
    code = (
        "import sys, crmsim as cs\n"
        "run = cs.simulate(cs.Scenario.preset('subscription').replace(population__size=200), ['dunning'])\n"
        "assert run.equity > 0 and repr(run)\n"
        "print([m for m in ('pandas', 'matplotlib', 'simpy', 'duckdb', 'seaborn') if m in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
