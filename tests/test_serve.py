"""`crmsim demo` and `crmsim lab`: servers that start, end and leave nothing behind."""

import contextlib
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from crmsim import cli
from crmsim.teaching import serve
from crmsim.teaching.pages import PAGES, page_class

needs_pages = pytest.mark.skipif(
    any(
        importlib.util.find_spec(name) is None for name in ("voila", "jupyterlab", "anywidget", "ipywidgets")
    ),
    reason="the extra `course` is not installed",
)


def told(capsys, *words):
    """The exit code of a command and what it said on stderr."""
    code = cli.main(list(words))
    return code, capsys.readouterr().err.strip()


# --- mistakes -------------------------------------------------------------------------------------


@needs_pages
def test_an_unknown_page_is_told_with_the_nearest(capsys):
    assert told(capsys, "demo", "policy-lap") == (
        2,
        "crmsim: no page 'policy-lap'; did you mean 'policy-lab'?",
    )


@needs_pages
def test_an_unknown_scenario_is_told_before_a_server_starts(capsys, monkeypatch):
    monkeypatch.setattr(serve, "run", lambda *_: pytest.fail("a server was started"))
    code, words = told(capsys, "demo", "policy-lab", "--scenario", "nowhere")
    assert code == 2 and "nowhere" in words and "retail" in words


@needs_pages
@pytest.mark.parametrize("command", [("demo", "policy-lab"), ("lab",)])
def test_a_port_in_use_is_told(capsys, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(serve, "run", lambda *_: pytest.fail("a server was started"))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, words = told(capsys, *command, "--port", str(port), "--no-browser")
    assert (code, words) == (
        2, f"crmsim: port {port} is taken by another program; leave --port out for a free one"
    )  # fmt: skip
    assert told(capsys, *command, "--port", "70000")[1].endswith("from 1 to 65535, not 70000")


@pytest.mark.parametrize(
    ("command", "module"), [(("demo", "policy-lab"), "voila"), (("lab", "here"), "jupyterlab")]
)
def test_a_missing_extra_is_told(capsys, monkeypatch, tmp_path, command, module):
    monkeypatch.chdir(tmp_path)
    real = importlib.util.find_spec
    monkeypatch.setattr(
        serve.importlib.util, "find_spec", lambda name, *a: None if name == module else real(name, *a)
    )
    assert told(capsys, *command) == (
        2, f'crmsim: {module} is not installed: pip install "crmsim[course]"'
    )  # fmt: skip
    assert not (tmp_path / "here").exists()


def test_the_list_of_pages_without_the_extra_is_told(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    for name in [name for name in sys.modules if name.startswith("crmsim.teaching.p")]:
        if not name.endswith(".pages"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "crmsim.teaching.controls", raising=False)
    assert told(capsys, "demo") == (2, 'crmsim: pages need more packages: pip install "crmsim[course]"')


# --- the list of pages ----------------------------------------------------------------------------


@needs_pages
def test_without_a_name_all_pages_are_listed_with_their_questions(capsys):
    assert cli.main(["demo"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(PAGES)
    for line, name in zip(lines, PAGES, strict=True):
        for words in page_class(name).question:
            assert words and words in line


def test_the_notebook_of_a_demo_is_one_call():
    made = serve.demo_notebook("rfm", {"language": "zh", "seed": 3})
    (cell,) = made["cells"]
    assert cell["source"] == "import crmsim as cs\n\ncs.show('rfm', language='zh', seed=3)"
    assert json.loads(json.dumps(made)) == made


# --- the student's copy ---------------------------------------------------------------------------


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A small course beside the package."""
    for name, text in (
        ("notebooks/00_start_here.ipynb", "{}"),
        ("notebooks/.ipynb_checkpoints/x.ipynb", "{}"),
        ("datasets/a/b.csv", "1"),
        ("docs/facts.md", "f"),
        ("exercises/README.md", "e"),
        ("exercises/rfm.ipynb", "{}"),
        ("exercises/solutions/rfm.ipynb", "the instructor's"),
        ("exercises/source/rfm.py", "the instructor's"),
    ):
        path = tmp_path / "course" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(serve, "COURSE", tmp_path / "course")
    return tmp_path / "course"


def test_the_course_is_copied_and_the_students_files_stay(course, tmp_path):
    copy = serve.copy_course(tmp_path / "mine")
    found = sorted(str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file())
    assert found == [
        "datasets/a/b.csv", "docs/facts.md", "exercises/README.md", "exercises/rfm.ipynb",
        "notebooks/00_start_here.ipynb",
    ]  # fmt: skip
    (copy / "notebooks" / "00_start_here.ipynb").write_text("mine")
    (copy / "datasets" / "a" / "b.csv").unlink()
    (course / "notebooks" / "01_new.ipynb").write_text("new")
    serve.copy_course(tmp_path / "mine")
    assert (copy / "notebooks" / "00_start_here.ipynb").read_text() == "mine"
    assert (copy / "notebooks" / "01_new.ipynb").read_text() == "new"
    assert (copy / "datasets" / "a" / "b.csv").read_text() == "1"
    assert (course / "notebooks" / "00_start_here.ipynb").read_text() == "{}"


def test_the_original_is_never_worked_in(course):
    for folder in (course, course / "notebooks", course / "notebooks" / "deep"):
        with pytest.raises(serve.ServeError, match="is the course itself"):
            serve.copy_course(folder)


def test_a_folder_that_is_a_file_is_told(course, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(serve.ServeError, match=r"cannot be copied to .*file"):
        serve.copy_course(tmp_path / "file")


def test_an_installation_without_the_course_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(serve, "COURSE", tmp_path)
    with pytest.raises(serve.ServeError, match="not beside this installation"):
        serve.copy_course(tmp_path / "copy")


# --- servers --------------------------------------------------------------------------------------


def descendants(number: int) -> set[int]:
    """Processes begun by this one, and by those."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            parents[int(path.parent.name)] = int(fields[1])
    found, new = set(), {number}
    while new:
        new = {child for child, parent in parents.items() if parent in new} - found
        found |= new
    return found


def gone(numbers: set[int], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while any(_runs(number) for number in numbers):
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _runs(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@contextlib.contextmanager
def running(folder: Path, *words: str):
    """A command that serves, in a folder, once its port answers."""
    port = serve.free_port()
    environment = {**os.environ, "JUPYTER_RUNTIME_DIR": str(folder / "runtime"), "PYTHONUNBUFFERED": "1"}
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "crmsim", *words, "--port", str(port), "--no-browser"],
        cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        end = time.monotonic() + 60
        while True:
            assert process.poll() is None and time.monotonic() < end, (folder / "log").read_text()[-2000:]
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/voila/static/voila.js", timeout=5).close()
                break
            time.sleep(0.2)
        yield process, port
    finally:
        log.close()
        for number in descendants(process.pid) | {process.pid}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        process.wait()


@needs_pages
@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize(
    ("words", "how"),
    [
        (("demo", "policy-lab"), signal.SIGINT),
        (("demo", "policy-lab"), signal.SIGTERM),
        (("lab", "mine"), signal.SIGINT),
    ],
)
def test_an_interrupted_server_ends_well_and_leaves_nothing(tmp_path, words, how):
    with running(tmp_path, *words) as (process, port):
        if words[0] == "demo":
            # a visitor, so that there is a kernel besides the one that waits
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60).read()
        begun = descendants(process.pid)
        assert begun
        process.send_signal(how)
        assert process.wait(20) == 0
        assert gone(begun, 15)
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))
    said = (tmp_path / "log").read_text()
    assert "Traceback" not in said
    if words[0] == "lab":
        assert (tmp_path / "mine" / "notebooks" / "00_start_here.ipynb").exists()
        assert "/lab/tree/notebooks/00_start_here.ipynb" in said


@needs_pages
def test_a_server_that_fails_by_itself_is_told(capsys, monkeypatch):
    monkeypatch.setattr(serve, "voila", lambda *_: [sys.executable, "-c", "raise SystemExit(7)"])
    code, words = told(capsys, "demo", "policy-lab")
    assert code == 2 and words.endswith("ended with exit code 7; the lines above say why")


def test_kernels_of_a_server_show_figures(monkeypatch, tmp_path):
    """The command itself draws into files; with its backend `plt.show()` shows nothing in a notebook."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    code = "import os, sys; sys.exit(7 if 'MPLBACKEND' in os.environ else 0)"
    assert serve.run([sys.executable, "-c", code], str(tmp_path)) == 0


def test_a_server_that_does_not_end_is_ended(tmp_path):
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    code = (
        "import sys; from crmsim.teaching import serve; serve.PATIENCE = 0.5; "
        "sys.exit(serve.run([sys.executable, '-c', sys.argv[1]], sys.argv[2]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code, deaf, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"on\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    process.stdout.close()
