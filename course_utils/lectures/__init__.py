"""The lectures as files: their metadata, where they lead, and what the README shows of them.

``running`` and ``storing``, which need kernels, are imported by name.
"""

from .addresses import (
    BADGE,
    FETCHED_FROM,
    REPOSITORY,
    STUDENT_BRANCH,
    lead_to,
    repository,
    setup_code,
)
from .files import (
    Lecture,
    all_lectures,
    exercise_and_role,
    graded_id,
    read_notebook,
)
from .readme import (
    FIGURE_PATH,
    course_map,
    readme_figure,
    refresh_readme,
    renewed,
    renewed_readme,
    store_part,
)

__all__ = [
    "BADGE",
    "FETCHED_FROM",
    "FIGURE_PATH",
    "REPOSITORY",
    "STUDENT_BRANCH",
    "Lecture",
    "all_lectures",
    "course_map",
    "exercise_and_role",
    "graded_id",
    "lead_to",
    "read_notebook",
    "readme_figure",
    "refresh_readme",
    "renewed",
    "renewed_readme",
    "repository",
    "setup_code",
    "store_part",
]
