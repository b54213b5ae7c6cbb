"""From readable rules to machine code.

The functions of `single.py`, `draws.py`, `rules.py`, `month.py`, `gate.py` and `contacts.py` are copied
into one generated module, in which numbers are single precision and column names are offsets, and
numba compiles it. The module is named by a hash of its text and kept in the user's cache, so an
edited rule can never meet stale code and a second start takes a fraction of a second. A user's own
rule takes the place of the rule of that name. Without numba the same module runs interpreted,
slowly, with the same bits.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import importlib.util
import inspect
import itertools
import math
import os
import sys
import tempfile
import textwrap
import traceback
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from . import columns, contacts, draws, gate, month, rules, single
from .scenario import RULE_SECTIONS, Scenario

HELPERS = ("clip", "exp", "log", "logistic", "normal", "poisson")
ALLOWED_CALLS = {*HELPERS, "min", "max", "abs", "float", "int", "bool"}
# Functions called from outside the compiled module.
ENTRIES = (
    "run_month",
    "run_parts",
    "all_wait",
    "open_gate",
    "pack",
    "contact_rate",
    "add_counts",
    "late",
    "send_crews",
    "repaired",
    "protest",
    "answer_letters",
    "visits",
    "born",
    "take_out",
    "move_in",
    "miss",
    "add_up",
    "uniforms",
    "normals",
)
# What is not compiled by itself: small functions, and the parts of a month, called from one place or two.
# Those become part of their callers, which numba does for calls of up to 30 arguments.
KINDS = {name: "_inline" for name in ("faded", "missing", "state_column", "moment")}
KINDS |= {name: "_part" for name in ("first_part", "second_part", "block_month", "run_first", "run_second")}
DYNAMIC = ("month", "demand", "discount", "imitation", "premium_margin")


class RuleError(ValueError):
    """A user's own rule cannot be used: says which, where and why."""


def _places() -> tuple[tuple[str, str], ...]:
    """Section and field of every number that rules can read."""
    places = []
    for section in RULE_SECTIONS:
        model = Scenario.model_fields[section].annotation
        assert model is not None
        for field, info in model.model_fields.items():
            if info.annotation in (int, float, bool):
                places.append((section, field))
    return tuple(places)


PLACES = _places()
PARAMETERS = (*(f"{section}_{field}" for section, field in PLACES), *DYNAMIC)
PARAMETER_INDEX = {name: k for k, name in enumerate(PARAMETERS)}
Parameters = NamedTuple("Parameters", [(name, Any) for name in PARAMETERS])  # type: ignore[misc]

RULES: dict[str, Callable[..., Any]] = {
    name: f for name, f in vars(rules).items() if inspect.isfunction(f) and f.__module__ == rules.__name__
}


def cache_folder() -> Path:
    """Where compiled modules are kept: $CRMSIM_CACHE, else the user's cache, else a temporary folder."""
    if chosen := os.environ.get("CRMSIM_CACHE"):
        root = Path(chosen)
    elif sys.platform == "win32":
        root = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "crmsim"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "crmsim"
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            return root
    except OSError:
        fallback = Path(tempfile.gettempdir()) / f"crmsim-{os.environ.get('USER', 'user')}"
        fallback.mkdir(parents=True, exist_ok=True)
        return fallback


# -- the generated module --------------------------------------------------------------------


class _Single(ast.NodeTransformer):
    """Numbers to float32, column names to offsets; annotations and docstrings dropped."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, float):
            return ast.copy_location(
                ast.Call(func=ast.Name("_f32", ast.Load()), args=[node], keywords=[]), node
            )
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.value.id in ("C", "W"):
            return ast.copy_location(ast.Constant(getattr(getattr(columns, node.value.id), node.attr)), node)
        self.generic_visit(node)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        node.decorator_list = []
        for argument in (*node.args.posonlyargs, *node.args.args):
            argument.annotation = None
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        self.generic_visit(node)
        return node


def _functions(module: ModuleType) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(inspect.getsource(module))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


HEADER = '''"""Generated by crmsim.simulation.compile; not to be edited."""
import numpy as np
_f32 = np.float32
BLOCK = {block}
STRIDE = {stride}
LANES = {lanes}
FIELDS = {width}
PLANNED, COMMON, CREW = {fields}
ATTEMPTS = {attempts}
FIRST, SECOND = {parts}
WAITS, OPEN, GONE = {flags}
APART = {apart}
M0 = np.uint64({M0})
M1 = np.uint64({M1})
W0 = np.uint64({W0})
W1 = np.uint64({W1})
LOW = np.uint64({LOW})
HALF = np.uint64(32)
try:
    from numba import njit as _njit
    from numba.core.types import int64 as _int64, void as _void
    from numba.extending import intrinsic as _intrinsic
    from numba.np.arrayobj import make_array as _array
    # Vectors of 512 bits where the processor has them; by itself LLVM keeps to 256.
    @_intrinsic
    def wide(typing):
        def code(context, builder, signature, arguments):
            set.add(builder.function.attributes, '"prefer-vector-width"="512"')
            return context.get_dummy_value()
        return _void(), code
    # Atomic: see gate.mark.
    @_intrinsic
    def mark(typing, flags, k, flag):
        def code(context, builder, signature, arguments):
            array = _array(flags)(context, builder, arguments[0])
            at = context.cast(builder, arguments[1], k, _int64)
            at = builder.mul(at, context.get_constant(_int64, APART))
            what = context.cast(builder, arguments[2], flag, _int64)
            return builder.atomic_rmw("or", builder.gep(array.data, [at]), what, "seq_cst")
        return _int64(flags, k, flag), code
    # Only entries are called from Python; wrappers for the others would cost half the compile time.
    _inner = {{"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}}
    _inline = _njit(forceinline=True, **_inner)
    _stage = _njit(**_inner)
    _part = _njit(inline="always", **_inner)
    _entry = _njit(error_model="numpy", nogil=True, no_cfunc_wrapper=True, cache={cache})
except ImportError:
    _inline = _stage = _part = _entry = lambda f: f
    wide = lambda: None
    from crmsim.simulation.gate import mark
from crmsim.simulation.compile import Parameters
'''


def generate(own: Mapping[str, Callable[..., Any]] | None = None, *, cache: bool = True) -> str:
    """The text of the module to compile, with a user's own rules in their places."""
    words = {name: f"0x{int(getattr(draws, name)):X}" for name in ("M0", "M1", "W0", "W1", "LOW")}
    sizes: dict[str, Any] = {"block": columns.BLOCK, "stride": columns.STRIDE, "lanes": columns.LANES}
    sizes |= {"attempts": contacts.ATTEMPTS, "width": month.FIELDS}
    sizes["fields"] = (contacts.PLANNED, contacts.COMMON, contacts.CREW)
    sizes["parts"] = (contacts.FIRST, contacts.SECOND)
    sizes |= {"flags": (gate.WAITS, gate.OPEN, gate.GONE), "apart": gate.APART}
    parts = [HEADER.format(**sizes, **words, cache=cache)]
    record = ", ".join(f"values[{k}]" for k in range(len(PARAMETERS)))
    parts.append(f"@_inline\ndef parameters(values):\n    return Parameters({record})\n")
    change = _Single()
    wanted: list[tuple[str, ast.FunctionDef]] = []
    sources = _functions(draws)
    wanted += [("_inline", sources[name]) for name in ("philox", "unit")]
    sources = _functions(single)
    # log before normal, exp before logistic: numba wants callees defined, the order is the file's.
    wanted += [("_inline" if name != "poisson" else "_stage", sources[name]) for name in sources]
    constants: list[str] = []
    for name, node in _functions(rules).items():
        if own and name in own:
            node, found = _own_rule(name, own[name])
            constants += found
        wanted.append(("_inline", node))
    parts.append("\n".join(constants))
    for name, node in {**_functions(month), **_functions(gate), **_functions(contacts)}.items():
        if name in ("parameters", "mark"):
            continue
        wanted.append((KINDS.get(name, "_entry" if name in ENTRIES else "_stage"), node))
    for decorator, node in wanted:
        node = change.visit(node)
        if decorator != "_inline":
            node.body.insert(0, ast.Expr(ast.Call(ast.Name("wide", ast.Load()), [], [])))
        text = ast.unparse(ast.fix_missing_locations(node))
        parts.append(f"@{decorator}\n{text}\n")
    return "\n".join(parts)


@lru_cache(maxsize=16)
def _load(text: str) -> ModuleType:
    name = "crmsim_month_" + hashlib.sha256(text.encode()).hexdigest()[:16]
    folder = cache_folder() / "compiled"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.py"
    if not path.exists():
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # numba unpickles cached code by module name.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@lru_cache(maxsize=1)
def _standard() -> ModuleType:
    return _load(generate())


def has_numba() -> bool:
    """Whether the rules can be compiled here."""
    return importlib.util.find_spec("numba") is not None


def kernels(own: Mapping[str, Callable[..., Any]] | None = None) -> ModuleType:
    """The compiled month, with a user's own rules in place. Compiling takes some seconds once.

    Raises `RuleError` for a rule that cannot be used.
    """
    if own:
        check_rules(own)
    module = _load(generate(own)) if own else _standard()
    if own and has_numba() and not is_compiled(module):
        _try_compiled(module, own)
    if not has_numba() and not getattr(module, "_told", False):
        module._told = True  # type: ignore[attr-defined]
        warnings.warn(
            "numba is not installed: the rules run interpreted, small populations only", stacklevel=3
        )
    return module


@lru_cache(maxsize=64)
def callable_of(name: str) -> Callable[..., Any]:
    """A function of the compiled month for Python to call, as tests do: only `ENTRIES` can be called as they
    are, for the rest numba makes no way in."""
    inner = getattr(kernels(), name)
    if name in ENTRIES or not has_numba():
        return inner
    import numba

    return numba.njit(lambda *arguments: inner(*arguments))


def is_compiled(module: ModuleType, entry: str = "run_month") -> bool:
    """Whether a function of the module is in the cache or in memory, so that the first call is fast."""
    if not has_numba() or getattr(getattr(module, entry), "signatures", None):
        return True
    path = Path(str(module.__file__))
    return any((path.parent / "__pycache__").glob(f"{path.stem}.{entry}-*.nbc"))


# -- a user's own rules ------------------------------------------------------------------------


def rule_set(own: Mapping[str, Callable[..., Any]] | None = None) -> SimpleNamespace:
    """The rules as plain Python functions, a user's own in their places: for process and trace."""
    if own:
        check_rules(own)
    return SimpleNamespace(**{**RULES, **(own or {})})


def check_rules(own: Mapping[str, Callable[..., Any]]) -> None:
    """Try a user's rules as plain Python. Raises `RuleError` naming the line that fails."""
    for name, function in own.items():
        if name not in RULES:
            near = difflib.get_close_matches(name, RULES, n=1, cutoff=0.4)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise RuleError(f"no rule is called {name!r}{hint}\nrules: {', '.join(RULES)}")
        if not callable(function):
            raise RuleError(f"rule {name!r}: a function is needed, not {type(function).__name__}")
        wanted = list(inspect.signature(RULES[name]).parameters)
        try:
            given = list(inspect.signature(function).parameters)
        except (TypeError, ValueError):
            given = ["?"]
        if wanted != given:
            raise RuleError(
                f"rule {name!r} takes ({', '.join(wanted)}), yours takes ({', '.join(given)}); "
                "use the same names in the same order"
            )
        _own_rule(name, function)
        _try_rule(name, function, wanted)


def _try_rule(name: str, function: Callable[..., Any], arguments: list[str]) -> None:
    p = parameters_of(Scenario())
    levels = (0.5, 0.0, 1.0, 30.0, 100.0)
    mixed = itertools.product(levels, repeat=min(len(arguments), 4))
    for some in itertools.chain(((level,) for level in levels), mixed):
        values = [p if a == "p" else some[k % len(some)] for k, a in enumerate(arguments)]
        try:
            result = function(*values)
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            code = getattr(function, "__code__", None)
            frame = next((f for f in reversed(frames) if code and f.filename == code.co_filename), frames[-1])
            raise RuleError(
                f"rule {name!r} fails in line {frame.lineno}: {frame.line}\n"
                f"{type(error).__name__}: {error}\nwith {_shown(arguments, values)}"
            ) from None
        if isinstance(result, bool) or not isinstance(result, int | float | np.number):
            raise RuleError(
                f"rule {name!r} returns {result!r} with {_shown(arguments, values)}; a number is needed"
            )
        if not math.isfinite(result):
            raise RuleError(f"rule {name!r} returns {result} with {_shown(arguments, values)}")


def _try_compiled(module: ModuleType, own: Mapping[str, Callable[..., Any]]) -> None:
    """Compile each own rule by itself, so that what numba does not take is said of the rule."""
    import numba

    number = np.float32(0.5)
    p = Parameters(*[number] * len(PARAMETERS))
    for name in own:
        arguments = inspect.signature(RULES[name]).parameters
        try:
            getattr(module, name).compile(tuple(numba.typeof(p if a == "p" else number) for a in arguments))
        except Exception as error:
            lines = [line.strip() for line in str(error).splitlines() if line.strip()]
            raise RuleError(
                f"rule {name!r} cannot be compiled: {lines[0] if lines else type(error).__name__}\n"
                "write it with numbers, if and else, and the functions a rule may use"
            ) from None


def _shown(arguments: list[str], values: list[Any]) -> str:
    return ", ".join(f"{a}={v:g}" for a, v in zip(arguments, values, strict=True) if a != "p")


def _own_rule(name: str, function: Callable[..., Any]) -> tuple[ast.FunctionDef, list[str]]:
    """The syntax tree of a user's rule under the rule's name, and the constants it uses."""
    try:
        text = textwrap.dedent(inspect.getsource(function))
        node = ast.parse(text).body[0]
    except (OSError, TypeError, SyntaxError):
        raise RuleError(
            f"rule {name!r}: its source cannot be read; define it with def in a cell or file"
        ) from None
    if not isinstance(node, ast.FunctionDef):
        raise RuleError(f"rule {name!r}: write it with def, not as a lambda")
    first = function.__code__.co_firstlineno
    local = {a.arg for a in node.args.args}
    local |= {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    constants: list[str] = []
    scope = inspect.getclosurevars(function)
    known = {**scope.globals, **scope.nonlocals}

    def line_of(part: Any) -> str:
        return f"line {first + part.lineno - 1}: {text.splitlines()[part.lineno - 1].strip()}"

    def refuse(part: Any, what: str) -> RuleError:
        return RuleError(f"rule {name!r}: {what}\n{line_of(part)}")

    class Adapt(ast.NodeTransformer):
        def visit_Import(self, part: ast.Import) -> ast.AST:
            raise refuse(part, "import outside of the rule")

        def visit_ImportFrom(self, part: ast.ImportFrom) -> ast.AST:
            raise refuse(part, "import outside of the rule")

        def visit_Call(self, part: ast.Call) -> ast.AST:
            called = getattr(part.func, "attr", getattr(part.func, "id", ""))
            if called in HELPERS and called not in local:
                takes = len(inspect.signature(getattr(single, called)).parameters)
                if len(part.args) != takes or part.keywords:
                    count = f"{takes} argument" + ("s" if takes > 1 else "")
                    raise refuse(part, f"{called} takes {count} in a rule")
            self.generic_visit(part)
            return part

        def visit_Attribute(self, part: ast.Attribute) -> ast.AST:
            if isinstance(part.value, ast.Name) and part.value.id in ("math", "np", "numpy"):
                if part.attr in HELPERS:
                    return ast.Name(part.attr, ast.Load())
                if part.attr in ("sqrt", "floor", "ceil"):
                    return ast.Attribute(ast.Name("np", ast.Load()), part.attr, ast.Load())
                raise refuse(part, f"{part.attr} is not known to rules")
            self.generic_visit(part)
            return part

        def visit_Name(self, part: ast.Name) -> ast.AST:
            value = known.get(part.id)
            if part.id in local or part.id == "p":
                return part
            # A user's number may have the name of a rule: margin = 0.3.
            if not isinstance(value, int | float | np.number) and (
                part.id in ALLOWED_CALLS or part.id in RULES
            ):
                return part
            if isinstance(value, int | float | np.number) and not isinstance(value, bool):
                constants.append(f"own_{name}_{part.id} = _f32({float(value)!r})")
                return ast.copy_location(ast.Name(f"own_{name}_{part.id}", ast.Load()), part)
            raise RuleError(
                f"rule {name!r}: {part.id!r} is not known to rules\n{line_of(part)}\n"
                f"a rule may use its arguments, p, numbers, {', '.join(sorted(ALLOWED_CALLS))}"
            )

    node = Adapt().visit(node)
    node.name = name
    return node, constants


# -- parameters as numbers -----------------------------------------------------------------------

TOUCHPOINT_FIELDS = (
    "quality", "exposure", "failure", "severity", "severity_sd", "weight", "gain", "loss",
    "planned", "common", "crew",
)  # fmt: skip
# The first of them, which may differ between groups of a town: `month.own_quality` and its like.
GROUP_FIELDS = TOUCHPOINT_FIELDS[:4]
assert len(TOUCHPOINT_FIELDS) == month.FIELDS
KANO = {"one_dimensional": (1.0, 1.0), "must_be": (0.4, 1.6), "attractive": (1.6, 0.4)}


def parameter_values(scenario: Scenario) -> np.ndarray:
    """The scenario's numbers in the order of `PARAMETERS` (float64; dynamic ones neutral)."""
    values = np.zeros(len(PARAMETERS))
    for k, (section, name) in enumerate(PLACES):
        values[k] = getattr(getattr(scenario, section), name)
    values[PARAMETER_INDEX["demand"]] = 1.0
    values[PARAMETER_INDEX["discount"]] = 1.0
    return values


def touchpoint_values(scenario: Scenario) -> np.ndarray:
    """One row a touchpoint, columns `TOUCHPOINT_FIELDS` (float64).

    With districts or segments the columns of `GROUP_FIELDS` follow once more, each for all groups, one
    after another (`group_columns`).
    """
    rows = np.array(
        [
            [
                *(t.quality, t.exposure, t.failure, t.severity, t.severity_sd, t.weight),
                *KANO[t.kind],
                *(t.planned, t.common, t.crew),
            ]
            for t in scenario.touchpoints
        ]
    )
    if scenario.town is None:
        return rows
    places = np.repeat(rows[:, : len(GROUP_FIELDS)], scenario.town.size, axis=1)
    at = group_columns(GROUP_FIELDS.index("failure"), scenario.town.size) - rows.shape[1]
    places[:, at] = np.minimum(places[:, at] * scenario.town.factor.T, 1.0)
    return np.hstack([rows, places])


def group_columns(field: int, groups: int) -> np.ndarray:
    """The columns of the touchpoints' rows that hold one of `GROUP_FIELDS` for each group."""
    return len(TOUCHPOINT_FIELDS) + field * groups + np.arange(groups)


def parameters_of(scenario: Scenario) -> Any:
    """The scenario's parameters as rules see them, with plain numbers."""
    return Parameters(*(float(v) for v in parameter_values(scenario)))
