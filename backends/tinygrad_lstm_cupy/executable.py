"""A compiled program on one GPU: its memory, its launches, and the graph that replays them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tinygrad_lstm.codegen.program import Call, Gather, Program, View
from tinygrad_lstm.errors import Error, EvaluationError
from tinygrad_lstm.kernels.table import ArrayFunction
from tinygrad_lstm.runtime.failures import failure, out_of_bounds
from tinygrad_lstm_cupy.cuda import Launch, PrintedCuda, Product, Repeat, RunItem, print_cuda
from tinygrad_lstm_cupy.device import Device

__all__ = ["CupyExecutable", "unrecordable"]

_MOST_NODES: Final = 20_000
"""The most launches of a program that becomes a CUDA graph, since each takes time and memory there."""


class CupyExecutable:
    """A program as CUDA functions and calls of cuBLAS.

    The first run launches them one by one, which also loads what they need. The second records them as a CUDA graph
    with inputs and outputs at fixed places, and from then on the graph is replayed: one launch from Python for the
    whole program. What cannot be recorded, since it calls array functions, reads conditions, is too long, the fixed
    places do not fit into memory, or the driver refuses, is launched one by one at each run, without waiting in between
    except for a condition; the results are the same.

    Attributes:
        source: the CUDA text, but for the functions that every text begins with.
        replayed: whether the last run replayed a graph.
        fallback: why the program is launched one by one at each run; empty where nothing is known to be in the way of
            a graph.
    """

    def __init__(self, program: Program, kernels: Mapping[str, ArrayFunction], device: Device) -> None:
        self._program, self._kernels, self._device = program, kernels, device
        self._printed = printed = print_cuda(program)
        self.source = printed.source
        self.replayed = False
        self._arrays: list[Any] = [None] * len(printed.buffers)
        self._starts = [0] * len(printed.buffers)
        self._times: dict[int, int] = {}
        self._graph: Any = None
        self._fixed: tuple[list[Any], list[Any]] = ([], [])
        self._runs = 0
        with device.running():
            self._functions = device.functions(printed)
            arena = device.empty((printed.arena,), "uint8")
            for k, buffer in enumerate(printed.buffers):
                if buffer.role == "constant":
                    self._bind(k, device.flat(buffer.value, buffer.dtype.name))
                elif buffer.role == "temporary":
                    size = buffer.size * buffer.dtype.itemsize
                    self._bind(k, arena[buffer.offset : buffer.offset + size].view(buffer.dtype.name))
        self._steps = [self._step(item) for item in printed.items]
        self.fallback = unrecordable(printed)

    def __call__(self, inputs: Sequence[Any]) -> list[Any]:
        """The outputs, each an array of its own.

        Raises:
            IndexingError: when an index is out of range.
            EvaluationError: when a kernel of the array library fails, or the memory of the GPU does not suffice.
        """
        with self._device.running():
            try:
                return self._run(inputs)
            except MemoryError as error:
                raise EvaluationError(
                    f"a compiled program: out of memory on the GPU: {error}; make a batch, a window or a layer smaller"
                ) from error

    def _run(self, inputs: Sequence[Any]) -> list[Any]:
        """The outputs of one run: a replay of the graph if there is one, or else single launches."""
        device, program = self._device, self._program
        outputs = [
            device.empty(shape, program.buffers[k].dtype.name)
            for k, shape in zip(program.outputs, program.output_shapes, strict=True)
        ]
        given = [device.flat(x, program.buffers[k].dtype.name) for k, x in zip(program.inputs, inputs, strict=True)]
        results = [y.reshape(-1) for y in outputs]
        if self._printed.checked:
            self._arrays[self._printed.fault].fill(0)
        self._runs += 1
        if self._runs == 2 and not self.fallback:
            self._record()
        self.replayed = self._graph is not None
        if self.replayed:
            for fixed, array in zip(self._fixed[0], given, strict=True):
                device.copy(fixed, array)
            device.replay(self._graph)
            for array, fixed in zip(results, self._fixed[1], strict=True):
                device.copy(array, fixed)
        else:
            self._bind_all(given, results)
            self._launch_all()
            self._bind_all([None] * len(given), [None] * len(results))
        if self._printed.checked:
            self._check()
        return outputs

    def _record(self) -> None:
        """Record the program as a graph with inputs and outputs at fixed places, or note why that fails."""
        buffers = self._program.buffers
        try:
            inputs, outputs = (
                [self._device.empty((buffers[k].size,), buffers[k].dtype.name) for k in places]
                for places in (self._program.inputs, self._program.outputs)
            )
        except MemoryError:
            self.fallback = "its inputs and outputs do not fit into memory a second time"
            return
        self._bind_all(inputs, outputs)
        try:
            self._graph = self._device.record(self._launch_all)
        except EvaluationError as error:
            self.fallback = str(error)
        else:
            self._fixed = (inputs, outputs)

    def alone(self, kind: type[Launch] | type[Product]) -> Callable[[], None] | None:
        """For measurements: a function that replays only the kernels or only the products; its results mean nothing.

        None where the program is not replayed as a graph, or has none of that kind.
        """
        items = _only(self._printed.items, kind)
        if self._graph is None or not items:
            return None
        steps = [self._step(item) for item in items]

        def run() -> None:
            for step in steps:
                step()

        with self._device.running():
            # Inputs and outputs are at the fixed places of the last recording.
            self._bind_all(*self._fixed)
            graph = self._device.record(run)

        def replay() -> None:
            with self._device.running():
                self._device.replay(graph)

        return replay

    def _bind_all(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        for k, array in zip((*self._program.inputs, *self._program.outputs), (*inputs, *outputs), strict=True):
            self._bind(k, array)

    def _bind(self, k: int, array: Any) -> None:
        self._arrays[k] = array
        self._starts[k] = 0 if array is None else self._device.address(array)

    def _launch_all(self) -> None:
        for step in self._steps:
            step()

    def _step(self, item: RunItem) -> Callable[[], None]:
        device = self._device
        match item:
            case Launch(name, grid, threads, views):
                function, addresses = self._functions[name], self._addresses(views)
                return lambda: device.launch(function, grid, threads, addresses())
            case Product():
                addresses = self._addresses((item.left, item.right, item.out))
                return lambda: device.product(item, addresses())
            case Repeat():
                return self._turns(item)
            case Call():
                return lambda: self._call(item)

    def _turns(self, loop: Repeat) -> Callable[[], None]:
        steps = [self._step(i) for i in loop.items]
        asked = loop.condition
        times = range(loop.length - 1, -1, -1) if loop.reverse else range(loop.length)

        def run() -> None:
            for t in times:
                if asked is not None and not self._arrays[asked.buffer][asked.offset : asked.offset + 1].tolist()[0]:
                    break
                self._times[loop.number] = t
                for step in steps:
                    step()

        return run

    def _addresses(self, views: Sequence[View]) -> Callable[[], list[int]]:
        """The addresses at which the views begin, at the present time indices."""
        places = []
        for v in views:
            size = self._printed.buffers[v.buffer].dtype.itemsize
            places.append((v.buffer, v.offset * size, [(number, stride * size) for number, stride in v.loops]))
        starts, times = self._starts, self._times

        def addresses() -> list[int]:
            result = []
            for buffer, offset, loops in places:
                at = starts[buffer] + offset
                for number, stride in loops:
                    at += times[number] * stride
                result.append(at)
            return result

        return addresses

    def _view(self, view: View) -> Any:
        base = self._arrays[view.buffer]
        if 0 in view.shape:
            return self._device.empty(view.shape, base.dtype.name)
        offset = view.offset + sum(stride * self._times[number] for number, stride in view.loops)
        strides = tuple([s * base.dtype.itemsize for s in view.strides])
        return self._device.strided(base[offset:], view.shape, strides)

    def _call(self, call: Call) -> None:
        arrays = [self._view(v) for v in call.reads]
        try:
            result = self._kernels[call.node.op](*arrays, **call.attrs)
        except (Error, MemoryError):
            raise
        except Exception as error:
            raise failure(error, call.node) from error
        if 0 not in call.out.shape:
            self._view(call.out)[...] = result

    def _check(self) -> None:
        """Raise for an index out of range. Reading the fault buffer waits for the GPU."""
        number, index = self._arrays[self._printed.fault].tolist()
        if number:
            step = self._printed.checked[number - 1]
            size = (step.source if isinstance(step, Gather) else step.out).shape[1]
            raise out_of_bounds(step.node, index, size)


def unrecordable(printed: PrintedCuda) -> str:
    """Why a program cannot become a graph; empty if nothing but the driver can refuse."""
    calls = sorted(set(_calls(printed.items)))
    if calls:
        return f"it calls array functions for {', '.join(calls)}"
    if _asks(printed.items):
        return "its conditions are read between launches"
    if printed.launches > _MOST_NODES:
        return f"{printed.launches:,} launches are more than {_MOST_NODES:,}"
    return "" if printed.launches > 1 else "one launch needs no graph"


def _calls(items: Sequence[RunItem]) -> Iterator[str]:
    """The ops that have no kernel of their own."""
    for item in items:
        if isinstance(item, Call):
            yield item.node.op
        elif isinstance(item, Repeat):
            yield from _calls(item.items)


def _asks(items: Sequence[RunItem]) -> bool:
    """Whether a loop has a condition."""
    return any(isinstance(i, Repeat) and (i.condition is not None or _asks(i.items)) for i in items)


def _only(items: Sequence[RunItem], kind: type[Launch] | type[Product]) -> list[RunItem]:
    """The items of one kind, in their loops."""
    items_of_kind: list[RunItem] = []
    for item in items:
        if isinstance(item, Repeat):
            inner = _only(item.items, kind)
            items_of_kind += [replace(item, items=tuple(inner))] if inner else []
        elif isinstance(item, kind):
            items_of_kind.append(item)
    return items_of_kind
