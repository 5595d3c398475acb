"""The course's name on GitHub is that of the checkout's remote, where there is one."""

import shutil
import subprocess

import pytest

from course_utils.lectures import REPOSITORY, repository
from course_utils.lectures.addresses import GITHUB

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here")


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/ada/course.notes",
        "https://github.com/ada/course.notes.git",
        "https://github.com/ada/course.notes/",
        "https://ada:token@github.com/ada/course.notes.git",
        "git@github.com:ada/course.notes.git",
        "git@github.com:ada/course.notes",
        "ssh://git@github.com/ada/course.notes.git",
        "ssh://git@ssh.github.com:443/ada/course.notes.git",
    ],
)
def test_an_address_on_github_is_understood(url):
    assert GITHUB.fullmatch(url)["name"] == "ada/course.notes"


@pytest.mark.parametrize(
    "url",
    [
        "/home/ada/course",
        "file:///home/ada/github.com/ada/course",
        "https://gitlab.com/ada/course.git",
        "https://github.com.example.org/ada/course",
        "https://notgithub.com/ada/course",
        "https://github.com/ada",
        "https://github.com/ada/course/tree/main",
    ],
)
def test_another_address_is_none_of_github(url):
    assert GITHUB.fullmatch(url) is None


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A course in a checkout without a remote."""
    root = tmp_path / "course"
    subprocess.run(["git", "init", "--quiet", root], check=True)
    monkeypatch.setattr("course_utils.lectures.addresses.project_root", lambda: root)
    return root


@needs_git
def test_the_name_is_that_of_the_remote_origin(checkout):
    assert repository() == REPOSITORY
    add = ["git", "-C", checkout, "remote", "add"]
    subprocess.run([*add, "upstream", "https://github.com/else/where"], check=True)
    assert repository() == REPOSITORY
    subprocess.run([*add, "origin", "git@github.com:ada/course.git"], check=True)
    assert repository() == "ada/course"
    elsewhere = ["git", "-C", checkout, "remote", "set-url", "origin", "/home/ada/course"]
    subprocess.run(elsewhere, check=True)
    assert repository() == REPOSITORY


@needs_git
def test_a_course_inside_another_project_does_not_take_its_remote(checkout, monkeypatch):
    url = "https://github.com/ada/thesis"
    subprocess.run(["git", "-C", checkout, "remote", "add", "origin", url], check=True)
    inside = checkout / "course"
    inside.mkdir()
    monkeypatch.setattr("course_utils.lectures.addresses.project_root", lambda: inside)
    assert repository() == REPOSITORY


def test_without_git_the_name_is_the_usual_one(tmp_path, monkeypatch):
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr("course_utils.lectures.addresses.project_root", lambda: tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert repository() == REPOSITORY
