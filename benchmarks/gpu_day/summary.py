"""A summary of the findings as Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.gpu_day.parts import PARTS

__all__ = ["failures", "summary", "unusable"]

Line = dict[str, Any]


def failures(lines: Iterable[Line]) -> list[Line]:
    """The findings that are failures."""
    return [line for line in lines if not line["ok"]]


def unusable(lines: Iterable[Line]) -> str:
    """Why there is no usable GPU; empty if there is one.

    >>> unusable([{"part": "environment", "check": "a GPU", "ok": False, "error": "BackendError: no driver"}])
    'no driver'
    """
    for line in lines:
        if line["part"] == "environment" and line["check"] in ("a GPU", "the start") and not line["ok"]:
            message = str(line["error"]).removeprefix("BackendError: ")
            last = str(line.get("log", "")).strip().rpartition("\n")[2]
            return f"{message}: {last}" if last else message
    return ""


def summary(lines: Sequence[Line], wheels: Sequence[str] = ()) -> str:
    """A table of the parts, what was measured, then what failed, the first failing op with its text."""
    known = {line["check"]: line for line in lines if line["part"] == "environment"}
    text = ["# A day on a GPU", "", str(known.get("a GPU", {}).get("device", "no GPU"))]
    if wheels:
        text += ["", f"From wheels: {', '.join(wheels)}."]
    cost = known.get("what a launch costs", {}).get("node")
    if cost:
        text += [
            "",
            f"A node of a graph that does next to nothing: {cost:.2f} µs; published are 0.5 µs beside its work.",
        ]
    text += ["", "| part | checks | failed | seconds |", "|---|---:|---:|---:|"]
    for part in PARTS:
        own = [line for line in lines if line["part"] == part.name]
        if own:
            # The time of a suite includes that of its tests.
            seconds = sum(line.get("seconds", 0) for line in own if "::" not in line["check"])
            text.append(f"| {part.name} | {len(own)} | {len(failures(own))} | {seconds:.1f} |")
    text += ["", *_measured(lines), *_models(lines), *_graphs(lines), *_failed(lines)]
    return "\n".join(text).rstrip() + "\n"


def _measured(lines: Sequence[Line]) -> list[str]:
    """The lines of the tables of times."""
    text: list[str] = []
    for part in ("speed", "speed, TF32", "crossover"):
        rows: dict[str, dict[str, float]] = {}
        for line in lines:
            if line["part"] == part and "milliseconds" in line and line["ok"]:
                shape, _, system = line["check"].partition(": ")
                rows.setdefault(shape, {})[system] = 1e3 * line["milliseconds"]
        if rows:
            names = list(dict.fromkeys(name for row in rows.values() for name in row))
            text += [f"## {part}: microseconds a step", ""]
            text += [f"| | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
            for shape, row in rows.items():
                cells = [f"{row[name]:,.1f}" if name in row else "–" for name in names]
                text.append(f"| {shape} | {' | '.join(cells)} |")
            text += ["", *[_beside(shape, row) for shape, row in rows.items() if "torch.nn.LSTM" in row]]
        text += [
            f"- {line['check']}: {line['note'][:300]}" for line in lines if line["part"] == part and "note" in line
        ]
        text += [""] if text and text[-1] else []
    return text


def _beside(shape: str, row: dict[str, float]) -> str:
    """
    >>> _beside("T = 100", {"cupy, jit": 10.0, "torch.nn.LSTM": 9.0, "torch, eager cell": 70.0})
    '- T = 100: 0.90 of the speed of torch.nn.LSTM, 7.00 of the speed of torch, eager cell'
    """
    ours = row.get("cupy, jit", float("nan"))
    others = [f"{row[name] / ours:.2f} of the speed of {name}" for name in row if name.startswith("torch")]
    return f"- {shape}: {', '.join(others)}"


def _models(lines: Sequence[Line]) -> list[str]:
    """The lines of the tables that compare times with the model."""
    text: list[str] = []
    for line in lines:
        if line["ok"] and "model" in line:
            text += [
                f"## {line['part']}, {line['check']}",
                "",
                f"{line['launches']:,} launches, replayed as a graph.",
                "",
            ]
            text += ["| microseconds | measured | share | at least | ratio |", "|---|---:|---:|---:|---:|"]
            measured, model = line["measured"], line["model"]
            for name in dict.fromkeys([*measured, *model]):
                pair = [f"{1e3 * x[name]:,.1f}" if name in x else "–" for x in (measured, model)]
                both = name in measured and model.get(name)
                ratio = f"{measured[name] / model[name]:.2f}" if both else "–"
                share = f"{measured[name] / measured['whole']:.0%}" if name in measured else "–"
                text.append(f"| {name} | {pair[0]} | {share} | {pair[1]} | {ratio} |")
            text.append("")
    return text


def _graphs(lines: Sequence[Line]) -> list[str]:
    rows = [line for line in lines if line["part"] == "capture" and "fallback" in line]
    if not rows:
        return []
    text = ["## Programs as CUDA graphs", "", "| program | launches | replayed | why not |", "|---|---:|---|---|"]
    text += [
        f"| {line['check']} | {line['launches']:,} | {'yes' if line['replayed'] else 'no'} | {line['fallback']} |"
        for line in rows
    ]
    return [*text, ""]


def _failed(lines: Sequence[Line]) -> list[str]:
    wrong = failures(lines)
    if not wrong:
        return ["Nothing failed."]
    text = [f"## {len(wrong)} failures", ""]
    for line in wrong[:100]:
        error = " ".join(str(line.get("error", "")).split())
        text.append(f"- {line['part']}, {line['check']}: {error[:400]}")
    if len(wrong) > 100:
        text.append(f"- and {len(wrong) - 100} more, in the JSON lines")
    first = next((line for line in wrong if line["part"] == "smoke" and "text" in line), None)
    if first is not None:
        text += ["", f"The text of the first failing op, {first['check']}:", "", "```cuda", first["text"], "```"]
    return text
