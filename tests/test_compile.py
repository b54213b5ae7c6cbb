"""From rules to machine code: what is generated, a user's own rules, and running without numba.

Compiling takes some twenty seconds of computing a module, so tests that compile one of their own are
marked slow; the package's own module comes from the user's cache after the first time.
"""

import ast
import inspect
import math
import os
import platform
import re
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import pytest

from crmsim.simulation import compile as compiling
from crmsim.simulation import engine, month, rules, single
from crmsim.simulation.compile import (
    PARAMETER_INDEX,
    PARAMETERS,
    RULES,
    TOUCHPOINT_FIELDS,
    RuleError,
    cache_folder,
    check_rules,
    generate,
    is_compiled,
    kernels,
    parameter_values,
    parameters_of,
    rule_set,
    touchpoint_values,
)
from crmsim.simulation.engine import simulate
from crmsim.simulation.scenario import Scenario

PRESETS = Scenario.presets()


def small(name="retail", **changes):
    return Scenario.preset(name).replace(**{"population__size": 1500, "population__months": 10} | changes)


# -- what is generated -------------------------------------------------------------------------------


def test_every_number_in_the_generated_module_is_single_precision():
    """A bare float would widen its loop to double precision: half the speed, other bits."""
    tree = ast.parse(generate())
    wrapped = {
        id(call.args[0])
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "_f32"
    }
    floats = [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, float)]
    assert len(floats) > 200
    assert all(id(n) in wrapped for n in floats)


def test_the_generated_module_holds_every_rule_and_stage_once():
    names = [n.name for n in ast.walk(ast.parse(generate())) if isinstance(n, ast.FunctionDef)]
    wanted = {n for m in (rules, month, single) for n, f in vars(m).items() if inspect.isfunction(f)
              and f.__module__ == m.__name__}  # fmt: skip
    assert wanted <= set(names)
    assert all(names.count(n) == 1 for n in wanted)
    assert "C." not in re.sub(r"[\w.]*np\.", "", generate()).replace("_C.", "")


def test_the_same_rules_give_the_same_text_and_module():
    assert generate() == generate()
    assert kernels() is kernels()
    assert kernels().__name__.startswith("crmsim_month_")


def test_parameters_are_the_scenarios_numbers():
    world = Scenario.preset("subscription")
    p = parameters_of(world)
    assert p.churn_natural == world.churn.natural
    assert p.purchase_contract == 1.0
    assert p.word_of_mouth_contagion_memory == world.word_of_mouth.contagion_memory
    assert (p.month, p.demand, p.discount) == (0, 1, 1)
    values = parameter_values(world)
    assert values.shape == (len(PARAMETERS),)
    assert all(values[PARAMETER_INDEX[n]] == getattr(p, n) for n in PARAMETERS)
    table = world.table()["value"]
    for name in PARAMETERS[:-5]:
        section = next(s for s in compiling.RULE_SECTIONS if name.startswith(f"{s}_"))
        assert getattr(p, name) == float(table[f"{section}.{name[len(section) + 1 :]}"])


def test_touchpoints_are_rows():
    world = Scenario.preset("subscription")
    rows = touchpoint_values(world)
    assert rows.shape == (5, len(TOUCHPOINT_FIELDS))
    for row, t in zip(rows, world.touchpoints, strict=True):
        for field in ("quality", "exposure", "failure", "severity", "severity_sd", "weight"):
            assert row[TOUCHPOINT_FIELDS.index(field)] == getattr(t, field)


# -- the cache ---------------------------------------------------------------------------------------


def test_the_cache_lies_where_the_user_wants_it(tmp_path, monkeypatch):
    monkeypatch.setenv("CRMSIM_CACHE", str(tmp_path / "mine"))
    assert cache_folder() == tmp_path / "mine"
    assert (tmp_path / "mine").is_dir()
    monkeypatch.delenv("CRMSIM_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if sys.platform != "win32":
        assert cache_folder() == tmp_path / "xdg" / "crmsim"


def test_a_cache_that_cannot_be_written_gives_way_to_a_temporary_one(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("CRMSIM_CACHE", str(blocked / "cache"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    found = cache_folder()
    assert found.is_dir()
    assert blocked not in found.parents


def test_a_loaded_module_leaves_no_half_written_file(tmp_path, monkeypatch):
    monkeypatch.setenv("CRMSIM_CACHE", str(tmp_path))
    module = compiling._load("# a module of its own\nrun_month = None\n")
    assert [p.name for p in (tmp_path / "compiled").glob("*") if p.is_file()] == [f"{module.__name__}.py"]
    assert not is_compiled(module)


# -- a user's own rules: what is refused -----------------------------------------------------------------

SHARE = 0.25
FLAG = True
TABLE = [1.0, 2.0]


def helper(x):
    return 2 * x


def trust_with_a_helper(previous, satisfaction, p):
    return previous + helper(satisfaction)


def trust_with_a_table(previous, satisfaction, p):
    return previous * TABLE[0]


def trust_with_a_flag(previous, satisfaction, p):
    return previous if FLAG else satisfaction


def trust_with_a_typo(previous, satisfaction, p):
    return lover + satisfaction  # noqa: F821


def trust_with_a_missing_parameter(previous, satisfaction, p):
    return previous + p.trust_gian * satisfaction


def trust_that_divides_by_zero(previous, satisfaction, p):
    near = satisfaction - previous
    return previous / near


def trust_with_a_sine(previous, satisfaction, p):
    return math.sin(previous)


def trust_that_is_no_number(previous, satisfaction, p):
    return f"{previous}"


def trust_that_forgets_to_return(previous, satisfaction, p):
    previous + satisfaction


def trust_that_is_a_truth_value(previous, satisfaction, p):
    return previous > satisfaction


def trust_that_is_not_finite(previous, satisfaction, p):
    return previous * float("inf")


def trust_with_other_arguments(before, satisfaction, p):
    return before


def trust_with_one_more(previous, satisfaction, p, speed=1):
    return previous


def trust_that_prints(previous, satisfaction, p):
    print(previous)
    return previous


class Callable:
    def __call__(self, previous, satisfaction, p):
        return previous


def line_of(function, text):
    lines, first = inspect.getsourcelines(function)
    return first + max(k for k, line in enumerate(lines) if text in line)


@pytest.mark.parametrize(
    ("function", "parts", "at"),
    [
        (trust_with_a_helper, ["'helper' is not known to rules", "a rule may use its arguments"], "helper("),
        (trust_with_a_table, ["'TABLE' is not known to rules"], "TABLE"),
        (trust_with_a_flag, ["'FLAG' is not known to rules"], "FLAG"),
        (trust_with_a_typo, ["'lover' is not known to rules"], "lover"),
        (trust_with_a_missing_parameter, ["has no attribute 'trust_gian'", "with previous=0.5"], "gian"),
        (trust_that_divides_by_zero, ["ZeroDivisionError", "satisfaction=0.5"], "previous / near"),
        (trust_with_a_sine, ["sin is not known to rules"], "math.sin"),
        (trust_that_is_no_number, ["returns '0.5'", "a number is needed"], None),
        (trust_that_forgets_to_return, ["returns None", "a number is needed"], None),
        (trust_that_is_a_truth_value, ["returns False", "a number is needed"], None),
        (trust_that_prints, ["'print' is not known to rules"], "print"),
        (trust_with_other_arguments, ["takes (previous, satisfaction, p), yours takes (before, "], None),
        (trust_with_one_more, ["yours takes (previous, satisfaction, p, speed)"], None),
        (lambda previous, satisfaction, p: previous, ["write it with def, not as a lambda"], None),
        (partial(trust_with_a_flag), ["define it with def"], None),
        (Callable(), ["define it with def"], None),
        (3, ["a function is needed, not int"], None),
        (None, ["a function is needed, not NoneType"], None),
    ],
)
def test_a_rule_that_cannot_be_used_says_why_and_where(function, parts, at):
    with pytest.raises(RuleError) as caught:
        simulate(small(), rules={"trust": function})
    said = str(caught.value)
    assert "'trust'" in said
    assert all(part in said for part in parts), said
    if at:
        assert f"line {line_of(function, at)}: " in said
        assert at in said


def test_an_infinite_rule_is_refused():
    with pytest.raises(RuleError, match=r"'trust' returns inf with previous=0\.5"):
        check_rules({"trust": trust_that_is_not_finite})


def test_a_rule_that_does_not_exist_gets_the_nearest_name():
    with pytest.raises(RuleError) as caught:
        simulate(small(), rules={"churn_natural_hazard": rules.natural_hazard})
    assert "did you mean 'natural_hazard'?" in str(caught.value)
    assert "rules: perception, kano" in str(caught.value)


def test_a_rule_made_of_nothing_readable_is_refused():
    scope = {}
    exec("def trust(previous, satisfaction, p):\n    return previous", scope)
    with pytest.raises(RuleError, match="its source cannot be read; define it with def in a cell or file"):
        check_rules({"trust": scope["trust"]})


margin = 0.3  # a user's number that happens to have the name of a rule


def trust_with_a_number_called_as_a_rule(previous, satisfaction, p):
    return previous + margin * (satisfaction - previous)


def trust_that_imports(previous, satisfaction, p):
    import math

    return math.sqrt(previous)


def trust_with_a_logarithm_to_base_two(previous, satisfaction, p):
    return math.log(previous + 1, 2)


def trust_wrong_where_arguments_differ(previous, satisfaction, p):
    return previous + np.sqrt((satisfaction - previous) * previous)


def trust_of_words(previous, satisfaction, p):
    text = f"{previous:.1f}"
    return satisfaction if text == "0.0" else previous


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (max, "'trust'"),
        (trust_that_imports, "import outside of the rule"),
        (trust_with_a_logarithm_to_base_two, "log takes 1 argument"),
        (trust_wrong_where_arguments_differ, "returns nan with previous="),
        (trust_of_words, "cannot be compiled"),
    ],
)
def test_what_cannot_be_compiled_is_said_of_the_rule(function, what, tmp_path, monkeypatch):
    monkeypatch.setenv("CRMSIM_CACHE", str(tmp_path))
    with np.errstate(invalid="ignore"), pytest.raises(RuleError, match=what):
        kernels({"trust": function})


def test_a_users_number_may_have_the_name_of_a_rule():
    assert "own_trust_margin = _f32(0.3)" in generate({"trust": trust_with_a_number_called_as_a_rule})


# -- a user's own rules: what is taken ---------------------------------------------------------------------


def own_natural_hazard(mobility, p):
    """Twice as many move."""
    return 2.0 * p.churn_natural * mobility


def make_natural_hazard(factor):
    def natural_hazard(mobility, p):
        return factor * p.churn_natural * mobility

    return natural_hazard


def test_an_own_rule_makes_another_module_and_constants_are_part_of_it():
    texts = {
        generate(),
        generate({"natural_hazard": own_natural_hazard}),
        *(generate({"natural_hazard": make_natural_hazard(k)}) for k in (2.0, 3.0)),
    }
    assert len(texts) == 4
    assert generate({"natural_hazard": make_natural_hazard(3)}) in texts
    assert "own_natural_hazard_factor = _f32(3.0)" in generate({"natural_hazard": make_natural_hazard(3)})


def test_an_edited_rule_is_another_module(tmp_path, monkeypatch):
    """The name of the compiled module is a hash of its text: stale code cannot be met."""
    names = set()
    for rate in ("0.04", "0.05"):
        path = tmp_path / f"mine{rate[-1]}.py"
        path.write_text(f"def trust(previous, satisfaction, p):\n    return previous + {rate}\n")
        scope = {"__name__": path.stem}
        exec(compile(path.read_text(), str(path), "exec"), scope)
        monkeypatch.setenv("CRMSIM_CACHE", str(tmp_path))
        names.add(compiling._load(generate({"trust": scope["trust"]})).__name__)
    assert len(names | {kernels().__name__}) == 3


def test_the_plain_rules_hold_an_own_one_in_its_place():
    ours = rule_set({"natural_hazard": own_natural_hazard})
    assert ours.natural_hazard is own_natural_hazard
    assert ours.trust is rules.trust
    assert vars(rule_set()) == RULES


def own_trust(previous: float, satisfaction: float, p) -> float:
    """Statements, constants from outside, functions of math and NumPy, a docstring, annotations."""
    gap = satisfaction - previous
    if gap > 0:
        rate = p.trust_gain
    elif gap > -5:
        rate = SHARE
    else:
        rate = min(1.0, max(p.trust_loss, 0.5 * math.exp(-0.01 * previous)))
    memory: float = 1.0
    memory += np.sqrt(abs(gap)) * np.exp(-50.0)
    return previous + rate * gap * memory


@pytest.mark.slow
def test_an_own_rule_works_as_it_does_in_plain_python():
    """One compiled module with two rules: one doubles a hazard exactly, one is followed month by month."""
    own = {"natural_hazard": own_natural_hazard, "trust": own_trust}
    world = small("subscription", population__months=8)
    who = list(range(200))
    with_own = simulate(world, seed=2, rules=own, follow=who)
    lives = with_own.lives.groupby(level="customer")
    p = parameters_of(world)
    checked = 0
    for _, life in lives:
        trust, satisfaction = life["trust"].to_numpy(float), life["satisfaction"].to_numpy(float)
        for before, now, s in zip(trust[:-1], trust[1:], satisfaction[1:], strict=True):
            if abs(abs(s - before) - 5) > 1e-3:  # single precision may fall on the other side of a limit
                assert now == pytest.approx(own_trust(before, s, p), rel=1e-5)
                checked += 1
    assert checked > 1000
    assert not with_own.customers["trust"].equals(simulate(world, seed=2).customers["trust"])
    # Doubling is exact in binary: the same lives as in a world with twice the natural hazard.
    doubled = world.replace(churn__natural=2 * world.churn.natural)
    twin = simulate(doubled, seed=2, rules=own | {"natural_hazard": halved(own)})
    for column in ("left_month", "cause", "expected_exit", "revenue"):
        assert with_own.customers[column].equals(twin.customers[column])


def halved(own):
    def natural_hazard(mobility, p):
        return p.churn_natural * mobility

    return natural_hazard


@pytest.mark.slow
def test_a_missing_number_of_any_rule_is_found_with_and_without_a_desk():
    """Each rule in turn gives NaN, in one module: an unused parameter says which.

    A comparison with NaN is false, so a rule whose result is only compared would decide "no" without
    a trace. The chance to return is asked of campaigns only (see test_process.py).
    """
    text = inspect.getsource(rules)
    tree = ast.parse(text)
    named = {}
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef) or "p" not in [a.arg for a in node.args.args]:
            continue
        if node.name == "win_back_probability":
            continue
        code = len(named) + 2.25  # no preset has such a number
        named[node.name] = code
        for part in ast.walk(node):
            if isinstance(part, ast.Return):
                whole = ast.unparse(part.value)
                missing = f"({whole}) + (np.sqrt(-1.0) if p.population_fairness_sd == {code} else 0.0)"
                part.value = ast.parse(missing, mode="eval").body
    poisoned = ast.unparse(ast.fix_missing_locations(tree))
    original = compiling._functions

    def functions(module):
        if module is not rules:
            return original(module)
        return {n.name: n for n in ast.parse(poisoned).body if isinstance(n, ast.FunctionDef)}

    # Each world, and the rules that nobody asks there.
    shop, club = small(), small("subscription", service__desk="fast")
    worlds = {"shop": (shop, {"payment_failure", "contact_experience"}), "club": (club, {"purchase_rate"})}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiling, "_functions", functions)
        module = compiling._load(generate(cache=False))
        patch.setattr(engine, "kernels", lambda own: module)
        own = {"trust": rules.trust}  # so that the engine looks closely
        for which, (world, idle) in worlds.items():
            simulate(world.replace(population__months=2), seed=1, rules=own)  # none is missing here
            hidden = set()
            for name, code in named.items():
                try:
                    short = world.replace(population__months=4, population__fairness_sd=code)
                    simulate(short, seed=1, rules=own)
                except RuleError as error:
                    assert "look at your own rule trust" in str(error)
                    continue
                hidden.add(name)
            assert hidden == idle, which


# -- without numba -----------------------------------------------------------------------------------------

WITHOUT = """
import sys, warnings
sys.modules["numba"] = None
import numpy as np
from crmsim.simulation.engine import simulate
from crmsim.simulation.scenario import Scenario
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for name in ("subscription", "retail"):
        world = Scenario.preset(name).replace(population__size=60, population__months=2)
        run = simulate(world, ["retention_call:share=0.5"], seed=6)
        run.customers.to_pickle(f"{sys.argv[1]}/{name}.customers")
        run.monthly.to_pickle(f"{sys.argv[1]}/{name}.monthly")
print(*[w.message for w in told if "numba" in str(w.message)], sep="; ")
"""


def test_without_numba_the_same_rules_give_the_same_bits_and_say_so(root, tmp_path):
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told.strip() == "numba is not installed: the rules run interpreted, small populations only"
    for name in ("subscription", "retail"):
        world = Scenario.preset(name).replace(population__size=60, population__months=2)
        run = simulate(world, ["retention_call:share=0.5"], seed=6)
        for table in ("customers", "monthly"):
            pd.testing.assert_frame_equal(
                pd.read_pickle(tmp_path / f"{name}.{table}"), getattr(run, table), check_exact=True
            )


# -- vector code -------------------------------------------------------------------------------------------

PACKED = re.compile(r"\bv?(?:mul|add|sub|div|max|min)ps\b")
SCALAR = re.compile(r"\bv?(?:mul|add|sub|div|max|min)ss\b")
# Functions of the C library: called for one lane after the other, even within a packed loop.
LIBRARY_CALL = re.compile(
    r"(?:call\w*\s+|\$)((?:exp|exp2|expm1|log|log1p|log10|pow|sin|cos|tan|tanh|erf|fmod|floor|ceil)f?)\b"
)
# Not loops over customers, or loops that must branch: births, the few concerned, the order of the month.
NOT_VECTOR = {
    "poisson",
    "quantile",
    "born",
    "block_month",
    "run_month",
    "uniforms",
    "pick",
    "miss",
    "complain",
}


@pytest.mark.slow
@pytest.mark.skipif(
    platform.machine().lower() not in ("x86_64", "amd64"),
    reason="names of packed instructions are those of x86",
)
def test_every_stage_is_vector_code(monkeypatch):
    """Vectorising is lost silently, at a cost of eight times: the assembly of each stage is read.

    A vectorised loop stands there twice, packed and scalar (for overlapping columns or the rest), so
    packed instructions are about as many as scalar ones; a loop that lost it has none.
    """
    module = compiling._load(generate(cache=False) + "\n# compiled to be read\n")
    monkeypatch.setattr(engine, "kernels", lambda own: module)
    simulate(
        small("retail", population__size=5, population__months=1, satisfaction__delight_share=0.1), seed=1
    )
    loops = {
        n.name
        for n in ast.parse(inspect.getsource(month)).body
        if isinstance(n, ast.FunctionDef)
        and any(isinstance(part, ast.For) and "BLOCK" in ast.unparse(part.iter) for part in ast.walk(n))
    }
    stages = loops - NOT_VECTOR
    assert len(stages) > 15
    lost = {}
    for name in sorted(stages):
        assembly = list(getattr(module, name).inspect_asm().values())
        assert assembly, f"{name} was not compiled by itself"
        for text in assembly:
            packed, scalar = len(PACKED.findall(text)), len(SCALAR.findall(text))
            called = sorted(set(LIBRARY_CALL.findall(text)))
            if called or (scalar and packed < 0.6 * scalar):
                lost[name] = (packed, scalar, called)
    assert lost == {}
    assert any("pmuludq" in text for text in module.draw.inspect_asm().values())
