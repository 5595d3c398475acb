"""The students' edition as one commit on a branch of this repository."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path


class NoCommit(RuntimeError):
    """Git did not do what it was asked; the message is its own."""


def commit_tree(repository: Path, tree: Path, branch: str, message: str) -> str | None:
    """Commit the files of the folder ``tree`` as all there is on ``branch``; nothing is pushed.

    Neither the working tree nor the index is touched. Author and date are those of the last
    commit of the repository, so that the same course gives the same commit. Returns the new
    commit, or None if the branch holds these files already.

    Raises:
        NoCommit: git failed; or the branch is the one that is checked out.
    """
    reference = f"refs/heads/{branch}"
    if git(repository, "symbolic-ref", "--quiet", "HEAD", may_fail=True) == reference:
        raise NoCommit(f"{branch} is checked out: choose another branch for the students' edition")
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index"), "GIT_WORK_TREE": str(tree)}
        git(repository, "add", "--all", "--force", ".", cwd=tree, **index)
        content = git(repository, "write-tree", **index)
    parent = git(repository, "rev-parse", "--verify", "--quiet", reference, may_fail=True)
    if parent and git(repository, "rev-parse", f"{parent}^{{tree}}") == content:
        return None
    keys = ("NAME", "EMAIL", "DATE")
    values = git(repository, "log", "-1", "--format=%an%n%ae%n%aI").splitlines()
    who = {
        f"GIT_{role}_{k}": v
        for role in ("AUTHOR", "COMMITTER")
        for k, v in zip(keys, values, strict=True)
    }
    parents = ("-p", parent) if parent else ()
    commit = git(repository, "commit-tree", content, *parents, "-m", message, **who)
    git(repository, "update-ref", reference, commit, parent)
    return commit


def git(
    repository: Path, *arguments: str, cwd: Path | None = None, may_fail: bool = False, **more: str
) -> str:
    """Return what a git command prints. Raises NoCommit."""
    folder = git_folder(repository) if more.get("GIT_WORK_TREE") else None
    environment = os.environ | more | ({"GIT_DIR": folder} if folder else {})
    done = subprocess.run(
        ["git", *arguments], cwd=cwd or repository, env=environment, capture_output=True, text=True
    )
    if done.returncode and not may_fail:
        raise NoCommit(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def git_folder(repository: Path) -> str:
    """Return the folder with git's own files, also in a linked working tree."""
    return git(repository, "rev-parse", "--absolute-git-dir")
