"""CUDA text as machine code, by NVRTC, which needs no GPU."""

from pathlib import Path
from typing import Any, Final

from tinygrad_lstm.errors import BackendError
from tinygrad_lstm.runtime.cache import cached

__all__ = ["machine_code"]

_OPTIONS: Final = ("--std=c++17", "--fmad=false", "-w")


def machine_code(cupy: Any, text: str, capability: int) -> bytes:
    """Machine code for GPUs of a compute capability such as 90, or PTX if this NVRTC is older than the GPU.

    What was compiled before, in whatever process, comes from the disk cache. Subnormal numbers are kept, and every
    operation is rounded as IEEE 754 says: CuPy's own way to compile would flush the former, and NVRTC by itself would
    contract ``a * b + c`` into one rounding, as no other backend does.

    Raises:
        BackendError: with the first complaint of the compiler.
    """
    nvrtc = cupy.cuda.nvrtc
    known = [a for a in nvrtc.getSupportedArchs() if a <= capability]
    if not known:
        raise BackendError(f"backend 'cupy': NVRTC does not know GPUs as old as compute capability {capability / 10}")
    native = capability in known
    options = (f"--gpu-architecture={'sm' if native else 'compute'}_{max(known)}", *_OPTIONS)

    def build(_: Path, made: Path) -> None:
        made.write_bytes(_compiled(nvrtc, text, options, native))

    version = ".".join(map(str, nvrtc.getVersion()))
    return cached((text, version, *options), ".cubin" if native else ".ptx", build).read_bytes()


def _compiled(nvrtc: Any, text: str, options: tuple[str, ...], native: bool) -> bytes:
    program = nvrtc.createProgram(text, "tinygrad_lstm.cu", (), ())
    try:
        nvrtc.compileProgram(program, options)
        code = nvrtc.getCUBIN(program) if native else nvrtc.getPTX(program)
    except nvrtc.NVRTCError as error:
        log = nvrtc.getProgramLog(program).strip().splitlines() or [str(error)]
        raise BackendError(f"backend 'cupy': NVRTC cannot compile the generated text: {log[0]}") from error
    finally:
        nvrtc.destroyProgram(program)
    return code if isinstance(code, bytes) else code.encode()
