"""Generated C under the sanitizers of gcc: the compiler to name in ``CC``, and the environment of the process.

A shared object that is compiled so needs the library of the address sanitizer to be the first that is loaded, so it
runs in a process of its own that is started with ``LD_PRELOAD``. The first fault ends that process and is told on its
standard error.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

__all__ = ["missing", "said", "sanitized"]

FLAGS = "-fsanitize=address,undefined -fsanitize=float-cast-overflow -fno-sanitize-recover=all -g1"
# -O1 follows the -O3 of the backend and so takes its place: the checks see the same accesses, and it compiles faster.
SCRIPT = f'#!/bin/sh\nexec gcc "$@" -O1 {FLAGS}\n'


def _library() -> str:
    said = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, encoding="utf-8", check=False)
    path = said.stdout.strip()
    return path if os.path.isabs(path) and os.path.exists(path) else ""


def missing() -> str:
    """Why programs cannot be compiled with the sanitizers here; nothing where they can."""
    if os.name == "nt" or shutil.which("gcc") is None:
        return "there is no gcc"
    return "" if _library() else "gcc has no libasan.so"


def sanitized(folder: Path) -> dict[str, str]:
    """The environment of a process whose C programs are compiled with the sanitizers; its files are in ``folder``."""
    script = folder / "gcc-sanitized"
    script.write_text(SCRIPT, encoding="utf-8")
    script.chmod(0o700)
    cache = folder / "cache"
    cache.mkdir(mode=0o700, exist_ok=True)
    return {
        **os.environ,
        "CC": str(script),
        "TINYGRAD_LSTM_CACHE": str(cache),
        "LD_PRELOAD": _library(),
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1:allocator_may_return_null=1",
        "UBSAN_OPTIONS": "print_stacktrace=0",
    }


def said(text: str) -> str:
    """What a sanitizer said in its first line, without addresses; nothing where none spoke."""
    match = re.search(r"runtime error: (.*)|ERROR: AddressSanitizer: (\S+)", text)
    if match is None:
        return ""
    return re.sub(r"0x[0-9a-f]+|-?\d[\d.e+]*|-?inf|-?nan", "…", match.group(1) or match.group(2))
