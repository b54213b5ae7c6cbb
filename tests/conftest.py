"""What all tests share."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")  # no test may wait for a window


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the checkout."""
    return Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pages simulate and draw at every step: together they would fill the two minutes of the quick tests.

    The policy lab stands for them there.
    """
    for item in items:
        name = item.path.stem
        if name == "test_browser" or (name.startswith("test_page_") and name != "test_page_policy_lab"):
            item.add_marker(pytest.mark.slow)
