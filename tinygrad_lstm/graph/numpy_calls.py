"""Calls of NumPy's functions with tensors, in terms of the functions of the same name here."""

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any, Final

from tinygrad_lstm.errors import UsageError

__all__ = ["OTHER_NAMES", "refuse_options", "translated"]

OTHER_NAMES: Final = {"absolute": "abs", "amax": "max", "amin": "min", "true_divide": "divide", "around": "round"}
"""NumPy's names of functions that are called otherwise here."""

_OTHER_OPTIONS: Final = {"a_min": "min", "a_max": "max"}
"""And of their arguments."""


def refuse_options(name: str, options: Mapping[str, Any]) -> None:
    """Raise where a ufunc is called with ``out``, ``where`` or another option.

    Raises:
        UsageError: if there are some.
    """
    if options:
        told = ", ".join(f"{option}=" for option in options)
        raise UsageError(
            f"np.{name}: {told} is not supported for tensors, which never change; take the result, convert it with "
            ".astype, or choose with tl.where"
        )


def translated(
    theirs: Callable[..., Any], ours: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call of NumPy's function ``theirs`` as those of ``ours``.

    What a function must be given goes by position, everything else by name; what is as by default is left out.

    Raises:
        UsageError: for an argument that ``ours`` does not have.
    """
    try:
        given = signature(theirs).bind(*args, **kwargs)
    except (TypeError, ValueError):  # some of NumPy's functions are in C and have no signature
        return list(args), dict(kwargs)
    known = signature(ours).parameters
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for name, value in given.arguments.items():
        parameter = given.signature.parameters[name]
        if parameter.kind is Parameter.VAR_POSITIONAL:
            positional += value
        elif parameter.kind is Parameter.VAR_KEYWORD:
            named.update(value)
        elif parameter.default is Parameter.empty:
            positional.append(value)
        elif value is not parameter.default:
            named[_OTHER_OPTIONS.get(name, name)] = value
    for name in named:
        if name not in known:
            raise UsageError(
                f"np.{theirs.__name__}: {name}= is not supported for tensors; "
                f"tl.{ours.__name__} takes {', '.join(known)}"
            )
    return positional, named
