"""A data source of Spark (4.0 or newer): `spark.dataSource.register(SpygrepSource)`, then
`spark.read.format("spygrep").option("pattern", "error").load("/captures/*.pcap")`.

A partition is a task of `spygrep.plan`. The driver makes the index, so it must see the files under
the names that the workers use.
"""

from __future__ import annotations

import glob
import json

import pyarrow as pa
from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
from pyspark.sql.pandas.types import from_arrow_schema

from .plan import Task, index, plan
from .run import SCHEMA, read

#: Spark's times have microseconds.
SPARK_SCHEMA = pa.schema(
    [
        field.with_type(pa.timestamp("us", tz="UTC")) if pa.types.is_timestamp(field.type) else field
        for field in SCHEMA
    ]
)


class SpygrepSource(DataSource):
    """Options: path (names or globs, separated by line ends), pattern, filter, span, overlap,
    chain, args (a JSON list of the program's options), binary."""

    @classmethod
    def name(cls):
        return "spygrep"

    def schema(self):
        return from_arrow_schema(SPARK_SCHEMA)

    def reader(self, schema):
        return Reader(dict(self.options))


class Partition(InputPartition):
    """A task, as plain values."""

    def __init__(self, task: Task):
        super().__init__((task.chain, task.files, task.since, task.until))

    def task(self) -> Task:
        chain, files, since, until = self.value
        return Task(chain, tuple(files), since, until)


class Reader(DataSourceReader):
    def __init__(self, options):
        known = {"path", "pattern", "filter", "span", "overlap", "chain", "args", "binary"}
        unknown = set(options) - known
        if unknown:
            raise ValueError(f"the source spygrep has no option {', '.join(sorted(unknown))}")
        if not options.get("path"):
            raise ValueError("the source spygrep needs a path")
        self.options = options

    def partitions(self):
        options = self.options
        paths = [
            path
            for line in options["path"].splitlines()
            for path in (sorted(glob.glob(line)) if glob.has_magic(line) else [line])
        ]
        tasks = plan(
            index(paths, options.get("binary")),
            span=float(options.get("span", 3600)),
            overlap=float(options.get("overlap", 60)),
            chain=options.get("chain"),
        )
        return [Partition(task) for task in tasks]

    def read(self, partition):
        # Without a file there is one partition, which is None.
        if partition is None:
            return
        options = self.options
        for batch in read(
            partition.task(),
            options.get("pattern", ""),
            filter=options.get("filter"),
            args=json.loads(options.get("args", "[]")),
            binary=options.get("binary"),
        ):
            # Times lose their nanoseconds.
            yield batch.cast(SPARK_SCHEMA, safe=False)
