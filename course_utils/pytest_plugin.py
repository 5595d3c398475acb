"""What pytest loads wherever the course is installed."""

from pathlib import Path

pytest_plugins = ["course_utils.testing.plugin"]
if Path(__file__).with_name("instructor").is_dir():  # students do not have it
    pytest_plugins.append("course_utils.instructor.grading.plugin")
