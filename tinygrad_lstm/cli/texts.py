"""The texts that a command line names: read into memory, or, if they are large, turned into files of tokens."""

import sys
from collections.abc import Mapping
from typing import Any

from tinygrad_lstm.data.large import LargeCorpus, is_large
from tinygrad_lstm.data.text import Corpus, default_corpus, read_corpus
from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.train.progress import bar_on, draws_bars

__all__ = ["Report", "corpus_of"]


class Report:
    """Says on stderr that a large text is read: a bar in a terminal, else a line for each time that it is read."""

    def __init__(self) -> None:
        self._what = ""
        self._bar: Any = None

    def __call__(self, what: str, share: float) -> None:
        """Say how far ``what`` is done."""
        if what != self._what:
            self._what = what
            if draws_bars(sys.stderr):
                self.close()
                self._bar = bar_on(sys.stderr, total=100, desc=what, bar_format="{l_bar}{bar}| {elapsed}", leave=False)
            else:
                print(f"{what}: a large text is read piece by piece", file=sys.stderr, flush=True)
        if self._bar is not None:
            self._bar.update(int(100 * share) - self._bar.n)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()


def corpus_of(given: Mapping[str, Any], report: Report) -> Corpus | LargeCorpus:
    """The corpus that the options of ``train`` name.

    Raises:
        DataError: when a file cannot be read.
        UsageError: for a text that is held out where there is none to train on.
    """
    files = [*given["files"], *given.get("train", [])]
    valid, test, tokens = (given.get(name) for name in ("valid", "test", "tokens"))
    if tokens is not None or is_large([*files, *filter(None, (valid, test))]):
        return LargeCorpus(files, valid, test, tokens=tokens, report=report)
    if files:
        return read_corpus(files, valid, test)
    if valid is not None or test is not None:
        raise UsageError("--valid and --test go with a text to train on; name its file")
    return default_corpus()
