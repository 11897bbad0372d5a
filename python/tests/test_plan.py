"""The planner: files and times in, tasks out; and that each moment is owned once."""

import math
import random

import pytest

from spygrep.plan import File, Task, chain_of, nanos, plan, seconds

S = 10**9


def files(*spans, name="/c/a{}.pcap"):
    return [File(name.format(at), first * S, last * S) for at, (first, last) in enumerate(spans)]


@pytest.mark.parametrize(
    "path, chain",
    [
        ("/c/trace-1.pcap", "/c/trace-#.pcap"),
        ("/c/trace-20261124-1140.pcap.gz", "/c/trace-#-#.pcap"),
        ("/c/trace-20261124-1150.pcap", "/c/trace-#-#.pcap"),
        ("/d/trace-1.pcap", "/d/trace-#.pcap"),
        ("x.pcap", "x.pcap"),
        ("x.pcap12", "x.pcap"),
        ("x.pcapng3", "x.pcapng"),
    ],
)
def test_a_chain_is_a_folder_and_a_name_without_digits(path, chain):
    assert chain_of(path) == chain


def test_a_chain_may_be_named_by_a_pattern():
    assert chain_of("/c/2026/north-eth0.pcap", r"/(?P<sensor>\w+)-eth") == "north"
    assert chain_of("/c/2026/north-eth0.pcap", r"north|south") == "north"
    with pytest.raises(ValueError):
        chain_of("/c/east.pcap", "north|south")


def test_tasks_have_whole_files_and_read_what_reaches_into_the_overlap():
    archive = files((0, 9), (10, 19), (20, 29), (30, 39))
    a0, a1, a2, a3 = (file.path for file in archive)
    chain = chain_of(a0)
    table = {
        (0, 0): [
            Task(chain, (a0,), None, 10 * S),
            Task(chain, (a1,), 10 * S, 20 * S),
            Task(chain, (a2,), 20 * S, 30 * S),
            Task(chain, (a3,), 30 * S, None),
        ],
        (0, 5): [
            Task(chain, (a0, a1), None, 10 * S),
            Task(chain, (a0, a1, a2), 10 * S, 20 * S),
            Task(chain, (a1, a2, a3), 20 * S, 30 * S),
            Task(chain, (a2, a3), 30 * S, None),
        ],
        (20, 11): [
            Task(chain, (a0, a1, a2, a3), None, 20 * S),
            Task(chain, (a0, a1, a2, a3), 20 * S, None),
        ],
        (math.inf, 60): [Task(chain, (a0, a1, a2, a3), None, None)],
    }
    for (span, overlap), tasks in table.items():
        assert plan(archive, span=span, overlap=overlap) == tasks, (span, overlap)
    assert plan(reversed(archive), span=0, overlap=5) == table[0, 5]


def test_files_without_packets_are_left_out_and_chains_are_apart():
    archive = files((0, 9)) + [File("/c/a7.pcap", None, None)] + files((3, 5), name="/d/a{}.pcap")
    tasks = plan(archive)
    assert [task.files for task in tasks] == [("/c/a0.pcap",), ("/d/a0.pcap",)]
    assert plan([]) == []


def test_wrong_lengths_are_errors():
    for wrong in ({"span": -1}, {"overlap": -1}, {"span": math.nan}):
        with pytest.raises(ValueError):
            plan([], **wrong)


def test_times_keep_their_nanoseconds():
    for value in (0, 1, 86_399 * S, 10_000 * S, 1_795_520_400 * S + 1, 2**62):
        text = seconds(value)
        assert (nanos(text) if "T" in text else round_trip(text)) == value
    assert nanos("2026-11-24T11:40:00.000000001Z") == 1_795_520_400 * S + 1
    assert nanos(None) is None


def round_trip(text):
    whole, _, part = text.partition(".")
    return int(whole) * S + int(part)


def test_every_moment_is_owned_once_and_its_task_reads_what_is_near():
    """Any files in any order: the spans of a chain meet, and each packet's file is read with it."""
    for seed in range(2000):
        numbers = random.Random(seed)
        archive = []
        for at in range(numbers.randrange(1, 12)):
            first = numbers.randrange(0, 100)
            archive.append(File(f"/c/a{at}.pcap", first, first + numbers.randrange(0, 40)))
        span, overlap = numbers.choice([0, 5e-9, 30e-9, math.inf]), numbers.choice([0, 1e-9, 2e-8])
        tasks = plan(archive, span=span, overlap=overlap)
        assert tasks[0].since is None and tasks[-1].until is None
        for before, after in zip(tasks, tasks[1:]):
            assert before.until == after.since
            assert before.since is None or before.since < before.until
        for moment in range(-1, 141):
            owners = [
                task
                for task in tasks
                if (task.since is None or task.since <= moment)
                and (task.until is None or moment < task.until)
            ]
            assert len(owners) == 1, (seed, moment)
            near = round(overlap * 1e9)
            for file in archive:
                if file.first - near <= moment <= file.last + near:
                    assert file.path in owners[0].files, (seed, moment, file)
