"""Settings of all tests. The plugin course_utils.testing.plugin sets the environment."""

import hypothesis

# A fixture and hooks for all tests.
from chromium import browser  # noqa: F401
from order import (  # noqa: F401
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_xdist_auto_num_workers,
)
from strict_skips import (  # noqa: F401
    pytest_make_collect_report,
    pytest_runtest_makereport,
)

# A slow machine is no failure: no test depends on how long something takes.
hypothesis.settings.register_profile("course", deadline=None, max_examples=50)
hypothesis.settings.load_profile("course")
