"""What runs a submission: a process of its own, which gets the student's data and nothing else.

Run as a script by `sandbox.py`, with a description of the work as JSON in the first line of stdin. It shuts
itself
in (`shut_in`) before the first line of the student's runs, then runs the cells one after another.
`crmsim.exercises` is here a stand-in whose `check` only notes answers; references and truth are not to be
had:
their files cannot be opened. Lines of JSON go to the grader, and requests to call a student's function come
back.

Nothing of what this process says is believed but answers, which are judged as any answer is.
"""

from __future__ import annotations

import ast
import base64
import ctypes
import json
import os
import pickle
import platform
import signal
import struct
import sys
import types
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent

# -- protections -----------------------------------------------------------------------------------------

CLONE_NEWUSER, CLONE_NEWNET, CLONE_NEWIPC = 0x10000000, 0x40000000, 0x08000000
PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, PR_SET_PDEATHSIG = 4, 38, 22, 1
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
# rights over files: execute 1, write 2, read 4, read a folder 8, then making and removing, refer, truncate,
# devices
LANDLOCK_ALL = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
READ, LIST, OF_FILES = 1 | 4 | 8, 8, 1 | 2 | 4 | 1 << 14 | 1 << 15
EPERM, ENOSYS = 1, 38

# numbers of system calls: x86_64, aarch64 (None where there is none). They start processes, reach the
# network,
# touch other processes, or change what Landlock does not guard: owner, mode, times of files.
CALLS: dict[str, tuple[int | None, int | None]] = {
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "socket": (41, 198), "io_uring_setup": (425, 425), "bpf": (321, 280),
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122), "setrlimit": (160, 164), "unshare": (272, 97), "setns": (308, 268),
    "mount": (165, 40), "umount2": (166, 39), "chroot": (161, 51), "pivot_root": (155, 41),
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "shmget": (29, 194), "shmat": (30, 196), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "userfaultfd": (323, 282),
    "perf_event_open": (298, 241), "init_module": (175, 105), "finit_module": (313, 273),
    "reboot": (169, 142),
}  # fmt: skip
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
CLONE, CLONE3, PRLIMIT = (56, 220), (435, 435), (302, 261)
CLONE_THREAD = 0x00010000


def shut_in(work: dict[str, Any]) -> list[str]:
    """Limits and walls, as far as this system has them. Gives the names of those that stand.

    "limits": time, memory, size of files. "files": no writing outside the folder, no reading of what is not
    needed. "network", "processes": none.
    """
    stand = []
    if _limits(work):
        stand.append("limits")
    if sys.platform != "linux":
        return stand
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != work["parent"]:
        os._exit(9)
    libc.prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    apart = libc.unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC) == 0
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return stand
    if _landlock(libc, work):
        stand.append("files")
    filtered = _seccomp(libc)
    if apart or filtered:
        stand.append("network")
    if filtered:
        stand.append("processes")
    return stand


def _limits(work: dict[str, Any]) -> bool:
    try:
        import resource
    except ImportError:  # Windows
        return False
    megabyte = 1 << 20
    seconds = int(work["seconds"]) + 2
    wanted = {
        "RLIMIT_CPU": seconds, "RLIMIT_AS": work["memory"] * megabyte,
        "RLIMIT_FSIZE": work["file"] * megabyte,
        "RLIMIT_CORE": 0, "RLIMIT_NOFILE": 256,
    }  # fmt: skip
    for name, value in wanted.items():
        limit = getattr(resource, name)
        most = resource.getrlimit(limit)[1]
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        try:
            resource.setrlimit(limit, (value, value))
        except (ValueError, OSError):
            if sys.platform == "linux":
                return False  # macOS has no limit of memory
    if hasattr(signal, "SIGXFSZ"):
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # an error in the student's code in place of the end
    return True


def _landlock(libc: Any, work: dict[str, Any]) -> bool:
    abi = libc.syscall(LANDLOCK_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    if abi < 1:
        return False
    handled = LANDLOCK_ALL[min(abi, 5)]
    rules = struct.pack("<QQQ", handled, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)  # TCP; signals, sockets
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = libc.syscall(LANDLOCK_CREATE, ctypes.c_char_p(rules), ctypes.c_size_t(size), ctypes.c_uint32(0))
    if ruleset < 0:
        return False

    def allow(path: str, rights: int) -> None:
        try:
            handle = os.open(path, getattr(os, "O_PATH", 0) | os.O_CLOEXEC)
        except OSError:
            return
        rights &= handled if os.path.isdir(path) else handled & OF_FILES
        rule = struct.pack("<Qi", rights, handle)
        libc.syscall(
            LANDLOCK_ADD, ctypes.c_int(ruleset), ctypes.c_int(1), ctypes.c_char_p(rule), ctypes.c_uint32(0)
        )
        os.close(handle)

    for path in work["list"]:
        allow(path, LIST)
    for path in work["read"]:
        allow(path, READ)
    for path in ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"):
        allow(path, 2 | 4)
    allow(work["folder"], handled)
    closed = libc.syscall(LANDLOCK_RESTRICT, ctypes.c_int(ruleset), ctypes.c_uint32(0)) == 0
    os.close(ruleset)
    return closed


def _seccomp(libc: Any) -> bool:
    """Refuse the system calls of CALLS, and clone unless it makes a thread. Classic BPF."""
    if platform.machine() not in ARCHITECTURES or struct.calcsize("P") != 8:
        return False
    column, architecture = ARCHITECTURES[platform.machine()]
    load, equal, at_least, some_bit, give = 0x20, 0x15, 0x35, 0x45, 0x06
    allowed, refused = 0x7FFF0000, 0x00050000
    program = [(load, 0, 0, 4), (equal, 1, 0, architecture), (give, 0, 0, 0x80000000), (load, 0, 0, 0)]
    if column == 0:  # the same calls under their x32 numbers
        program += [(at_least, 0, 1, 0x40000000), (give, 0, 0, refused | EPERM)]
    for numbers in CALLS.values():
        if (number := numbers[column]) is not None:
            program += [(equal, 0, 1, number), (give, 0, 0, refused | EPERM)]
    # glibc falls back to clone, whose flags can be looked at
    program += [(equal, 0, 1, CLONE3[column]), (give, 0, 0, refused | ENOSYS)]
    program += [(equal, 0, 3, CLONE[column]), (load, 0, 0, 16), (some_bit, 1, 0, CLONE_THREAD),
                (give, 0, 0, refused | EPERM), (load, 0, 0, 0)]  # fmt: skip
    # limits of another process: the first argument is its id, 0 for one's own; none may be set anew
    program += [(equal, 0, 5, PRLIMIT[column]), (load, 0, 0, 16), (equal, 0, 2, 0), (load, 0, 0, 32),
                (equal, 1, 0, 0), (give, 0, 0, refused | EPERM)]  # fmt: skip
    program += [(give, 0, 0, allowed)]
    code = b"".join(struct.pack("<HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code)
    head = struct.pack("<HxxxxxxQ", len(program), ctypes.addressof(buffer))
    return bool(libc.prctl(PR_SET_SECCOMP, 2, ctypes.c_char_p(head), 0, 0) == 0)


# -- the stand-in ------------------------------------------------------------------------------------------


class Line:
    """Lines of JSON to and from the grader."""

    def __init__(self, receive: int, send: int) -> None:
        self.receive, self.send = os.fdopen(receive, "rb"), os.fdopen(send, "wb")

    def say(self, **words: Any) -> None:
        self.send.write(json.dumps(words, allow_nan=False).encode() + b"\n")
        self.send.flush()

    def hear(self) -> dict[str, Any]:
        line = self.receive.readline()
        return dict(json.loads(line)) if line else {}


class Recorder:
    """Stands for `crmsim.exercises`: `start` gives the data, `check` notes the answer."""

    def __init__(self, line: Line, plain: Any) -> None:
        self._line, self._plain = line, plain
        self.functions: dict[str, Any] = {}

    def start(self, name: str, student: object = "") -> Started:
        return Started(self, self._tables(str(name), str(student)))

    def _tables(self, name: str, student: str = "") -> Any:
        self._line.say(start=name, student=student[:200])
        reply = self._line.hear()
        if "error" in reply:
            raise ValueError(reply["error"])
        with open(reply["file"], "rb") as file:
            return pickle.load(file)

    def check(self, exercise: str, answer: Any) -> None:
        if callable(answer):
            self.functions[str(exercise)] = answer
        self._line.say(check=str(exercise)[:80], answer=self._plain(answer))


class Started:
    """Stands for a `Course`."""

    def __init__(self, recorder: Recorder, data: Any) -> None:
        self._recorder, self.data, self.check = recorder, data, recorder.check

    def data_of(self, exercise: str) -> Any:
        return self._recorder._tables(str(exercise))

    def progress(self) -> str:
        return ""


# -- running -----------------------------------------------------------------------------------------------


class OutOfTime(BaseException):
    """A cell took too long; not an Exception, so that `except Exception` does not catch it."""


def cell_code(source: str) -> str:
    """A cell without the lines that are not Python: magics, and commands for a shell."""
    if source.lstrip().startswith("%%"):
        return ""
    return "\n".join(
        "" if line.lstrip().startswith(("%", "!", "?")) else line for line in source.splitlines()
    )


def run_cells(cells: Iterable[str], seconds: float, line: Line) -> None:
    """One after another in one namespace; what fails is told, and the next is tried."""
    space: dict[str, Any] = {
        "__name__": "__main__",
        "display": lambda *things: None,
        "get_ipython": lambda: None,
    }

    def late(*_: Any) -> None:
        raise OutOfTime

    timed = hasattr(signal, "SIGALRM")
    if timed:
        signal.signal(signal.SIGALRM, late)
    for number, source in enumerate(cells, 1):
        try:
            if timed:
                signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)  # again each second, if it was caught
            tree = ast.parse(cell_code(source), f"cell {number}")
            exec(compile(tree, f"cell {number}", "exec"), space)
        except OutOfTime:
            line.say(failed=number, error=f"stopped after {seconds:g} seconds")
        except BaseException as error:
            words = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            line.say(failed=number, error=words)
        finally:
            if timed:
                signal.setitimer(signal.ITIMER_REAL, 0)


def answer_calls(line: Line, recorder: Recorder, plain: Any, seconds: float) -> None:
    """Call the student's functions for the grader until it hangs up."""
    while request := line.hear():
        try:
            arguments = pickle.loads(base64.b64decode(request["arguments"]))
            if hasattr(signal, "SIGALRM"):
                signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
            line.say(value=plain(recorder.functions[request["call"]](*arguments)))
        except OutOfTime:
            line.say(error=f"stopped after {seconds:g} seconds")
        except BaseException as error:
            line.say(error=" ".join(f"{type(error).__name__}: {error}".split())[:200])
        finally:
            if hasattr(signal, "SIGALRM"):
                signal.setitimer(signal.ITIMER_REAL, 0)


def main() -> None:
    line = Line(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDWR)
    for handle in (0, 1, 2):  # what is printed goes nowhere
        os.dup2(nothing, handle)
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    work = line.hear()
    os.chdir(work["folder"])
    sys.path[:] = [*work["path"], str(HERE.parent.parent)]
    import importlib.util

    spec = importlib.util.spec_from_file_location("crmsim_plain", HERE / "plain.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    plain = module.plain
    import numpy  # noqa: F401  (before the walls stand, as it asks the system for much)
    import pandas  # noqa: F401

    import crmsim

    recorder = Recorder(line, plain)
    stand_in = types.ModuleType("crmsim.exercises")
    stand_in.__dict__.update(start=recorder.start, check=recorder.check)
    sys.modules["crmsim.exercises"] = stand_in
    crmsim.exercises = stand_in
    stand = shut_in(work)
    line.say(protections=stand)
    if not line.hear().get("go"):
        return
    run_cells(work["cells"], work["cell_seconds"], line)
    line.say(done=True)
    answer_calls(line, recorder, plain, work["cell_seconds"])


if __name__ == "__main__":
    main()
