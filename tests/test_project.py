"""The project as a whole: which way imports run, one list of requirements, a light start."""

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest

# --- imports run one way -------------------------------------------------------------------------

EVERY = {
    "vocabulary", "simulation", "data", "analysis", "plots", "research", "teaching", "exercises", "gym",
    "datasets", "cli",
}  # fmt: skip
# what a room may import when it is itself imported
AT_ONCE = {
    "vocabulary": set(),
    "simulation": {"vocabulary"},
    "data": {"vocabulary"},
    "analysis": {"vocabulary", "data"},
    "plots": {"vocabulary"},
    "research": {"vocabulary", "simulation", "data", "analysis", "plots"},
    "datasets": {"vocabulary", "simulation", "data", "research"},
    "gym": {"vocabulary", "simulation", "research"},  # nobody imports it
    "teaching": EVERY - {"exercises", "gym"},
    # nobody imports it but the command line; of the pages it takes the words only
    "exercises": {"vocabulary", "simulation", "data", "analysis", "research", "teaching.words"},
    "exercises.inside": set(),  # run as a script beside a student's code
    "exercises.plain": set(),
    "cli": EVERY - {"gym"},
    "": {"vocabulary"},  # crmsim/__init__.py: the public names are looked up when asked for
}
# what it may import besides, inside a function or for type checkers only
LATER = {"simulation": {"data", "plots"}, "data": {"plots"}, "analysis": {"plots"}, "": EVERY - {"gym"}}
# what must not even come in through other modules when the room is imported
NEVER = {
    "analysis": {"simulation"},
    "data": {"simulation"},
    "simulation": {"data"},
    "plots": EVERY - {"vocabulary", "plots"},
}


@dataclass(frozen=True)
class Import:
    source: str
    target: str  # the module itself, never a name in it
    line: int
    later: bool

    def __str__(self) -> str:
        return f"{self.source}:{self.line} imports {self.target}"


def modules_of(folder: Path) -> dict[str, Path]:
    """Every module of the package in `folder` by its dotted name, the package itself included."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = (folder.name, *path.relative_to(folder).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(name: str, path: Path, modules: dict[str, Path]) -> Iterator[Import]:
    """The imports of one module that stay inside the package."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    top = name.partition(".")[0]

    def targets(node: ast.AST) -> list[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            # `from crmsim import data` imports a module, `from crmsim import Scenario` the package
            inner = [f"{base}.{alias.name}" for alias in node.names if f"{base}.{alias.name}" in modules]
            own_names = [alias.name for alias in node.names if f"{base}.{alias.name}" not in modules]
            if own_names and own_names != ["__version__"]:
                inner.append(base)
            return inner
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).endswith("import_module"):
            word = node.args[0]
            return [word.value] if isinstance(word, ast.Constant) and isinstance(word.value, str) else []
        return []

    def walk(node: ast.AST, later: bool) -> Iterator[Import]:
        for target in targets(node):
            if target == top or target.startswith(f"{top}."):
                yield Import(name, target, node.lineno, later)
        for field, value in ast.iter_fields(node):
            # the body of a function runs later, its decorators and defaults do not
            inside = later or (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and field == "body"
            )
            if isinstance(node, ast.If) and field == "body":
                inside |= ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from walk(child, inside)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), later=False)


def room_of(module: str) -> str:
    """The room a module stands in: the key of AT_ONCE that fits best."""
    inside = module.partition(".")[2]
    return inside if inside in AT_ONCE else inside.partition(".")[0]


def wrong_imports(folder: Path) -> list[str]:
    """Everything in the package that breaks the order of imports, as sentences; empty if all is well."""
    modules = modules_of(folder)
    top = folder.name
    imports = [found for name, path in modules.items() for found in imports_of(name, path, modules)]
    strangers = [name for name in modules if room_of(name) not in AT_ONCE and room_of(name) != "__main__"]
    wrong = [f"{name} has no place in the order of imports" for name in strangers]

    for found in imports:
        source, target = room_of(found.source), room_of(found.target)
        if source in ("__main__", *(room_of(name) for name in strangers)):
            continue
        allowed = AT_ONCE[source] | (LATER.get(source.partition(".")[0], set()) if found.later else set())
        same_room = source.partition(".")[0] == target.partition(".")[0]
        if same_room or room_of(found.target) in allowed or found.target.partition(".")[2] in allowed:
            continue
        if target == "":
            if source not in ("teaching", "exercises.inside", "cli"):
                wrong.append(f"{found}, the package that is built from it")
        elif target.partition(".")[0] not in allowed:
            wrong.append(f"{found}, against the order of imports")

    at_once: dict[str, set[str]] = {name: set() for name in modules}
    for found in imports:
        if not found.later and found.target in modules:
            at_once[found.source].add(found.target)
    wrong += [f"cycle: {' -> '.join(cycle)}" for cycle in cycles(at_once)]
    wrong += detours(at_once, top)
    return wrong


def cycles(edges: dict[str, set[str]]) -> list[list[str]]:
    """One cycle for every back edge of a depth-first walk; empty if there is none."""
    found: list[list[str]] = []
    done: set[str] = set()

    def visit(name: str, trail: list[str]) -> None:
        if name in trail:
            found.append([*trail[trail.index(name) :], name])
        elif name not in done:
            for target in sorted(edges[name]):
                visit(target, [*trail, name])
            done.add(name)

    for name in sorted(edges):
        visit(name, [])
    return found


def detours(edges: dict[str, set[str]], top: str) -> list[str]:
    """Rooms of NEVER that come in through others. Importing a.b.c also runs a.b; `top` itself is left out."""

    def loaded_with(name: str) -> set[str]:
        packages = {name.rsplit(".", n)[0] for n in range(1, name.count("."))}
        return edges.get(name, set()) | (packages & edges.keys())

    wrong = []
    for start in sorted(edges):
        barred = NEVER.get(room_of(start), set())
        trails, seen = [[start]], {start}
        while barred and trails:
            trail = trails.pop(0)
            for target in sorted(loaded_with(trail[-1]) - seen - {top}):
                seen.add(target)
                if room_of(target).partition(".")[0] in barred:
                    wrong.append(f"{start} brings in {target}: {' -> '.join([*trail, target])}")
                else:
                    trails.append([*trail, target])
    return wrong


def test_imports_run_one_way(root):
    assert "crmsim.vocabulary" in modules_of(root / "crmsim")  # the walk does find modules
    assert wrong_imports(root / "crmsim") == []


GOOD = {
    "__init__.py": "from crmsim.vocabulary import Term\n\ndef __getattr__(name):\n    import crmsim.cli\n",
    "__main__.py": "from crmsim.cli import main\n",
    "vocabulary.py": "import enum\n",
    "simulation/__init__.py": "from crmsim.simulation.run import Run\n",
    "simulation/rules.py": "from crmsim import vocabulary\n",
    "simulation/run.py": (
        "from . import rules\nfrom typing import TYPE_CHECKING\nfrom crmsim import __version__\n"
        "if TYPE_CHECKING:\n    from crmsim.data.database import Database\n"
        "def to_database():\n    from crmsim.data import database\n"
    ),
    "data/__init__.py": "",
    "data/database.py": "from ..vocabulary import Term\n",
    "datasets.py": "from crmsim.simulation import Run\nfrom crmsim.data.database import Database\n",
    "analysis/churn.py": "import crmsim.data.database\ndef plot():\n    from crmsim import plots\n",
    "plots.py": "import crmsim.vocabulary\n",
    "research/experiment.py": "from crmsim.simulation import Run\nfrom crmsim.analysis import churn\n",
    "teaching/trace.py": "import crmsim as cs\nfrom crmsim.simulation.rules import rule\n",
    "exercises/check.py": "from ..teaching.words import pick\nfrom ..analysis import churn\n",
    "teaching/words.py": "from ..vocabulary import Term\n",
    "cli.py": "from crmsim import research, teaching\n",
}


def package(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / "crmsim" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "crmsim"


def test_the_check_lets_a_good_tree_pass(tmp_path):
    assert wrong_imports(package(tmp_path, GOOD)) == []


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({"vocabulary.py": "import crmsim.data.database\n"}, "vocabulary:1 imports crmsim.data.database"),
        ({"vocabulary.py": "def f():\n    from .data import database\n"}, "vocabulary:2 imports"),
        ({"simulation/rules.py": "from crmsim.data.database import x\n"}, "rules:1 imports crmsim.data"),
        ({"simulation/rules.py": "from .. import research\n"}, "rules:1 imports crmsim, the package"),
        ({"simulation/rules.py": "class A:\n    from ..research import experiment\n"}, "rules:2 imports"),
        ({"simulation/rules.py": "from crmsim import Scenario\n"}, "rules:1 imports crmsim, the package"),
        ({"data/database.py": "from crmsim.simulation import Run\n"}, "database:1 imports crmsim.simulation"),
        ({"data/database.py": "def f():\n    import crmsim.simulation.run\n"}, "database:2 imports"),
        ({"analysis/churn.py": "def f():\n    import crmsim.simulation\n"}, "churn:2 imports crmsim.simul"),
        (
            {"analysis/churn.py": "import importlib\nimportlib.import_module('crmsim.simulation.run')\n"},
            "churn:2 imports crmsim.simulation.run",
        ),
        (
            {"analysis/churn.py": "if TYPE_CHECKING:\n    from crmsim.simulation import Run\n"},
            "churn:2 imports crmsim.simulation,",
        ),
        ({"analysis/churn.py": "from crmsim import plots\n"}, "churn:1 imports crmsim.plots"),
        ({"plots.py": "from crmsim.analysis import churn\n"}, "plots:1 imports crmsim.analysis.churn"),
        ({"research/experiment.py": "import crmsim.teaching.trace\n"}, "experiment:1 imports crmsim.teach"),
        ({"__init__.py": "from crmsim.simulation import Run\n"}, "crmsim:1 imports crmsim.simulation"),
        ({"teaching/trace.py": "def f():\n    from ..exercises import check\n"}, "trace:2 imports crmsim.ex"),
        ({"exercises/check.py": "from ..teaching import trace\n"}, "check:1 imports crmsim.teaching.trace"),
        ({"helpers.py": ""}, "crmsim.helpers has no place"),
        (
            {"simulation/rules.py": "from . import run\n"},
            "cycle: crmsim.simulation.run -> crmsim.simulation.rules -> crmsim.simulation.run",
        ),
        ({"simulation/rules.py": "from crmsim.simulation import Run\n"}, "cycle: crmsim.simulation -> "),
        ({"cli.py": "import crmsim.teaching.trace", "teaching/trace.py": "import crmsim.cli\n"}, "cycle: "),
        (
            {"data/__init__.py": "from ..datasets import build\n"},
            "crmsim.analysis.churn brings in crmsim.simulation: crmsim.analysis.churn -> "
            "crmsim.data.database -> crmsim.data -> crmsim.datasets -> crmsim.simulation",
        ),
    ],
)
def test_the_check_finds_what_is_wrong(tmp_path, changed, complaint):
    found = wrong_imports(package(tmp_path, GOOD | changed))
    assert any(complaint in sentence for sentence in found), found


def test_importing_crmsim_loads_nothing_heavy():
    heavy = [
        "matplotlib",
        "seaborn",
        "simpy",
        "duckdb",
        "pyarrow",
        "SALib",
        "optuna",
        "ipywidgets",
        "dask",
        "gymnasium",
    ]
    code = f"import sys, crmsim; print(*[name for name in {heavy} if name in sys.modules])"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.split()
        == []
    )


# --- what is installed is said once --------------------------------------------------------------


@pytest.fixture(scope="module")
def project(root) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def environment(root) -> list[str]:
    """The entries under `dependencies:` of environment.yml, those for pip included."""
    text = (root / "environment.yml").read_text(encoding="utf-8").partition("\ndependencies:\n")[2]
    return re.findall(r"^ +- +(\S.*?) *$", text, flags=re.MULTILINE)


def names_of(requirements: list[str]) -> set[str]:
    return {re.match(r"[\w.-]+", line)[0].lower() for line in requirements}


def test_conda_installs_what_pyproject_says_and_nothing_else(project, environment):
    python, pip, pip_list, itself = environment
    assert python == f"python{project['requires-python']}"
    assert (pip, pip_list) == ("pip", "pip:")
    extras = re.fullmatch(r"-e \.\[([\w,]+)\]", itself)[1].split(",")
    assert set(extras) == set(project["optional-dependencies"])


def test_every_extra_of_the_environment_brings_the_course(project, environment):
    extras = re.search(r"\[([\w,]+)\]", environment[-1])[1].split(",")
    installed = names_of(project["dependencies"])
    for extra in extras:
        installed |= names_of(project["optional-dependencies"][extra])
    assert {"jupyterlab", "ipywidgets", "pandas", "simpy", "seaborn", "nbval"} <= installed


def test_every_requirement_has_a_lower_bound(project):
    lines = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    lines = [line for line in lines if not line.startswith("crmsim[")]  # an extra that takes in another
    assert [line for line in lines if ">=" not in line] == []


def test_the_tests_bring_what_the_pages_need(project):
    assert "crmsim[course]" in project["optional-dependencies"]["test"]
    assert {"playwright", "nbclient"} <= names_of(project["optional-dependencies"]["test"])


def test_tracked_files_pin_no_downloads(root):
    if (root / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
        files = [root / name for name in listed.decode().split("\0") if name]
    else:
        files = [path for path in root.rglob("*") if not path.relative_to(root).parts[0].startswith(".")]
    assert root / "pyproject.toml" in files
    locks = {
        "uv.lock",
        "poetry.lock",
        "pdm.lock",
        "pixi.lock",
        "pylock.toml",
        "conda-lock.yml",
        "Pipfile.lock",
    }
    address = re.compile(rb"https?://\S+\.(whl|tar\.gz|conda)\b")
    assert [path.name for path in files if path.name in locks] == []
    assert [path.name for path in files if path.is_file() and address.search(path.read_bytes())] == []


# --- start.py ------------------------------------------------------------------------------------


@pytest.fixture
def start(root, tmp_path, monkeypatch):
    """start.py in a folder of its own, with a note of the programs it would run instead of running them."""
    for name in ("start.py", "pyproject.toml"):
        (tmp_path / name).write_text((root / name).read_text(encoding="utf-8"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("start_under_test", tmp_path / "start.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.commands, module.codes = [], {}

    def run(command, folder=None):
        command = [str(word) for word in command]
        module.commands.append(
            " ".join(command).replace(f"{tmp_path}/", "").replace(sys.executable, "python")
        )
        if command[1:3] == ["-m", "venv"]:
            module.PYTHON.parent.mkdir(parents=True)
            module.PYTHON.touch()
        return next((code for word, code in module.codes.items() if word in command), 0)

    monkeypatch.setattr(module, "run", run)
    return module


MAKE = "python -m venv .venv"
PIP = ".venv/bin/python -m pip install -qq --disable-pip-version-check --editable "
posix = pytest.mark.skipif(sys.platform == "win32", reason="paths are written as on Linux and macOS")


@posix
def test_start_installs_once_and_hands_over(start):
    start.codes["compare"] = 7
    assert start.main(["compare", "subscription"]) == 7
    assert start.main(["compare", "subscription"]) == 7
    compare = ".venv/bin/crmsim compare subscription"
    assert start.commands == [MAKE, f"{PIP}.", compare, compare]


@posix
@pytest.mark.parametrize("command", ["lab", "demo"])
def test_start_adds_extras_and_keeps_those_it_has(start, command):
    start.main([command])
    start.main(["test"])
    assert [line for line in start.commands if "pip" in line] == [f"{PIP}.[course]", f"{PIP}.[course,test]"]


@posix
def test_start_installs_again_when_the_project_changes(start):
    start.main(["run"])
    with (start.ROOT / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    start.main(["run"])
    assert start.commands.count(MAKE) == 1
    assert start.commands.count(f"{PIP}.") == 2


@posix
@pytest.mark.parametrize("key", ["root", "python"])
def test_start_makes_a_moved_or_outdated_environment_anew(start, key):
    start.main(["run"])
    start.write_stamp(start.read_stamp() | {key: "another"})
    start.main(["run"])
    assert start.commands.count(MAKE) == 2


@posix
def test_start_recovers_from_a_failed_installation(start, capsys):
    start.codes["pip"] = 1
    with pytest.raises(SystemExit) as end:
        start.main(["run"])
    assert end.value.code == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("start.py: pip failed (exit code 1)")
    start.codes.clear()
    assert start.main(["run"]) == 0
    assert start.commands[-1] == ".venv/bin/crmsim run"


def test_start_never_deletes_an_environment_it_did_not_make(start, capsys):
    start.VENV.mkdir()
    (start.VENV / "mine").touch()
    with pytest.raises(SystemExit) as end:
        start.main(["run"])
    assert end.value.code == 1
    assert "the .venv here has no Python 3.11" in capsys.readouterr().err
    assert (start.VENV / "mine").exists()
    assert start.commands == []


def test_start_says_when_the_venv_module_is_missing(start, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SystemExit) as end:
        start.main(["run"])
    assert end.value.code == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert start.commands == []


@posix
def test_start_runs_every_check_and_fails_with_any(start, capsys):
    start.codes["mypy"] = 2
    assert start.main(["test", "--quick", "-k", "words"]) == 1
    assert [line.removeprefix(".venv/bin/python -m ") for line in start.commands[2:]] == [
        "ruff check",
        "ruff format --check",
        "mypy",
        "pytest -n auto --dist loadfile -m not slow -k words",
    ]
    assert capsys.readouterr().err.splitlines()[-1] == "start.py: not in order: mypy"
    start.codes = {"pytest": 1}
    assert start.main(["test"]) == 1
    start.codes = {}
    assert start.main(["test"]) == 0


def test_start_alone_prints_help_and_installs_nothing(start, capsys):
    assert start.main([]) == 0
    assert "python3 start.py test" in capsys.readouterr().out
    assert not start.VENV.exists()


def test_start_tells_an_older_python_what_it_needs(root):
    source = (root / "start.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 7))  # an older Python must get as far as the message
    code = "import sys, runpy; sys.version_info = (3, 10, 4); runpy.run_path('start.py', run_name='__main__')"
    told = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert told.returncode == 1
    assert told.stderr == "start.py: crmsim needs Python 3.11 or newer; this is 3.10\n"
