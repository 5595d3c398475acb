"""The session's choices: device, profile, seeds, claims, progress; and the doctor's report."""

import random
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from course_utils import by_profile, get_device, progress, seed_everything, setup
from course_utils.__main__ import main
from course_utils.runtime import Timer, cache_dir, machine, profile, project_root, synchronize
from course_utils.runtime.doctor import Finding, disk, packages, report


def test_machine_names_the_processor_and_its_threads():
    assert f"{torch.get_num_threads()} thread" in machine(torch.device("cpu"))
    assert machine(torch.device("meta")) == "meta"


def test_device_follows_the_variable(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    assert get_device() == torch.device("cpu")
    monkeypatch.setenv("COURSE_DEVICE", "meta")
    assert get_device() == torch.device("meta")


@pytest.mark.parametrize("name", ["gpu", "cuda:99"])
def test_an_unusable_device_is_named_with_a_remedy(monkeypatch, name):
    monkeypatch.setenv("COURSE_DEVICE", name)
    with pytest.raises(ValueError, match=f"COURSE_DEVICE='{name}'.*Set it to 'cpu'"):
        get_device()


def report_accelerator(monkeypatch, name):
    monkeypatch.delenv("COURSE_DEVICE", raising=False)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: name is not None)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device(name))


def test_device_without_the_variable_is_what_torch_reports(monkeypatch):
    report_accelerator(monkeypatch, "meta")
    assert get_device() == torch.device("meta")
    report_accelerator(monkeypatch, None)
    assert get_device() == torch.device("cpu")


def test_a_reported_device_that_cannot_compute_is_named_with_a_remedy(monkeypatch):
    report_accelerator(monkeypatch, "cuda:99")
    with pytest.raises(ValueError, match=r"'cuda:99' cannot be used here: .* COURSE_DEVICE=cpu"):
        get_device()


def test_profile(monkeypatch):
    monkeypatch.setenv("COURSE_PROFILE", "full")
    assert by_profile(quick=1, full=2) == 2
    monkeypatch.setenv("COURSE_PROFILE", "quick")
    assert by_profile(quick=1, full=2) == 1
    monkeypatch.setenv("COURSE_PROFILE", "fast")
    with pytest.raises(ValueError, match="'quick' or 'full'"):
        profile()


def test_profile_without_the_variable_follows_the_device(monkeypatch):
    monkeypatch.delenv("COURSE_PROFILE", raising=False)
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    assert profile() == "quick"
    monkeypatch.setenv("COURSE_DEVICE", "meta")
    assert profile() == "full"


def test_setup_prints_and_seeds(capsys, monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    assert setup(seed=3) == torch.device("cpu")
    drawn = (random.random(), np.random.rand(), torch.rand(1).item())  # noqa: NPY002
    seed_everything(3)
    assert drawn == (random.random(), np.random.rand(), torch.rand(1).item())  # noqa: NPY002
    printed = capsys.readouterr().out
    assert "cpu" in printed
    assert "profile: quick" in printed


def test_progress_passes_everything_on_and_prints_nothing_here(capsys):
    assert list(progress(range(3), description="counting")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_timer_and_synchronize():
    with Timer("cpu") as timer:
        sum(range(1000))
    assert timer.seconds > 0
    synchronize("cpu")


@pytest.mark.parametrize(("threads", "waited"), [(1, False), (2, True)])
def test_waiting_for_a_processor_is_no_time_of_a_run_of_the_evidence(monkeypatch, threads, waited):
    before = torch.get_num_threads()
    monkeypatch.setenv("COURSE_RECORD", "runs.jsonl")
    torch.set_num_threads(threads)
    try:
        with Timer("cpu") as timer:
            time.sleep(0.2)  # as a process does for which there is no processor
    finally:
        torch.set_num_threads(before)
    assert (timer.seconds >= 0.2) == waited


def test_folders(monkeypatch, tmp_path):
    assert (project_root() / "course_utils").is_dir()
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path


def test_doctor_finds_this_machine_well(capsys):
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    for name in ("Python", "torch", "device", "profile", "disk", "cache"):
        assert name in printed
    assert "All is well." in printed


def test_doctor_names_problems_and_remedies(capsys, monkeypatch):
    missing, broken = packages(("no-such-package", "tqdm"), serious=True)
    assert missing.remedy == f"{sys.executable} -m pip install -r requirements.txt"
    assert not broken.remedy

    def damaged():
        raise ValueError("data/fashion.npz is damaged: fetch it again")

    monkeypatch.setenv("COURSE_DEVICE", "gpu")
    assert report(damaged) == 1
    printed = capsys.readouterr().out
    assert "PROBLEM  data           cannot be read" in printed
    assert "fetch it again" in printed
    assert "Set it to 'cpu'" in printed


def test_doctor_only_notes_what_is_not_needed(capsys):
    absent = Finding("cifar10", "not here", "put it into COURSE_DATA", serious=False)
    assert report(lambda: [absent]) == 0
    assert "note" in capsys.readouterr().out


def test_doctor_looks_at_the_disk_where_downloads_go(monkeypatch, tmp_path):
    asked = []

    def disk_usage(place):
        asked.append(place)
        return SimpleNamespace(free=0.2e9)

    monkeypatch.setattr("shutil.disk_usage", disk_usage)
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "large disk" / "cache"))
    assert "COURSE_CACHE" in disk().remedy
    (tmp_path / "large disk" / "cache").mkdir(parents=True)
    disk()
    assert asked == [tmp_path, tmp_path / "large disk" / "cache"]


def test_doctor_takes_further_findings(capsys):
    sandbox = Finding("bwrap", "not here", "apt install bubblewrap")

    def broken():
        raise OSError("no permission")

    assert report(list, sandbox=lambda: [sandbox], browser=broken) == 1
    printed = capsys.readouterr().out
    assert "PROBLEM  bwrap          not here" in printed
    assert "PROBLEM  browser        cannot be read" in printed
    assert "2 problem(s) found" in printed


def test_wrong_usage_exits_with_2(capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["operate"])
    assert exit_info.value.code == 2
    assert "invalid choice" in capsys.readouterr().err
