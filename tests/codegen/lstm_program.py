"""The forward and backward pass of one LSTM layer as a program made by hand, as the passes should make it."""

from typing import Any

from tests.codegen.small_programs import whole
from tinygrad_lstm.codegen.program import Buffer, Gemm, Kernel, Loop, Program, Scalar, Store, View
from tinygrad_lstm.graph.dtypes import DType, float32

__all__ = ["lstm_program"]


class Body:
    """The values of a kernel, written as they are computed."""

    def __init__(self, dtype: DType) -> None:
        self.dtype = dtype
        self.scalars: list[Scalar] = []
        self.reads: list[View] = []

    def _new(self, op: str, args: tuple[int, ...], attr: Any = None) -> int:
        self.scalars.append(Scalar(op, args, self.dtype, attr))
        return len(self.scalars) - 1

    def load(self, view: View) -> int:
        self.reads.append(view)
        return self._new("load", (), len(self.reads) - 1)

    def constant(self, value: float) -> int:
        return self._new("constant", (), value)

    def __getattr__(self, op: str) -> Any:
        return lambda *args: self._new(op, args)


def lstm_program(T: int, B: int, I: int, H: int, dtype: DType = float32) -> Program:  # noqa: E741
    """Inputs x, W, U, b, dy; outputs h, dx, dW, dU, db. The gates are forget, input, output, candidate."""
    inputs = [(T * B * I), (I * 4 * H), (H * 4 * H), (4 * H), (T * B * H)]
    outputs = [(T * B * H), (T * B * I), (I * 4 * H), (H * 4 * H), (4 * H)]
    temporaries = [(T * B * 4 * H), ((T + 1) * B * H), ((T + 1) * B * H), (B * H), (B * H)]
    x, W, U, b, dy, ys, dx, dW, dU, db, z, hs, cs, dh, dc = range(15)
    buffers = [Buffer(n, dtype, "input") for n in inputs] + [Buffer(n, dtype, "output") for n in outputs]
    arena = 0
    for n in temporaries:
        buffers.append(Buffer(n, dtype, "temporary", arena))
        arena += -(-n * dtype.itemsize // 64) * 64

    def now(buffer: int, loop: int, later: int = 0) -> View:
        return View(buffer, (B, H), (H, 1), later * B * H, ((loop, B * H),))

    def gate(k: int, loop: int) -> View:
        return View(z, (B, H), (4 * H, 1), k * H, ((loop, B * 4 * H),))

    def zero(buffer: int, size: int) -> Kernel:
        view = View(buffer, (size,), (1,))
        return Kernel((size,), 0, (), (Scalar("constant", (), dtype, 0.0),), (Store(0, view),))

    step = Body(dtype)
    gates = []
    for k, f in enumerate(("sigmoid", "sigmoid", "sigmoid", "tanh")):
        bias = step.load(View(b, (B, H), (0, 1), k * H))
        gates.append(getattr(step, f)(step.add(step.load(gate(k, 0)), bias)))
    forget, enter, out, candidate = gates
    c = step.add(step.multiply(forget, step.load(now(cs, 0))), step.multiply(enter, candidate))
    h = step.multiply(out, step.tanh(c))
    stores = [Store(v, gate(k, 0)) for k, v in enumerate(gates)]
    stores += [Store(c, now(cs, 0, 1)), Store(h, now(hs, 0, 1)), Store(h, now(ys, 0))]
    forward = Kernel((B, H), 0, tuple(step.reads), tuple(step.scalars), tuple(stores), "step")

    back = Body(dtype)
    one = back.constant(1.0)
    d_h = back.add(back.load(View(dh, (B, H), (H, 1))), back.load(now(dy, 1)))
    forget, enter, out, candidate = [back.load(gate(k, 1)) for k in range(4)]
    squashed = back.tanh(back.load(now(cs, 1, 1)))
    slope = back.subtract(one, back.multiply(squashed, squashed))
    d_c = back.add(back.load(View(dc, (B, H), (H, 1))), back.multiply(back.multiply(d_h, out), slope))

    def through(d: int, y: int) -> int:
        return int(back.multiply(d, back.multiply(y, back.subtract(one, y))))

    dz = [
        through(back.multiply(d_c, back.load(now(cs, 1))), forget),
        through(back.multiply(d_c, candidate), enter),
        through(back.multiply(d_h, squashed), out),
        back.multiply(back.multiply(d_c, enter), back.subtract(one, back.multiply(candidate, candidate))),
    ]
    stores = [Store(v, gate(k, 1)) for k, v in enumerate(dz)]
    stores.append(Store(back.multiply(d_c, forget), View(dc, (B, H), (H, 1))))
    backward = Kernel((B, H), 0, tuple(back.reads), tuple(back.scalars), tuple(stores), "step back")

    n = T * B
    z_all = whole(z, (n, 4 * H))
    recurrent = Gemm(now(hs, 0), whole(U, (H, 4 * H)), View(z, (B, 4 * H), (4 * H, 1), 0, ((0, B * 4 * H),)), True)
    back_in_time = Gemm(
        View(z, (B, 4 * H), (4 * H, 1), 0, ((1, B * 4 * H),)), View(U, (4 * H, H), (1, 4 * H)), whole(dh, (B, H))
    )
    total = Kernel(
        (n, 4 * H), 0, (z_all,), (Scalar("load", (), dtype, 0),), (Store(0, View(db, (n, 4 * H), (0, 1)), "add"),)
    )
    steps = (
        Gemm(whole(x, (n, I)), whole(W, (I, 4 * H)), z_all),
        zero(hs, B * H),
        zero(cs, B * H),
        Loop(0, T, False, (recurrent, forward), "forward"),
        zero(dh, B * H),
        zero(dc, B * H),
        Loop(1, T, True, (backward, back_in_time), "backward"),
        Gemm(View(hs, (H, n), (1, H)), z_all, whole(dU, (H, 4 * H))),
        Gemm(View(x, (I, n), (1, I)), z_all, whole(dW, (I, 4 * H))),
        Gemm(z_all, View(W, (4 * H, I), (1, 4 * H)), whole(dx, (n, I))),
        total,
    )
    shapes = ((T, B, H), (T, B, I), (I, 4 * H), (H, 4 * H), (4 * H,))
    return Program(tuple(buffers), steps, tuple(range(5)), tuple(range(5, 10)), shapes, arena)
