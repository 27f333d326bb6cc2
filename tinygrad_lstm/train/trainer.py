"""``Trainer``: training of any module with any loss."""

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Real
from typing import Any, Final

from tinygrad_lstm.errors import CheckpointError, StateDictError, UsageError
from tinygrad_lstm.graph.structure import flatten, unflatten
from tinygrad_lstm.graph.tensor import Tensor
from tinygrad_lstm.graph.variables import Variable, assign_all
from tinygrad_lstm.nn.losses import cross_entropy
from tinygrad_lstm.nn.module import Module
from tinygrad_lstm.optim.adam import Adam
from tinygrad_lstm.optim.optimizer import Optimizer
from tinygrad_lstm.optim.schedules import Schedule
from tinygrad_lstm.runtime.creation import tensor
from tinygrad_lstm.runtime.files import read_arrays, write_arrays
from tinygrad_lstm.train.checkpoint import Array, part
from tinygrad_lstm.train.earlier import earlier
from tinygrad_lstm.train.language_model import at_least_one
from tinygrad_lstm.train.loop import Callback, TrainingLoop
from tinygrad_lstm.train.rounds import Rounds, as_tensors, examples_in

__all__ = ["Trainer"]

_KEY: Final = "tinygrad_lstm.training"
"""The name of the description in the header of a checkpoint."""
_FORMAT: Final = 1


class Trainer(TrainingLoop):
    """Trains any module with any loss, and goes on after an interruption as if there had been none, bit for bit.

    A step is compiled by ``jit`` for the backend in use, once for each shape of a batch. It reads ``accumulate``
    batches, and makes one update with the mean of their gradients, in which each batch counts by its examples: the
    length of the first axis of its first array. So it is the update of one large batch, to rounding, in the memory of a
    small one. The held-out loss is such a mean too.

    Args:
        model: the module, with everything that is trained.
        loss: ``loss(model, batch)`` is a tensor of shape (). It is given the model, which drops nothing while
            validating, and a batch with tensors for its arrays.
        batches: what one epoch reads: a sequence, or what has a length and can be iterated over again and again, such
            as a PyTorch ``DataLoader``; or a function of the number of an epoch that returns one, as
            :class:`tinygrad_lstm.data.Batches` is. A run is resumed at the next batch. So the order has to depend on
            the number of the epoch alone: where ``iter(batches)`` shuffles by chance, it goes on with other batches.
        optimizer: of the parameters of the model; Adam with a learning rate of 0.001 by default.
        valid: held-out batches, in the same forms.
        epochs: rounds over the batches.
        steps: updates in all, in place of ``epochs``.
        accumulate: batches that make one update. At the end of an epoch it may be fewer.
        clip: bound on the norm of all gradients together.
        schedule: ``rule(step)`` is the learning rate of the update after ``step`` ones; see ``tl.optim.schedules``.
        state: of a recurrent model, at the start of each epoch. Then ``loss(model, batch, state)`` returns the loss and
            the state after the batch, in which the next one is read; gradients end between them.
        validate_every: steps between two looks at the held-out batches; an epoch by default. A checkpoint is written
            then, also where nothing is held out.
        callbacks: called with the trainer after each update and each validation, in this order; before what ``run``
            reports. The attribute may be set later, as to a :class:`Journal`.

    Raises:
        UsageError: for arguments of other kinds or out of their range.

    >>> x = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    >>> batches = tl.data.Batches((x, (x[:, 0] > x[:, 1]).astype(np.int64)), 16, seed=0)
    >>> def loss(model, batch):
    ...     points, classes = batch
    ...     return tl.nn.cross_entropy(model(points), classes)
    >>> model = tl.nn.Linear(2, 2, key=tl.random.key(0))
    >>> trainer = Trainer(model, loss, batches, tl.optim.Adam(model.parameters(), lr=0.1), epochs=20)
    >>> trainer.run()
    >>> trainer.at, trainer.epoch, trainer.losses[-1] < 0.2
    (80, 20, True)
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[..., Any],
        batches: Any,
        optimizer: Optimizer | None = None,
        *,
        valid: Any = None,
        epochs: int | None = None,
        steps: int | None = None,
        accumulate: int = 1,
        clip: float | None = None,
        schedule: Schedule | None = None,
        state: Any = None,
        validate_every: int | None = None,
        callbacks: Callback | Sequence[Callback] = (),
    ) -> None:
        if not isinstance(model, Module):
            raise UsageError(
                f"Trainer takes a module, a loss and batches, not {type(model).__name__} first; a model of a text is "
                "trained by tl.train.LanguageModelTrainer(corpus)"
            )
        if not callable(loss) or getattr(loss, "__module__", None) == cross_entropy.__module__:
            raise UsageError(
                "Trainer: loss is a function of the model and a batch; write "
                "lambda model, batch: tl.nn.cross_entropy(model(batch[0]), batch[1])"
            )
        self.accumulate, self.epochs, self.validate_every, self._limit = accumulate, epochs, validate_every, steps
        at_least_one(self, "accumulate", *[n for n in ("epochs", "validate_every") if getattr(self, n) is not None])
        if (epochs is None) == (steps is None):
            raise UsageError("Trainer: give epochs or steps, one of them, such as epochs=10")
        if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
            raise UsageError(f"steps is an integer of at least 1, not {steps!r}")
        if clip is not None and not (isinstance(clip, Real) and clip > 0):
            raise UsageError(f"clip is a number above 0, not {clip!r}; leave it out for no bound")
        if schedule is not None and not callable(schedule):
            raise UsageError(
                f"schedule is a function of the step, not {type(schedule).__name__}; write tl.optim.schedules.cosine(…)"
            )
        heard: Any = (callbacks,) if callable(callbacks) else tuple(callbacks)
        for callback in heard:
            if not callable(callback):
                raise UsageError(f"a callback is called with the trainer; {type(callback).__name__} is no function")
        optimizer = Adam(model.parameters(), lr=1e-3) if optimizer is None else optimizer
        _check_optimizer(model, optimizer)
        self._loss_of, self._schedule = loss, schedule
        self._begin = None if state is None else as_tensors(state)
        self._rounds = Rounds("batches", batches, accumulate)
        self._valid = None if valid is None else Rounds("valid", valid)
        super().__init__(model, optimizer, math.inf if clip is None else float(clip))
        self.state, self.callbacks = [self._begin], heard

    @property
    def steps(self) -> int:
        """Updates in all."""
        return self._limit if self.epochs is None else self.epochs * len(self._rounds)  # type: ignore[return-value]

    @property
    def epoch(self) -> int:
        """The rounds over the batches that are over."""
        return self.at // len(self._rounds)

    @property
    def _every(self) -> int:
        return self.validate_every or len(self._rounds)

    @property
    def _validates(self) -> bool:
        return self._valid is not None

    def stop(self) -> None:
        """End the run after this step, saving: for a callback that has seen enough.

        >>> x = np.ones((4, 1), np.float32)
        >>> def enough(trainer):
        ...     if trainer.losses[-1] < 0.01:
        ...         trainer.stop()
        >>> model = tl.nn.Linear(1, 1, key=tl.random.key(0))
        >>> optimizer = tl.optim.SGD(model.parameters(), lr=0.2)
        >>> trainer = Trainer(model, lambda f, x: ((f(x) - x) ** 2).mean(), [x], optimizer, steps=50, callbacks=enough)
        >>> trainer.run()
        >>> trainer.at < 50
        True
        """
        self._stopped = True

    def validate(self) -> float:
        """The loss over the held-out batches, without dropout; nothing is changed.

        Raises:
            EvaluationError: when it is no finite number.
            UsageError: when there are none.
        """
        if self._valid is None:
            raise UsageError("there is nothing to validate on; give held-out batches, Trainer(…, valid=batches)")
        return super().validate()

    def _batches(self) -> tuple[list[Any], list[Any], list[float] | None]:
        batches = self._rounds[self.at]
        sizes = [examples_in(batch) for batch in batches]
        mean = sum(sizes) / len(sizes)
        shares = [size / mean for size in sizes] if len(set(sizes)) > 1 else None
        return batches, self.state if self.at % len(self._rounds) else [self._begin], shares

    def _held_out_batches(self) -> Iterator[tuple[Any, Any, int]]:
        assert self._valid is not None
        for k in range(len(self._valid)):
            (batch,) = self._valid[k]
            yield batch, None if k else self._begin, examples_in(batch)

    def _rate(self) -> float | None:
        return None if self._schedule is None else self._schedule(self.at)

    def _loss(self, model: Any, batch: Any, state: Any) -> tuple[Tensor, Tensor, Any]:
        if state is None:
            found, after = self._loss_of(model, batch), None
        else:
            pair = self._loss_of(model, batch, state)
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise UsageError(
                    "Trainer: with a state, loss(model, batch, state) returns the loss and the state after it"
                )
            found, after = pair
        if not isinstance(found, Tensor) or found.shape != ():
            given = f"{found.type}" if isinstance(found, Tensor) else type(found).__name__
            raise UsageError(f"Trainer: loss returns one number, a tensor of shape (), not {given}; end it in .mean()")
        return found, found, after

    def _store(self, path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> None:
        said = {"format": _FORMAT, "step": self.at, "validations": self.validations, **self._read_as}
        write_arrays(path, arrays, {_KEY: json.dumps(said, allow_nan=False)})

    @property
    def _read_as(self) -> dict[str, int]:
        """What decides which batches an update reads."""
        return {"updates": len(self._rounds), "accumulate": self.accumulate}

    def resume(self, path: str | os.PathLike[str]) -> "Trainer":
        """Take what was saved to ``path``, by a trainer that was made as this one is; it goes on bit for bit.

        That is the model and its random keys, the optimiser with its learning rate, the state, the losses, and the
        position in the batches. ``epochs`` and ``steps`` may differ. A checkpoint that does not fit changes nothing.

        Returns:
            This trainer.

        Raises:
            CheckpointError: when there is no checkpoint to be read, or it is of another model, optimiser or batches.
            UsageError: when more steps are done than are wanted.

        >>> from tempfile import TemporaryDirectory
        >>> def made():
        ...     model = tl.nn.Linear(1, 1, key=tl.random.key(0))
        ...     return Trainer(model, lambda f, x: (f(x) ** 2).mean(), [np.ones((4, 1), np.float32)], epochs=9)
        >>> whole, part = made(), made()
        >>> whole.run()
        >>> with TemporaryDirectory() as folder:
        ...     _ = part.step(), part.save(f"{folder}/a.safetensors")
        ...     resumed = made().resume(f"{folder}/a.safetensors")
        >>> resumed.run()
        >>> resumed.losses == whole.losses
        True
        """
        try:
            arrays, said = _saved(path)
        except CheckpointError as error:
            for older in earlier(path):
                if _is_whole(older):
                    raise CheckpointError(f"{error}; the one before it is whole: resume({older!r})") from None
            raise
        step = said["step"]
        if {name: said[name] for name in self._read_as} != self._read_as:
            raise CheckpointError(
                f"{path} was trained with {said['updates']:,} updates in an epoch and accumulate={said['accumulate']}, "
                f"not with {len(self._rounds):,} and {self.accumulate}; give the batches it was trained on"
            )
        if step > self.steps:
            raise UsageError(
                f"{path} is at step {step:,} already, and {self.steps:,} are wanted, counted from the start; give more "
                "epochs or steps"
            )
        leaves, structure = flatten(self._begin)
        held = part(arrays, "state")
        if len(held) != len(leaves) or len(arrays.get("losses", ())) != step:
            raise CheckpointError(f"{path} is of another training: its state or its losses do not fit this one")
        before: list[tuple[Variable, Any]] = [(variable, variable.leaf) for variable in self._variables()]
        kept = part(arrays, "best")
        try:
            best: dict[str, Tensor] = {}
            if kept:
                self.model.load_state_dict(kept)
                best = self.model.state_dict()
            self.model.load_state_dict(part(arrays, "model"))
            self.optimizer.load_state_dict(part(arrays, "optimizer"))
        except StateDictError as error:
            assign_all(before)
            raise CheckpointError(f"{path} is of another model or optimiser: {error}") from None
        self.state = [unflatten(structure, [tensor(held[str(k)]) for k in range(len(leaves))])]
        self._go_to(path, step, arrays["losses"].tolist(), [(at, loss) for at, loss in said["validations"]], best)
        return self


def _check_optimizer(model: Module, optimizer: Any) -> None:
    own = {id(p) for p in model.parameters()}
    if not isinstance(optimizer, Optimizer):
        raise UsageError(
            f"optimizer is an optimiser, not {getattr(optimizer, '__name__', type(optimizer).__name__)}; write "
            "tl.optim.Adam(model.parameters(), lr=0.001)"
        )
    if not all(id(p) in own for p in optimizer.parameters_to_update):
        raise UsageError(
            "optimizer updates parameters that the model does not have; write tl.optim.Adam(model.parameters()), with "
            "a model that holds all of them"
        )


def _saved(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and the description of a checkpoint.

    Raises:
        CheckpointError: when it is none of a :class:`Trainer`.
    """
    arrays, metadata = read_arrays(path, "checkpoint")
    if _KEY not in metadata:
        raise CheckpointError(f"{path} is no checkpoint of a tl.train.Trainer; tl.load reads its arrays")
    try:
        said = json.loads(metadata[_KEY])
        counts = [said[name] for name in ("format", "step", "updates", "accumulate")]
        pairs = all(isinstance(at, int) and isinstance(loss, float) for at, loss in said["validations"])
        if all(isinstance(count, int) and count >= 0 for count in counts) and pairs and counts[0] == _FORMAT:
            return arrays, said
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise CheckpointError(f"{path} is damaged, or of another version: its header cannot be read")


def _is_whole(path: str | os.PathLike[str]) -> bool:
    try:
        _saved(path)
    except CheckpointError:
        return False
    return True
