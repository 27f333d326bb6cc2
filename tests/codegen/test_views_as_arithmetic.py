"""Arithmetic on strides against what it stands for: the elements that a view meets, one after the other."""

import itertools
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest

from tinygrad_lstm.codegen.bodies import with_joined_axes
from tinygrad_lstm.codegen.operations import Block, Operation, Reference
from tinygrad_lstm.codegen.program import Kernel, Scalar, Store, View
from tinygrad_lstm.codegen.references import axis_order, coordinates, is_whole, regrouped
from tinygrad_lstm.graph.dtypes import float32, int64


def met(shape: Sequence[int], strides: Sequence[int], offset: int) -> list[int]:
    """The elements of a view in row-major order."""
    return [offset + int(np.dot(i, strides)) for i in itertools.product(*map(range, shape))]


def odd_view(random: Random, shape: Sequence[int]) -> tuple[tuple[int, ...], int]:
    """Strides and an offset: dense, transposed, repeated, backwards, of windows that overlap, or at random."""
    rank = len(shape)
    order = random.sample(range(rank), rank) if random.random() < 0.3 else range(rank)
    strides, size = [0] * rank, random.choice((1, 1, 1, 2, 3))
    for k in reversed(order):
        strides[k] = size
        size *= shape[k]
    for k in range(rank):
        strides[k] = random.choice((strides[k], strides[k], strides[k], 0, -strides[k], strides[k - 1], shape[k], 1))
    return tuple(strides), sum(-s * (n - 1) for s, n in zip(strides, shape, strict=True) if s < 0)


@pytest.mark.parametrize("seed", range(20))
def test_axes_are_joined_where_the_same_elements_are_met(seed: int) -> None:
    random = Random(seed)
    joined = 0
    for _ in range(60):
        shape = tuple(random.choice((1, 2, 2, 3, 4)) for _ in range(random.randrange(1, 5)))
        reduced = random.randrange(len(shape) + 1)
        plain = random.random() < 0.5
        views = []
        for buffer in range(3):
            strides, offset = odd_view(random, shape)
            if plain:
                strides = tuple(int(np.prod(shape[k + 1 :])) for k in range(len(shape)))
                offset = 0
            views.append(View(buffer, shape, strides, offset))
        counted = [random.randrange(len(shape))] if random.random() < 0.3 else []
        body = (Scalar("load", (), float32, 0), Scalar("load", (), float32, 1))
        body += tuple(Scalar("index", (), int64, k) for k in counted)
        kernel = Kernel(shape, reduced, tuple(views[:2]), body, (Store(0, views[2], None),))
        after = with_joined_axes(kernel)
        joined += len(after.shape) < len(shape)
        for one, two in zip([*kernel.reads, kernel.stores[0].view], [*after.reads, after.stores[0].view], strict=True):
            assert met(shape, one.strides, one.offset) == met(after.shape, two.strides, two.offset), kernel
        # What is summed over stays what is summed over, and a position that is asked for stays one of its own.
        assert np.prod(shape[len(shape) - reduced :]) == np.prod(after.shape[len(after.shape) - after.reduced :])
        for k, scalar in zip(counted, after.body[2:], strict=True):
            assert after.shape[scalar.attr] == shape[k]
            before, beyond = np.indices(shape)[k].ravel(), np.indices(after.shape)[scalar.attr].ravel()
            assert before.tolist() == beyond.tolist()
    assert joined > 5


@pytest.mark.parametrize("seed", range(20))
def test_coordinates_are_those_of_the_elements(seed: int) -> None:
    random = Random(seed)
    known = 0
    for _ in range(200):
        shape = tuple(random.choice((1, 2, 3, 4, 5)) for _ in range(random.randrange(1, 4)))
        size = int(np.prod(shape))
        # A slice with steps, some of them backwards, and some axes gone or repeated.
        strides, sizes, offset = [], [], 0
        for k, n in enumerate(shape):
            step, start = random.choice((1, 1, 2, -1)), random.randrange(n)
            count = (n - 1 - start) // step + 1 if step > 0 else start // -step + 1
            row = int(np.prod(shape[k + 1 :]))
            offset += start * row
            if random.random() < 0.8:
                sizes.append(random.randrange(1, count + 1))
                strides.append(step * row)
            elif random.random() < 0.3:
                sizes.append(2)
                strides.append(0)
        if random.random() < 0.3 and sizes:
            # And what may leave the row that it began in.
            strides[random.randrange(len(strides))] = random.choice((1, 2, 3, -1))
        order = random.sample(range(len(sizes)), len(sizes))
        sizes, strides = [sizes[k] for k in order], [strides[k] for k in order]
        elements = met(sizes, strides, offset)
        if min(elements) < 0 or max(elements) >= size:
            continue
        operation = Operation("map", shape, float32, Block())
        axes = coordinates(Reference(operation, tuple(sizes), tuple(strides), offset), shape, {})
        if axes is None:
            continue
        known += 1
        wanted = np.unravel_index(elements, shape)
        for axis, places in zip(axes, wanted, strict=True):
            assert met(sizes, axis.strides, axis.offset) == places.tolist(), (shape, sizes, strides, offset)
    assert known > 80


@pytest.mark.parametrize("seed", range(10))
def test_another_shape_meets_the_same_elements(seed: int) -> None:
    random = Random(seed)
    known = 0
    for _ in range(300):
        shape = tuple(random.choice((1, 2, 2, 3, 4)) for _ in range(random.randrange(1, 5)))
        strides, offset = odd_view(random, shape)
        rest, target = int(np.prod(shape)), []
        while rest > 1:
            target.append(random.choice([d for d in range(1, rest + 1) if rest % d == 0]))
            rest //= target[-1]
        found = regrouped(shape, strides, tuple(target))
        if found is not None:
            known += 1
            assert met(shape, strides, offset) == met(target, found, offset), (shape, strides, target)
    assert known > 60


@pytest.mark.parametrize("seed", range(10))
def test_what_reads_all_elements_in_order_or_by_axes(seed: int) -> None:
    random = Random(seed)
    wholes = permuted = 0
    for _ in range(400):
        shape = tuple(random.choice((1, 2, 3, 4)) for _ in range(random.randrange(1, 4)))
        size = int(np.prod(shape))
        operation = Operation("map", shape, float32, Block())
        # The axes in some order, with new ones of size 1, one of them perhaps repeated, cut or backwards.
        order = random.sample(range(len(shape)), len(shape)) if random.random() < 0.5 else list(range(len(shape)))
        axes = [(shape[k], int(np.prod(shape[k + 1 :]))) for k in order]
        if random.random() < 0.4:
            axes.insert(random.randrange(len(axes) + 1), (1, random.choice((0, 1, 7))))
        offset = 0
        if random.random() < 0.4:
            k = random.randrange(len(axes))
            n, stride = axes[k]
            axes[k], offset = random.choice(
                (
                    ((n, 0), 0),
                    ((max(1, n - 1), stride), 0),
                    ((max(1, n - 1), stride), stride * (n > 1)),
                    ((n, -stride), stride * (n - 1)),
                )
            )
        loops = ((0, 1),) if random.random() < 0.1 else ()
        ref = Reference(operation, tuple(n for n, _ in axes), tuple(s for _, s in axes), offset, loops)
        elements = met(ref.shape, ref.strides, offset)
        in_order = elements == list(range(size)) and not loops
        assert is_whole(ref) == in_order, ref
        wholes += in_order
        found = axis_order(ref)
        once = sorted(elements) == list(range(size)) and not loops and offset == 0
        if found is None:
            assert not once, ref
            continue
        permuted += 1
        assert once, ref
        places = np.unravel_index(elements, shape)
        index = np.indices(ref.shape).reshape(len(ref.shape), -1)
        for k, axis in enumerate(found):
            assert places[k].tolist() == (index[axis].tolist() if axis >= 0 else [0] * len(elements)), ref
    assert wholes > 60
    assert permuted > 120
