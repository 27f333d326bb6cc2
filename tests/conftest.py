"""Settings of all tests.

``make test`` draws 30 random examples of a test, or 30 % of what it asks of ``tests.covering.examples``. ``.ci/run``
draws 100 with HYPOTHESIS_PROFILE=more. HYPOTHESIS_PROFILE=explore draws 1000 new ones at each run.
"""

import os

from hypothesis import settings

settings.register_profile("quick", deadline=None, derandomize=True, max_examples=30)
settings.register_profile("more", deadline=None, derandomize=True, max_examples=100)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
