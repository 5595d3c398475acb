"""A control group is made where the system lets the grader make one, and nowhere else."""

import pytest

from course_utils.instructor.sandbox import cgroup
from course_utils.instructor.sandbox.cgroup import make_cgroup


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Return the folder of the own control group, which may be given controllers."""
    own = tmp_path / "fs" / "app.slice" / "run.scope"
    own.mkdir(parents=True)
    listed = tmp_path / "cgroup"
    listed.write_text("1:name=systemd:/\n0::/app.slice/run.scope\n")
    monkeypatch.setattr(cgroup, "ROOT", tmp_path / "fs")
    monkeypatch.setattr(cgroup, "OWN", listed)
    return own


@pytest.mark.parametrize("where", ["below", "beside"])
def test_a_delegated_folder_gets_a_group_with_limits(tree, where):
    above = tree if where == "below" else tree.parent
    (above / "cgroup.subtree_control").write_text("cpu memory pids\n")
    group = make_cgroup("kernels-7", 4000, 300, [8])
    assert group == above / "kernels-7"
    written = {path.name: path.read_text() for path in group.iterdir()}
    assert written == {"memory.max": "4000", "pids.max": "300", "cgroup.procs": "8"}


@pytest.mark.parametrize("given", ["", "cpu memory", None])
def test_without_controllers_there_is_none(tree, given):
    if given is not None:
        (tree / "cgroup.subtree_control").write_text(given)
    assert make_cgroup("kernels-7", 4000, 300, [8]) is None
    assert not (tree / "kernels-7").exists()


@pytest.mark.parametrize("text", ["", "4:memory:/\n"])
def test_where_control_groups_are_old_or_missing_there_is_none(tree, text):
    cgroup.OWN.write_text(text)
    assert make_cgroup("kernels-7", 4000, 300, [8]) is None
