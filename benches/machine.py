"""What the figures were measured on: they mean nothing without it."""

import os
import platform
import subprocess
from pathlib import Path


def describe() -> str:
    """One line: processor, memory, system."""
    cores = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    system = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    return (
        f"{cores} cores of {processor()}, {memory:.0f} GiB; {system}, Linux {kernel()}; "
        f"Python {platform.python_version()}"
    )


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return " ".join(line.partition(":")[2].split())
    return platform.machine()


def kernel() -> str:
    return ".".join(platform.release().split(".")[:2])


def version(*command: str, word: int) -> str:
    """A word of the first line that a command prints."""
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return out.splitlines()[0].split()[word].removeprefix("v=")
