"""The fuzz as a tool: processes that run random programs, watched from here, and what they find, written down."""

import argparse
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fuzz.comparing import difference
from tests.fuzz.generator import generated
from tests.fuzz.program import Program, program_text
from tests.fuzz.sanitizing import missing, said, sanitized
from tests.fuzz.shrinking import shrunk
from tests.fuzz.signature import signature
from tests.fuzz.worker import reduced

__all__ = ["main"]

TOLD_EVERY = 30.0
SILENT = 240.0
"""Seconds without a word after which a process is said to hang."""
SHOWN_ALIKE = 3
"""Of failures of one signature, how many are kept as files."""
TRIES = 80
"""How many smaller programs are tried for one that dies, each in a process of its own."""


@dataclass
class _Worker:
    """A process, and the numbers that it is to try: ``first``, ``first + step``, …"""

    backend: str
    first: int
    step: int
    process: Any = None
    at: int = -1
    errors: Path = Path()
    spoke: float = field(default_factory=time.time)


class _Tool:
    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.until = time.time() + options.seconds
        self.lines: queue.Queue[tuple[_Worker, Any]] = queue.Queue()
        self.done: Counter[str] = Counter()
        self.rejected = 0
        self.alike: Counter[str] = Counter()
        self.deaths: Counter[str] = Counter()
        self.environment = sanitized(folder) if options.sanitize else {**os.environ}
        self.environment.setdefault("TINYGRAD_LSTM_CACHE", str(folder / "cache"))
        (folder / "cache").mkdir(mode=0o700, exist_ok=True)
        self.began = time.time()

    def start(self, worker: _Worker) -> None:
        o = self.options
        command = [sys.executable, "-m", "tests.fuzz.worker", "--seed", str(o.seed), "--first", str(worker.first)]
        command += ["--step", str(worker.step), "--until", str(self.until), "--backend", worker.backend]
        if self.options.count:
            command += ["--count", str(-(-(o.first + o.count - worker.first) // worker.step))]
        worker.errors = self.folder / f"errors-{worker.backend}-{worker.first}"
        with worker.errors.open("wb") as errors:
            worker.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, encoding="utf-8", env=self.environment
            )
        worker.at, worker.spoke = -1, time.time()
        threading.Thread(target=self._listen, args=(worker, worker.process), daemon=True).start()

    def _listen(self, worker: _Worker, process: Any) -> None:
        with process.stdout as lines:
            for line in lines:
                self.lines.put((worker, json.loads(line)))
        self.lines.put((worker, None))

    def run(self, workers: list[_Worker]) -> None:
        for worker in workers:
            self.start(worker)
        running, told = list(workers), time.time()
        while running:
            try:
                worker, line = self.lines.get(timeout=1)
            except queue.Empty:
                pass
            else:
                worker.spoke = time.time()
                if line is None or "ended" in line:
                    if line is None and not self._died(worker):
                        running.remove(worker)
                else:
                    self._heard(worker, line)
            for worker in running:
                if time.time() > worker.spoke + SILENT:
                    worker.process.kill()
                    worker.spoke = time.time()
            if time.time() > told + TOLD_EVERY:
                self.tell()
                told = time.time()
        self.tell()

    def _heard(self, worker: _Worker, line: dict[str, Any]) -> None:
        if "begun" in line:
            worker.at = line["begun"]
        elif "done" in line:
            self.done[worker.backend] += line["done"]
            self.rejected += line["rejected"]
        else:
            self.failed(worker.backend, line["failure"], line["signature"], line["detail"], line.get("text", ""))

    def _died(self, worker: _Worker) -> bool:
        """What to do when a process has ended: whether another one goes on where it stopped."""
        status = worker.process.wait()
        if status == 0:
            return False
        text = worker.errors.read_text(errors="replace", encoding="utf-8")
        if worker.at < 0:
            sys.exit(f"a process of the fuzz does not start:\n{text}")
        kind = f"dies: {said(text) or (signal.Signals(-status).name if status < 0 else f'exit status {status}')}"
        program = generated(self.options.seed, worker.at)
        self.deaths[kind] += 1
        small = self._shrunk_outside(program, worker.backend, kind) if self.deaths[kind] <= SHOWN_ALIKE else program
        shown = program_text(small, worker.backend)
        self.failed(worker.backend, worker.at, signature(kind, small), text[-3000:], shown)
        worker.first = worker.at + worker.step
        left = not self.options.count or worker.first < self.options.first + self.options.count
        if left and time.time() < self.until:
            self.start(worker)
            return True
        return False

    def _shrunk_outside(self, program: Program, backend: str, kind: str) -> Program:
        """Shrunk by programs run in processes of their own, since they die."""

        def fails(candidate: Program) -> bool:
            path = self.folder / "candidate.py"
            path.write_text(program_text(candidate, backend), encoding="utf-8")
            command = [sys.executable, str(path)]
            environment = {**self.environment, "PYTHONPATH": os.pathsep.join([os.getcwd(), *sys.path])}
            try:
                done = subprocess.run(command, capture_output=True, env=environment, timeout=120, check=False)
            except subprocess.TimeoutExpired:
                return False
            text = done.stderr.decode(errors="replace")
            if done.returncode >= 0 and not said(text):
                return False
            return kind == f"dies: {said(text) or signal.Signals(-done.returncode).name}"

        return shrunk(program, fails, TRIES) if fails(program) else program

    def failed(self, backend: str, number: int, sign: str, detail: str, text: str) -> None:
        sign = f"{backend}: {sign}"
        self.alike[sign] += 1
        if self.alike[sign] > SHOWN_ALIKE or not text:
            return
        self.options.out.mkdir(parents=True, exist_ok=True)
        path = self.options.out / f"{backend}-{self.options.seed}-{number}.py"
        again = f"python -m tests.fuzz --seed {self.options.seed} --only {number} --backend {backend}"
        again += " --sanitize" if self.options.sanitize else ""
        note = "".join(f"# {line}\n" for line in [sign, again, *detail.splitlines()])
        path.write_text(note + text, encoding="utf-8")
        print(f"\n{sign}\n{again}\n{detail}\n\n{text}\nkept in {path}\n", flush=True)

    def tell(self) -> None:
        seconds = max(time.time() - self.began, 1e-9)
        rates = ", ".join(f"{b}: {n} programs, {n / seconds:.1f}/s" for b, n in sorted(self.done.items()))
        failures = self.alike.total()
        print(f"{seconds:.0f} s; {rates}; rejected {self.rejected}; failures {failures}", file=sys.stderr, flush=True)

    def summary(self) -> int:
        for sign, n in self.alike.most_common():
            print(f"{n:6} {sign}")
        return 1 if self.alike else 0


def _only(options: argparse.Namespace, backends: Sequence[str]) -> int:
    """One program in this process: its text, and what is wrong with it, shrunk."""
    program = generated(options.seed, options.only)
    wrong = 0
    for backend in backends:
        print(program_text(program, backend), flush=True)
        found = difference(program, backend)
        if found is None:
            print(f"# {backend}: no difference")
            continue
        wrong = 1
        small = reduced(program, backend, found.kind)
        print(f"# shrunk; {signature(found.kind, small)}\n{program_text(small, backend)}")
        print("\n".join(f"# {line}" for line in f"{found.kind} {found.detail}".splitlines()))
    return wrong


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description="Random programs: run op by op, and compiled; the results must agree."
    )
    parser.add_argument("--seconds", type=float, default=60, help="how long (default: 60)")
    parser.add_argument("--seed", type=int, default=0, help="which programs (default: 0)")
    parser.add_argument("--backend", choices=["numpy", "c", "both"], default="numpy")
    parser.add_argument("--processes", type=int, default=1, help="for each backend (default: 1)")
    parser.add_argument("--sanitize", action="store_true", help="compile C with the sanitizers of gcc")
    parser.add_argument("--first", type=int, default=0, help="the number of the first program (default: 0)")
    parser.add_argument("--count", type=int, default=0, help="how many programs (default: as many as time allows)")
    parser.add_argument("--only", type=int, help="this one program of the seed, in this process")
    parser.add_argument("--out", type=Path, default=Path("out/fuzz"), help="where failures are kept (out/fuzz)")
    options = parser.parse_args(arguments)
    # What the verifier refuses is a failure as well; TINYGRAD_LSTM_VERIFY=0 leaves it out, for a quarter more programs.
    os.environ.setdefault("TINYGRAD_LSTM_VERIFY", "1")
    backends = ["numpy", "c"] if options.backend == "both" else [options.backend]
    if options.sanitize:
        backends = ["c"]
        if missing():
            parser.error(f"--sanitize: {missing()}")
    if options.only is not None and not options.sanitize:
        return _only(options, backends)
    if options.only is not None:
        options.first, options.count, options.processes = options.only, 1, 1
    n = options.processes
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        tool = _Tool(options, Path(folder))
        tool.run([_Worker(b, options.first + k, n) for b in backends for k in range(n)])
    return tool.summary()
