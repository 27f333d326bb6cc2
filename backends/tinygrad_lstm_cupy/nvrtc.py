"""CUDA text compiled by NVRTC, which needs no GPU."""

from typing import Any, Final

from tinygrad_lstm.errors import BackendError

__all__ = ["compiled"]

_cubins: Final[dict[tuple[str, int], bytes]] = {}


def compiled(cupy: Any, text: str, capability: int) -> bytes:
    """Machine code for GPUs of a compute capability such as 90, or PTX where this NVRTC is older than the GPU.

    Subnormal numbers are kept, and divisions and roots are rounded as IEEE 754 says: CuPy's own way to compile would
    flush the former.

    Raises:
        BackendError: with the first complaint of the compiler.
    """
    key = (text, capability)
    if key not in _cubins:
        _cubins[key] = _compiled(cupy.cuda.nvrtc, text, capability)
    return _cubins[key]


def _compiled(nvrtc: Any, text: str, capability: int) -> bytes:
    known = [a for a in nvrtc.getSupportedArchs() if a <= capability]
    if not known:
        raise BackendError(f"backend 'cupy': NVRTC does not know GPUs as old as compute capability {capability / 10}")
    native = capability in known
    program = nvrtc.createProgram(text, "tinygrad_lstm.cu", (), ())
    try:
        nvrtc.compileProgram(
            program, (f"--gpu-architecture={'sm' if native else 'compute'}_{max(known)}", "--std=c++17", "-w")
        )
        code = nvrtc.getCUBIN(program) if native else nvrtc.getPTX(program)
    except nvrtc.NVRTCError as error:
        log = nvrtc.getProgramLog(program).strip().splitlines() or [str(error)]
        raise BackendError(f"backend 'cupy': NVRTC can not compile the generated text: {log[0]}") from error
    finally:
        nvrtc.destroyProgram(program)
    return code if isinstance(code, bytes) else code.encode()
