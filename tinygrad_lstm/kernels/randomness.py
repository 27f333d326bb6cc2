"""The kernel of the random function.

Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011; rotations and
parity constant of Threefry-2x32 from its table.
"""

from typing import Any, Final

__all__ = ["threefry2x32"]

_ROTATIONS: Final = (13, 15, 26, 6, 17, 29, 16, 24)
_PARITY: Final = 0x1BD11BDA
_ROUNDS: Final = 20


def threefry2x32(xp: Any, key: Any, counters: Any) -> Any:
    """Two random words for each pair of counter words; a key goes with all counters, or each with its own."""
    # The words of a counter are vectors at least, since scalars of NumPy warn where they wrap round.
    counters, shape = counters.reshape((1, 2) if counters.ndim == 1 else counters.shape), counters.shape
    spread = (*key.shape[:-1], *(1,) * (counters.ndim - key.ndim))
    k0, k1 = key[..., 0].reshape(spread), key[..., 1].reshape(spread)
    schedule = (k0, k1, k0 ^ k1 ^ xp.asarray(_PARITY, dtype=key.dtype))
    x0, x1 = counters[..., 0] + k0, counters[..., 1] + k1
    for i in range(_ROUNDS):
        turn = _ROTATIONS[i % 8]
        x0 = x0 + x1
        x1 = ((x1 << turn) | (x1 >> (32 - turn))) ^ x0
        if i % 4 == 3:
            j = i // 4 + 1
            x0 = x0 + schedule[j % 3]
            x1 = x1 + schedule[(j + 1) % 3] + xp.asarray(j, dtype=key.dtype)
    return xp.stack([x0, x1], axis=-1).reshape(shape)
