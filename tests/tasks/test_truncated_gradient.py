"""The gradient of the LSTM of 1997 against the equations of the paper's appendix, forward in time, in NumPy."""

import numpy as np
import pytest

import tinygrad_lstm as tl
from tinygrad_lstm.tasks import Blocks, TrialNetwork

STEPS, INPUTS, OUTPUTS = 7, 3, 4


def logistic(x):
    return 1 / (1 + np.exp(-x))


def by_the_appendix(blocks, weights, x, targets):
    """The error and its truncated gradient; numbers in brackets are those of the equations of appendix A.1."""
    cells, gates, (inner, outer) = blocks.cells, blocks.gates, blocks.ranges
    block = np.arange(cells) // blocks.size
    w, gate_bias, v = weights["cell.weight"], weights["cell.gate_bias"], weights["weight"]
    slope = {name: np.zeros_like(value) for name, value in weights.items()}
    units, total, error = np.zeros(cells + gates), np.zeros(cells), 0.0
    # ds/dw: of each cell's sum by the weights into its input gate, bias last, and into the cell.
    by_gate, by_cell = np.zeros((cells, len(w) + 1)), np.zeros((cells, len(w)))
    for x_t, target in zip(x, targets, strict=True):
        seen = np.concatenate([units, x_t])
        net = seen @ w
        opened = logistic(net[:gates] + gate_bias[0])
        i, o = opened[: blocks.count], opened[blocks.count :]
        raw = logistic(net[gates:])
        g = inner * (2 * raw - 1)
        total = total + i[block] * g
        squeezed = logistic(total)
        h = outer * (2 * squeezed - 1)
        y = logistic((o[block] * h) @ v)
        error += 0.5 * ((y - target) ** 2).sum()
        by_gate += (g * (i * (1 - i))[block])[:, None] * np.append(seen, 1.0)  # (25)
        by_cell += (i[block] * 2 * inner * raw * (1 - raw))[:, None] * seen  # (27)
        e_k = y * (1 - y) * (target - y)  # (19)
        back = v @ e_k
        e_out = o * (1 - o) * np.bincount(block, h * back)  # (21)
        e_s = o[block] * 2 * outer * squeezed * (1 - squeezed) * back  # (23)
        slope["weight"] -= np.outer(o[block] * h, e_k)  # (22)
        slope["cell.weight"][:, blocks.count : gates] -= np.outer(seen, e_out)
        slope["cell.gate_bias"][0, blocks.count :] -= e_out
        for c in range(cells):
            slope["cell.weight"][:, block[c]] -= e_s[c] * by_gate[c, :-1]  # (26)
            slope["cell.gate_bias"][0, block[c]] -= e_s[c] * by_gate[c, -1]
            slope["cell.weight"][:, gates + c] -= e_s[c] * by_cell[c]  # (28)
        units = np.concatenate([o[block] * h, opened])
    return error, slope


@pytest.mark.parametrize("shape", [(3, 2), (4, 1)])
@pytest.mark.parametrize("ranges", [(2.0, 1.0), (1.0, 2.0)])
def test_the_gradient_is_that_of_the_appendix(shape, ranges):
    random = np.random.default_rng(3)
    blocks = Blocks(*shape, biased="gates", ranges=ranges)
    network = TrialNetwork("lstm", blocks, INPUTS, OUTPUTS, [random], 0.2, biased=False)
    for p in network.parameters():
        p.assign(random.normal(0, 0.7, p.shape).astype(np.float32))
    x = random.normal(size=(STEPS, INPUTS)).astype(np.float32)
    targets = random.uniform(size=(STEPS, OUTPUTS)).astype(np.float32)
    loss = 0.5 * ((tl.sigmoid(network(tl.tensor(x[:, None, None]))) - targets[:, None, None]) ** 2).sum()
    loss.backward()
    weights = {name: p.numpy()[0].astype(float) for name, p in network.named_parameters()}
    error, slope = by_the_appendix(blocks, weights, x, targets)
    assert float(loss) == pytest.approx(error, rel=1e-5)
    for name, p in network.named_parameters():
        np.testing.assert_allclose(p.grad.numpy()[0], slope[name], atol=2e-5, err_msg=name)
