"""A sweep over many small models: each on a core of its own.

Which learning rate, and how many units? Each pair is a job of its own: a few LSTMs, side by side in one program, that
learn aⁿbⁿcⁿ. Jobs need nothing of each other, so a pool of processes runs them, as many at a time as there are cores.

Run it with ``python examples/sweep.py``; ``--pool dask`` takes Dask instead of joblib.
"""

import argparse
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import product

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm.tasks import CellResult, make_task, markdown_table, run_trials

try:
    import dask
    from joblib import Parallel, delayed
except ImportError:
    sys.exit("This example needs joblib and Dask; get them with: pip install -e '.[examples]'")

UNITS, RATES = (4, 8, 16), (0.003, 0.01, 0.03)


def job(units: int, rate: float, trials: int, limit: int, seed: int, backend: str) -> CellResult:
    """The task aⁿbⁿcⁿ, with these units and this rate. One thread: the other cores have other jobs."""
    task = make_task("abc")
    protocol = replace(task.protocol("modern"), hidden={"lstm": units}, rate=rate)
    with tl.use_backend(backend), tl.blas_threads(1):
        return run_trials(task, protocol, "lstm", trials, seed, limit)


def by_joblib(jobs: Iterable[tuple[int, float]], cores: int, *options: object) -> list[CellResult]:
    """The results of all jobs, in their order."""
    return Parallel(n_jobs=cores)(delayed(job)(*one, *options) for one in jobs)


def by_dask(jobs: Iterable[tuple[int, float]], cores: int, *options: object) -> list[CellResult]:
    """The same with Dask."""
    return list(
        dask.compute(*[dask.delayed(job)(*one, *options) for one in jobs], scheduler="processes", num_workers=cores)
    )


POOLS: dict[str, Callable[..., list[CellResult]]] = {"joblib": by_joblib, "dask": by_dask}


def shown(result: CellResult) -> str:
    """How many trials succeeded, and after how many sequences."""
    needed = [trial.needed for trial in result.solved if trial.needed is not None]
    return f"{len(needed)} of {len(result.trials)}" + (f", {np.mean(needed):,.0f}" if needed else "")


def main(argv: list[str] | None = None) -> None:
    """Run all jobs, and print a table."""
    parser = argparse.ArgumentParser(description="A sweep over learning rates and numbers of units.")
    parser.add_argument("--pool", choices=POOLS, default="joblib", help="what runs the processes")
    parser.add_argument("--cores", type=int, default=2, help="jobs at a time")
    parser.add_argument("--trials", type=int, default=3, help="networks of each job")
    parser.add_argument("--limit", type=int, default=8_000, help="sequences after which a network has failed")
    parser.add_argument("--seed", type=int, default=0, help="of sequences and first weights")
    parser.add_argument("--backend", default=tl.get_backend(), help="the one of the session, or c, which is faster")
    options = parser.parse_args(argv)
    if min(options.cores, options.trials, options.limit) < 1 or options.seed < 0:
        parser.error("--cores, --trials and --limit are at least 1, and --seed at least 0")
    given = options.trials, options.limit, options.seed, options.backend
    results = POOLS[options.pool](product(UNITS, RATES), options.cores, *given)
    cells = [shown(result) for result in results]
    rows = [[f"{units}", *cells[k * len(RATES) :][: len(RATES)]] for k, units in enumerate(UNITS)]
    print(markdown_table(["units", *[f"rate {rate:g}" for rate in RATES]], rows))


if __name__ == "__main__":
    try:
        main()
    except (tl.errors.Error, OSError) as error:
        sys.exit(f"sweep: {error}")
    except KeyboardInterrupt:
        sys.exit("sweep: interrupted")
