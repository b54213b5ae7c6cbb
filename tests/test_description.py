"""The description of the model is made from the model, and the citation from the project."""

import inspect
import tomllib
from pathlib import Path

import yaml

import crmsim as cs
from crmsim.cli import main
from crmsim.research.description import odd, write_odd
from crmsim.simulation import rules
from crmsim.simulation.columns import STATE
from crmsim.simulation.policies import LIBRARY

ROOT = Path(__file__).resolve().parents[1]
PAGE = odd()


def test_the_page_is_what_the_model_says():
    written = (ROOT / "docs" / "model.md").read_text(encoding="utf-8")
    assert written == PAGE, "run: crmsim describe --out docs/model.md"


def test_the_seven_elements_stand_in_order():
    elements = [
        "Purpose",
        "Entities",
        "Process overview",
        "Design concepts",
        "Initialisation",
        "Input",
        "Submodels",
    ]
    heads = [line for line in PAGE.splitlines() if line.startswith("## ")]
    assert [head.split(" ", 2)[2].startswith(word) for head, word in zip(heads, elements, strict=True)] == [
        True
    ] * 7


def test_every_rule_state_policy_and_parameter_is_described():
    named = [
        name for name, f in vars(rules).items() if inspect.isfunction(f) and f.__module__ == rules.__name__
    ]
    assert len(named) > 25
    assert [name for name in named if f"**{name}**(" not in PAGE] == []
    assert [name for name in STATE if f"| `{name}` |" not in PAGE] == []
    assert [name for name in LIBRARY if f"* `{name}`: " not in PAGE] == []
    fields = [str(name).partition(".")[2] for name in cs.Scenario().table().index]
    assert [name for name in fields if f"| `{name}` |" not in PAGE] == []


def test_the_month_is_in_its_order():
    steps = ["open_month", "let_in_arrivals", "make_offers", "live", "spread_departures", "close_month"]
    places = [PAGE.index(f"1. `{step}`: ") for step in steps]
    assert places == sorted(places)
    stages = ["meet", "perceive", "satisfy", "complain", "commit", "leave", "buy", "tally"]
    places = [PAGE.index(f"1. `{stage}`: ") for stage in stages]
    assert places == sorted(places)


def test_it_is_written_whole_and_printed(tmp_path, capsys):
    assert write_odd(tmp_path / "deep" / "model.md").read_text(encoding="utf-8") == PAGE
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["model.md"]
    assert main(["describe"]) == 0
    assert capsys.readouterr().out.strip() == PAGE.strip()


def test_the_citation_names_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert cited["version"] == cs.__version__ == project["version"]
    assert cited["license"] == project["license"]
    assert {"cff-version", "message", "title", "authors"} <= set(cited)  # what the format requires
