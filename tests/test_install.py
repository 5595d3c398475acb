"""The set-up: uv where it can be had, else pip, and a message with the remedy where neither can."""

import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from course_utils import install
from course_utils.runtime import project_root

PYTHON = "COURSE/.venv/bin/python"
UV = f"uv pip install --quiet --python {PYTHON}"
PIP = "python -m pip install --quiet --disable-pip-version-check"
LISTS = ["-r", "requirements.txt", "-c", "constraints.txt"]
OUT_OF_REACH = "error: Failed to fetch: torch"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine on which no command runs. It knows what was asked, and what fails there."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").touch()
    made = namedtuple("Machine", "root asked fails")(tmp_path, [], {})

    def run(command):
        asked = " ".join([Path(command[0]).name, *command[1:]]).replace(str(tmp_path), "COURSE")
        made.asked.append(asked)
        reason = next((reason for part, reason in made.fails.items() if part in asked), "")
        if asked == f"{PIP} uv" and not reason:
            (tmp_path / ".venv" / "bin" / "uv").touch(mode=0o755)
        return reason

    monkeypatch.setattr(install, "ROOT", tmp_path)
    monkeypatch.setattr(install, "run", run)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    return made


def ways(machine):
    """Return how each installation began."""
    return [line.partition(" -r")[0] for line in machine.asked if " -r " in line]


def test_uv_is_put_into_the_environment_and_installs_what_was_tested(machine):
    install.main([])
    assert machine.asked == [f"{PIP} uv", f"{UV} --torch-backend=auto {' '.join(LISTS)}"]


def test_a_uv_that_is_there_is_taken(machine):
    programs = machine.root / "programs"
    programs.mkdir()
    (programs / "uv").touch(mode=0o755)
    install.main(["site", "browser"])
    line = f"{UV} --torch-backend=auto {' '.join(LISTS)} -e .[site,browser]"
    assert machine.asked == [line]


def test_each_way_is_tried_and_says_why_it_failed(machine, capsys):
    machine.fails["--torch-backend"] = OUT_OF_REACH
    install.main([])
    assert ways(machine) == [f"{UV} --torch-backend=auto", UV]
    assert capsys.readouterr().out.splitlines() == [
        "Installing with uv and PyTorch's own index",
        f"That failed: {OUT_OF_REACH}",
        "Installing with uv",
    ]
    machine.asked.clear()
    machine.fails[UV] = "error: no cache"
    install.main([])
    assert ways(machine) == [f"{UV} --torch-backend=auto", UV, PIP]


def test_pip_installs_where_uv_cannot_be_had(machine):
    machine.fails[f"{PIP} uv"] = "ERROR: No matching distribution found for uv"
    install.main([])
    assert ways(machine) == [PIP]


def test_where_nothing_installs_the_message_says_what_to_try(machine):
    machine.fails["install"] = "ERROR: no network"
    with pytest.raises(SystemExit, match="Is the network there") as stopped:
        install.main([])
    assert "bin/python -m pip install -r requirements.txt" in str(stopped.value)


def test_windows_has_its_python_elsewhere(machine, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    assert install.make(machine.root) == machine.root / "Scripts" / "python.exe"
    assert machine.asked == [f"{Path(sys.executable).name} -m venv COURSE"]


def test_what_keeps_an_environment_from_being_made_is_told(machine, monkeypatch):
    new = machine.root / "new"
    machine.fails["-m venv"] = "Error: ensurepip is not available"
    new.mkdir()
    with pytest.raises(SystemExit, match="sudo apt install python3-venv"):
        install.make(new)
    assert not new.exists()
    monkeypatch.setattr(install, "NEEDED_GB", 10**9)
    with pytest.raises(SystemExit, match="Not enough disk"):
        install.make(new)
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    with pytest.raises(SystemExit, match=r"PYTHON=python3\.12"):
        install.make(new)


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        ("error: no torch\n  cause: no network", "error: no torch"),  # as uv ends
        ("WARNING: slow\nERROR: no torch", "ERROR: no torch"),  # as pip ends
        ("Traceback:\nOSError: disk full", "OSError: disk full"),
    ],
)
def test_the_reason_is_a_line_of_the_error(printed, reason):
    assert install.run([sys.executable, "-c", f"import sys; sys.exit({printed!r})"]) == reason


def test_a_command_that_is_silent_is_told_by_its_exit_code():
    assert install.run([sys.executable, "-c", "raise SystemExit(3)"]) == "exit code 3"
    assert install.run([sys.executable, "-c", ""]) == ""


def test_it_starts_as_a_file_without_any_package():
    path = str(project_root() / "course_utils" / "install.py")
    code = f"import runpy; runpy.run_path({path!r}, run_name='not main')"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
