"""The C functions that kernels call, at the ends of the range, under the sanitizer of undefined behaviour."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tinygrad_lstm_c.prelude import PRELUDE

VALUES = {
    "float": "0, -0.0f, 1, -1, 1e-45f, -1e-45f, 1e-38f, 1e30f, -1e30f, 3.4e38f, -3.4e38f, INFINITY, -INFINITY, NAN, "
    "-NAN, 88.9f, -104.5f, 0x1p31f, -0x1p31f, 0x1p32f, 0x1p63f, -0x1p63f, 0x1p64f, 0x1.fffffep30f, -0x1.000002p31f",
    "double": "0, -0.0, 1, -1, 0.5, 5e-324, -5e-324, 1e-308, 1e30, -1e30, 1.7e308, -1.7e308, INFINITY, -INFINITY, NAN, "
    "-NAN, 710, -750, 0x1p31, -0x1p31, 0x1p32, 0x1p63, -0x1p63, 0x1p64, 2147483647.5, -2147483648.5, 4294967295.5",
    "int32_t": "0, 1, -1, 2, -2, 7, -7, 31, 32, 33, 64, INT32_MIN, INT32_MAX",
    "int64_t": "0, 1, -1, 2, -2, 7, -7, 31, 32, 63, 64, 65, INT64_MIN, INT64_MAX",
    "uint32_t": "0, 1, 2, 7, 31, 32, 33, UINT32_MAX",
    "uint16_t": "0, 1, 0x8000, 0x3c00, 0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x7c01, 0xffff",
    "_Bool": "0, 1",
}
"""Of each type of argument; a float of 16 bits is a uint16_t."""
WITHIN = {"power_of_two_f32", "share"}
"""Functions for a part of their type's values."""


def calls() -> list[str]:
    """A loop over all arguments for each function of numbers."""
    found = []
    for result, name, parameters in re.findall(r"^FUNCTION (\w+) (\w+)\(([^)]*)\)", PRELUDE, re.MULTILINE):
        types = [p.rsplit(" ", 1)[0].strip() for p in parameters.split(",")]
        if name in WITHIN or not set(types) <= set(VALUES):
            continue
        loops = "".join(f"for (int i{k} = 0; i{k} < COUNT(of_{t}); ++i{k}) " for k, t in enumerate(types))
        arguments = ", ".join(f"of_{t}[i{k}]" for k, t in enumerate(types))
        found.append(f"{loops} {{ volatile {result} y = {name}({arguments}); }}")
    return found


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no gcc, whose sanitizer is wanted")
@pytest.mark.parametrize("level", ["-O1", "-O3"])
def test_nothing_is_undefined(tmp_path: Path, level: str) -> None:
    assert len(calls()) > 60
    arrays = [f"static volatile {t} of_{t}[] = {{{values}}};" for t, values in VALUES.items()]
    body = ["int main(void) {", *calls(), "return 0;", "}"]
    source, program = tmp_path / "functions.c", tmp_path / "functions"
    main = ["#define COUNT(a) ((int)(sizeof(a) / sizeof(a[0])))", *arrays, *body]
    source.write_text(PRELUDE + "\n".join(main), encoding="utf-8")
    # Signed integers wrap round, as the backend compiles them.
    flags = ["-fwrapv", "-fsanitize=undefined,float-cast-overflow", "-fno-sanitize-recover", "-fopenmp-simd", "-w"]
    command = ["gcc", level, *flags, str(source), "-o", str(program), "-lm"]
    built = subprocess.run(command, capture_output=True, encoding="utf-8")
    if "cannot find" in built.stderr:
        pytest.skip("gcc has no library of the sanitizer here")
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([str(program)], capture_output=True, encoding="utf-8", timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
