"""``vmap``: axes and structures, transforms of it and under it, models, chance, and mistakes."""

from typing import Any, NamedTuple

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.batching.looping import agree, looped, weighed
from tests.codegen.small_programs import needs_c
from tinygrad_lstm.autodiff import jacobian_rows
from tinygrad_lstm.errors import Error, ShapeError, StructureError, TraceError, UsageError
from tinygrad_lstm.graph.function import Graph, topological, verify
from tinygrad_lstm.graph.structure import flatten


def drawn(*shape: int, seed: int = 0) -> Any:
    return tl.tensor(np.random.default_rng([seed, *shape]).normal(size=shape))


class Pair(NamedTuple):
    a: Any
    b: Any


def test_axes_of_arguments_and_results() -> None:
    x, y = drawn(3, 4, 5), drawn(5, 3)

    def f(a: Any, b: Any) -> Any:
        return a + tl.expand_dims(b, 1) * 2, b.sum()

    for axes, out in [((2, 0), 0), ((-1, 0), (1, 0)), ((None, 0), (-1, 0)), ([2, None], [0, -1])]:
        args = [x if axes[0] is not None else x[:, :, 0], y if axes[1] is not None else y[0]]
        got = tl.vmap(f, axes, out)(*args)
        want = looped(f, axes)(*args)
        ends = out if isinstance(out, tuple | list) else (out, out)
        agree(got, tuple(tl.moveaxis(w, 0, end) for w, end in zip(want, ends, strict=True)))


def test_structures_of_arguments_and_results() -> None:
    tree = {"x": drawn(4, 3), "pair": Pair(drawn(3, 4), [drawn(3)])}

    def f(tree: Any, scale: Any) -> Any:
        a, (b,) = tree["pair"]
        return {"sum": tree["x"] + a * scale, "rest": (b, tl.tensor(1.0))}

    axes = ({"x": 0, "pair": (1, [None])}, None)
    got = tl.vmap(f, axes)(tree, 2.0)
    agree(got["sum"], tree["x"] + tl.transpose(tree["pair"].a) * 2.0)
    agree(got["rest"][0], tl.broadcast_to(tree["pair"].b[0], (4, 3)))
    assert got["rest"][1].tolist() == [1.0] * 4
    one = tl.vmap(f, axes, {"sum": 0, "rest": None})(tree, 2.0)
    agree(one["rest"], (tree["pair"].b[0], tl.tensor(1.0)))


def test_what_is_no_array_and_keywords_are_the_same_for_all() -> None:
    def f(x: Any, name: Any, *, power: Any) -> Any:
        assert name == "sin"
        return getattr(tl, name)(x) ** power

    agree(tl.vmap(f, (0, None))(drawn(3), "sin", power=3), tl.sin(drawn(3)) ** 3)
    agree(tl.vmap(lambda x, w: x * w)(np.arange(2.0), np.ones((2, 3))), tl.tensor(np.repeat([[0.0], [1.0]], 3, 1)))


def test_what_depends_on_no_example_is_computed_once() -> None:
    w = tl.symbol("w", (50, 50))
    y = tl.vmap(lambda x: tl.tanh(w @ w) @ x)(tl.symbol("x", (7, 50)))
    assert [n.shape for n in topological([y]) if n.op == "tanh"] == [(50, 50)]
    # One product for all examples, not one for each.
    assert sum(n.op == "matmul" for n in topological([y])) == 2


def test_mapped_twice_and_in_every_order_of_transforms() -> None:
    def f(x: Any, y: Any) -> Any:
        return (tl.sin(x) @ y).sum() * x.sum()

    x, y = drawn(3, 4), drawn(2, 4)
    both = tl.vmap(tl.vmap(f, (None, 0)), (0, None))
    agree(both(x, y), tl.stack([tl.stack([f(a, b) for b in y]) for a in x]))
    slopes = tl.vmap(tl.vmap(tl.grad(f, (0, 1)), (None, 0), 1), (0, None))(x, y)
    wanted = [[tl.grad(f, (0, 1))(a, b) for b in y] for a in x]
    for k in range(2):
        agree(slopes[k], tl.stack([tl.stack([g[k] for g in row], axis=1) for row in wanted]))
    agree(tl.vmap(tl.jacobian(lambda v: tl.tanh(v) * v.sum()))(x), tl.stack([
        tl.jacobian(lambda v: tl.tanh(v) * v.sum())(a) for a in x
    ]))  # fmt: skip
    agree(tl.vmap(tl.hessian(lambda v: f(v, y[0])))(x), tl.stack([tl.hessian(lambda v: f(v, y[0]))(a) for a in x]))
    agree(tl.jacobian(tl.vmap(lambda v: v.sum() * v))(x), tl.jacobian(lambda m: m.sum(1, keepdims=True) * m)(x))
    agree(tl.hessian(lambda m: tl.vmap(lambda v: (v**3).sum())(m).sum())(x), tl.hessian(lambda m: (m**3).sum())(x))
    value, tangent = tl.jvp(tl.vmap(lambda v: v.sum() * v), (x,), (tl.ones_like(x),))
    agree((value, tangent), tl.jvp(lambda m: m.sum(1, keepdims=True) * m, (x,), (tl.ones_like(x),)))
    agree(tl.vmap(lambda v, u: tl.hvp(lambda z: (z**3).sum(), v, u))(x, x), 6 * x * x)


@pytest.mark.parametrize("backend", ["numpy", pytest.param("c", marks=needs_c)])
def test_compiled(backend: str) -> None:
    lstm = tl.nn.LSTM(3, 4, key=tl.random.key(0), dtype=tl.float64)
    x = drawn(5, 6, 1, 3)

    def loss(sequence: Any) -> Any:
        return (lstm(sequence)[0] ** 2).sum()

    def gradients(sequence: Any) -> Any:
        return tl.gradients(loss(sequence), lstm.parameters())

    want = looped(gradients, [0])(x)
    with tl.use_backend(backend):
        agree(tl.jit(tl.vmap(gradients))(x), want, 1e3)
        agree(tl.vmap(tl.jit(gradients))(x), want, 1e3)
        hessians = tl.jit(tl.vmap(tl.hessian(lambda v: tl.sin(v) @ v)))(x[:, 0, 0])
    agree(hessians, looped(tl.hessian(lambda v: tl.sin(v) @ v), [0])(x[:, 0, 0]))


CELLS = {
    "RNNCell": [{}, {"layer_norm": True}],
    "LSTMCell": [{}, {"peephole": True, "coupled": True}, {"layer_norm": True}],
    "GRUCell": [{}, {"reset_after": True}],
}


@pytest.mark.parametrize(("kind", "options"), [(kind, o) for kind, found in CELLS.items() for o in found])
def test_cells_and_layers_of_them(kind: str, options: dict[str, Any]) -> None:
    """Each example is a sequence of its own, with a state of its own; then each is a set of weights."""
    cell = getattr(tl.nn, kind)(2, 3, key=tl.random.key(0), dtype=tl.float64, **options)
    layer = tl.nn.Recurrent(cell, getattr(tl.nn, kind)(2, 3, key=tl.random.key(1), dtype=tl.float64, **options))
    x = drawn(3, 4, 2, 2)
    lengths = tl.tensor([[4, 1], [2, 3], [0, 4]])

    def f(sequence: Any, counts: Any) -> Any:
        return layer(sequence, lengths=counts)

    agree(tl.vmap(f)(x, lengths), looped(f, (0, 0))(x, lengths))
    agree(tl.vmap(layer, 1)(x), looped(layer, [1])(x))
    first = tl.grad(weighed(f))
    agree(tl.vmap(first)(x, lengths), looped(first, (0, 0))(x, lengths), 1e3)
    second = tl.grad(weighed(first))
    agree(tl.vmap(second)(x, lengths), looped(second, (0, 0))(x, lengths), 1e4)

    def by_parameters(sequence: Any) -> Any:
        return tl.gradients(weighed(layer)(sequence), layer.parameters())

    agree(tl.vmap(by_parameters)(x), looped(by_parameters, [0])(x), 1e3)


def test_loops_whose_carry_comes_to_depend_on_an_example() -> None:
    """The first carry depends on none, the second on it, and each only after some steps."""

    def f(x: Any) -> Any:
        def step(carry: Any, t: Any) -> Any:
            a, b, c = carry
            return (b, c + x * 0.1, tl.cos(c)), (a * b, t)

        return tl.scan(step, (tl.tensor(0.5), tl.tensor(1.0), tl.tensor(1.5)), tl.arange(6) * 1.0)

    x = drawn(4).astype(tl.float32)
    agree(tl.vmap(f)(x), looped(f, [0])(x))
    (last, _), *_ = [tl.vmap(f)(x)]
    loop = next(n for n in topological([last[0]]) if n.op == "scan")
    # What depends on no example stays one for all.
    assert [y.shape for y in loop.attrs["body"].outputs] == [(4,), (4,), (), (4,), ()]
    for g in (tl.grad(weighed(f)), tl.grad(tl.grad(weighed(f)))):
        agree(tl.vmap(g)(x), looped(g, [0])(x), 1e4)


def test_calls_stay_calls() -> None:
    def block(x: Any, w: Any) -> Any:
        return tl.tanh(x @ w), w.sum()

    x, w = drawn(3, 2, 4), drawn(4, 4)
    f = tl.checkpoint(block)
    got = tl.vmap(f, (0, None))(x, w)
    assert any(n.op == "call" for n in topological(flatten(got)[0]))
    agree(got, looped(f, (0, None))(x, w))
    first = tl.grad(weighed(f), (0, 1))
    agree(tl.vmap(first, (0, None))(x, w), looped(first, (0, None))(x, w), 1e3)


def test_ops_of_the_users_own() -> None:
    scaled = tl.define_op(
        "scaled_for_vmap",
        shape=lambda a, b, *, factor: (b.shape[0],),
        kernel=lambda xp, a, b, *, factor: xp.asarray(a.sum() * b * factor, dtype=a.dtype),
        gradient=(
            lambda g, y, a, b, *, factor: tl.broadcast_to((g * b).sum() * factor, a.shape),
            lambda g, y, a, b, *, factor: g * a.sum() * factor,
        ),
    )
    cube = tl.define_op("cube_for_vmap", None, lambda xp, x: x * x * x, lambda g, y, x: g * 3 * x**2)
    a, b = drawn(3, 2), drawn(3, 4)
    for axes, args in [((0, 0), (a, b)), ((0, None), (a, b[0])), ((None, 0), (a[0], b))]:

        def f(u: Any, v: Any) -> Any:
            return cube(scaled(u, v, factor=0.5))

        agree(tl.vmap(f, axes)(*args), looped(f, axes)(*args))
        first = tl.grad(weighed(f), (0, 1))
        agree(tl.vmap(first, axes)(*args), looped(first, axes)(*args), 1e3)


def test_each_example_has_chance_of_its_own() -> None:
    keys = tl.stack(tl.random.split(tl.random.key(0), 5))

    def f(key: Any) -> Any:
        first, second = tl.random.split(key)
        return (
            tl.random.normal(first, (2, 3)),
            tl.random.permutation(second, 6),
            tl.random.randint(tl.random.fold_in(second, 3), 4, 0, 10),
            tl.random.categorical(first, [0.0, 1.0, 2.0], (3,)),
        )

    agree(tl.vmap(f)(keys), looped(f, [0])(keys))
    dropout = tl.nn.Dropout(0.5, key=tl.random.key(1))
    x = tl.ones((5, 20))
    agree(tl.vmap(lambda v, k: dropout(v, k))(x, keys), looped(lambda v, k: dropout(v, k), (0, 0))(x, keys))
    before = dropout.key.leaf.tolist()
    with pytest.raises(UsageError, match="would drop the same places in all examples; map over keys, one for each"):
        tl.vmap(dropout)(x)
    with pytest.raises(UsageError, match="would drop the same places"):
        tl.vmap(lambda v: tl.scan(lambda c, u: (c, dropout(u)), (), v))(x)
    assert dropout.key.leaf.tolist() == before


def test_an_ensemble_of_weights() -> None:
    models = [tl.nn.Sequential(tl.nn.Linear(3, 4, key=tl.random.key(k)), tl.tanh) for k in range(3)]
    stacked = {path: tl.stack([m.state_dict()[path] for m in models]) for path in models[0].state_dict()}
    x = tl.ones((5, 3))

    def output(weights: Any, x: Any) -> Any:
        return tl.tanh(x @ weights["layers.0.weight"] + weights["layers.0.bias"])

    agree(tl.vmap(output, (0, None))(stacked, x), tl.stack([m(x) for m in models]))


@pytest.mark.parametrize("count", [0, 1])
def test_none_or_one_example(count: int) -> None:
    x = tl.ones((count, 3))
    y, z = tl.vmap(lambda v: (tl.softmax(v), tl.scan(lambda c, u: (c * u, c), tl.tensor(1.0), v)[1]))(x)
    assert (y.shape, z.shape) == ((count, 3), (count, 3))
    y.numpy(), z.numpy()


def test_graphs_are_well_formed_and_name_their_lines() -> None:
    lstm = tl.nn.LSTM(3, 4, key=tl.random.key(0))
    x = tl.symbol("x", (5, 6, 1, 3))
    ys = tl.vmap(lambda s: tl.gradients((lstm(s)[0] ** 2).sum(), lstm.parameters()))(x)
    second = tl.gradients(ys, x)
    for y in (*ys, second):
        verify(y)
    verify(Graph((x,), (second,)))
    assert all(n.line is not None and n.line[0] == __file__ for n in topological(ys) if n.op == "scan")
    roles = {n.scope.role for n in topological([tl.vmap(lambda s: lstm(s)[0])(x)]) if n.scope is not None}
    assert "layer" in roles
    assert tl.draw.graph(ys[0]).svg()


@pytest.mark.parametrize("most", [1, 3, 100, 2000])
def test_jacobians_in_groups_of_rows(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def f(x: Any) -> Any:
        return {"y": tl.sin(x["a"]) * x["b"].sum(), "z": tl.scan(lambda c, v: (c * v, c + v), x["b"][0], x["a"][0])[1]}

    x = {"a": drawn(2, 3), "b": drawn(4)}
    want = tl.jacobian(f)(x)
    monkeypatch.setattr(jacobian_rows, "MOST_ELEMENTS", most)
    agree(tl.jacobian(f)(x), want)
    for key, wrong in (("a", (2, 3)), ("b", (4,))):
        assert want["y"][key].shape == (2, 3, *wrong)
    assert tl.jacobian(lambda v: v[:0] * 2)(drawn(3)).shape == (0, 3)
    assert tl.jacobian(lambda v: tl.concatenate([v, drawn(2)]))(drawn(0)).shape == (2, 0)


W, S = tl.Parameter(tl.ones(3), name="w"), tl.State(0, name="count")


def assigns(x: Any) -> Any:
    S.assign(S + 1)
    return x


def backs(x: Any) -> Any:
    (W * x).sum().backward()
    return x


def branches(x: Any) -> Any:
    return x if x.sum() > 0 else -x


THREE = tl.ones((2, 3))


def read(x: Any) -> Any:
    return float(x.sum())


def read_step(carry: Any, x: Any) -> Any:
    return carry, x.numpy()


def pair(x: Any) -> Any:
    return x, x


ONES, LATER = tl.ones(3), "which would happen once, while the body is traced, and not for each example; return the new"
MISTAKES: list[tuple[type[Exception], str, Any]] = [
    (UsageError, "vmap takes a function of one example, not Tensor", lambda: tl.vmap(THREE)),
    (
        ShapeError,
        r"\[1\] is the number 2.0 and has no axis of examples; give None",
        lambda: tl.vmap(tl.add)(THREE, 2.0),
    ),
    (ShapeError, r"\[0\] is f32\[\] and has no axis of examples; give None", lambda: tl.vmap(tl.sin)(tl.tensor(1.0))),
    (ShapeError, r"3 examples along axis 0, but argument\[0\] has 2", lambda: tl.vmap(tl.add)(THREE, ONES)),
    (ShapeError, "axis 2", lambda: tl.vmap(tl.sin, 2)(THREE)),
    (UsageError, "no argument has an axis of examples; give in_axes", lambda: tl.vmap(tl.sin, None)(THREE)),
    (UsageError, "no argument has an axis of examples", lambda: tl.vmap(lambda: THREE)()),
    (StructureError, r"in_axes is \(0, 0\), which .* the arguments, \(\*\)", lambda: tl.vmap(tl.sin, (0, 0))(THREE)),
    (StructureError, r"in_axes is {'a': 0}, which .* {b: \*}", lambda: tl.vmap(len, ({"a": 0},))({"b": THREE})),
    (StructureError, "in_axes is 'rows'", lambda: tl.vmap(tl.sin, "rows")(THREE)),
    (StructureError, r"out_axes is \(0, 0, 0\), which .* the results", lambda: tl.vmap(pair, 0, (0, 0, 0))(THREE)),
    (UsageError, "result differs from example to example, but out_axes", lambda: tl.vmap(tl.sin, 0, None)(THREE)),
    (UsageError, r"result\[1\] differs", lambda: tl.vmap(pair, 0, (0, None))(THREE)),
    (UsageError, f"changes 'count', {LATER}", lambda: tl.vmap(assigns)(THREE)),
    (UsageError, f"changes 'w', {LATER}", lambda: tl.vmap(backs)(THREE)),
    (Error, "has no value yet, so Python cannot branch on it", lambda: tl.vmap(branches)(THREE)),
    (TraceError, "is traced in the body of a vmap at .* and has no value yet", lambda: tl.vmap(read)(THREE)),
    (TraceError, "is traced in the body of a scan at .* and has no value yet", lambda: tl.scan(read_step, (), THREE)),
    (UsageError, "has no argument 'in_dims': .*in_axes", lambda: tl.vmap(tl.sin, in_dims=0)),
]


@pytest.mark.parametrize(("error", "message", "call"), MISTAKES)
def test_mistakes(error: type[Exception], message: str, call: Any) -> None:
    with pytest.raises(error, match=message):
        call()
    assert S.leaf.item() == 0
    assert W.grad is None
