"""Exchanges in network captures as Arrow record batches.

`scan` reads on one machine; `spygrep.spark` is a data source of Spark, `spygrep.ray` makes a data
set of Ray. All three plan with `spygrep.plan` and run the program once for each task.
"""

from .plan import File, Task, index, plan
from .run import SCHEMA, SpygrepError, program, read, scan

__all__ = ["SCHEMA", "File", "SpygrepError", "Task", "index", "plan", "program", "read", "scan"]
