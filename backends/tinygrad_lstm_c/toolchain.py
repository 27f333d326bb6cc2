"""The C compiler: which one is found and how it is called; and C text as functions in this process."""

import ctypes
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from tinygrad_lstm.errors import BackendError
from tinygrad_lstm.runtime.cache import cached

__all__ = ["CCompiler", "find_compiler", "processor", "shared_object"]

_FLAGS: Final = (
    "-std=gnu11",
    "-O3",
    "-fPIC",
    # Vectorised code may ignore errno and traps; nan, inf and −0 keep their meaning.
    "-fno-math-errno",
    "-fno-trapping-math",
    # a·b + c rounds twice, as in NumPy; functions that need one rounding say so.
    "-ffp-contract=off",
    # Integers wrap around; the same bytes of the arena hold different types at different times.
    "-fwrapv",
    "-fno-strict-aliasing",
    # `#pragma omp simd` alone: no threads, no library.
    "-fopenmp-simd",
    "-w",
)
_TIMEOUT: Final = 300
_ERROR: Final = re.compile(r"\berror\b|undefined reference|cannot (find|execute)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CCompiler:
    """A C compiler.

    Attributes:
        command: the words of the command, the first of them a whole path: without a PATH, gcc looks for its own parts
            beside itself.
        identity: its version, which is part of the key of what it made.
    """

    command: tuple[str, ...]
    identity: str

    @property
    def flags(self) -> tuple[str, ...]:
        """The options for programs: compiled for this processor, with its widest vectors."""
        x86 = platform.machine().lower() in ("x86_64", "amd64")
        native = ("-march=native", "-mprefer-vector-width=512") if x86 else ("-mcpu=native",)
        return (*_FLAGS, *native)

    def shared_object(self, source: Path, target: Path, flags: tuple[str, ...]) -> None:
        """Compile one file.

        Raises:
            BackendError: when the compiler fails, with its message, or makes no file.
        """
        # Never link with -ffast-math or the like: its start-up code would flush denormals in the whole process.
        arguments = [*self.command, *flags, "-shared", "-o", str(target), str(source)]
        if os.name != "nt":
            arguments.append("-lm")
        try:
            done = subprocess.run(
                arguments,
                env=_environment(self.command[0]),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BackendError(f"the C compiler {self.command[0]} cannot be run: {error}") from None
        if done.returncode:
            raise BackendError(
                f"the C compiler `{shlex.join(self.command)}` failed: {_complaint(done.stderr or done.stdout)}; "
                "name another one in the environment variable CC"
            )
        if not target.is_file():
            raise BackendError(
                f"the C compiler `{shlex.join(self.command)}` reported success but made no file; name another one in "
                "the environment variable CC"
            )


def _environment(compiler: str) -> dict[str, str]:
    """The environment of a compiler, which looks for its assembler and linker on the PATH."""
    return {**os.environ, "PATH": os.environ.get("PATH") or f"{os.path.dirname(compiler)}{os.pathsep}{os.defpath}"}


def _complaint(said: str) -> str:
    """The line of a compiler's output that says what is wrong: the first error, not the line about where it is."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    # What the driver says at the end, "collect2: error: ld returned 1 exit status", explains nothing.
    errors = [line for line in lines if _ERROR.search(line) and not line.startswith("collect2: error: ld returned")]
    return (errors or lines[-1:] or ["it said nothing"])[0]


def _candidates(named: str) -> list[tuple[str, ...]]:
    if named:
        try:
            return [tuple(shlex.split(named))]
        except ValueError as error:
            reason = str(error).lower()
            raise _unfit(f"CC={named!r} cannot be split into words ({reason})") from None
    candidates: list[tuple[str, ...]] = [(name,) for name in ("cc", "gcc", "clang")]
    if find_spec("ziglang") is not None:
        candidates.append((sys.executable, "-m", "ziglang", "cc"))
    return candidates


def _unfit(what: str) -> BackendError:
    return BackendError(f"the C backend needs a C compiler, and {what}; correct or unset CC")


@lru_cache(maxsize=8)
def _identified(command: tuple[str, ...], changed: int) -> str:
    """The version that a compiler reports.

    Raises:
        BackendError: when it reports none.
    """
    called = f"CC={shlex.join(command)!r}"
    try:
        said = subprocess.run(
            [*command, "--version"],
            env=_environment(command[0]),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unfit(f"{called} cannot be run ({error})") from None
    if said.returncode:
        raise _unfit(f"{called} ran and failed with exit status {said.returncode} when asked for its --version")
    if not said.stdout.strip():
        raise _unfit(f"{called} ran and said nothing when asked for its --version")
    return f"{command[0]} {changed} {said.stdout}"


def find_compiler() -> CCompiler:
    """The compiler that ``CC`` names, else ``cc``, ``gcc``, ``clang``, or the one in the ``ziglang`` wheel.

    Raises:
        BackendError: when there is none, or the one that ``CC`` names does not answer.
    """
    named = os.environ.get("CC", "").strip()
    for command in _candidates(named):
        path = shutil.which(command[0])
        if path is None:
            continue
        path = os.path.abspath(path)
        whole = (path, *command[1:])
        try:
            return CCompiler(whole, _identified(whole, os.stat(path).st_mtime_ns))
        except BackendError:
            if named:
                raise
    if named:
        raise _unfit(f"CC={named!r} cannot be run")
    raise BackendError(
        "the C backend needs a C compiler, and there is no cc, gcc or clang on the PATH; install one, or the one "
        'that comes as a wheel: pip install "tinygrad-lstm[c]"'
    )


@lru_cache(maxsize=1)
def processor() -> str:
    """The processor and its features, on which ``-march=native`` depends."""
    lines = []
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if not line:
                break
            if line.split("\t")[0].strip(": ") in ("model name", "flags", "Features", "CPU part", "CPU implementer"):
                lines.append(line)
    except OSError:
        lines.append(platform.processor())
    return "\n".join([platform.machine(), platform.system(), *lines])


def shared_object(source: str, *flags: str) -> ctypes.CDLL:
    """The shared object of a C text, from the disk cache if it was compiled before.

    Raises:
        BackendError: when there is no C compiler, or it fails.
    """
    compiler = find_compiler()
    every = (*compiler.flags, *flags)

    def build(folder: Path, target: Path) -> None:
        text = folder / "program.c"
        text.write_text(source, encoding="utf-8")
        compiler.shared_object(text, target, every)

    key = (source, compiler.identity, *compiler.command, *every, processor())
    try:
        return ctypes.CDLL(str(path := cached(key, ".so", build)))
    except OSError:
        if not _forbids_programs(path):
            # Another machine with the same home may have made it, for other libraries.
            with suppress(OSError):
                path.unlink()
    try:
        return ctypes.CDLL(str(path := cached(key, ".so", build)))
    except OSError as error:
        advice = (
            "name a directory that programs may be loaded from in the environment variable TINYGRAD_LSTM_CACHE"
            if _forbids_programs(path)
            else f"{shlex.join(compiler.command)} makes no programs for this Python; name another compiler in the "
            "environment variable CC"
        )
        raise BackendError(f"the compiled program {path} cannot be loaded: {error}; {advice}") from error


def _forbids_programs(path: Path) -> bool:
    """Whether a file lies on a disk that forbids to load programs from it."""
    return hasattr(os, "ST_NOEXEC") and bool(os.statvfs(path).f_flag & os.ST_NOEXEC)
