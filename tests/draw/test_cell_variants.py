"""Pictures of the variants of the cells, from their own graphs."""

import pytest

from tests.draw import dot
from tinygrad_lstm import draw, nn
from tinygrad_lstm.draw.cells.anatomy import dissect
from tinygrad_lstm.draw.cells.equations import cell_in_words
from tinygrad_lstm.draw.cells.timestep import trace_step

VARIANTS = {
    "peephole": nn.LSTMCell(3, 4, peephole=True),
    "coupled": nn.LSTMCell(3, 4, coupled=True),
    "lstm norm": nn.LSTMCell(3, 4, layer_norm=True),
    "all": nn.LSTMCell(3, 4, peephole=True, coupled=True, layer_norm=True),
    "reset after": nn.GRUCell(3, 4, reset_after=True),
    "gru norm": nn.GRUCell(3, 4, layer_norm=True),
    "rnn norm": nn.RNNCell(3, 4, layer_norm=True),
    "relu": nn.RNNCell(3, 4, nonlinearity="relu"),
    "projection": nn.LSTMCell(3, 4, proj_size=2, cell_clip=3.0, proj_clip=0.5),
    "dropout": nn.LSTMCell(3, 4, recurrent_dropout=0.3, candidate_dropout=0.2),
    "gru dropout": nn.GRUCell(3, 4, recurrent_dropout=0.3, candidate_dropout=0.2),
}


@pytest.mark.parametrize("cell", VARIANTS.values(), ids=VARIANTS)
def test_variants_show_their_true_edges_and_no_inner_arithmetic(cell):
    anatomy = dissect(trace_step(cell))
    wanted = sum(len(dict.fromkeys(part.reads)) for part in anatomy.parts)
    drawing = draw.cell(cell)
    assert len(dot.edges(drawing)) == wanted
    # Normalisation and peepholes are inside of the layers: no mean, root or matmul lies about.
    shown = {dot.shown(look) for look in dot.nodes(drawing).values()}
    normalises = bool([p for p in cell.parameters() if "norm" in p.name])
    assert any("(LN)" in label for label in shown) == normalises
    assert shown <= {
        *("σ(LN)", "tanh(LN)", "LN"),
        *("relu", "clip ±3", "clip ±0.5", "dropout"),
        *("", "σ", "tanh", "×", "+", "1−", "linear", "x_t"),
        *("h_t−1", "C_t−1", "h_t", "C_t"),
        *("f_t", "i_t", "C̃_t", "o_t", "z_t", "r_t", "h̃_t"),
    }


def test_what_is_added_to_the_product_of_a_layer_says_so():
    drawing = draw.cell(nn.GRUCell(3, 4, reset_after=True))
    assert [dot.shown(look) for name, look in dot.nodes(drawing).items() if name.startswith("mark")] == ["+"]
    assert not [name for name in dot.nodes(draw.cell(nn.GRUCell(3, 4))) if name.startswith("mark")]


def test_variants_have_the_wires_that_make_them():
    plain = dot.pairs(draw.cell(nn.LSTMCell(3, 4)))
    peephole = dot.pairs(draw.cell(VARIANTS["peephole"]))
    assert peephole.count(("C_t−1", "σ")) == 2
    assert peephole.count(("+", "σ")) == 1
    assert len(peephole) == len(plain) + 3
    coupled = dot.pairs(draw.cell(VARIANTS["coupled"]))
    assert ("σ", "1−") in coupled
    assert ("1−", "×") in coupled
    after = dot.pairs(draw.cell(VARIANTS["reset after"]))
    assert {("linear", "×"), ("×", "tanh"), ("x_t", "tanh"), ("h_t−1", "linear")} <= set(after)
    assert ("h_t−1", "tanh") not in after


def test_options_of_a_cell_are_in_its_picture_and_equations():
    said = {name: cell_in_words(dissect(trace_step(cell))) for name, cell in VARIANTS.items()}
    assert "h_t = relu(W_h·[h_{t−1}, x_t] + b_h)." in said["relu"]
    assert "C_t = clip(f_t∘C_{t−1} + i_t∘C̃_t, −3, 3)." in said["projection"]
    assert "h_t = clip(W_{projection}·(o_t∘tanh(C_t)), −0.5, 0.5)." in said["projection"]
    assert "f_t = σ(W_f·[dropout(h_{t−1}), x_t] + b_f)." in said["dropout"]
    assert "C_t = f_t∘C_{t−1} + i_t∘dropout(C̃_t)." in said["dropout"]
    assert "h_t = (1 − z_t)∘h_{t−1} + z_t∘dropout(h̃_t)." in said["gru dropout"]
    projected = dot.pairs(draw.cell(VARIANTS["projection"]))
    assert {("×", "linear"), ("linear", "clip ±0.5"), ("+", "clip ±3"), ("clip ±3", "tanh")} <= set(projected)
