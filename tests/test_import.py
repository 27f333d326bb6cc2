"""What `import tinygrad_lstm` needs, and what may lie beside the user's script."""

import subprocess
import sys
from pathlib import Path

import pytest


def run(*command: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, encoding="utf-8", check=False)


@pytest.mark.parametrize("name", ["graphviz", "numpy", "safetensors"])
def test_what_is_not_installed_is_named_with_the_command_that_installs_it(name: str) -> None:
    done = run("-c", f"import sys; sys.modules[{name!r}] = None; import tinygrad_lstm")
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"ModuleNotFoundError: tinygrad_lstm needs {name}, which is not installed; in a checkout")
    assert "`pip install -e .`" in last
    assert "During handling" not in done.stderr


def test_a_module_of_ours_that_is_missing_is_no_matter_of_installing() -> None:
    done = run("-c", "import sys; sys.modules['tinygrad_lstm.optim'] = None; import tinygrad_lstm")
    assert "halted" in done.stderr.splitlines()[-1]


def test_a_script_named_secrets_beside_ones_own_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "secrets.py").write_text("password = 'abc'\n", encoding="utf-8")
    (tmp_path / "script.py").write_text(
        "import tinygrad_lstm as tl\n"
        "tl.save('w.safetensors', {'w': tl.nn.Linear(1, 1).weight})\n"
        "print(tl.load('w.safetensors')['w'].shape)\n",
        encoding="utf-8",
    )
    done = run("script.py", folder=tmp_path)
    assert (done.stdout, done.stderr) == ("(1, 1)\n", "")


BLOCKED = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"pygraphviz", "hatchling", "matplotlib", "torch", "cupy"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
"""
RUN = """
import tinygrad_lstm as tl
lstm = tl.nn.LSTM(3, 4, key=tl.random.key(0))
step = tl.jit(lambda x: tl.gradients((lstm(x)[0] ** 2).sum(), lstm.parameters()))
print(len(step(tl.ones((2, 1, 3)))), len(tl.draw.cell(lstm.cells[0]).dot) > 1000, tl.backend_names())
"""


def test_the_engine_runs_without_what_only_draws_or_builds() -> None:
    done = run("-c", BLOCKED + RUN)
    assert (done.stderr, done.stdout) == ("", "8 True ['c', 'cupy', 'numpy']\n")
