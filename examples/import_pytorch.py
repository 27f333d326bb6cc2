"""An LSTM that PyTorch made, run here; PyTorch itself is not needed.

There, save the weights with ``safetensors.torch.save_file(lstm.state_dict(), "lstm.safetensors")``. Then run
``python examples/import_pytorch.py lstm.safetensors``. Without a file it takes one that the tests have recorded, with
what PyTorch computed from it.
"""

import sys
from pathlib import Path

import tinygrad_lstm as tl

RECORDED = Path(__file__).parent.parent / "tests" / "recorded" / "torch.safetensors"


def lstm_of(weights: dict[str, tl.Tensor], prefix: str = "") -> tl.nn.LSTM:
    """An LSTM of the sizes that the weights have."""
    names = [name.removeprefix(prefix) for name in weights if name.startswith(prefix)]
    gates, input_size = weights[f"{prefix}weight_ih_l0"].shape
    layers = sum(name.startswith("weight_ih") and not name.endswith("_reverse") for name in names)
    both = any(name.endswith("_reverse") for name in names)
    lstm = tl.nn.LSTM(input_size, gates // 4, layers, bidirectional=both)
    tl.nn.from_pytorch(lstm, weights, prefix)
    return lstm


def main() -> None:
    """Read the weights, run the LSTM, and compare the result if the file has one of PyTorch's."""
    if len(sys.argv) > 1:
        lstm = lstm_of(tl.load(sys.argv[1]))
        outputs, (h, _) = lstm(tl.ones((5, 1, lstm.input_size)))
        print("outputs", outputs.shape, "last hidden states", h.shape)
        return
    case = "LSTM-2-both-bias/"
    recorded = {name.removeprefix(case): value for name, value in tl.load(RECORDED).items() if name.startswith(case)}
    lstm = lstm_of(recorded, "state.")
    outputs, (h, c) = lstm(recorded["x"], (recorded["h0"], recorded["c0"]))
    for name, ours in (("outputs", outputs), ("h", h), ("c", c)):
        difference = float(tl.max(tl.abs(ours - recorded[name])))
        print(f"{name}: {ours.shape}, the same as PyTorch's:", difference < 1e-5)
    print("the forget gate of the first layer:", lstm.cells[0].forget.weight.shape, "over [h, x]")


if __name__ == "__main__":
    main()
