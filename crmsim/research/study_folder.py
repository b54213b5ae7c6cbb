"""The folder of a study: cells in parts while they are made, one file of them all in the end.

    study.json, study.toml    what the study is made of
    parts/*.parquet           finished cells, some to a part, with when and where they were made
    results.parquet           all of them, in the order of the study
    log.parquet               when each was made, in how many seconds and where
    monthly.parquet           if monthly series are kept: a row a cell, a list of its months for each

Every file is written beside its place and moved there when it is whole. One process at a time writes.
"""

from __future__ import annotations

import contextlib
import functools
import re
import sys
import time
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from .study_file import StudyError

# What a part holds besides the columns of the table.
LOG = ("ended", "seconds", "worker")
_KEY = ("scenario", "policy", "replication", "cell")
_NO_KEY = "'' as scenario, '' as policy, 0 as replication, '' as cell"
_NO_LOG = f"(select {_NO_KEY}, null::timestamp_ms as ended, null::double as seconds, '' as worker limit 0)"


class StudyFolder:
    """The files of a study in `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.note, self.file = path / "study.json", path / "study.toml"
        self.parts_folder = path / "parts"
        self.results, self.log = path / "results.parquet", path / "log.parquet"
        self.monthly = path / "monthly.parquet"

    # -- what is there -----------------------------------------------------------------------------

    def parts(self) -> list[Path]:
        return sorted(self.parts_folder.glob("*.parquet"))

    def files(self) -> list[Path]:
        """Files with rows of results."""
        return self._with_parts(self.results)

    def _with_parts(self, whole: Path) -> list[Path]:
        return [*([whole] if whole.is_file() else []), *self.parts()]

    def others(self) -> bool:
        """Whether there is anything but what a run that was killed at once leaves."""
        if not self.path.is_dir():
            return False
        ours = (".lock", "study.json.part", "parts")
        found = [path for path in self.path.iterdir() if path.name not in ours]
        return bool(found) or (self.parts_folder.is_dir() and any(self.parts_folder.iterdir()))

    def rows(self) -> int:
        """How many rows `results.parquet` has."""
        import duckdb

        with duckdb.connect() as connection:
            count = f"select count(*) from read_parquet({_quoted(self.results)})"
            return int(connection.execute(count).fetchall()[0][0])

    # -- writing -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Only one process writes into the folder; the lock ends with the process, however it ends."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            file = (self.path / ".lock").open("a+b")
        except OSError as error:
            what = (
                "is a file; name a folder" if self.path.is_file() else f"cannot be written ({error.strerror})"
            )
            raise StudyError([(str(self.path), what)], "study") from None
        with file:
            try:
                _lock(file)
            except OSError:
                what = "another process is running a study in this folder; wait for it or choose another"
                raise StudyError([(str(self.path), what)], "study") from None
            yield

    def add(self, frame: pd.DataFrame) -> None:
        """Write a part, whole or not at all."""
        path = self.parts_folder / f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}.parquet"
        part = path.with_suffix(".part")
        with self._writing(part):
            self._writer.register("frame", frame)
            self._writer.execute(f"copy frame to {_quoted(part)} (format parquet)")
            self._writer.unregister("frame")
            part.replace(path)

    @contextlib.contextmanager
    def _writing(self, *parts: Path) -> Iterator[None]:
        """Tell why something cannot be written, and leave no half of it."""
        import duckdb

        try:
            yield
        except (OSError, duckdb.IOException) as error:
            why = (getattr(error, "strerror", None) or str(error)).splitlines()[0]
            if told := re.search(r'"exception_message":"((?:[^"\\]|\\.)*)"', why):  # in DuckDB's JSON
                why = told[1].replace('\\"', "")
            raise OSError(
                f"{self.path} cannot be written ({why}); the cells that were written are kept: make room and "
                "run again to go on"
            ) from None
        finally:
            with contextlib.suppress(OSError):
                for part in parts:
                    part.unlink(missing_ok=True)

    @functools.cached_property
    def _writer(self) -> Any:
        """A connection for all parts, since opening one takes longer than to write."""
        import duckdb

        connection = duckdb.connect()
        connection.execute("set threads = 1")
        return connection

    def compact(self, plan: pd.DataFrame, replications: int, header: list[str], series: list[str]) -> None:
        """One file of all parts, in order; the parts go when it is there."""
        parts = self.parts()
        views = {"log": self.log, **({"series": self.monthly} if series else {}), "results": self.results}
        made = {view: (path.with_name(path.name + ".part"), path) for view, path in views.items()}
        with self._writing(*(part for part, _ in made.values())):
            with self.connected(plan, replications, header, series) as connection:
                for view, (part, _) in made.items():
                    connection.execute(
                        f"copy (select * from {view}) to {_quoted(part)} (format parquet, compression zstd)"
                    )
            for part, path in made.values():
                part.replace(path)
            for path in parts:
                path.unlink()

    def set_damaged_aside(self) -> None:
        """Rename what a crash of the machine may have left unreadable; its cells are made again."""
        for left in [*self.parts_folder.glob("*.part"), *self.path.glob("*.part")]:
            left.unlink()
        for path in self._damaged():
            aside = path.with_name(path.name + ".damaged")
            path.replace(aside)
            lost = "when its cells were made is lost" if path == self.log else "its cells are made again"
            warnings.warn(f"{path} is damaged; {lost} (it is now {aside.name})", stacklevel=2)

    def _damaged(self) -> list[Path]:
        """The files that cannot be read to their end, if any. A hash reads all, where a count would not."""
        files = [*self.files(), *(path for path in (self.log, self.monthly) if path.is_file())]
        if not files:
            return []  # a new study; DuckDB is loaded while the workers start
        import duckdb

        with duckdb.connect() as connection:

            def good(paths: list[Path]) -> bool:
                listed = ", ".join(map(_quoted, paths))
                source = f"read_parquet([{listed}], union_by_name = true)"
                try:
                    connection.execute(f"select count(cell), bit_xor(hash(columns(*))) from {source}")
                except duckdb.OutOfMemoryException:
                    raise
                except duckdb.Error:
                    return False
                return True

            found = [] if good(files) else [path for path in files if not good([path])]
        for path in found:
            # a file that is not to be read now may be whole
            try:
                path.open("rb").close()
            except OSError as error:
                raise StudyError([(str(path), f"cannot be read ({error.strerror})")], "study") from None
        return found

    # -- reading -----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def connected(
        self, plan: pd.DataFrame, replications: int, header: list[str], series: list[str]
    ) -> Iterator[Any]:
        """DuckDB with the views `results` and `log` of the cells in the plan, `keys`, which are there, and if
        there are series `series`, a row a cell, and `monthly`, a row a month.

        plan: a row for each world and policy in the order of the table: world, number (of the policy),
        scenario, policy, cell. header: columns of the results.
        """
        import duckdb

        files = self.files()
        if not files:
            raise ValueError(f"no cell is finished yet in {self.path}; call run()")
        try:
            with duckdb.connect() as connection:
                # one thread, so that a file written from here is the same each time
                connection.execute("set threads = 1; set memory_limit = '256MB'")
                connection.execute(f"set temp_directory = {_quoted(self.path / '.duckdb')}")
                connection.execute("set enable_progress_bar = false")
                connection.register("plan", plan)
                self._make_view(connection, "results", files, header, replications)
                self._make_view(
                    connection, "log", self._with_parts(self.log), [*_KEY, *LOG], replications, _NO_LOG
                )
                key = "select distinct _world as world, _number as number, replication from"
                keys = f"{key} results_ranked"
                if series:
                    columns = series_columns(series)
                    files = self._with_parts(self.monthly)
                    self._make_view(
                        connection, "series", files, [*_KEY, *columns], replications, _no_series(columns)
                    )
                    lists = ", ".join(
                        f'unnest("{c}") as "{name}"' for c, name in zip(columns, series, strict=True)
                    )
                    connection.execute(
                        f"create view monthly as select {', '.join(_KEY)}, "
                        f'unnest(range(len("{columns[0]}"))) as month, {lists} from series'
                    )
                    keys += f" intersect {key} series_ranked"
                connection.execute(f"create view keys as {keys}")
                yield connection
        except duckdb.Error:
            if damaged := self._damaged():
                what = "is damaged; run() makes its cells again"
                raise StudyError([(str(path), what) for path in damaged], "study") from None
            raise

    def _make_view(
        self,
        connection: Any,
        view: str,
        files: list[Path],
        shown: list[str],
        replications: int,
        none: str = "",
    ) -> None:
        """A view of the cells in the plan, in its order, from files that may hold others and doubles; without
        files, as when the log was lost, `none` has the columns."""
        listed = ", ".join(map(_quoted, files))
        source = f"read_parquet([{listed}], union_by_name = true)" if files else none
        described = connection.execute(f"describe select * from {source}").fetchall()
        # a part of older source may have other columns
        wanted = [name for name in shown if name in {row[0] for row in described}]
        names = ", ".join(f's."{name}"' for name in wanted)
        # a cell may be in a part and, if a run was killed at the end, in the file made of the parts
        connection.execute(
            f"create view {view}_ranked as select {names}, plan.world _world, plan.number _number, "
            "row_number() over (partition by plan.world, plan.number, s.replication) as _copy "
            f"from {source} s join plan using (scenario, policy, cell) where replication < {replications}"
        )
        connection.execute(
            f"create view {view} as select * exclude (_world, _number, _copy) from {view}_ranked "
            "where _copy = 1 order by _world, _number, replication"
        )


def series_columns(series: list[str]) -> list[str]:
    """Their names in a part, where the outcome `left` stands beside the series `left`."""
    return [f"monthly.{name}" for name in series]


def _no_series(columns: list[str]) -> str:
    lists = ", ".join(f'[]::double[] as "{name}"' for name in columns)
    return f"(select {_NO_KEY}, {lists} limit 0)"


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _lock(file: Any) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
