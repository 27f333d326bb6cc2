"""Reverse mode: cotangents flow from the results to the sources, and each of them is again a graph."""

from collections.abc import Mapping, Sequence
from typing import Any

from tinygrad_lstm.autodiff.active import active_nodes
from tinygrad_lstm.autodiff.differentiated import remember
from tinygrad_lstm.autodiff.table import LOOP_RULES
from tinygrad_lstm.autodiff.unreached import rightly_constant, unreached, without_parameter, without_rule
from tinygrad_lstm.errors import DTypeError, GradientError, ShapeError, UsageError
from tinygrad_lstm.functions.filling import ones_like, zeros_like
from tinygrad_lstm.graph.convert import as_tensor, is_scalar
from tinygrad_lstm.graph.function import slot_of, topological
from tinygrad_lstm.graph.registry import OPS, function
from tinygrad_lstm.graph.scopes import Scope
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.tensor import Deriving, Node, Tensor, deriving
from tinygrad_lstm.graph.variables import Parameter, Variable, settled, tracer
from tinygrad_lstm.ops.shape import sum_to
from tinygrad_lstm.ops.source import full_node

__all__ = ["backward", "cotangents", "gradients"]


def gradients(ys: Any, xs: Any, cotangents: Any = None, *, allow_unused: bool = False) -> Any:
    """The gradient graphs ``∂(Σ ys)/∂x`` for each ``x`` in ``xs``, in the structure of ``xs``.

    Args:
        ys: a float tensor, or several in a nested structure; without ``cotangents`` their elements are summed.
        xs: tensors, symbols or Parameters to differentiate by; integers have no derivative.
        cotangents: weights for the elements of ``ys``, in their structure and shapes.
        allow_unused: whether ``ys`` may depend on none of the ``xs``, so that all gradients are zero.

    Returns:
        Tensors of the shapes of ``xs``, zeros where ``ys`` does not depend on ``x``. They are graphs: they can be
        printed, drawn, and differentiated again.

    Raises:
        GradientError: when an ``x`` or ``y`` holds no floats, when ``ys`` was computed from none of the ``xs``, and
            when an op between them has no gradient.

    >>> x = tl.symbol("x")
    >>> dy = tl.gradients(x**3, x)
    >>> print(dy.evaluate({x: 2.0}), tl.gradients(dy, x).evaluate({x: 2.0}))
    12.0 12.0
    """
    y_leaves, y_structure = flatten(ys)
    results = [as_tensor(y) for y in y_leaves]
    x_leaves, x_structure = flatten(xs)
    for y in results:
        if not y.dtype.is_float:
            raise GradientError(f"gradients: y is {y.type}; only floats have derivatives, so give 3.0 in place of 3")
    if not results:
        raise UsageError("gradients: there is nothing to differentiate, ys is empty")
    order = topological(results)
    by_variable = _leaves_by_variable(order)
    sources: list[list[Tensor]] = []
    for x in x_leaves:
        if not isinstance(x, Tensor | Variable):
            what = "; make a tensor of it first, x = tl.tensor(x)" if is_scalar(x) else ""
            raise UsageError(f"gradients: differentiate by a tensor, symbol or Parameter, not {type(x).__name__}{what}")
        if not x.dtype.is_float:
            raise GradientError(
                f"gradients: x is {as_tensor(x).type}; only floats have derivatives: x.astype(tl.float32)"
            )
        # A variable may hold another leaf now than when the graph was built: what the graph read counts.
        sources.append(by_variable.get(x, [x.leaf]) if isinstance(x, Variable) else [x])
    seeds = list(zip(results, _seeds(results, cotangents, y_structure), strict=True))
    flat = [x for group in sources for x in group]
    _check_history("gradients", order, flat)
    if flat and not allow_unused and set(flat).isdisjoint(order) and not rightly_constant(flat, order):
        raise unreached(x_leaves, order)
    found_cotangents = iter(_cotangents(seeds, flat, order))
    found = [_total([next(found_cotangents) for _ in group], group[0]) for group in sources]
    if len(results) == 1:
        for group, gradient in zip(sources, found, strict=True):
            remember(gradient, results[0], group[0])
    return unflatten(x_structure, found)


def _check_history(what: str, order: list[Node], sources: Sequence[Node]) -> None:
    """Raise where a result of a compiled function is among the ancestors and not among the sources.

    Such a result has lost its graph. Treating it as a constant would give a wrong gradient of 0.
    """
    known = set(sources)
    for node in order:
        if node.op == "leaf" and "history" in node.attrs and node not in known and node.type.dtype.is_float:
            raise GradientError(
                f"{what}: {node.type} was computed by a function under tl.jit, whose results have no history; "
                "differentiate inside that function, or detach() the result if it is to be a constant"
            )


def _seeds(results: list[Tensor], cotangents: Any, structure: Any) -> list[Tensor]:
    if cotangents is None:
        return [ones_like(y) for y in results]
    leaves, own = flatten(cotangents)
    if not structure.fits(own):
        of_cotangents, of_ys = own.told_from(structure)
        raise UsageError(f"gradients: cotangents are {of_cotangents}, but ys are {of_ys}")
    nodes = [as_tensor(c, like=y) for c, y in zip(leaves, results, strict=True)]
    for c, y in zip(nodes, results, strict=True):
        if c.shape != y.shape:
            raise ShapeError(f"gradients: the cotangent is {c.type}, but y is {y.type}")
        if c.dtype is not y.dtype:
            raise DTypeError(f"gradients: the cotangent is {c.type}, but y is {y.type}; convert it with .astype")
    return nodes


def _leaves_by_variable(order: list[Node]) -> Mapping[Any, list[Tensor]]:
    leaves: dict[Any, list[Tensor]] = {}
    for node in order:
        if node.variable is not None:
            variable = node.variable()
            if variable is not None:
                leaves.setdefault(variable, []).append(node)  # type: ignore[arg-type]  # a variable holds a tensor
    return leaves


def _total(parts: list[Tensor | None], like: Tensor) -> Tensor:
    present = [p for p in parts if p is not None]
    if not present:
        return zeros_like(like)
    total = present[0]
    for p in present[1:]:
        total = total + p
    return total


def cotangents(
    seeds: Sequence[tuple[Tensor, Tensor]], sources: Sequence[Tensor], order: Sequence[Node]
) -> list[Tensor | None]:
    """The cotangent of each source, None where nothing flows.

    Args:
        seeds: results and their cotangents; a result may stand there several times.
        sources: what to differentiate by.
        order: the ancestors of the results in topological order.
    """
    active = active_nodes(order, sources)
    collected: dict[Node, Tensor] = {}
    projected: dict[Node, dict[Any, Tensor]] = {}
    scopes: dict[Scope | None, Scope] = {}
    names: dict[Node, Node] = {}
    for y, seed in seeds:
        if y in active:
            collected[y] = collected[y] + seed if y in collected else seed
    source_set = set(sources)
    for node in reversed(order):
        if node not in active or not node.inputs:
            continue
        if node.op == "named":
            names[node.inputs[0]] = node
        g: Any = collected.get(node) if node in source_set else collected.pop(node, None)
        if g is None and node not in projected:
            continue
        token = deriving.set(Deriving(node, _gradient_scope(node.scope, scopes)))
        try:
            if node in projected:
                _through_loop(node, projected.pop(node), active, collected)
            elif OPS[node.op].kind == "projection":
                slot = slot_of(node)
                # Several projections may read one slot: that of the user, and those that an earlier gradient made.
                arrived = projected.setdefault(node.inputs[0], {})
                arrived[slot] = arrived[slot] + g if slot in arrived else g
            else:
                _through_op(node, names.get(node, node), g, active, collected)
        finally:
            deriving.reset(token)
    return [collected.get(x) for x in sources]


_cotangents = cotangents  # `gradients` has a parameter of this name


def _through_op(node: Any, y: Node, g: Tensor, active: set[Node], collected: dict[Node, Tensor]) -> None:
    """Add what arrives at the inputs of ``node``; its derivatives read its value as ``y``, by the user's name."""
    op = OPS[node.op]
    for k, x in enumerate(node.inputs):
        if x not in active:
            continue
        if op.gradient is None:
            raise without_rule(node)
        ct: Tensor | None = op.cotangent(g, node, k, y)
        if ct is None:
            continue
        if op.kind == "elementwise":
            ct = sum_to(ct, x.type.shape)
        collected[x] = collected[x] + ct if x in collected else ct


def _through_loop(node: Any, cts: dict[Any, Tensor], active: set[Node], collected: dict[Node, Tensor]) -> None:
    active_inputs = {k for k, x in enumerate(node.inputs) if x in active}
    for x, ct in zip(node.inputs, LOOP_RULES[node.op](node, cts, active_inputs), strict=True):
        if ct is not None and x in active:
            collected[x] = collected[x] + ct if x in collected else ct


def _gradient_scope(scope: Scope | None, made: dict[Scope | None, Scope]) -> Scope:
    """The scope for gradients of nodes that were made in ``scope``: the same path below ``gradient``."""
    if scope not in made:
        if scope is None:
            made[None] = Scope("gradient")
        else:
            role = scope.role if scope.role == "function" else None
            made[scope] = Scope(scope.name, role, _gradient_scope(scope.parent, made), scope.note)
    return made[scope]


@function
def backward(loss: Tensor) -> None:
    """Evaluate ``loss`` and add its gradients to ``.grad`` of every Parameter that it reaches."""
    if loss.shape != () and loss.size != 1:
        raise GradientError(f"backward: the loss is {loss.type}; reduce it to a scalar, for example with .mean()")
    if not loss.dtype.is_float:
        raise GradientError(f"backward: the loss is {loss.type}; only floats have derivatives: .astype(tl.float32)")
    order = topological((loss,))
    reached = {c: leaves for c, leaves in _leaves_by_variable(order).items() if isinstance(c, Parameter)}
    if not reached:
        raise without_parameter(order)
    for variable in reached:
        variable.check_once()
    flat = [x for leaves in reached.values() for x in leaves]
    _check_history("backward", order, flat)
    seed = full_node(loss.shape, 1.0, loss.dtype, loss.device)
    found_cotangents = iter(cotangents([(loss, seed)], flat, order))
    new: list[Tensor] = []
    for variable, leaves in reached.items():
        g = _total([next(found_cotangents) for _ in leaves], leaves[0])
        new.append(g if variable.grad is None else variable.grad + g)
    tracing = tracer.get()
    if tracing is not None:
        tracing.losses.append(loss)
    _, *grads = settled((loss, *new))
    for variable, leaf in zip(reached, grads, strict=True):
        variable.grad = leaf
