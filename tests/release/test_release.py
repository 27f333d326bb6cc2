"""What a release is made of: the same bytes for everybody, from versions that are known."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCKED = ("dev", "docs", "browser", "release")


def copied(place: Path, mode: int) -> Path:
    """A copy of what the wheel is made from, with other times and permissions of files."""
    built = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    for name in ("pyproject.toml", "README.md", "LICENSE", *built["targets"]["wheel"]["packages"]):
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    for path in place.rglob("*"):
        if path.is_file():
            path.chmod(mode)
            os.utime(path, (mode * 10**6, mode * 10**6))
    return place


@pytest.mark.parametrize("epoch", [None, "1700000000"])
def test_the_wheel_is_the_same_bytes_whoever_builds_it(epoch: str | None, tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    env |= {"SOURCE_DATE_EPOCH": epoch} if epoch else {}
    wheels = []
    for name, mode, zone in (("here", 0o644, "UTC"), ("somewhere-else", 0o600, "Asia/Tokyo")):
        place = copied(tmp_path / name, mode)
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(place / "dist")]
        env |= {"TZ": zone, "PYTHONHASHSEED": str(mode)}
        subprocess.run(command, cwd=place, env=env, check=True, capture_output=True)
        wheels.append(next((place / "dist").glob("*.whl")))
    assert wheels[0].name == wheels[1].name
    assert wheels[0].read_bytes() == wheels[1].read_bytes()
    with zipfile.ZipFile(wheels[0]) as wheel:
        assert "tinygrad_lstm/py.typed" in wheel.namelist()
        years = {entry.date_time[0] for entry in wheel.infolist()}
    assert years == ({2023} if epoch else {2020})


def locked() -> dict[str, list[Requirement]]:
    """What the lock allows, by name."""
    found: dict[str, list[Requirement]] = {}
    for line in (ROOT / "locks" / "dev.txt").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            requirement = Requirement(line)
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


@pytest.mark.parametrize("extra", ["", *LOCKED])
def test_the_lock_has_a_version_of_each_tool_that_is_wanted(extra: str) -> None:
    """Run ``make lock`` after a change of the dependencies."""
    wanted = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    known = locked()
    for requirement in map(Requirement, wanted):
        if requirement.name == PROJECT["name"]:
            continue
        lines = known.get(canonicalize_name(requirement.name), [])
        assert lines, f"the lock lacks {requirement.name}; run `make lock`"
        for line in lines:
            (exact,) = line.specifier
            assert exact.operator == "=="
            assert requirement.specifier.contains(exact.version), f"the lock has {line}; run `make lock`"


@pytest.mark.parametrize("extra", ["", *PROJECT["optional-dependencies"]])
def test_every_requirement_has_a_lower_bound(extra: str) -> None:
    """.ci/run installs these and runs the tests with them."""
    wanted = PROJECT["optional-dependencies"][extra] if extra else PROJECT["dependencies"]
    for requirement in map(Requirement, wanted):
        bounded = {s.operator for s in requirement.specifier} & {">=", "==", "~="}
        assert bounded or requirement.name == PROJECT["name"], f"write {requirement.name}>=VERSION"


def test_what_is_said_of_requests_and_pickles_is_true() -> None:
    """SECURITY.md: the package reads no pickle and makes no request."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "No pickle is read or written" in text
    assert "The package makes no request" in text
    forbidden = re.compile(
        r"^\s*(?:import|from)\s+(pickle|marshal|shelve|urllib|http|socket|ftplib|requests|httpx|aiohttp)\b",
        re.MULTILINE,
    )
    for folder in ("tinygrad_lstm", "backends"):
        for path in (ROOT / folder).rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            assert not forbidden.search(source), path
            assert "allow_pickle=True" not in source, path
