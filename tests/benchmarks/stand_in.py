"""A part of the day on a GPU with NumPy and g++ standing in: ``python -m tests.benchmarks.stand_in PART RECORD …``.

``STAND_IN`` in the environment says what stands in: ``absent`` is a machine without a driver; ``wrong`` a GPU that
computes one op wrongly, and takes the process with it in another one.
"""

import os
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from tinygrad_lstm_cupy import executor

from benchmarks.gpu_day import part
from tests.backends.fake_cupy import FakeCupy
from tests.codegen.host_device import HostDevice


def install(kind: str) -> None:
    """Put it where CuPy would be, for this process, which ends with the part."""
    cupy: Any = FakeCupy(driver=0 if kind == "absent" else 13000)
    cupy.__file__ = __file__
    sys.modules["cupy"] = cupy
    pathfinder: Any = ModuleType("cuda.pathfinder")
    pathfinder.load_nvidia_dynamic_lib = lambda name: SimpleNamespace(abs_path=f"/stand-in/{name}")
    sys.modules["cuda.pathfinder"] = pathfinder
    executor.Device = HostDevice  # type: ignore[assignment, misc]
    if kind == "wrong":
        cupy.exp = lambda x, *_, **__: np.exp(x) * 2
        cupy.take = lambda *_, **__: os._exit(3)


if __name__ == "__main__":
    install(os.environ.get("STAND_IN", ""))
    sys.exit(part.main())
