"""The random function against published answers, and what is built of it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinygrad_lstm as tl
from tinygrad_lstm.errors import DTypeError, ShapeError, UsageError

KEY = tl.random.key(2024)

# From kat_vectors of the Random123 distribution: threefry2x32, 20 rounds; counter, key, result.
KNOWN = [
    ((0x00000000, 0x00000000), (0x00000000, 0x00000000), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x243F6A88, 0x85A308D3), (0x13198A2E, 0x03707344), (0xC4923A9C, 0x483DF7A0)),
]


def words(pair) -> tl.Tensor:
    return tl.tensor(np.array(pair, np.uint32))


@pytest.mark.parametrize(("counter", "key", "wanted"), KNOWN)
def test_known_answers(counter, key, wanted) -> None:
    assert tl.threefry2x32(words(key), words(counter)).tolist() == list(wanted)


def test_many_counters_at_once_are_each_on_its_own() -> None:
    counters = np.arange(12, dtype=np.uint32).reshape(3, 2, 2)
    every = tl.threefry2x32(KEY, counters).numpy()
    for i in range(3):
        for j in range(2):
            assert every[i, j].tolist() == tl.threefry2x32(KEY, counters[i, j]).tolist()
    assert tl.threefry2x32(KEY, np.zeros((0, 2), np.uint32)).shape == (0, 2)


def referee(key: tuple[int, int], counter: tuple[int, int]) -> tuple[int, int]:
    """The definition in Python integers (J. Salmon et al., SC 2011)."""
    ks = (*key, 0x1BD11BDA ^ key[0] ^ key[1])
    x, y = (counter[0] + ks[0]) % 2**32, (counter[1] + ks[1]) % 2**32
    for i in range(20):
        turn = (13, 15, 26, 6, 17, 29, 16, 24)[i % 8]
        x = (x + y) % 2**32
        y = (y << turn | y >> 32 - turn) % 2**32 ^ x
        if i % 4 == 3:
            j = i // 4 + 1
            x, y = (x + ks[j % 3]) % 2**32, (y + ks[(j + 1) % 3] + j) % 2**32
    return x, y


WORDS = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))


@given(WORDS, WORDS)
def test_against_the_definition(key, counter) -> None:
    assert tl.threefry2x32(words(key), words(counter)).tolist() == list(referee(key, counter))


def test_the_referee_knows_the_answers_too() -> None:
    for counter, key, wanted in KNOWN:
        assert referee(key, counter) == wanted


@pytest.mark.parametrize("dtype", [tl.float16, tl.float32, tl.float64])
def test_uniform(dtype) -> None:
    x = tl.random.uniform(KEY, (200, 100), dtype=dtype).numpy().astype(np.float64)
    assert 0 <= x.min() < 0.01
    assert 0.99 < x.max() < 1
    assert x.mean() == pytest.approx(0.5, abs=0.01)
    assert x.var() == pytest.approx(1 / 12, abs=0.003)
    assert tl.random.uniform(KEY, 3, dtype=dtype).dtype is dtype
    counts, _ = np.histogram(x, 16, (0, 1))
    assert (np.abs(counts - 1250) < 5 * math.sqrt(1250)).all()


def test_uniform_between_bounds() -> None:
    x = tl.random.uniform(KEY, 10_000, -2.0, 3.0).numpy()
    assert -2 <= x.min() < -1.99
    assert 2.99 < x.max() <= 3


@pytest.mark.parametrize("dtype", [tl.float16, tl.float32, tl.float64])
def test_normal(dtype) -> None:
    x = tl.random.normal(KEY, 20_000, dtype=dtype).numpy().astype(np.float64)
    assert np.isfinite(x).all()
    assert x.mean() == pytest.approx(0, abs=0.03)
    assert x.std() == pytest.approx(1, abs=0.03)
    assert (x**3).mean() == pytest.approx(0, abs=0.1)
    assert (x**4).mean() == pytest.approx(3, abs=0.25)
    assert (np.abs(x) < 1).mean() == pytest.approx(0.6827, abs=0.015)
    y = tl.random.normal(KEY, 20_000, 5.0, 0.1).numpy()
    assert y.mean() == pytest.approx(5, abs=0.01)
    assert y.std() == pytest.approx(0.1, abs=0.005)


def test_one_key_gives_one_sequence_and_other_keys_give_others() -> None:
    def drawn(key):
        return tuple(tl.random.bits(key, 4).tolist())

    assert drawn(KEY) == drawn(tl.random.key(2024))
    keys = [KEY, *tl.random.split(KEY, 5), *[tl.random.fold_in(KEY, k) for k in range(5)], tl.random.key(2025)]
    assert len({drawn(k) for k in keys}) == len(keys)
    assert len({tuple(k.tolist()) for k in keys}) == len(keys)


def test_a_shorter_draw_is_the_beginning_of_a_longer_one() -> None:
    assert tl.random.bits(KEY, 3).tolist() == tl.random.bits(KEY, (2, 4)).numpy().ravel()[:3].tolist()
    assert tl.random.bits(KEY, ()).shape == ()
    assert tl.random.uniform(KEY, (0, 3)).shape == (0, 3)


@pytest.mark.parametrize("seed", [0, 1, 2**32, 2**64 - 1, np.uint64(2**63)])
def test_a_key_holds_the_words_of_its_seed(seed) -> None:
    assert tl.random.key(seed).tolist() == [int(seed) >> 32, int(seed) & 0xFFFFFFFF]


@pytest.mark.parametrize("seed", [-1, 2**64, 1.0, "a", None, True])
def test_a_seed_out_of_range_is_an_error(seed) -> None:
    for f in (tl.random.key, tl.seed):
        with pytest.raises(UsageError, match=r"a seed is an integer between 0 and 2\*\*64 - 1, not "):
            f(seed)


def test_mistakes() -> None:
    with pytest.raises(DTypeError, match=r"make keys with tl\.random\.key"):
        tl.random.uniform(tl.tensor([1, 2]), 3)
    with pytest.raises(ShapeError, match=r"a key has shape \[2\]"):
        tl.random.bits(tl.zeros(3, tl.uint32), 3)
    with pytest.raises(DTypeError, match="gives floats, not int32"):
        tl.random.uniform(KEY, 3, dtype=tl.int32)
    with pytest.raises(DTypeError, match="does not fit into uint32"):
        tl.random.fold_in(KEY, -1)
    with pytest.raises(ShapeError, match="no negative sizes"):
        tl.random.normal(KEY, (2, -1))


def test_random_numbers_in_a_loop() -> None:
    """A key that is carried, and a count that is folded in."""

    def body(key, _):
        mine, following = tl.random.split(key)
        return following, tl.random.uniform(mine, 2)

    _, rolled = tl.scan(body, KEY, length=4)
    key, rows = KEY, []
    for _ in range(4):
        key, y = body(key, None)
        rows.append(y.tolist())
    assert rolled.tolist() == rows


DRAWS = [
    lambda key: tl.random.bits(key, 3),
    lambda key: tl.random.fold_in(key, 4),
    lambda key: tl.random.split(key)[1],
    lambda key: tl.random.uniform(key, (2, 3), -1.0, 1.0),
    lambda key: tl.random.normal(key, 3, dtype=tl.float64),
    lambda key: tl.random.truncated_normal(key, 3),
    lambda key: tl.random.bernoulli(key, [0.1, 0.9]),
    lambda key: tl.random.randint(key, 3, 0, 10),
    lambda key: tl.random.permutation(key, 5),
    lambda key: tl.random.categorical(key, [0.0, 1.0]),
]


@pytest.mark.parametrize("draw", DRAWS)
def test_what_is_drawn_with_a_key_that_is_data_is_data(draw) -> None:
    drawn = draw(KEY)
    assert (drawn.op, drawn.inputs) == ("leaf", ())
    key = tl.symbol("key", 2, tl.uint32)
    formula = draw(key)
    assert formula.op != "leaf"
    assert formula.type == drawn.type
    np.testing.assert_array_equal(formula.evaluate({key: KEY}).numpy(), drawn.numpy())


@pytest.mark.parametrize("draw", DRAWS)
def test_in_a_trace_drawing_stays_an_operation(draw) -> None:
    compiled = tl.jit(draw)
    assert "threefry2x32" in {node.op for node in compiled.graph(KEY).nodes()}
    np.testing.assert_allclose(compiled(KEY).numpy(), draw(KEY).numpy(), rtol=1e-6)
    # A key that the function has from outside is data, and so is what it draws.
    np.testing.assert_allclose(tl.jit(lambda: draw(KEY))().numpy(), draw(KEY).numpy(), rtol=1e-6)


def test_drawing_in_the_body_of_a_loop() -> None:
    def step(key, _):
        key, other = tl.random.split(key)
        return key, tl.random.uniform(other, 2)

    last, rows = tl.scan(step, KEY, length=3)
    key, wanted = KEY, []
    for _ in range(3):
        key, row = step(key, None)
        wanted.append(row.tolist())
    assert rows.tolist() == wanted
    assert last.tolist() == key.tolist()
    _, same = tl.scan(lambda c, _: (c, tl.random.uniform(KEY, 2)), tl.tensor(0.0), length=2)
    assert same.tolist() == [tl.random.uniform(KEY, 2).tolist()] * 2


def test_what_is_permuted_keeps_its_history() -> None:
    x = tl.tensor([1.0, 2.0, 3.0])
    slope = tl.gradients(tl.random.permutation(KEY, x) * tl.tensor([1.0, 10.0, 100.0]), x)
    order = tl.random.permutation(KEY, 3).tolist()
    assert [slope.tolist()[k] for k in order] == [1.0, 10.0, 100.0]
    w = tl.symbol("w", 2)
    assert tl.random.bernoulli(KEY, w).symbolic
    assert tl.text(tl.random.normal(KEY, 3) * 2.0) == "2·array[3]"
