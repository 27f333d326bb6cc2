"""The parser of the command line, and the types of its options."""

import argparse
import math
import re
import sys
from difflib import get_close_matches
from typing import Any, Final, NoReturn

__all__ = [
    "ArgumentsError",
    "Parser",
    "count",
    "count_from_zero",
    "not_negative",
    "number",
    "path",
    "positive_number",
    "probability",
    "seed_number",
    "share",
]

_MOST: Final = 10**9
_CHOICE: Final = re.compile(r"invalid choice: '(?P<given>[^']*)' \(choose from (?P<known>.*)\)")


class ArgumentsError(ValueError):
    """Arguments that no command takes."""


class Parser(argparse.ArgumentParser):
    """A parser without abbreviated options, which raises instead of ending the program.

    >>> parser = Parser(prog="p")
    >>> _ = parser.add_argument("--hidden", type=count)
    >>> parser.parse_args(["--hidden", "0"])
    Traceback (most recent call last):
        ...
    tinygrad_lstm_command.arguments.ArgumentsError: argument --hidden: an integer from 1 to a billion is wanted, not '0'
    """

    def __init__(self, **options: object) -> None:
        super().__init__(**options, allow_abbrev=False, argument_default=argparse.SUPPRESS)  # type: ignore[arg-type]
        # Since Python 3.15 argparse names the nearest choice too, in words and at a place that ``error`` does not know.
        self.suggest_on_error = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, but what is left over is refused here, where its command and its options are known."""
        self._given = [*sys.argv[1:]] if args is None else list(args)
        found, extras = super().parse_known_args(args, namespace)
        if extras:
            self.error(f"unrecognized arguments: {' '.join(extras)}{self._nearest(extras[0])}")
        return found, extras

    def _nearest(self, option: str) -> str:
        options = [known for known in self._option_string_actions if known.startswith("--")]
        given = option.partition("=")[0]
        starting = [known for known in options if len(given) > 3 and known.startswith(given)]
        near = starting or get_close_matches(given, options, 1)
        return f"; did you mean {near[0]}?" if near else ""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage and ending the program.

        Raises:
            ArgumentsError: always.
        """
        if message.startswith("the following arguments are required"):
            # What is missing may be there, misspelt; argparse looks for that later.
            named = [word for word in getattr(self, "_given", []) if word.startswith("--")]
            unknown = [word for word in named if word.partition("=")[0] not in self._option_string_actions]
            message += "".join(f"; {word} is no option{self._nearest(word)}" for word in unknown[:1])
        wrong = _CHOICE.search(message)
        if wrong and wrong["given"] in ("help", "version"):
            message += f"; write {self.prog} --{wrong['given']}"
        near = get_close_matches(wrong["given"], re.findall(r"'([^']*)'", wrong["known"]), 1) if wrong else []
        message += f"; did you mean {near[0]}?" if near else ""
        more = f"{'' if message.endswith('?') else ';'} see `{self.prog} --help`"
        raise ArgumentsError(message if message.startswith("argument ") else message + more)


def path(text: str) -> str:
    """A path; an empty text raises."""
    if not text:
        raise argparse.ArgumentTypeError("a path is wanted, not an empty text")
    return text


def count(text: str) -> int:
    """An integer from 1 to a billion, so that the product of two is still a legal size of an array."""
    return _integer(text, 1, _MOST, "an integer from 1 to a billion")


def count_from_zero(text: str) -> int:
    """An integer of at least 0."""
    return _integer(text, 0, _MOST, "an integer from 0 to a billion")


def seed_number(text: str) -> int:
    """An integer of 64 bits."""
    return _integer(text, 0, 2**64 - 1, "an integer between 0 and 2**64 - 1")


def positive_number(text: str) -> float:
    """A finite number above 0."""
    value = _number(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"a finite number above 0 is wanted, not {text!r}")
    return value


def number(text: str) -> float:
    """A finite number."""
    value = _number(text)
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"a finite number is wanted, not {text!r}")
    return value


def probability(text: str) -> float:
    """A number from 0 up to 1, which it may not be."""
    value = _number(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"a probability of at least 0 and below 1 is wanted, not {text!r}")
    return value


def share(text: str) -> float:
    """A number above 0 and at most 1."""
    value = _number(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"a share above 0 and at most 1 is wanted, not {text!r}")
    return value


def not_negative(text: str) -> float:
    """A finite number of at least 0."""
    value = _number(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"a finite number of at least 0 is wanted, not {text!r}")
    return value


def _integer(text: str, least: int, most: int, wanted: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{wanted} is wanted, not {text!r}")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
