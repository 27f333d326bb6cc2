"""All tasks by name."""

from collections.abc import Callable
from typing import Any, Final

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.tasks.arithmetic import adding, multiplication
from tinygrad_lstm.tasks.counting import counted, dyck, parity
from tinygrad_lstm.tasks.definition import Task
from tinygrad_lstm.tasks.digits import sequential_digits
from tinygrad_lstm.tasks.long_lag import long_lag_a, long_lag_c
from tinygrad_lstm.tasks.memory import copy_memory
from tinygrad_lstm.tasks.reber import embedded_reber
from tinygrad_lstm.tasks.temporal_order import temporal_order_2, temporal_order_3

__all__ = ["SIZED", "TASKS", "make_task"]

TASKS: Final[dict[str, Callable[..., Task]]] = {
    "reber": embedded_reber,
    "lag-a": long_lag_a,
    "lag-c": long_lag_c,
    "adding": adding,
    "multiplication": multiplication,
    "order-2": temporal_order_2,
    "order-3": temporal_order_3,
    "copy": copy_memory,
    "parity": parity,
    "ab": lambda: counted(2, 10),
    "abc": lambda: counted(3, 10),
    "dyck": dyck,
    "digits": sequential_digits,
}

SIZED: Final = {"lag-a": 4, "lag-c": 1, "adding": 20, "multiplication": 20, "copy": 1, "parity": 4, "dyck": 2}
"""The tasks that take a length, and the least one."""


def make_task(name: str, length: int | None = None) -> Task:
    """The task of this name.

    Args:
        length: the length of its sequences, where the task has one.

    Raises:
        UsageError: for another name, a length that the task does not take, or one that is too small.

    >>> make_task("order-2").title
    'Temporal order with two symbols'
    """
    if name not in TASKS:
        raise UsageError(f"there is no task {name!r}; the tasks are {', '.join(TASKS)}")
    options: dict[str, Any] = {}
    if length is not None:
        if name not in SIZED:
            raise UsageError(f"the task {name} has no --length; {', '.join(SIZED)} have one")
        if length < SIZED[name]:
            raise UsageError(f"the length of the task {name} is at least {SIZED[name]}, not {length}")
        options["length"] = length
    return TASKS[name](**options)
