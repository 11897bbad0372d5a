"""Rows of a generated archive, on one machine: the same for every plan with an overlap."""

import collections
import math
import os
import signal
import stat
import subprocess

import archive
import pyarrow as pa
import pytest

import spygrep


@pytest.fixture(scope="session")
def paths(tmp_path_factory):
    return archive.write(tmp_path_factory.mktemp("archive"))


def rows_of(table):
    """Rows as dictionaries, times as numbers: Python's own times have no nanoseconds."""
    for at, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(at, field.name, table.column(at).cast(pa.int64()))
    return table.to_pylist()


def facts(table):
    """Rows without what differs between plans, sorted: the numbers in a run; and what a run that
    joins a connection late has not seen, which are the handshake's time and the marks of that."""
    table = table.drop_columns(["id", "files", "frames", "connect"])
    rows = rows_of(table)
    for row in rows:
        row["marks"] = sorted(set(row["marks"]) - {"joined", "likely_pair"})
    return sorted(map(repr, rows))


@pytest.fixture(scope="session")
def truth(paths):
    return spygrep.scan(paths).read_all()


def test_one_run_for_each_chain_is_the_truth(truth):
    assert truth.schema == spygrep.SCHEMA
    assert truth.num_rows == archive.EXCHANGES
    assert all(truth["complete"].to_pylist())
    counts = collections.Counter(truth["sensor"].to_pylist())
    assert len(counts) == 2


@pytest.mark.parametrize("overlap", [10, 60])
@pytest.mark.parametrize("span", [0, 40, math.inf])
def test_windows_tell_each_exchange_once(paths, truth, span, overlap):
    table = spygrep.scan(paths, span=span, overlap=overlap).read_all()
    assert facts(table) == facts(truth)


def test_without_overlap_windows_lose_what_lies_across_them(paths, truth):
    assert facts(spygrep.scan(paths, span=40, overlap=0).read_all()) != facts(truth)


def test_files_one_by_one_lose_slow_exchanges(paths, truth):
    """What `xargs -n 1` does: the reason for windows."""
    alone = pa.concat_tables(spygrep.scan([path]).read_all() for path in paths)
    whole = [row for row in rows_of(alone) if row["complete"]]
    slow = lambda rows: sum(1 for row in rows if (row["wait"] or 0) > 1)
    found = (alone.num_rows, len(whole), slow(whole), slow(rows_of(truth)))
    print("\nrows, whole exchanges, slow ones, of slow ones:", *found)
    assert alone.num_rows > archive.EXCHANGES > len(whole)
    assert slow(whole) < slow(rows_of(truth))


def test_conditions_and_filters_are_the_programs(paths, truth):
    slow = spygrep.scan(paths, "GET", args=["--slow=1s"], filter="tcp port 80").read_all()
    want = [row["wait"] for row in rows_of(truth) if row["wait"] >= 1]
    assert sorted(slow["wait"].to_pylist()) == sorted(want)
    assert spygrep.scan(paths, "NEVER").read_all().num_rows == 0
    one = spygrep.scan(paths, "GET /0/0 ", args=["--body=short"])
    one = rows_of(one.read_all())
    assert len(one) == 1 and one[0]["response_body"] and one[0]["matches"][0]["text"] == "GET /0/0 "


def test_errors_are_errors(paths, tmp_path):
    text = tmp_path / "text.pcap"
    text.write_text("this is text\n")
    with pytest.raises(spygrep.SpygrepError, match="looks like text"):
        spygrep.scan([str(text)])
    with pytest.raises(spygrep.SpygrepError, match="filter"):
        spygrep.scan(paths[:1], filter="prot 80").read_all()
    with pytest.raises(spygrep.SpygrepError, match="cannot read"):
        spygrep.scan([str(tmp_path / "missing.pcap")])


def script(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_a_task_that_ends_early_fails(paths, tmp_path):
    program = spygrep.program()
    task = spygrep.plan(spygrep.index(paths))[0]
    for name, end in [
        ("stopped", 'kill -TERM $$'),
        ("killed", 'kill -KILL $$'),
        ("status", "exit 3"),
        ("cut", "printf '{\"sensor\":'; exit 0"),
    ]:
        half = script(tmp_path / name, f'{program} "$@" | head -n 20\n{end}\n')
        with pytest.raises(spygrep.SpygrepError):
            list(spygrep.read(task, binary=half))
    # The program itself, stopped while it waits for more.
    fifo = tmp_path / "fifo.pcap"
    os.mkfifo(fifo)
    words = [program, "-q", "--json=rows", "", "-I", str(fifo)]
    child = subprocess.Popen(words, stdout=subprocess.PIPE)
    with open(fifo, "wb") as pipe, open(paths[3], "rb") as file:
        pipe.write(file.read())
        pipe.flush()
        child.stdout.read(1)
        child.send_signal(signal.SIGTERM)
        child.stdout.read()
        assert child.wait(10) == 3


def test_a_reader_that_stops_ends_the_program(paths):
    batches = spygrep.read(spygrep.plan(spygrep.index(paths), span=math.inf)[0])
    next(batches)
    batches.close()


def test_command_lines_for_parallel(paths):
    words = ["python3", "-m", "spygrep.plan", "--span=40", "--overlap=10", *paths, "--", "GET"]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    tasks = spygrep.plan(spygrep.index(paths), span=40, overlap=10)
    assert lines.count("--json=rows") == lines.count("\n") == len(tasks) > 10, lines
    total = 0
    for line in lines.splitlines():
        line = line.replace("spygrep ", f"{spygrep.program()} ", 1)
        total += subprocess.run(line, shell=True, capture_output=True, text=True).stdout.count("\n")
    assert total == archive.EXCHANGES
