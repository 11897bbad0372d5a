"""Shares out an archive of capture files as tasks. Each moment of a chain belongs to one task.

A *chain* is what one writer wrote: the files of a folder whose names differ in their digits only.
A task owns a span of a chain's time, from the first packet of its first file to the first packet
of the next task's. It also reads the files that reach `overlap` seconds before and after its span,
so that connections are known and responses are seen, and shows only what began in its span. So each
exchange is told once, whatever an engine repeats, and tasks share no state.

`python -m spygrep.plan --help` prints the tasks as command lines, for GNU parallel or a queue.
"""

from __future__ import annotations

import argparse
import calendar
import json
import math
import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Iterable, Optional, Sequence

#: Files whose index one process makes.
BATCH = 500


@dataclass(frozen=True)
class File:
    """A capture file, and the nanoseconds since 1970 of its first and last packet, if it has any."""

    path: str
    first: Optional[int]
    last: Optional[int]


@dataclass(frozen=True)
class Task:
    """Files to read, and the span [since, until) of what is told, in nanoseconds since 1970.

    None is no bound: the first task of a chain has no beginning, the last has no end.
    """

    chain: str
    files: tuple[str, ...]
    since: Optional[int]
    until: Optional[int]

    def arguments(self) -> list[str]:
        """The program's options for this task."""
        words = ["--json=rows", f"--label={self.chain}"]
        if self.since is not None:
            words.append(f"--since={seconds(self.since)}")
        if self.until is not None:
            words.append(f"--until={seconds(self.until)}")
        for path in self.files:
            words += ["-I", path]
        return words


def seconds(nanos: int) -> str:
    """Nanoseconds as seconds with all their digits, for --since and --until."""
    whole, part = divmod(nanos, 1_000_000_000)
    if whole < 10_000:
        # The program takes so small a number for a year.
        return f"1970-01-01T{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{part:09}Z"
    return f"{whole}.{part:09}"


def nanos(text: Optional[str]) -> Optional[int]:
    """The time of an index line, which has nine decimal places, without loss."""
    if text is None:
        return None
    whole, _, part = text.rstrip("Z").partition(".")
    moment = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
    return moment * 1_000_000_000 + int(part.ljust(9, "0"))


def index(paths: Iterable[str], program: Optional[str] = None) -> list[File]:
    """Asks the program for the first and last packets of files.

    A file that is no capture, or that cannot be read, is an error.
    """
    from .run import SpygrepError, program as found

    paths = [os.fspath(path) for path in paths]
    files = []
    for start in range(0, len(paths), BATCH):
        batch = paths[start : start + BATCH]
        words = [program or found(), "--index"]
        for path in batch:
            words += ["-I", path]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode not in (0, 1):
            raise SpygrepError(done.returncode, done.stderr)
        for line in done.stdout.splitlines():
            line = json.loads(line)
            files.append(File(line["file"], nanos(line["first"]), nanos(line["last"])))
    return files


def chain_of(path: str, pattern: Optional[str] = None) -> str:
    """The chain of a file: its folder, and its name without digits.

    `pattern` is a regular expression that is searched for in the path instead: its group `sensor`,
    or its whole match. A path without a match is an error.
    """
    if pattern is not None:
        found = re.search(pattern, path)
        if found is None:
            raise ValueError(f"{path} does not match {pattern}, which names its chain")
        return found.group("sensor") if "sensor" in found.groupdict() else found.group()
    folder, name = os.path.split(path)
    # Compressed files of a chain stand beside plain ones while they rotate.
    name = re.sub(r"\.(gz|zst)$", "", name)
    name = re.sub(r"\d+", "#", name)
    # The first file of `tcpdump -C` has no number: x.pcap, x.pcap1, x.pcap2.
    name = re.sub(r"(\.pcap(?:ng)?)#$", r"\1", name)
    return os.path.join(folder, name)


def plan(
    files: Iterable[File],
    *,
    span: float = 3600.0,
    overlap: float = 60.0,
    chain: Optional[str] = None,
) -> list[Task]:
    """Tasks of about `span` seconds, each with `overlap` seconds of reading before and after.

    A task has whole files: at least one, so a span of 0 is a task for each file. An infinite span
    is a task for each chain. Files without a packet are left out.
    """
    if not span >= 0 or not overlap >= 0:
        raise ValueError("span and overlap are seconds, and not negative")
    chains: dict[str, list[File]] = {}
    for file in files:
        if file.first is not None and file.last is not None:
            chains.setdefault(chain_of(file.path, chain), []).append(file)
    tasks = []
    for name, members in sorted(chains.items()):
        members.sort(key=lambda file: (file.first, file.path))
        tasks += windows(name, members, span, overlap)
    return tasks


def windows(name: str, files: Sequence[File], span: float, overlap: float) -> list[Task]:
    """The tasks of a chain, whose files are in the order of their first packets."""
    begins: list[int] = []
    for file in files:
        new = not begins or (file.first - begins[-1] >= span * 1e9 and file.first > begins[-1])
        if new:
            begins.append(file.first)
    tasks = []
    for at, since in enumerate(begins):
        until = begins[at + 1] if at + 1 < len(begins) else None
        low = -math.inf if at == 0 else since - overlap * 1e9
        high = math.inf if until is None else until + overlap * 1e9
        # A file that ends where the span begins has bytes of it, one that begins at its end not.
        own = [file for file in files if file.last >= low and file.first < high]
        paths = tuple(file.path for file in own)
        tasks.append(Task(name, paths, None if at == 0 else since, until))
    return tasks


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Prints a command line for each task."""
    parser = argparse.ArgumentParser(
        prog="python -m spygrep.plan",
        description="Prints a spygrep command line for each task; what follows -- is put into each.",
    )
    parser.add_argument("files", nargs="+")
    parser.add_argument("--span", type=float, default=3600.0, help="seconds of a task")
    parser.add_argument("--overlap", type=float, default=60.0, help="seconds before and after it")
    parser.add_argument("--chain", help="a regular expression for the name of a file's chain")
    words = list(sys.argv[1:] if argv is None else argv)
    more = words[words.index("--") + 1 :] if "--" in words else []
    given = parser.parse_args(words[: words.index("--")] if "--" in words else words)
    for task in plan(index(given.files), span=given.span, overlap=given.overlap, chain=given.chain):
        print(shlex.join(["spygrep", "-q", *task.arguments(), *more]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
