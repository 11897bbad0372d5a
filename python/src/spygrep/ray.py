"""Exchanges as a data set of Ray: `spygrep.ray.read(["/captures/a0.pcap", ...], "error")`."""

from __future__ import annotations

from typing import Iterable, Optional, Sequence

import pyarrow as pa
import ray.data

from .plan import Task, index, plan
from .run import SCHEMA, read as read_task


def read(
    paths: Iterable[str],
    pattern: str = "",
    *,
    filter: Optional[str] = None,
    args: Sequence[str] = (),
    span: float = 3600.0,
    overlap: float = 60.0,
    chain: Optional[str] = None,
    binary: Optional[str] = None,
    retries: int = 3,
    **remote,
) -> ray.data.Dataset:
    """A data set with the rows of the files; each task of `spygrep.plan` is one of Ray's.

    This process makes the index, so it must see the files under the names that the workers use. A
    task that fails is run again `retries` times. `remote` are arguments of `map_batches`, for
    example `num_cpus` and `concurrency`.
    """
    tasks = plan(index(paths, binary), span=span, overlap=overlap, chain=chain)
    if not tasks:
        return ray.data.from_arrow(SCHEMA.empty_table())
    items = [
        {"chain": task.chain, "files": list(task.files), "since": task.since, "until": task.until}
        for task in tasks
    ]

    def rows(batch: dict) -> pa.Table:
        # Ray keeps what a task has yielded, so a task that fails must not have yielded anything.
        batches = []
        for chain, files, since, until in zip(*(batch[name] for name in items[0])):
            task = Task(chain, tuple(files), whole(since), whole(until))
            batches += read_task(task, pattern, filter=filter, args=args, binary=binary)
        return pa.Table.from_batches(batches, SCHEMA)

    data = ray.data.from_arrow(
        [pa.Table.from_pylist([item], ITEM) for item in items],
    )
    return data.map_batches(
        lambda table: rows(table.to_pydict()),
        batch_size=1,
        batch_format="pyarrow",
        zero_copy_batch=True,
        max_retries=retries,
        retry_exceptions=True,
        **remote,
    )


#: A task as a row.
ITEM = pa.schema(
    [
        ("chain", pa.string()),
        ("files", pa.list_(pa.string())),
        ("since", pa.int64()),
        ("until", pa.int64()),
    ]
)


def whole(value) -> Optional[int]:
    return None if value is None else int(value)
