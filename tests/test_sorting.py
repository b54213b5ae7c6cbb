"""Statements sorted into classes: right, wrong, missing."""

import pytest

pytest.importorskip("ipywidgets")
from crmsim.teaching import Sorting

ITEMS = {"name": "static", "address": "static", "calls a month": "dynamic"}


def test_wrong_ones_are_marked_and_the_right_class_is_not_told():
    task = Sorting("Static or dynamic?", ITEMS)
    assert task.check() == "3 still to be sorted."
    for statement in ITEMS:
        task.answer(statement, "static")
    words = task.check()
    assert words == "2 of 3 are right; look again at those marked."
    assert "cs-wrong" in task._rows["calls a month"]._dom_classes
    assert "cs-wrong" not in task._rows["name"]._dom_classes
    task.answer("calls a month", "dynamic")
    assert "cs-wrong" not in task._rows["calls a month"]._dom_classes
    assert task.check() == "All 3 are right."
    assert task.right == 3


def test_words_in_chinese():
    assert Sorting(("Which?", "哪一类？"), ITEMS, language="zh").check() == "还有3项未归类。"


def test_faults_are_told():
    with pytest.raises(ValueError, match="no class 'dynamic'; there are static"):
        Sorting("?", ITEMS, ["static"])
    task = Sorting("?", ITEMS)
    with pytest.raises(ValueError, match="no statement 'age'"):
        task.answer("age", "static")
    with pytest.raises(ValueError, match="no class 'both'"):
        task.answer("name", "both")
