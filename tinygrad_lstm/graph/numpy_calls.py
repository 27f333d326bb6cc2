"""Calls of NumPy's functions with tensors, in terms of the functions of the same name here."""

from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any, Final

from tinygrad_lstm.errors import UsageError
from tinygrad_lstm.graph.registry import apply

__all__ = ["OTHER_NAMES", "checked_options", "reduced", "translated"]

OTHER_NAMES: Final = {
    "absolute": "abs",
    "amax": "max",
    "amin": "min",
    "around": "round",
    "copy": "as_tensor",
    "degrees": "rad2deg",
    "fix": "trunc",
    "radians": "deg2rad",
    "rint": "round",
    "true_divide": "divide",
}
"""NumPy's names of functions that are called otherwise here."""

_OTHER_OPTIONS: Final = {"a_min": "min", "a_max": "max"}
"""And of their arguments."""


_DEFAULTS: Final[Mapping[str, tuple[Any, ...]]] = {
    "casting": ("same_kind", "unsafe"),
    "copy": (True, False, None),
    "kind": (None, "quicksort", "mergesort", "heapsort", "stable"),
    "mode": ("raise",),
    "optimize": (True, False, "greedy", "optimal"),
    "order": ("C", "K", "A", None),
    "out": (None,),
    "subok": (True, False),
    "where": (True,),
}
"""Values of options that ask for what is done here anyway, since arrays never change and sorting is stable."""

_REDUCTIONS: Final = {
    ("add", "reduce"): "sum",
    ("multiply", "reduce"): "prod",
    ("maximum", "reduce"): "max",
    ("minimum", "reduce"): "min",
    ("logical_and", "reduce"): "all",
    ("logical_or", "reduce"): "any",
    ("logaddexp", "reduce"): "logsumexp",
    ("add", "accumulate"): "cumsum",
    ("multiply", "accumulate"): "cumprod",
}
"""The methods of NumPy's ufuncs that have a function here."""


def _as_usual(option: str, value: Any) -> bool:
    if isinstance(value, tuple):  # the outputs of a ufunc
        return all(v is None for v in value)
    usual = _DEFAULTS.get(option, ())
    return (value is None or isinstance(value, bool | str)) and any(
        type(value) is type(v) and value == v for v in usual
    )


def checked_options(name: str, options: Mapping[str, Any]) -> Any:
    """The ``dtype`` that a ufunc is called with, or None.

    Raises:
        UsageError: for ``out``, ``where`` and other options that ask for what is not done here.
    """
    told = [f"{k}=" for k, value in options.items() if k != "dtype" and not _as_usual(k, value)]
    if told:
        raise UsageError(
            f"np.{name}: {', '.join(told)} is not supported for tensors, which never change; take the result, convert "
            "it with .astype, or choose with tl.where"
        )
    return options.get("dtype")


def reduced(name: str, method: str, inputs: tuple[Any, ...], options: Mapping[str, Any]) -> Any:
    """``np.add.reduce(x)`` and the like; NotImplemented for a method that has no function here."""
    if method == "outer":
        a, b = (apply("as_tensor", x) for x in inputs)
        return apply(name, apply("reshape", a, (*a.shape, *[1] * b.ndim)), b)
    function = _REDUCTIONS.get((name, method))
    if function is None:
        return NotImplemented
    given = {k: v for k, v in options.items() if not _as_usual(k, v)}
    return apply(function, inputs[0], **{"axis": inputs[1] if len(inputs) > 1 else 0} | given)


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
        return list(args), {name: value for name, value in kwargs.items() if not _as_usual(name, value)}
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
    named = {name: value for name, value in named.items() if name in known or not _as_usual(name, value)}
    for name in named:
        if name not in known:
            raise UsageError(
                f"np.{theirs.__name__}: {name}= is not supported for tensors; "
                f"tl.{ours.__name__} takes {', '.join(known)}"
            )
    return positional, named
