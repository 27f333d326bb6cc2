"""``blas_threads``: how many threads products of matrices may use."""

from contextlib import AbstractContextManager
from typing import Any

from threadpoolctl import threadpool_limits

from tinygrad_lstm.errors import UsageError

__all__ = ["blas_threads"]


def blas_threads(count: int) -> AbstractContextManager[Any]:
    """From here on, or until a ``with blas_threads(…):`` block ends, the BLAS of this process uses ``count`` threads.

    The products of one step of a small recurrent network are too small to share. Worse, the threads of OpenBLAS wait
    by spinning: where another program wants the processors, two threads on two of them were up to 60 times slower
    than one.

    Raises:
        UsageError: when ``count`` is no integer of at least 1.

    >>> with blas_threads(1):
    ...     pass
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise UsageError(f"threads is an integer of at least 1, not {count!r}")
    limits: AbstractContextManager[Any] = threadpool_limits(limits=count, user_api="blas")
    return limits
