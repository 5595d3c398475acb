"""Settings of all tests. The plugin course_utils.testing.plugin sets the environment."""

import hypothesis
from chromium import browser  # noqa: F401 - a fixture for all tests

# A slow machine is no failure: no test depends on how long something takes.
hypothesis.settings.register_profile("course", deadline=None, max_examples=50)
hypothesis.settings.load_profile("course")
