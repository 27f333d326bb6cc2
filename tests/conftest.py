"""Settings of all tests.

Where a test does not say how many examples are drawn, ``make test`` draws 30. HYPOTHESIS_PROFILE=more draws 100, as
``.ci/run`` does, and HYPOTHESIS_PROFILE=explore 1000 new ones at each run.
"""

import os

from hypothesis import settings

settings.register_profile("quick", deadline=None, derandomize=True, max_examples=30)
settings.register_profile("more", deadline=None, derandomize=True, max_examples=100)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
