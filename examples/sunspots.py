"""Forecasting a time series: the number of sunspots, a year ahead, and a cycle ahead.

The yearly numbers from 1700 to 2008 come with statsmodels. As in published work on this series, models learn from the
years up to 1920 and are asked for each later year, given all years before it. The error is the mean squared one as a
share of the variance of the series, 1535. Beside the LSTM stand::

    naive       x̂_t = x_{t−1}
    seasonal    x̂_t = x_{t−11}, the length of the cycle
    AR(9)       x̂_t = a_0 + a_1·x_{t−1} + … + a_9·x_{t−9}, by least squares

The LSTM reads the numbers since 1700, one a year, and says the difference to the next one from its hidden state. Both
are square roots of numbers, in which the height of a cycle disturbs less. Several networks, each with its own first
weights, give one forecast, their mean.

Sources: H. Tong, K. Lim, "Threshold autoregression, limit cycles and cyclical data", 1980, and A. Weigend, B. Huberman,
D. Rumelhart, "Predicting the future: a connectionist approach", 1990, for the years and the error.

Run it with ``python examples/sunspots.py``; ``--out FOLDER`` leaves a picture.
"""

import argparse
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

import tinygrad_lstm as tl
from tinygrad_lstm.tasks import machine_name, markdown_table, written_page

try:
    import matplotlib as mpl
    import matplotlib.pyplot as plt
except ImportError:
    sys.exit("This example draws with matplotlib; get it with: pip install -e '.[plots]'")

try:
    from statsmodels.datasets import sunspots
except ImportError:
    sys.exit("This example takes its numbers from statsmodels; get it with: pip install -e '.[examples]'")

HIDDEN, LAGS, SEASON, NOISE, RATE = 8, 9, 11, 0.1, 0.01
VARIANCE = 1535.0
LAST_LEARNED = 1920
SPANS = ((1921, 1955), (1956, 1979), (1980, 2008))
AHEAD_FROM, MOST = 1985, 320


def root(numbers: Any) -> Any:
    """Square roots, about as large as 1."""
    return np.sqrt(numbers / 50).astype(np.float32)


class Forecaster(tl.nn.Module):
    """The difference to the next number, at each year of series ``(years, batch)``."""

    def __init__(self, key: tl.Tensor) -> None:
        k_recurrent, k_output = tl.random.split(key)
        self.recurrent = tl.nn.LSTM(1, HIDDEN, key=k_recurrent)
        self.output = tl.nn.Linear(HIDDEN, 1, key=k_output)

    def forward(self, series: tl.Tensor) -> tl.Tensor:
        """Differences ``(years, batch)``."""
        h, _ = self.recurrent(tl.expand_dims(series, -1))
        return self.output(h)[:, :, 0]


def train(known: Any, seed: int, steps: int) -> Forecaster:
    """A forecaster of one series; noise on what it reads keeps it from learning the series by heart."""
    model = Forecaster(tl.random.key(seed))
    optimizer, rate = tl.optim.Adam(model.parameters()), tl.optim.schedules.one_cycle(RATE, steps)

    @tl.jit
    def update(read: tl.Tensor, differences: tl.Tensor) -> tl.Tensor:
        loss = tl.nn.mse(model(read)[LAGS:], differences[LAGS:])
        loss.backward()
        tl.optim.clip_grad_norm(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss

    random = np.random.default_rng(seed)
    differences = tl.tensor(np.diff(known)[:, None])
    for step in range(steps):
        optimizer.lr = rate(step)
        noise = NOISE * random.normal(size=(len(known) - 1, 1)).astype(np.float32)
        update(tl.tensor(known[:-1, None] + noise), differences)
    return model


def next_year(models: list[Any], numbers: Any) -> Any:
    """For each year of a series the forecast of the year after it, the mean of the networks."""
    roots, count = np.zeros(MOST, np.float32), len(numbers)  # filled up behind, so that one program serves
    roots[:count] = root(numbers)
    found = [roots + model(tl.tensor(roots[:, None])).numpy()[:, 0] for model in models]
    return np.mean([50 * np.maximum(one, 0) ** 2 for one in found], axis=0)[:count]


def autoregression(numbers: Any, learned: int) -> Any:
    """Like :func:`next_year`, by AR(9) with the least squares of the first ``learned`` years."""
    padded = np.concatenate([np.zeros(LAGS - 1), numbers])
    lags = np.stack([padded[LAGS - 1 - k : len(padded) - k] for k in range(LAGS)], axis=1)
    lags = np.concatenate([lags, np.ones((len(lags), 1))], axis=1)
    weights, *_ = np.linalg.lstsq(lags[LAGS - 1 : learned - 1], numbers[LAGS:learned], rcond=None)
    return lags @ weights


def ahead(forecast: Any, numbers: Any, years: int) -> Any:
    """The years after a series, each from those before it and from forecasts."""
    numbers = np.array(numbers)
    for _ in range(years):
        numbers = np.append(numbers, max(forecast(numbers)[-1], 0))
    return numbers[-years:]


def draw(years: Any, numbers: Any, curves: dict[str, Any], later: dict[str, Any], path: Path) -> None:
    """Above, forecasts a year ahead of the years not learned from; below, forecasts of a whole cycle and more."""
    mpl.rcParams["svg.hashsalt"] = "tinygrad_lstm"
    figure, (above, below) = plt.subplots(2, figsize=(7.6, 5.2), layout="constrained", height_ratios=(1.2, 1))
    looks = {"LSTM": ("-", "#d55e00"), "AR(9)": ("--", "#0072b2")}
    asked = years > LAST_LEARNED
    above.set_title("A year ahead", loc="left")
    above.plot(years[asked], numbers[asked], "o", color="#616161", markersize=3, label="sunspots")
    below.set_title(f"From {AHEAD_FROM} on without looking", loc="left")
    recent = years >= AHEAD_FROM - 20
    below.plot(years[recent], numbers[recent], "o-", color="#616161", markersize=3, linewidth=0.7, label="sunspots")
    for name, (line, colour) in looks.items():
        above.plot(years[asked], curves[name][asked], line, color=colour, linewidth=1.3, label=name)
        below.plot(years[years > AHEAD_FROM], later[name], line, color=colour, linewidth=1.6, label=name)
    for axes in (above, below):
        axes.set_ylabel("number")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    above.legend(frameon=False, ncols=3)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def main(argv: list[str] | None = None) -> None:
    """Train, compare, draw."""
    parser = argparse.ArgumentParser(
        description="Forecasts of the number of sunspots by LSTM, AR(9) and two naive ones."
    )
    parser.add_argument("--networks", type=int, default=8, help="whose mean is the forecast")
    parser.add_argument("--steps", type=int, default=400, help="updates of each network")
    parser.add_argument("--seed", type=int, default=0, help="of the first weights and of the noise")
    parser.add_argument("--backend", default=tl.get_backend(), help="the one of the session, or c, which is faster")
    parser.add_argument("--out", type=Path, help="folder for the picture")
    parser.add_argument("--page", type=Path, help="file for the results, in Markdown")
    options = parser.parse_args(argv)
    if options.steps < 1 or options.networks < 1 or options.seed < 0:
        parser.error("--steps and --networks are at least 1, and --seed at least 0")
    if options.page is not None and not options.page.parent.is_dir():
        parser.error(f"there is no folder {options.page.parent}; make it, or name a file elsewhere")
    data = sunspots.load().data
    years, numbers = data["YEAR"].to_numpy().astype(int), data["SUNACTIVITY"].to_numpy()
    learned = int((years <= LAST_LEARNED).sum())
    started = time.perf_counter()
    with tl.use_backend(options.backend), tl.blas_threads(1):
        seeds = [options.seed * 1000 + k for k in range(options.networks)]
        models = [tl.jit(train(root(numbers[:learned]), seed, options.steps)) for seed in seeds]
        forecasts = {
            "naive": lambda known: known,
            "seasonal, 11 years": lambda known: np.concatenate([np.zeros(SEASON - 1), known])[: len(known)],
            "AR(9)": lambda known: autoregression(known, learned),
            "LSTM": lambda known: next_year(models, known),
        }
        # What is said in one year is about the next.
        curves = {name: np.concatenate([[0], forecast(numbers)[:-1]]) for name, forecast in forecasts.items()}
        alone = [np.concatenate([[0], next_year([model], numbers)[:-1]]) for model in models]
        before, count = numbers[years <= AHEAD_FROM], int((years > AHEAD_FROM).sum())
        later = {name: ahead(forecasts[name], before, count) for name in ("LSTM", "AR(9)")}
    seconds = time.perf_counter() - started

    def errors(found: Any) -> list[float]:
        gaps = (found - numbers) ** 2 / VARIANCE
        return [float(gaps[(years >= low) & (years <= high)].mean()) for low, high in SPANS]

    rows = [[name, *[f"{error:.3f}" for error in errors(curve)]] for name, curve in curves.items()]
    each = np.array([errors(one) for one in alone])
    rows.append(
        ["one LSTM alone", *[f"{low:.3f} … {high:.3f}" for low, high in zip(each.min(0), each.max(0), strict=True)]]
    )
    table = markdown_table(["error a year ahead", *[f"{low}–{high}" for low, high in SPANS]], rows)
    print(table)
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        draw(years, numbers, curves, later, options.out / "sunspots.svg")
        print(options.out / "sunspots.svg")
    if options.page is not None:
        about = (
            f"The yearly numbers of sunspots, 1700 to 2008, from statsmodels {version('statsmodels')}. All learn from "
            f"1700 to {LAST_LEARNED}; the error is the mean squared one as a share of the "
            "variance of the series, 1535, a year ahead. The LSTM has "
            f"{HIDDEN} units; its forecast is the mean of {options.networks} networks, {options.steps} updates each."
        )
        command = (
            f"python examples/sunspots.py --networks {options.networks} --steps {options.steps} --seed {options.seed} "
            f"--backend {options.backend}"
        )
        page = written_page(
            "Sunspots, a year ahead", about, table, command=command, note=f"{seconds:.0f} s, {machine_name()}."
        )
        options.page.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except (tl.errors.Error, OSError) as error:
        sys.exit(f"sunspots: {error}")
    except KeyboardInterrupt:
        sys.exit("sunspots: interrupted")
