"""Puts the program into the wheel: the static binary that SPYGREP_BINARY names.

Without it the wheel has no program, fits every platform, and runs the `spygrep` on PATH.
"""

import os
import struct
import subprocess

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Hook(BuildHookInterface):
    def initialize(self, version, build_data):
        binary = os.environ.get("SPYGREP_BINARY")
        if not binary:
            return
        # `-V` is "spygrep VERSION": a wheel must not carry another version's program.
        printed = subprocess.run([binary, "-V"], capture_output=True, text=True, check=True).stdout
        if self.metadata.version not in printed.split():
            raise RuntimeError(f"{binary} is {printed.strip()}, and not {self.metadata.version}")
        machine = os.environ.get("SPYGREP_MACHINE", os.uname().machine)
        # A static binary needs no C library, so it runs on both kinds of Linux. Another one runs
        # where it was built.
        both = f"py3-none-manylinux_2_17_{machine}.musllinux_1_1_{machine}"
        build_data["tag"] = both if is_static(binary) else f"py3-none-linux_{machine}"
        build_data["pure_python"] = False
        build_data["force_include"][os.path.abspath(binary)] = "spygrep/bin/spygrep"


def is_static(binary):
    """Whether a 64-bit ELF file has no interpreter, which would load shared libraries."""
    with open(binary, "rb") as file:
        head = file.read(64)
        offset, size, count = struct.unpack_from("<Q", head, 32) + struct.unpack_from("<HH", head, 54)
        file.seek(offset)
        table = file.read(size * count)
    interpreter = 3
    kinds = [struct.unpack_from("<I", table, at * size)[0] for at in range(count)]
    return head.startswith(b"\x7fELF\x02\x01") and interpreter not in kinds
