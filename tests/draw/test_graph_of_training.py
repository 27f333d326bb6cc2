"""The picture of a step of training: what it is folded to, and what its parts are called."""

import re

import numpy as np
import pytest

import tinygrad_lstm as tl
from tests.draw import dot
from tinygrad_lstm import draw, nn
from tinygrad_lstm.train.language_model import LanguageModel, ModelConfig

TOKENS = np.zeros((5, 2), int)


def step_of(cell="lstm", kind=tl.optim.SGD):
    """A compiled step of training of a small language model."""
    model = LanguageModel(11, ModelConfig(cell, hidden=6, embedding=4), key=tl.random.key(0))
    optimizer = kind(model.parameters(), lr=0.1)

    @tl.jit
    def step(tokens, targets):
        optimizer.zero_grad()
        loss = nn.cross_entropy(model(tokens)[0], targets)
        loss.backward()
        optimizer.step()
        return loss

    return step


def picture(**options):
    return draw.graph(step_of(), TOKENS, TOKENS, **options)


def outlines(drawing):
    """Of what is folded, by its label: whether its outline is dashed."""
    looks = [look for look in dot.nodes(drawing).values() if look["class"] == "folded"]
    return [(dot.shown(look), "dashed" in look.get("style", "")) for look in looks]


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("kind", [tl.optim.SGD, tl.optim.Adam])
def test_the_backward_pass_alone_has_a_dashed_outline(cell, kind):
    found = outlines(draw.graph(step_of(cell, kind), TOKENS, TOKENS))
    names = {re.sub(r" \d+ nodes?$", "", text): dashed for text, dashed in found}
    assert names == {"LanguageModel": False, "∂L": True, kind.__name__: False}


def test_leaves_of_the_backward_pass_do_not_make_it_part_of_the_forward_pass():
    found = outlines(picture(depth=3, fold=47))
    assert [text for text, _ in found if text.startswith("gradient of")]
    assert all(dashed for text, dashed in found if text.startswith("gradient of"))


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_stretches_are_called_by_their_scope_and_by_operations(depth):
    found = [text for text, _ in outlines(picture(depth=depth, fold=47))]
    assert not [text for text in found if re.search(r"[{}]|_t|next step", text)]
    for part in ("output", "recurrent", "cross entropy", "gradient of log_softmax" if depth > 2 else "gradient"):
        assert [text for text in found if text.startswith(part + " ")], part


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_the_scopes_that_are_asked_for_are_open(depth):
    found = picture(depth=depth)
    assert "stretches" not in found.dot
    assert max(len(path) for path in dot.clusters(found)) == depth


def test_stretches_without_a_scope_are_called_by_their_operations_or_their_number():
    few = many = tl.symbol("x", (3,))
    for k in range(40):
        few = tl.sin(few) * few
        many = [tl.sin, tl.cos, tl.exp, tl.tanh, tl.abs, tl.sqrt][k % 6](many) + many
    few = [text for text, _ in outlines(draw.graph(few, fold=3))]
    many = [text for text, _ in outlines(draw.graph(many, fold=3))]
    for found, wanted in ((few, r"(sin ×|× sin) \d+ nodes"), (many, r"\d+ operations \d+ nodes")):
        assert found
        assert not [text for text in found if not re.fullmatch(wanted, text)]


def test_a_loop_that_is_closed_speaks_of_no_dashed_edge():
    x = tl.symbol("x", (4, 1, 3))
    (found,) = [t for t, _ in outlines(draw.graph(nn.LSTM(3, 4, key=tl.random.key(0)), x, depth=1)) if "scan" in t]
    assert re.fullmatch(r"scan: 4 steps \d+ nodes", found)


def test_nothing_stands_between_the_gradient_and_the_optimiser():
    found = picture(depth=0)
    assert not [look for look in dot.nodes(found).values() if "stop" in look["label"]]
    before = [a for a, b in dot.pairs(found) if b.startswith("SGD")]
    assert [a.split(" ")[0] for a in before] == ["11", "∂L"]


def test_parameters_that_the_model_and_its_optimiser_share_are_drawn_once():
    found = picture()
    reads = [b.split(" ")[0] for a, b in dot.pairs(found) if a == "11 parameters embedding.weight … output.bias"]
    assert reads == ["LanguageModel", "SGD", "∂L"]
    assert not [look for look in dot.nodes(picture(depth=1)).values() if "parameters" in dot.shown(look)]
    counted = sum(int(n) for text, _ in outlines(found) for n in re.findall(r"(\d+) nodes", text))
    # Each in the model and in the optimiser, and the gradient reads what is turned round: the output and four gates.
    times = 11 + 11 + 5
    assert f"folded: {counted} nodes in 3 scopes, {times} of parameters" in found.dot


def test_the_steps_of_a_loop_that_is_written_out_keep_their_parameters():
    cell = nn.RNNCell(3, 4, key=tl.random.key(0))

    def steps(x):
        h = cell.zeros(1)
        for k in range(4):
            h = cell(x[k], h)
        return h

    words = [dot.shown(look) for look in dot.nodes(draw.graph(steps, tl.ones((4, 1, 3)), depth=0)).values()]
    assert not [text for text in words if "parameters" in text]


def test_where_a_result_reads_what_was_changed_its_gradient_is_seen_to_end():
    w = tl.Parameter(2.0, name="w")

    def twice(x):
        first = w * x
        w.assign(first)
        return first + w * x

    # Of w x + stop(w x) x by w, at 2 and 3.
    found = draw.graph(twice, tl.tensor(3.0), values="gradients")
    words = [dot.shown(look) for look in dot.nodes(found).values()]
    assert "w 2 ∂ 3" in words
    assert len([text for text in words if text.startswith("stop ∂")]) == 1


def test_a_stop_that_the_user_wrote_is_shown():
    w = tl.Parameter(2.0, name="w")

    def halved(x):
        loss = w * x
        loss.backward()
        w.assign(tl.stop_gradient(w.grad) / 2)
        return loss

    words = [dot.shown(look) for look in dot.nodes(draw.graph(halved, tl.tensor(3.0))).values()]
    assert words.count("stop ∂") == 1


@pytest.mark.parametrize("depth", [1, 2])
def test_of_parameters_that_are_updated_alike_one_is_shown(depth):
    drawing = draw.graph(step_of(kind=tl.optim.Adam), TOKENS, TOKENS, depth=depth)
    found = [text for text, _ in outlines(drawing)]
    (rest,) = [text for text in found if " like " in text]
    assert re.fullmatch(r"10 like embedding.weight \S+ … output.bias \d+ nodes", rest)
    assert not [text for text in found if text.startswith("recurrent.cells.0")]
    assert "stretches" not in drawing.description
    results = [dot.shown(look) for look in dot.nodes(drawing).values() if look["class"] == "output"]
    assert [text for text in results if text.startswith("30 results")]
