import io
import re

from tinygrad_lstm.train import Progress

LINE = re.compile(
    r"step (\d+) of 20: loss \d\.\d{3}, held-out \d\.\d{3} nats \(\d\.\d{3} bits per character\), "
    r"[\d,]+ characters/s, \d+ s left"
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_without_a_terminal_each_validation_is_a_line(trainer):
    stream = io.StringIO()
    with Progress(trainer, stream) as progress:
        trainer.run(progress)
    lines = stream.getvalue().splitlines()
    assert [LINE.fullmatch(line)[1] for line in lines] == ["8", "16", "20"]


def test_in_a_terminal_there_is_a_bar(trainer):
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
