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
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.optim.clipping import clip_grad_norm
from tinygrad_lstm.optim.optimizer import Optimizer
from tinygrad_lstm.runtime.anomaly import detect_anomaly
from tinygrad_lstm.runtime.creation import tensor
from tinygrad_lstm.runtime.evaluation import evaluate
from tinygrad_lstm.train.checkpoint import Array

__all__ = ["Loss", "Means", "Updates", "detached", "parted", "parts_of", "whole_state"]

Loss = Callable[[Any, Any, Any], tuple[Tensor, Tensor, Any]]
"""``loss(model, batch, state)``: the loss, that of which the gradient is taken, and the state after the batch."""
Means = Callable[[float, list[Tensor]], tuple[float, list[Tensor]]]


class Updates:
    """Makes updates of a model from batches: one, or several of which only one is in memory at a time.

    The gradients of several are averaged, so that the update is that of all of them at once, to rounding.

    Args:
        clip: bound on the norm of all gradients together.
        means: of a loss and of gradients over several processes, for streams that are shared among them.
    """

    def __init__(
        self, model: Module, optimizer: Optimizer, loss: Loss, clip: float, means: Means | None = None
    ) -> None:
        self._model, self._optimizer, self._loss, self._clip, self._means = model, optimizer, loss, clip, means
        self._parameters = optimizer.parameters_to_update
        self.whole, self._slopes = jit(self._learning), jit(self._deriving)
        self._apply = jit(self._applying, static_argnames="count")

    def __call__(
        self, batches: Sequence[Any], states: Sequence[Any], shares: Sequence[float] | None = None
    ) -> tuple[float, float, list[Any]]:
        """One update; returns the loss before it, the norm of its gradient, and the states behind it.

        Args:
            states: one for each batch, or one that goes on through all of them.
            shares: how much each batch counts, 1 on average; equally by default.
        """
        if len(batches) == 1 and self._means is None:
            loss, norm, after = self.whole(batches[0], states[0])
            return float(loss), float(norm), [detached(after)]
        total, behind = 0.0, list(states)
        slopes: list[Any] = [] if len(batches) == 1 else [zeros_like(p) for p in self._parameters]
        for k, batch in enumerate(batches):
            own, share = k % len(behind), None if shares is None else tensor(np.float64(shares[k]))
            loss, slopes, after = self._slopes(batch, behind[own], slopes, share)
            total += float(loss) if shares is None else float(loss) * shares[k]
            behind[own] = detached(after)
        total /= len(batches)
        if self._means is not None:
            total, slopes = self._means(total, slopes)
        return total, float(self._apply(slopes, count=len(batches))), behind

    def fault(self, batches: Sequence[Any], states: Sequence[Any]) -> str:
        """Where the first number of an update that is not finite comes from, found op by op; nothing if all are."""
        trained = {id(p) for p in self._parameters}
        parameters = {name: p for name, p in self._model.named_parameters() if id(p) in trained}
        behind = list(states)
        for k, batch in enumerate(batches):
            own = k % len(behind)
            loss, _, after = self._loss(self._model, batch, behind[own])
            try:
                with detect_anomaly():
                    evaluate(loss, *gradients(loss, list(parameters.values())))
            except AnomalyError as anomaly:
                spoilt = [name for name, p in parameters.items() if not np.isfinite(p.numpy()).all()]
                weights = f"{', '.join(spoilt[:3])} held such numbers before; " if spoilt else ""
                return f". The first that is not finite: {weights}{anomaly}"
            behind[own] = detached(after)
        return ""

    def _learning(self, batch: Any, state: Any) -> tuple[Tensor, Tensor, Any]:
        """One update: the loss before it, the norm of its gradient, and the state after the batch."""
        loss, derived, state = self._loss(self._model, batch, state)
        self._model.zero_grad()
        derived.backward()
        norm = clip_grad_norm(self._parameters, self._clip)
        self._optimizer.step()
        self._model.zero_grad()
        return loss, norm, state

    def _deriving(
        self, batch: Any, state: Any, before: list[Any], share: Tensor | None
    ) -> tuple[Tensor, list[Any], Any]:
        """The loss of a batch, the gradients added to those before, and the state after it."""
        loss, derived, state = self._loss(self._model, batch, state)
        self._model.zero_grad()
        (derived if share is None else derived * share.astype(derived.dtype)).backward()
        slopes: list[Any] = [p.grad for p in self._parameters]
        self._model.zero_grad()
        return loss, [_sum(a, b) for a, b in zip(before, slopes, strict=True)] if before else slopes, state

    def _applying(self, slopes: list[Any], count: int) -> Tensor:
        """One update by the sums of gradients of all parts; returns the norm of their mean."""
        for p, slope in zip(self._parameters, slopes, strict=True):
            p.grad = slope if count == 1 or slope is None else slope / count
        norm = clip_grad_norm(self._parameters, self._clip)
        self._optimizer.step()
        self._model.zero_grad()
        return norm


def _sum(before: Any, slope: Any) -> Any:
    """The sum of gradients, of which that of a parameter that the loss does not read is None."""
    return before if slope is None else slope if before is None else before + slope


def parts_of(window: Window, count: int) -> list[tuple[Tensor, Tensor]]:
    """Inputs and targets of the streams of a window, in ``count`` parts of equal size."""
    size = window.inputs.shape[1] // count
    cuts = [slice(k * size, (k + 1) * size) for k in range(count)]
    return [(tensor(window.inputs[:, cut]), tensor(window.targets[:, cut])) for cut in cuts]


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
