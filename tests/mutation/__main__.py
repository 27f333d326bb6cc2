"""Which small changes of the code does no test notice?

    python -m tests.mutation tinygrad_lstm/passes --seconds 600

tries changes of one comparison, operator, number, condition or statement at a time, in random order, and prints each
that the tests of that folder let live. It changes no file. Without ``--seconds`` all are tried. A survivor is a gap in
the tests, or changes nothing that can be seen; the latter are listed in ``equivalents.txt`` with the reason.
"""

import argparse
import os
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.mutation.equivalents import read, without
from tests.mutation.mutants import mutants
from tests.mutation.running import Killing

TESTS = {
    "tinygrad_lstm/passes": ["tests/passes", "tinygrad_lstm/passes"],
    "tinygrad_lstm/codegen": [
        "tests/codegen/test_verify.py",
        "tests/fuzz/test_found.py",
        "tests/codegen/test_structure.py",
        "tests/codegen/test_compiled.py",
        "tests/codegen/test_lowering_programs.py",
        "tests/codegen",
        "tinygrad_lstm/codegen",
    ],
}


def main(words: list[str]) -> int:
    """Run the command; 1 when a change survives that is not listed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("paths", nargs="+", type=Path, help="folders or files to change")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--each", type=float, default=float("inf"), help="seconds of tests for each change at most")
    parser.add_argument("--notes", type=Path, help="a file for what the tests call; it is made, or believed")
    parser.add_argument("--seed", type=int, default=0, help="of the order in which changes are tried")
    parser.add_argument("--tests", nargs="+", help="what must notice; by default the tests of the folder")
    parser.add_argument("--only", type=Path, help="a file with lines as this command prints them: try these alone")
    parser.add_argument("--listed", action="store_true", help="try those too that equivalents.txt lists")
    options = parser.parse_args(words)
    files = sorted({f for p in options.paths for f in ([p] if p.is_file() else p.rglob("*.py"))})
    tests = options.tests or [t for folder, own in TESTS.items() if any(folder in str(f) for f in files) for t in own]
    known = read()
    found = [m for f in files for m in mutants(f)]
    tried = found if options.listed else without(found, known)
    listed = len(found) - len(tried)
    if options.only:
        wanted = {line.strip() for line in options.only.read_text(encoding="utf-8").splitlines()}
        tried = [m for m in tried if str(m) in wanted]
    Random(options.seed).shuffle(tried)
    print(
        f"{len(found)} changes of {len(files)} files, {listed} of them listed as equivalent",
        flush=True,
    )

    settings.register_profile(
        "mutation", deadline=None, derandomize=True, phases=[Phase.explicit, Phase.generate], print_blob=False,
        report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    os.environ["HYPOTHESIS_PROFILE"] = "mutation"
    killing = Killing(tried, options.seconds, options.each, options.notes)
    # That hypothesis is imported before pytest could rewrite its assertions does not matter.
    options_of_pytest = [
        "-q",
        "-s",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-m",
        "not gpu and not torch and not browser",
    ]
    pytest.main([*tests, *options_of_pytest, "-W", "ignore::pytest.PytestAssertRewriteWarning"], plugins=[killing])
    alive = [o.mutant for o in killing.outcomes if not o.test]
    print(f"{len(killing.outcomes)} tried, {len(killing.outcomes) - len(alive)} killed, {len(alive)} alive:")
    for mutant in sorted(alive, key=lambda m: (m.path, m.line)):
        print(f"  {mutant}")
    return bool(alive)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
