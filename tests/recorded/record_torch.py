"""Writes torch.safetensors: weights, inputs, outputs, last states and gradients of small PyTorch layers.

Run it where ``torch==2.13.0``, NumPy and safetensors are installed: ``python tests/recorded/record_torch.py``. The
loss that is differentiated is ``Σ outputs·weights + Σ h·weights + Σ c·weights``, with the weights recorded too.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file

STEPS, BATCH, INPUT, HIDDEN = 6, 3, 4, 5
OPTIONS = {
    "bias": {},
    "plain": {"bias": False},
    "projected": {"proj_size": 2},
    "relu": {"nonlinearity": "relu"},
}


def main() -> None:
    torch.manual_seed(0)
    recorded: dict[str, torch.Tensor] = {}
    for kind in ("LSTM", "GRU", "RNN"):
        cases = [(1, False, "bias"), (2, False, "bias"), (2, True, "bias"), (1, False, "plain")]
        cases += [(2, True, "projected"), (1, False, "projected")] if kind == "LSTM" else []
        cases += [(2, True, "relu")] if kind == "RNN" else []
        for layers, bidirectional, option in cases:
            module = getattr(torch.nn, kind)(INPUT, HIDDEN, layers, bidirectional=bidirectional, **OPTIONS[option])
            x = torch.randn(STEPS, BATCH, INPUT, requires_grad=True)
            rows = layers * (2 if bidirectional else 1)
            sizes = [getattr(module, "proj_size", 0) or HIDDEN, HIDDEN][: 2 if kind == "LSTM" else 1]
            starts = [torch.randn(rows, BATCH, size, requires_grad=True) for size in sizes]
            outputs, last = module(x, tuple(starts) if kind == "LSTM" else starts[0])
            results = {"outputs": outputs} | dict(zip("hc", last if kind == "LSTM" else (last,), strict=False))
            weights = {f"weights.{name}": torch.randn_like(value) for name, value in results.items()}
            sum((value * weights[f"weights.{name}"]).sum() for name, value in results.items()).backward()
            case = {f"state.{name}": value for name, value in module.state_dict().items()}
            case |= {f"gradient.{name}": p.grad for name, p in module.named_parameters()}
            case |= {"x": x, "gradient.x": x.grad, **results, **weights}
            for name, start in zip(("h0", "c0"), starts, strict=False):
                case |= {name: start, f"gradient.{name}": start.grad}
            name = f"{kind}-{layers}-{'both' if bidirectional else 'one'}-{option}"
            recorded |= {f"{name}/{key}": value.detach().clone().contiguous() for key, value in case.items()}
    save_file(recorded, Path(__file__).with_name("torch.safetensors"), {"torch": torch.__version__})


if __name__ == "__main__":
    main()
