"""The interpreter against HIPS autograd: one LSTM layer, built, run forward and backward, without jit.

    python benchmarks/interpreter.py [--blocks 10] [--rounds 10] [--threads 1] [--json FILE]

The layer has T=50, B=16, I=32, H=64 in float32; the loss is the sum of the squares of all outputs; one
iteration builds the graph and computes the loss and its gradients by x, the four weights and the four biases.

Each block runs both systems one after the other, each in its own child process with the same number of BLAS
threads, the first to go changing from block to block. A block's time for a system is the median of its rounds
after a warm-up; a pair is the two times of one block. Before anything is timed, a further child process holds
the loss and gradients of the two against each other, on the same weights.
"""

import argparse
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import metadata, util
from pathlib import Path
from typing import Any

import numpy as np

LENGTH, BATCH, INPUT, HIDDEN = 50, 16, 32, 64
GATES = ("forget", "input", "candidate", "output")
WARM_UP = 5
SYSTEMS = ("ours", "autograd")
THREAD_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

Arrays = dict[str, Any]


def random_x() -> Any:
    return np.random.default_rng(0).normal(size=(LENGTH, BATCH, INPUT)).astype(np.float32)


def random_parameters() -> Arrays:
    rng = np.random.default_rng(1)
    bound = HIDDEN**-0.5
    parameters = {}
    for gate in GATES:
        parameters[f"{gate}.weight"] = rng.uniform(-bound, bound, (HIDDEN + INPUT, HIDDEN)).astype(np.float32)
        parameters[f"{gate}.bias"] = rng.uniform(-bound, bound, HIDDEN).astype(np.float32)
    return parameters


# ---- The two systems: one iteration each


def autograd_iteration(parameters: Arrays) -> Callable[[], tuple[float, Arrays]]:
    """The four equations over [h, x] as one writes them for HIPS autograd, concatenating once a step."""
    import autograd
    import autograd.numpy as anp

    def sigmoid(v: Any) -> Any:
        return 1 / (1 + anp.exp(-v))

    def loss(values: Arrays) -> Any:
        x = values["x"]
        h = c = np.zeros((BATCH, HIDDEN), np.float32)
        outputs = []
        for t in range(LENGTH):
            joined = anp.concatenate([h, x[t]], axis=1)
            forget = sigmoid(joined @ values["forget.weight"] + values["forget.bias"])
            input_ = sigmoid(joined @ values["input.weight"] + values["input.bias"])
            candidate = anp.tanh(joined @ values["candidate.weight"] + values["candidate.bias"])
            output = sigmoid(joined @ values["output.weight"] + values["output.bias"])
            c = forget * c + input_ * candidate
            h = output * anp.tanh(c)
            outputs.append(h)
        stacked = anp.stack(outputs)
        return anp.sum(stacked * stacked)

    values = {"x": random_x(), **parameters}
    loss_and_gradients = autograd.value_and_grad(loss)
    return lambda: loss_and_gradients(values)


def our_iteration() -> tuple[Callable[[], tuple[Any, Arrays]], Arrays]:
    """The iteration of this package, and the parameters of its layer by gate."""
    import tinygrad_lstm as tl

    lstm = tl.nn.LSTM(INPUT, HIDDEN, key=tl.random.key(0))
    x = tl.tensor(random_x(), requires_grad=True)
    parameters = {".".join(name.split(".")[-2:]): p for name, p in lstm.named_parameters()}
    cells = {"x": x, **parameters}

    def iteration() -> tuple[Any, Arrays]:
        for cell in cells.values():
            cell.grad = None
        outputs, _ = lstm(x)
        loss = (outputs * outputs).sum()
        loss.backward()
        return loss, {name: cell.grad for name, cell in cells.items()}

    return iteration, parameters


# ---- The child processes


def iteration_of(system: str) -> Callable[[], Any]:
    return our_iteration()[0] if system == "ours" else autograd_iteration(random_parameters())


def time_rounds(system: str, rounds: int) -> list[float]:
    """Seconds of each of the rounds that follow the warm-up, in this process."""
    iteration = iteration_of(system)
    for _ in range(WARM_UP):
        iteration()
    gc.collect()
    seconds = []
    for _ in range(rounds):
        start = time.perf_counter()
        iteration()
        seconds.append(time.perf_counter() - start)
    return seconds


def check_same_work() -> None:
    """Raise AssertionError unless the two systems find the same loss and the same nine gradients."""
    iteration, parameters = our_iteration()
    loss, gradients = iteration()
    expected_loss, expected = autograd_iteration({name: p.numpy() for name, p in parameters.items()})()
    np.testing.assert_allclose(float(loss), float(expected_loss), rtol=1e-4, err_msg="the loss")
    assert gradients.keys() == expected.keys(), f"gradients by {sorted(gradients)}, not {sorted(expected)}"
    for name, value in expected.items():
        scale = float(np.abs(value).max())
        np.testing.assert_allclose(gradients[name].numpy(), value, atol=1e-4 * scale, rtol=1e-3, err_msg=name)


# ---- The parent process


def child(arguments: list[str], threads: int) -> str:
    environment = os.environ | {name: str(threads) for name in THREAD_VARIABLES}
    command = [sys.executable, str(Path(__file__).resolve()), *arguments]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)  # the child has said why on stderr
    return done.stdout


def measure(blocks: int, rounds: int, threads: int) -> dict[str, list[list[float]]]:
    """Seconds of every round, [system][block][round], the systems taking turns."""
    seconds: dict[str, list[list[float]]] = {system: [] for system in SYSTEMS}
    for block in range(blocks):
        for system in SYSTEMS if block % 2 == 0 else reversed(SYSTEMS):
            times = child(["--system", system, "--rounds", str(rounds)], threads)
            seconds[system].append(json.loads(times)["seconds"])
    return seconds


def machine(threads: int) -> dict[str, Any]:
    cpu_info = Path("/proc/cpuinfo")
    lines = cpu_info.read_text().splitlines() if cpu_info.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "cpu": models[0] if models else platform.processor() or platform.machine(),
        "logical cpus": os.cpu_count(),
        "blas threads": threads,
        "blas": f"{blas['name']} {blas['version']}",
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in ("numpy", "autograd", "tinygrad_lstm")},
    }


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def report(seconds: dict[str, list[list[float]]], threads: int) -> dict[str, Any]:
    medians = {system: [statistics.median(block) for block in blocks] for system, blocks in seconds.items()}
    ratios = [ours / other for ours, other in zip(medians["ours"], medians["autograd"], strict=True)]
    every = {system: [1e3 * s for block in blocks for s in block] for system, blocks in seconds.items()}
    return {
        "what": f"LSTM T={LENGTH} B={BATCH} I={INPUT} H={HIDDEN} float32, building + forward + backward",
        "milliseconds": {system: spread(times) for system, times in every.items()},
        "ratio": spread(ratios),
        "ratio by pair": ratios,
        "machine": machine(threads),
        "seconds": seconds,
    }


def as_text(result: dict[str, Any]) -> str:
    lines = [result["what"], "", f"{'ms an iteration':<18}{'median':>9}{'min':>9}{'max':>9}"]
    for system, times in result["milliseconds"].items():
        lines.append(f"{system:<18}{times['median']:9.2f}{times['min']:9.2f}{times['max']:9.2f}")
    ratio = result["ratio"]
    lines.append(f"{'ours / autograd':<18}{ratio['median']:9.3f}{ratio['min']:9.3f}{ratio['max']:9.3f}")
    lines += [
        "",
        "ours / autograd, pair by pair: " + " ".join(f"{r:.3f}" for r in result["ratio by pair"]),
        "",
    ]
    lines += [f"{name}: {value}" for name, value in result["machine"].items()]
    return "\n".join(lines)


def require(package: str, command: str) -> None:
    if util.find_spec(package) is None:
        print(f"This benchmark needs {package}, which is not installed: run `{command}`.", file=sys.stderr)
        sys.exit(2)


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


def main() -> None:
    parser = argparse.ArgumentParser(description="The interpreter against HIPS autograd on one LSTM layer.")
    parser.add_argument("--blocks", type=positive, default=10, help="pairs of child processes (10)")
    parser.add_argument("--rounds", type=positive, default=10, help="timed iterations of a child process (10)")
    parser.add_argument("--threads", type=positive, default=1, help="BLAS threads of both systems (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all the numbers there as well")
    parser.add_argument("--system", choices=SYSTEMS, help="time one system in this process and print JSON")
    parser.add_argument("--check", action="store_true", help="only compare what the two systems compute")
    arguments = parser.parse_args()

    if arguments.system != "ours":
        require("autograd", "pip install -e .[bench]")
    if arguments.system != "autograd":
        require("tinygrad_lstm", "pip install -e .[bench]")
    if arguments.check:
        check_same_work()
    elif arguments.system:
        print(json.dumps({"system": arguments.system, "seconds": time_rounds(arguments.system, arguments.rounds)}))
    else:
        child(["--check"], arguments.threads)
        result = report(measure(arguments.blocks, arguments.rounds, arguments.threads), arguments.threads)
        print(as_text(result))
        if arguments.json:
            arguments.json.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
