import dataclasses
import io
import re
import struct

import pytest

from tinygrad_lstm.train import Progress

FIRST = re.compile(r"step 1 of 20: loss \d\.\d{3}")
LINE = re.compile(
    r"step (\d+) of 20: loss \d\.\d{3}, held-out \d\.\d{3} nats \(\d\.\d{3} bits per character\), "
    r"[\d,]+ characters/s, \d+ s left"
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_without_a_terminal_the_first_step_and_each_validation_is_a_line(trainer):
    stream = io.StringIO()
    with Progress(trainer, stream) as progress:
        trainer.run(progress)
    first, *lines = stream.getvalue().splitlines()
    assert FIRST.fullmatch(first)
    assert [LINE.fullmatch(line)[1] for line in lines] == ["8", "16", "20"]


def test_a_line_is_written_where_nothing_was_for_long(trainer, monkeypatch):
    # A step is a second.
    monkeypatch.setattr("tinygrad_lstm.train.progress.time.monotonic", lambda: float(trainer.at))
    stream = io.StringIO()
    with Progress(trainer, stream) as progress:
        for _ in range(20):
            trainer.step()
            progress(trainer)
    lines = stream.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines] == ["step 1 of 20", "step 11 of 20"]
    assert re.fullmatch(r"step 11 of 20: loss \d\.\d{3}, 40 characters/s, 9 s left", lines[1])


@pytest.mark.parametrize("kind", [io.StringIO, Terminal], ids=["lines", "bar"])
def test_a_held_out_loss_that_rises_is_told_once(trainer, kind):
    stream = kind()
    with Progress(trainer, stream) as progress:
        for step, held_out in enumerate([2.0, 2.01, 2.5, 2.6], start=1):
            trainer.step()
            trainer.validations.append((step, held_out))
            progress(trainer)
    said = "the held-out loss has risen from 2.000 nats at step 1 to 2.500 at step 3: the model learns the text"
    assert stream.getvalue().count("has risen") == stream.getvalue().count(said) == 1


def test_in_a_terminal_there_is_a_bar(trainer, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    stream = Terminal()
    with Progress(trainer, stream) as progress:
        trainer.step()
        progress(trainer)
        trainer.run(progress)
    last = stream.getvalue().split("\r")[-1]
    assert "20/20" in last
    for part in ("loss ", "held-out ", "nats", "bits/char", "chars/s"):
        assert part in last


def test_a_resumed_run_counts_its_own_speed_and_the_steps_before(trainer):
    for _ in range(5):
        trainer.step()
    stream = Terminal()
    with Progress(trainer, stream) as progress:
        progress(trainer)
        assert progress._rate(trainer) == 0
    assert "5/20" in stream.getvalue()


class Cell(io.StringIO):
    """What ``sys.stderr`` is in a cell of a notebook, as far as a bar asks."""

    __module__ = "ipykernel.iostream"


@pytest.mark.parametrize("kind", [Terminal, Cell])
def test_a_run_shows_a_bar_by_itself_in_a_terminal_and_in_a_notebook(trainer, monkeypatch, kind):
    stream = kind()
    monkeypatch.setattr("sys.stderr", stream)
    trainer.run()
    assert "20/20" in stream.getvalue()
    assert "held-out" in stream.getvalue()


def test_a_run_elsewhere_or_with_a_report_of_its_own_shows_none(trainer, monkeypatch):
    stream, seen = io.StringIO(), []
    monkeypatch.setattr("sys.stderr", stream)
    trainer.run()
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    trainer.config = dataclasses.replace(trainer.config, steps=21)
    trainer.run(lambda run: seen.append(run.at))
    assert stream.getvalue() == terminal.getvalue() == ""
    assert seen[-1] == 21


@pytest.mark.parametrize("size", [(0, 0), (0, 80), (24, 0), (24, 100)], ids=str)
def test_a_terminal_that_tells_no_size_has_a_bar_all_the_same(trainer, size):
    pty, fcntl, termios = (pytest.importorskip(name) for name in ("pty", "fcntl", "termios"))
    other, here = pty.openpty()
    fcntl.ioctl(here, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    with open(here, "w", encoding="utf-8") as stream, open(other, "rb", buffering=0) as screen:
        with Progress(trainer, stream):
            pass
        shown = screen.read(10_000).decode()
    bar, *_ = re.findall(r"\r([^\r\n]+)", shown)
    assert re.fullmatch(r" +0%\|.*\| 0/20 .*", bar)
    # The oldest tqdm takes the last column too.
    assert len(bar) in ((size[1] - 1, size[1]) if all(size) else (80,))
