"""Modules that differ from another one in what some of their attributes hold, and share all the rest."""

from collections.abc import Callable, Mapping
from copy import copy as shallow
from typing import Any

from tinygrad_lstm.errors import ShapeError, StateDictError, UsageError
from tinygrad_lstm.graph.convert import as_tensor
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Parameter
from tinygrad_lstm.jit.jitted import rebound
from tinygrad_lstm.nn.module import Holder, Module

__all__ = ["functional_call", "twin"]


def twin(module: Module, change: Callable[[str, Any], Any]) -> Module:
    """A module with the same Parameters and States, in which each attribute holds what ``change(name, value)`` gives.

    Modules and containers in it are copied, and everything else is shared.
    """
    copied: dict[int, Any] = {}

    def copy(value: Any) -> Any:
        # Recursion as deep as modules are nested.
        if isinstance(value, Holder):
            if id(value) not in copied:
                made = copied[id(value)] = object.__new__(type(value))
                for name, item in value.__dict__.items():
                    made.__dict__[name] = copy(change(name, item))
            return copied[id(value)]
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*[copy(change("", item)) for item in value])
        if isinstance(value, list | tuple):
            return type(value)([copy(change("", item)) for item in value])
        if isinstance(value, dict):
            same = shallow(value)
            same.update({key: copy(change(str(key), item)) for key, item in value.items()})
            return same
        # A method that is an attribute, such as tl.jit(self.step), is bound to the copy.
        return rebound(value, lambda owner: copy(owner) if isinstance(owner, Holder) else owner)

    result: Module = copy(module)
    return result


def functional_call(module: Module, values: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
    """``module(*args, **kwargs)`` with other values in the place of its Parameters, which stay as they are.

    So the weights are an argument like any other: ``tl.grad`` differentiates by them, and ``tl.vmap`` maps over those
    of an ensemble.

    Args:
        values: tensors by the paths of ``named_parameters``; a Parameter that is not among them has its own value.

    Raises:
        StateDictError: for a path that is no Parameter's.
        ShapeError: when a value has another shape than its Parameter.

    >>> layer = tl.nn.Linear(2, 3, key=tl.random.key(0))
    >>> weights = {"weight": tl.ones((2, 3)), "bias": tl.zeros(3)}
    >>> print(tl.nn.functional_call(layer, weights, tl.tensor([1.0, 2.0])))
    [3. 3. 3.]
    """
    if not isinstance(module, Module):
        raise UsageError(f"functional_call: a module comes first, then the values by path, not {type(module).__name__}")
    if not isinstance(values, Mapping):
        raise UsageError(
            f"functional_call takes a dict of tensors by path, not {type(values).__name__}; "
            "dict(module.named_parameters()) has all paths"
        )
    own = dict(module.named_parameters())
    instead: dict[Parameter, Tensor] = {}
    for path, value in values.items():
        if path not in own:
            raise StateDictError(
                f"functional_call: {type(module).__name__} has no Parameter {path!r}; its Parameters are "
                + ", ".join(own)
            )
        node = as_tensor(value, like=own[path].leaf)
        if node.shape != own[path].shape:
            raise ShapeError(
                f"functional_call: {path} has the shape {list(node.shape)}, expected {list(own[path].shape)}; values "
                "with an axis of examples go through tl.vmap"
            )
        instead[own[path]] = node
    changed = twin(module, lambda _, item: instead.get(item, item) if isinstance(item, Parameter) else item)
    return changed(*args, **kwargs)
