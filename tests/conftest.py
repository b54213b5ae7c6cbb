"""What all tests share."""

import importlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")  # no test may wait for a window
# Tests started in the background of a shell do not hear Ctrl-C, nor would the programs that they stop by it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the checkout."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The page that a test file names in `PAGE`, made once, as that takes longest: (name, settings, what is
    made smaller in the page's own module)."""
    from crmsim.teaching.pages import page_class, show

    name, settings, smaller = request.module.PAGE
    with pytest.MonkeyPatch.context() as patch:
        for constant, value in smaller.items():
            patch.setattr(importlib.import_module(page_class(name).__module__), constant, value)
        page = show(name, **settings)
        page.clean, page.defaults = page.wait(), page.values
        yield page
        page.close()


@pytest.fixture
def page(made: Any) -> Any:
    """The page of `PAGE` as it opened, computed anew only after a test that moved something."""
    if made.language != "en":
        made.guard(made._other_language)
    if made.found is not made.clean or made.error:
        made.set(**made.defaults)
        made.clean = made.wait()
    return made


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pages simulate and draw at every step: together they would fill the two minutes of the quick tests."""
    for item in items:
        if item.path.stem == "test_browser" or item.path.stem.startswith("test_page_"):
            item.add_marker(pytest.mark.slow)
