"""Figures made anew: the same bytes each time, resumed, and a clear word where a cell fails."""

import json

import pandas as pd
import pytest

from crmsim.cli import main
from crmsim.teaching import reproduce as module
from crmsim.teaching.reproduce import ReproductionError, notebooks, reproduce

GOOD = {
    "numbers": "import numpy as np\nprint(np.round(np.random.default_rng(1).random(), 3))",
    "figure": "import crmsim as cs\n"
    "world = cs.Scenario().replace(population__size=50, population__months=6)\n"
    "cs.simulate(world, seed=1).plot_survival()",
    "shown": "import matplotlib.pyplot as plt\nfigure, ax = plt.subplots()\nplt.show()",
    "silent": "x = 1",
}


def book(cells):
    made = [
        {
            "cell_type": "code",
            "id": name,
            "source": text,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        for name, text in cells.items()
    ]
    return json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@pytest.fixture()
def course(tmp_path):
    folder = tmp_path / "course" / "notebooks"
    (folder / "part").mkdir(parents=True)
    (folder / "00_one.ipynb").write_text(book(GOOD))
    (folder / "part" / "1_two.ipynb").write_text(
        book({"fails": "print('before')\nraise ValueError('no data here')"})
    )
    return tmp_path / "course"


@pytest.mark.slow
def test_two_runs_give_the_same_bytes_and_a_third_runs_nothing(course, tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")  # as the command has it
    first = reproduce(tmp_path / "a", ["00_one"], course=course, progress=False)
    again = reproduce(tmp_path / "b", ["00_one"], course=course, progress=False)
    pd.testing.assert_frame_equal(first, again)
    assert (tmp_path / "a" / "manifest.csv").read_bytes() == (tmp_path / "b" / "manifest.csv").read_bytes()
    assert first[["cell", "kind"]].to_numpy().tolist() == [
        ["figure", "figure"], ["numbers", "text"], ["shown", "figure"],
    ]  # fmt: skip
    assert (tmp_path / "a" / "00_one" / "figure-out1.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "a" / "00_one" / "numbers.txt").read_text() == "0.512\n"
    monkeypatch.setattr(module, "_run", lambda *_: pytest.fail("done already"))
    pd.testing.assert_frame_equal(reproduce(tmp_path / "a", ["00_one"], course=course, progress=False), first)


@pytest.mark.slow
def test_a_figure_that_does_not_come_is_an_error_and_nothing_is_written(course, tmp_path, monkeypatch):
    """The kernel says that a cell is done, and its output does not come to an end."""
    from nbclient import NotebookClient

    heard = NotebookClient.process_message

    def without_the_end(client, message, cell, index):
        if cell["id"] == "numbers" and message["content"].get("execution_state") == "idle":
            return None
        return heard(client, message, cell, index)

    monkeypatch.setattr(NotebookClient, "process_message", without_the_end)
    monkeypatch.setattr(module, "OUTPUT_SECONDS", 1)
    with pytest.raises(ReproductionError, match="00_one, cell numbers: Timeout waiting for IOPub output"):
        reproduce(tmp_path / "a", ["00_one"], course=course, progress=False)
    assert not list(tmp_path.glob("a/*"))


@pytest.mark.slow
def test_a_failing_cell_is_named_and_what_was_done_stays(course, tmp_path):
    with pytest.raises(ReproductionError, match=r"part/1_two, cell fails: ValueError: no data here"):
        reproduce(tmp_path / "a", course=course, progress=False)
    assert (tmp_path / "a" / "00_one" / "done.json").exists()
    assert not (tmp_path / "a" / "part" / "1_two").exists()


def test_a_changed_source_or_text_is_run_again(course, monkeypatch):
    path = notebooks(course)["00_one"]
    before = module._mark(path)
    path.write_text(book({"numbers": "print(1)"}))
    assert module._mark(path) != before


def test_unknown_names_and_missing_notebooks_are_told(course, tmp_path, capsys):
    assert list(notebooks(course)) == ["00_one", "part/1_two"]
    with pytest.raises(ValueError, match="no notebook is called '04_rmf'; there are 00_one, part/1_two"):
        reproduce(tmp_path, ["04_rmf"], course=course)
    with pytest.raises(ReproductionError, match="get the project's checkout"):
        notebooks(tmp_path / "nowhere")
    assert main(["reproduce", "nothing", "--out", str(tmp_path)]) == 2
    assert "no notebook is called 'nothing'" in capsys.readouterr().err
