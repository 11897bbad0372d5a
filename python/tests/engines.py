"""Spark and Ray read a generated archive: the rows of one run, also when workers fail.

Run by `python/test`. Needs Java 17, pyspark and ray; takes minutes.
"""

import os
import sys
import tempfile
from pathlib import Path

import archive
import spygrep
from test_rows import facts, rows_of, script

#: A worker that fails the first time for each task: half the rows, then a status.
FAILS_ONCE = """
case "$*" in *--index*) exec {program} "$@";; esac
name=$(printf '%s' "$*" | sha256sum | cut -c1-32)
if mkdir "{folder}/$name" 2>/dev/null; then
  {program} "$@" | head -n 10
  exit 3
fi
echo "$PPID" >> "{folder}/workers"
exec {program} "$@"
"""

#: A program that is told to stop, as a scheduler does to a task.
STOPPED = """
case "$*" in *--index*) exec {program} "$@";; esac
kill -TERM $$
"""


def check(what, holds):
    print(f"{'ok    ' if holds else 'FAILED'} {what}", flush=True)
    if not holds:
        sys.exit(1)


def failing(folder, name):
    marks = Path(tempfile.mkdtemp(dir=folder))
    text = FAILS_ONCE.format(program=spygrep.program(), folder=marks)
    return script(Path(folder) / name, text), marks


def failed_once(marks, tasks):
    """Whether each task failed once, and how many worker processes there were."""
    workers = set((marks / "workers").read_text().split())
    return len([path for path in marks.iterdir() if path.is_dir()]) == tasks, len(workers)


def spark(folder, paths, truth):
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    from pyspark.sql import SparkSession
    from spygrep.spark import SpygrepSource

    session = (
        SparkSession.builder.master("local-cluster[2,1,1024]")
        .appName("spygrep")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.executorEnv.PYTHONPATH", os.environ.get("PYTHONPATH", ""))
        .config("spark.executorEnv.SPYGREP_BINARY", spygrep.program())
        .config("spark.sql.shuffle.partitions", "2")
        # What writes Parquet must not depend on a C library that was installed beside this one.
        .config("spark.sql.parquet.compression.codec", "zstd")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    session.dataSource.register(SpygrepSource)

    def load(**options):
        reader = session.read.format("spygrep").options(span="40", overlap="10", **options)
        return reader.load("\n".join(paths))

    def rows(frame):
        # Spark's times have microseconds.
        from spygrep.spark import SPARK_SCHEMA

        return facts(frame.toArrow().cast(SPARK_SCHEMA))

    from spygrep.spark import SPARK_SCHEMA

    want = facts(truth.cast(SPARK_SCHEMA, safe=False))
    tasks = len(spygrep.plan(spygrep.index(paths), span=40, overlap=10))
    check(f"Spark: {tasks} tasks give the rows of one run", rows(load()) == want)
    once, marks = failing(folder, "spark-once")
    check("Spark: every worker fails once, the same rows", rows(load(binary=once)) == want)
    all_failed, workers = failed_once(marks, tasks)
    check(f"Spark: each task failed once; {workers} workers", all_failed and workers >= 2)
    slow = load().where("wait > 1").groupBy("sensor").count().collect()
    want_slow = sum(1 for row in rows_of(truth) if row["wait"] > 1)
    check(f"Spark: SQL finds {want_slow} slow ones", sum(row["count"] for row in slow) == want_slow)
    out = str(Path(folder) / "parquet")
    load().write.partitionBy("sensor").parquet(out)
    count = session.read.parquet(out).count()
    check(f"Spark: Parquet with {count} rows", count == archive.EXCHANGES)
    stopped = script(Path(folder) / "spark-stopped", STOPPED.format(program=spygrep.program()))
    try:
        load(binary=stopped).count()
        check("Spark: a task that is stopped fails", False)
    except Exception as error:
        check("Spark: a task that is stopped fails", "spygrep ended with status" in str(error))
    session.stop()


def ray(folder, paths, truth):
    os.environ["RAY_AUTH_MODE"] = "disabled"
    import ray

    import spygrep.ray

    variables = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
    variables["SPYGREP_BINARY"] = spygrep.program()
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        runtime_env={"env_vars": variables},
    )
    ray.data.DataContext.get_current().enable_progress_bars = False

    def load(**options):
        data = spygrep.ray.read(paths, span=40, overlap=10, **options)
        import pyarrow as pa

        tables = [ray.get(table) for table in data.to_arrow_refs()]
        tables = [table for table in tables if table.num_rows]
        return pa.concat_tables(tables).cast(spygrep.SCHEMA)

    want = facts(truth)
    tasks = len(spygrep.plan(spygrep.index(paths), span=40, overlap=10))
    check(f"Ray: {tasks} tasks give the rows of one run", facts(load()) == want)
    once, marks = failing(folder, "ray-once")
    check("Ray: every worker fails once, the same rows", facts(load(binary=once)) == want)
    all_failed, workers = failed_once(marks, tasks)
    check(f"Ray: each task failed once; {workers} workers", all_failed and workers >= 2)
    stopped = script(Path(folder) / "ray-stopped", STOPPED.format(program=spygrep.program()))
    try:
        load(binary=stopped, retries=1)
        check("Ray: a task that is stopped fails", False)
    except Exception as error:
        check("Ray: a task that is stopped fails", "spygrep ended with status" in str(error))
    ray.shutdown()


def main():
    engines = {"spark": spark, "ray": ray}
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        paths = archive.write(Path(folder) / "archive")
        truth = spygrep.scan(paths).read_all()
        check(f"one run: {truth.num_rows} rows", truth.num_rows == archive.EXCHANGES)
        for name in sys.argv[1:] or engines:
            engines[name](folder, paths, truth)


if __name__ == "__main__":
    main()
