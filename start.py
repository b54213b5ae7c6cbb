"""Install crmsim in .venv beside this file, then run it or test it there.

  python3 start.py compare subscription   any crmsim command, here a comparison of policies
  python3 start.py compare --help         what that command takes
  python3 start.py demo policy-lab        a live page of the course in the browser
  python3 start.py lab                    the course in JupyterLab, on a copy of yours
  python3 start.py test                   check everything: ruff, mypy, then all tests
  python3 start.py test --quick           the same without the slow tests
  python3 start.py test -k vocabulary     further words after `test` go to pytest

The first run makes .venv with the Python that runs this file and installs what the command needs; after a
change of pyproject.toml the next run installs again. The exit code is that of the command.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

NEEDED = (3, 11)
if sys.version_info < NEEDED:  # before anything that an older Python could not run
    sys.exit(
        f"start.py: crmsim needs Python 3.11 or newer; this is {sys.version_info[0]}.{sys.version_info[1]}"
    )

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PROGRAMS = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = PROGRAMS / ("python.exe" if os.name == "nt" else "python")
# what this file did to .venv; one that it did not make is somebody's own and is never deleted
STAMP = VENV / "crmsim-start.json"

# other commands need none
EXTRAS = {
    "test": {"test", "course"},  # the tests open pages and run the notebooks
    "lab": {"course"},
    "demo": {"course"},
    "analyse": {"analysis"},
    "import": {"excel"},
    "study": {"research"},
    "reproduce": {"course", "analysis", "research"},  # every notebook, and what they import
    "cluster": {"research"},
}
CHECKS = {
    "ruff check": ["ruff", "check"],
    "ruff format": ["ruff", "format", "--check"],
    "mypy": ["mypy"],
}


def say(text: str) -> None:
    """Tell the user what happens, on stderr: stdout belongs to the command."""
    print(f"start.py: {text}", file=sys.stderr, flush=True)


def fail(text: str) -> None:
    """End with one line that says what is wrong and what to do."""
    say(text)
    raise SystemExit(1)


def run(command: list[str], folder: Path | None = None) -> int:
    """Run a program in `folder` (or here), hand on interruptions, and return its exit code."""
    sys.stdout.flush()
    process = subprocess.Popen(command, cwd=folder)
    before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        while True:
            try:
                code = process.wait()
                break
            except KeyboardInterrupt:
                continue  # the program was interrupted too, and decides what that means
    finally:
        signal.signal(signal.SIGTERM, before)
    return code if code >= 0 else 128 - code  # killed by a signal: as a shell reports it


def read_stamp() -> dict:
    """What this file noted in .venv; empty if nothing."""
    try:
        return json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def write_stamp(stamp: dict) -> None:
    STAMP.write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")


def create_venv() -> None:
    """Make .venv anew with the running Python."""
    if any(importlib.util.find_spec(module) is None for module in ("venv", "ensurepip")):
        fail(
            "this Python cannot make virtual environments; on Debian or Ubuntu run "
            "`apt-get install python3-venv`, elsewhere use a complete Python 3.11 or newer"
        )
    say(f"making .venv with Python {sys.version.split()[0]}")
    if VENV.exists():
        shutil.rmtree(VENV)
    VENV.mkdir()
    write_stamp({"made_here": True})  # from now on an interrupted attempt is known as ours
    code = run([sys.executable, "-m", "venv", str(VENV)])
    if code:
        fail(f"making .venv failed (exit code {code}); the lines above say why")


def check_own_venv() -> None:
    """Refuse a .venv that somebody else made if crmsim cannot run in it."""
    question = f"import sys, pip; raise SystemExit(sys.version_info < {NEEDED})"
    if not PYTHON.exists() or subprocess.run([str(PYTHON), "-c", question], capture_output=True).returncode:
        fail("the .venv here has no Python 3.11 or newer with pip; remove that folder and run this again")


def prepare(extras: set[str]) -> None:
    """See to it that .venv holds crmsim, as pyproject.toml now describes it, with these extras."""
    stamp = read_stamp()
    made_here = not VENV.exists() or stamp.get("made_here", False)
    # an environment outlives neither a move nor its Python; the one we run in cannot be replaced
    wanted = {"root": str(ROOT)}
    if made_here and Path(sys.prefix).resolve() != VENV.resolve():
        wanted["python"] = ".".join(map(str, sys.version_info[:2]))
        if not PYTHON.exists() or any(stamp.get(key) != wanted[key] for key in wanted):
            create_venv()
            stamp = {}
    wanted["pyproject"] = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    have = set(stamp.get("extras", []))
    if extras <= have and all(stamp.get(key) == wanted[key] for key in wanted):
        return

    if not made_here:
        check_own_venv()
    extras = extras | have
    project = f".[{','.join(sorted(extras))}]" if extras else "."
    say(f"installing crmsim{project[1:]} in .venv; the first time this takes a few minutes")
    pip = [str(PYTHON), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    code = run([*pip, "--editable", project], ROOT)
    if code:
        fail(f"pip failed (exit code {code}); the lines above say why; check the network and run this again")
    write_stamp({**stamp, **wanted, "made_here": made_here, "extras": sorted(extras)})


def test(arguments: list[str]) -> int:
    """Check style and types, then run the tests; pytest's summary is the last line on stdout."""
    failed = []
    for name, command in CHECKS.items():
        print(f"== {name}", flush=True)
        if run([str(PYTHON), "-m", *command], ROOT):
            failed.append(name)
            say(f"{name} found something; the tests run all the same")
    # one worker a processor; a file's tests stay together, so that what they share is made once
    pytest = ["pytest", "-n", "auto", "--dist", "loadfile"]
    if "--quick" in arguments:
        arguments = [word for word in arguments if word != "--quick"]
        pytest += ["-m", "not slow"]
    print("== pytest", flush=True)
    code = run([str(PYTHON), "-m", *pytest, *arguments], ROOT)
    if failed:
        say(f"not in order: {', '.join(failed)}" + (" and pytest" if code else ""))
    return code or int(bool(failed))


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(__doc__.strip())
        return 0
    command = arguments[0]
    prepare(EXTRAS.get(command, set()))
    if command == "test":
        return test(arguments[1:])
    return run([str(PROGRAMS / "crmsim"), *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
