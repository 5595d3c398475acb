"""The students' edition as one commit on a branch of this repository."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path


class NoCommit(RuntimeError):
    """Git did not do what it was asked; the message is its own."""


def check_branch(repository: Path, branch: str, mark: str) -> None:
    """Make sure that a release may be committed on ``branch``, before anything is written.

    mark: the file that tells an earlier release.

    Raises:
        NoCommit: it may not, because git cannot, or because the branch holds other work.
    """
    git(repository, "check-ref-format", "--branch", branch)
    reference = f"refs/heads/{branch}"
    where = git(repository, "for-each-ref", "--format=%(worktreepath)", reference)
    if where:
        raise NoCommit(f"{branch} is checked out in {where}: choose another branch for students")
    exists = git(repository, "for-each-ref", reference)
    if exists and not git(repository, "ls-tree", "--name-only", reference, "--", mark):
        raise NoCommit(f"{branch} holds other work, no earlier release: choose another branch")


def commit_tree(repository: Path, tree: Path, branch: str, message: str) -> str | None:
    """Commit the files of the folder ``tree`` as all there is on ``branch``; nothing is pushed.

    Neither the working tree nor the index is touched. Author and date are those of the last
    commit of the repository, so that the same course gives the same commit. Returns the new
    commit, or None if the branch holds these files already. Raises NoCommit: git failed.
    """
    reference = f"refs/heads/{branch}"
    content = store_tree(repository, tree)
    parent = git(repository, "for-each-ref", "--format=%(objectname)", reference)
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


def store_tree(repository: Path, tree: Path) -> str:
    """Store the files of a folder in git, byte for byte, and return the name of their tree.

    Not with ``git add``: settings of the user (line ends, filters for notebooks, ignored files)
    would change what is stored.
    """
    paths = sorted(path for path in tree.resolve().rglob("*") if path.is_file())
    command = ("hash-object", "-w", "--no-filters", "--stdin-paths")
    blobs = git(repository, *command, stdin="\n".join(map(str, paths))).splitlines()
    entries = [
        f"100644 {blob}\t{path.relative_to(tree.resolve()).as_posix()}\n"
        for blob, path in zip(blobs, paths, strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        git(repository, "update-index", "--add", "--index-info", stdin="".join(entries), **index)
        return git(repository, "write-tree", **index)


def git(repository: Path, *arguments: str, stdin: str = "", **variables: str) -> str:
    """Return what a git command prints. Raises NoCommit."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=repository,
            env=os.environ | variables,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
        )
    except FileNotFoundError:
        raise NoCommit("git is not installed: release without --branch") from None
    if done.returncode:
        raise NoCommit(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout.strip()
