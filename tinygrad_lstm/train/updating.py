"""``Updates``: one step of training, as one compiled program or in parts whose gradients are added up."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_lstm.autodiff.reverse import gradients
from tinygrad_lstm.data.windows import Window
from tinygrad_lstm.errors import AnomalyError
from tinygrad_lstm.functions.filling import zeros_like
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.jit.jitted import jit
from tinygrad_lstm.nn.losses import cross_entropy
from tinygrad_lstm.optim.clipping import clip_grad_norm
from tinygrad_lstm.optim.optimizer import Optimizer
from tinygrad_lstm.runtime.anomaly import detect_anomaly
from tinygrad_lstm.runtime.creation import tensor
from tinygrad_lstm.runtime.evaluation import evaluate
from tinygrad_lstm.train.checkpoint import Array
from tinygrad_lstm.train.config import TrainConfig
from tinygrad_lstm.train.language_model import LanguageModel

__all__ = ["Means", "Updates", "detached", "parted", "parts_of", "whole_state"]

Means = Callable[[float, list[Tensor]], tuple[float, list[Tensor]]]


class Updates:
    """Makes updates of a model from windows, whose streams come in ``config.accumulate`` parts, one after the other.

    The gradients of the parts are averaged, so that the update is that of all streams at once, to rounding, and only a
    part is in memory at a time.

    Args:
        means: of a loss and of gradients over several processes, for streams that are shared among them.
    """

    def __init__(
        self,
        model: LanguageModel,
        optimizer: Optimizer,
        config: TrainConfig,
        means: Means | None = None,
    ) -> None:
        self._model, self._optimizer, self._config, self._means = model, optimizer, config, means
        self.whole, self._slopes, self._apply = jit(self._learning), jit(self._deriving), jit(self._applying)

    def __call__(self, window: Window, states: Sequence[Any]) -> tuple[float, float, list[Any]]:
        """One update; returns the loss before it, the norm of its gradient, and the state of each part behind it."""
        if len(states) == 1 and self._means is None:
            loss, norm, after = self.whole(tensor(window.inputs), tensor(window.targets), states[0])
            return float(loss), float(norm), [detached(after)]
        total, behind = 0.0, []
        slopes: list[Tensor] = [] if len(states) == 1 else [zeros_like(p) for p in self._model.parameters()]
        for part, state in zip(parts_of(window, len(states)), states, strict=True):
            loss, slopes, after = self._slopes(tensor(part.inputs), tensor(part.targets), state, slopes)
            total += float(loss)
            behind.append(detached(after))
        total /= len(states)
        if self._means is not None:
            total, slopes = self._means(total, slopes)
        return total, float(self._apply(slopes)), behind

    def fault(self, window: Window, states: Sequence[Any]) -> str:
        """Where the first number of an update that is not finite comes from, found op by op; nothing if all are."""
        parameters = dict(self._model.named_parameters())
        for part, state in zip(parts_of(window, len(states)), states, strict=True):
            logits, _ = self._model(tensor(part.inputs), state)
            loss = cross_entropy(logits, tensor(part.targets))
            try:
                with detect_anomaly():
                    evaluate(loss, *gradients(loss, list(parameters.values())))
            except AnomalyError as anomaly:
                spoilt = [name for name, p in parameters.items() if not np.isfinite(p.numpy()).all()]
                weights = f"{', '.join(spoilt[:3])} held such numbers before; " if spoilt else ""
                return f". The first that is not finite: {weights}{anomaly}"
        return ""

    def _learning(self, inputs: Tensor, targets: Tensor, state: Any) -> tuple[Tensor, Tensor, Any]:
        """One update: the loss before it, the norm of its gradient, and the state after the window."""
        logits, state = self._model(inputs, state)
        loss = cross_entropy(logits, targets)
        self._optimizer.zero_grad()
        (loss * inputs.shape[0] if self._config.sum_over_time else loss).backward()
        norm = clip_grad_norm(self._model.parameters(), self._config.clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return loss, norm, state

    def _deriving(
        self, inputs: Tensor, targets: Tensor, state: Any, before: list[Tensor]
    ) -> tuple[Tensor, list[Any], Any]:
        """The loss of some streams, the gradients added to those before, and the state after the window."""
        logits, state = self._model(inputs, state)
        loss = cross_entropy(logits, targets)
        self._optimizer.zero_grad()
        (loss * inputs.shape[0] if self._config.sum_over_time else loss).backward()
        slopes: list[Any] = [p.grad for p in self._model.parameters()]
        self._optimizer.zero_grad()
        return loss, [a + b for a, b in zip(before, slopes, strict=True)] if before else slopes, state

    def _applying(self, slopes: list[Tensor]) -> Tensor:
        """One update by the sums of gradients of all parts; returns the norm of their mean."""
        parts = self._config.accumulate
        for p, slope in zip(self._model.parameters(), slopes, strict=True):
            p.grad = slope if parts == 1 else slope / parts
        norm = clip_grad_norm(self._model.parameters(), self._config.clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return norm


def parts_of(window: Window, count: int) -> list[Window]:
    """The streams of a window in ``count`` parts of equal size."""
    size = window.inputs.shape[1] // count
    cuts = [slice(k * size, (k + 1) * size) for k in range(count)]
    return [Window(window.inputs[:, cut], window.targets[:, cut], window.first) for cut in cuts]


def parted(state: Any, own: slice, count: int) -> list[Any]:
    """The states of ``count`` parts of the streams ``own``, from that of all streams."""
    if count == 1 and own == slice(None):
        return [state]
    leaves, structure = flatten(state)
    arrays = [leaf.numpy()[:, own] for leaf in leaves]
    size = arrays[0].shape[1] // count
    return [unflatten(structure, [tensor(a[:, k * size : (k + 1) * size]) for a in arrays]) for k in range(count)]


def whole_state(states: Sequence[Any]) -> list[Array]:
    """The leaves of the state of all parts."""
    leaves = [[leaf.numpy() for leaf in flatten(state)[0]] for state in states]
    return leaves[0] if len(leaves) == 1 else [np.concatenate(parts, axis=1) for parts in zip(*leaves, strict=True)]


def detached(state: Any) -> Any:
    """The state as leaves without a graph, for the next window."""
    leaves, structure = flatten(state)
    return unflatten(structure, [leaf.detach() for leaf in leaves])
