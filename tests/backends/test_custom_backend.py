"""The example of a backend by somebody else: built, installed into a folder of its own, found, and checked."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "custom_backend"


def test_a_strangers_backend_is_installed_found_and_conforms(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="the example is built without the network, by the hatchling that is here")
    pytest.importorskip("pip", reason="an environment of uv has no pip, which installs the example")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(tmp_path)]
    done = subprocess.run([*pip, *offline, str(EXAMPLE)], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths}

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], env=environment, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "counting  yes     tinygrad-lstm-counting  NumPy" in run("-m", "tinygrad_lstm", "backends")
    tests = str(EXAMPLE / "test_counting.py")
    out = run("-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "-c", os.devnull, tests)
    assert "backend 'counting':" in out
