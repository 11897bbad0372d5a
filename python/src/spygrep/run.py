"""Runs the program for a task, and reads its rows as Arrow record batches.

The program is a process of its own: it parses hostile bytes in its sandbox, its memory is bounded,
and its end costs a task and not a worker.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import tempfile
from typing import Iterable, Iterator, Optional, Sequence

import pyarrow as pa
import pyarrow.json

from .plan import Task, index, plan


def _headers() -> pa.DataType:
    field = pa.struct(
        [("name", pa.string()), ("value", pa.string()), ("value_b64", pa.string())]
    )
    return _list(field)


def _list(of: pa.DataType) -> pa.DataType:
    # Some engines know the child of a list by this name only.
    return pa.list_(pa.field("element", of))


#: The columns of a row; docs/rows.md of the program describes them.
SCHEMA = pa.schema(
    [
        pa.field("sensor", pa.string(), nullable=False),
        pa.field("began", pa.timestamp("ns", tz="UTC"), nullable=False),
        ("ended", pa.timestamp("ns", tz="UTC")),
        ("id", pa.int64()),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("proto", pa.string(), nullable=False),
        pa.field("client", pa.string(), nullable=False),
        ("client_port", pa.int32()),
        pa.field("server", pa.string(), nullable=False),
        ("server_port", pa.int32()),
        ("method", pa.string()),
        ("host", pa.string()),
        ("path", pa.string()),
        ("query", pa.string()),
        ("status", pa.int32()),
        ("version", pa.string()),
        ("request_type", pa.string()),
        ("response_type", pa.string()),
        ("request_bytes", pa.int64()),
        ("response_bytes", pa.int64()),
        ("response_wire_bytes", pa.int64()),
        ("connect", pa.float64()),
        ("send", pa.float64()),
        ("wait", pa.float64()),
        ("receive", pa.float64()),
        ("total", pa.float64()),
        ("request_headers", _headers()),
        ("response_headers", _headers()),
        ("request_body", pa.string()),
        ("request_body_b64", pa.string()),
        ("response_body", pa.string()),
        ("response_body_b64", pa.string()),
        pa.field("request_matched", pa.bool_(), nullable=False),
        pa.field("response_matched", pa.bool_(), nullable=False),
        (
            "matches",
            _list(
                pa.struct(
                    [
                        ("where", pa.string()),
                        ("start", pa.int64()),
                        ("end", pa.int64()),
                        ("text", pa.string()),
                        ("text_b64", pa.string()),
                    ]
                )
            ),
        ),
        pa.field("complete", pa.bool_(), nullable=False),
        ("marks", _list(pa.string())),
        ("files", _list(pa.int32())),
        ("frames", _list(pa.int64())),
    ]
)

#: Bytes that are read at once; a row must fit.
BLOCK = 16 << 20
#: The same with whole bodies.
BLOCK_OF_BODIES = 64 << 20
#: Bytes of an error's text.
ERROR = 4096


class SpygrepError(RuntimeError):
    """The program failed or was stopped, so its rows are not all rows."""

    def __init__(self, status: Optional[int], text: str):
        self.status = status
        text = text.strip()[-ERROR:]
        super().__init__(f"spygrep ended with status {status}: {text or 'it was stopped'}")

    def __reduce__(self):
        return (SpygrepError, (self.status, str(self).partition(": ")[2]))


def program() -> str:
    """The program: SPYGREP_BINARY, else the one in this package, else the one on PATH."""
    named = os.environ.get("SPYGREP_BINARY")
    if named:
        return named
    own = os.path.join(os.path.dirname(__file__), "bin", "spygrep")
    if os.access(own, os.X_OK):
        return own
    found = shutil.which("spygrep")
    # The script of this package without a program in it would call itself.
    if found is None or _is_own_script(found):
        raise FileNotFoundError("there is no spygrep in this package, and none on PATH")
    return found


def _is_own_script(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"#!"


def main() -> None:
    """The command `spygrep` of this package: the program itself."""
    found = program()
    os.execv(found, [found, *sys.argv[1:]])


def command(
    task: Task, pattern: str, filter: Optional[str], args: Sequence[str], binary: Optional[str]
) -> list[str]:
    """The command line of a task."""
    words = [binary or program(), "-q", *task.arguments(), *args]
    # A pattern as an option is never taken for a filter or a file; an empty one is a word.
    words += [f"--regexp={pattern}"] if pattern else [""]
    if filter:
        words.append(filter)
    return words


def read(
    task: Task,
    pattern: str = "",
    *,
    filter: Optional[str] = None,
    args: Sequence[str] = (),
    binary: Optional[str] = None,
) -> Iterator[pa.RecordBatch]:
    """The rows of a task. Ends with `SpygrepError` unless the program came to the end of its files.

    `args` are options of the program, for example `["--status=5xx", "--slow=1s", "--body=short"]`.
    """
    words = command(task, pattern, filter, args, binary)
    whole = any(word.startswith("--body") or word == "full" for word in args)
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
        )
        broken = None
        try:
            # Without a row there is nothing that the reader would accept.
            if child.stdout.peek(1):
                reader = pyarrow.json.open_json(
                    child.stdout,
                    read_options=pyarrow.json.ReadOptions(
                        block_size=BLOCK_OF_BODIES if whole else BLOCK
                    ),
                    parse_options=pyarrow.json.ParseOptions(
                        explicit_schema=SCHEMA, unexpected_field_behavior="error"
                    ),
                )
                for batch in reader:
                    yield batch.cast(SCHEMA) if batch.schema != SCHEMA else batch
        except pa.ArrowInvalid as error:
            # Most likely the last row is cut, because the program was killed.
            broken = error
        finally:
            # Whoever reads no further needs no more rows.
            child.stdout.close()
            if broken is not None or sys.exc_info()[0] is not None:
                child.terminate()
            status = child.wait()
        if broken is not None or status not in (0, 1):
            errors.seek(0)
            text = errors.read().decode(errors="replace")
            raise SpygrepError(status, text or str(broken or "")) from broken


def scan(
    paths: Iterable[str],
    pattern: str = "",
    *,
    filter: Optional[str] = None,
    args: Sequence[str] = (),
    span: float = math.inf,
    overlap: float = 60.0,
    chain: Optional[str] = None,
    binary: Optional[str] = None,
) -> pa.RecordBatchReader:
    """The rows of files, task after task, on this machine. By default a task is a whole chain."""
    tasks = plan(index(paths, binary), span=span, overlap=overlap, chain=chain)

    def batches() -> Iterator[pa.RecordBatch]:
        for task in tasks:
            yield from read(task, pattern, filter=filter, args=args, binary=binary)

    return pa.RecordBatchReader.from_batches(SCHEMA, batches())
