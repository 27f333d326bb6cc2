"""The machine on which the numbers were measured."""

import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.systems import SYSTEMS


def machine(threads: int, systems: list[str]) -> dict[str, Any]:
    """Processor, threads, system, compiler, BLAS and versions."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    names = dict.fromkeys(package for name in systems for package in SYSTEMS[name].packages)
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "vectors": _vectors(lines),
        "processors": os.cpu_count(),
        "threads of each system": threads,
        "system": platform.platform(),
        "python": platform.python_version(),
        "compiler": _compiler(),
        "NumPy's BLAS": f"{blas['name']} {blas['version']}",
        **{name: metadata.version(name) for name in names},
    }


def _vectors(lines: list[str]) -> str:
    flags = next((line.split() for line in lines if line.startswith("flags")), [])
    return next((name for name in ("avx512f", "avx2", "avx", "sse2") if name in flags), "unknown")


def _compiler() -> str:
    path = shutil.which("cc")
    if path is None:
        return "none"
    done = subprocess.run([path, "--version"], stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.partition("\n")[0] or path
