"""Whatever a file does to the clerk that works on it, the class goes on and the row says what."""

import io
import os
import subprocess
import zipfile
from collections import Counter
from types import SimpleNamespace

import pytest
from corpus import code, solved, written

from course_utils.instructor.answers.submission import Submission
from course_utils.instructor.grading import clerk as clerks
from course_utils.instructor.grading.clerk import Clerk, Ended, Failed, Stopped
from course_utils.instructor.grading.grading_run import new_run
from course_utils.instructor.grading.reading import read_submissions
from course_utils.instructor.grading.settings import Settings
from course_utils.instructor.reports.results import INFRASTRUCTURE, UNREADABLE
from course_utils.instructor.sandbox.settings import GB


@pytest.fixture
def run(tmp_path):
    run = new_run(tmp_path / "out", Settings(sandbox=False))
    yield run
    run.clear()


@pytest.fixture
def clerk(run):
    clerk = Clerk(run)
    yield clerk
    clerk.close()


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{name}_02.ipynb", content)
    return buffer.getvalue()


def many_numbers(count):
    """Return a notebook that is small in a zip and large as objects.

    With a dozen millions of them it is too large for seconds: also a late look of a busy machine
    finds it so.
    """
    return written(solved() | {"x": "LONG"}).replace(b'"LONG"', b"[" + b"{}," * count + b"{}]")


def test_a_file_that_needs_too_much_memory_costs_itself_alone(run, tmp_path):
    bomb = zipped(ada=written(solved()), eve=many_numbers(12_000_000), zoe=written(solved()))
    (tmp_path / "class.zip").write_bytes(bomb)
    clerk = Clerk(run, memory=GB // 5)
    found = {s.file: s for s in read_submissions([tmp_path / "class.zip"], clerk)}
    clerk.close()
    assert [s.lecture for s in found.values()] == ["02", "", "02"]
    reason = found["class.zip/eve_02.ipynb"].reason
    assert reason.startswith("stopped while reading class.zip/eve_02.ipynb: more than 0.")
    assert reason.endswith("GB of memory")


class Process:
    """A process whose use of the machine a test decides."""

    def __init__(self, pid):
        self.cpu, self.rss = 5.0, 10

    def cpu_times(self):
        return SimpleNamespace(user=self.cpu, system=0.0)

    def memory_info(self):
        return SimpleNamespace(rss=self.rss)


@pytest.fixture
def watch(monkeypatch):
    monkeypatch.setattr(clerks.psutil, "Process", Process)
    return clerks._Watch(0, {"judging": 3}, memory=100)


def test_a_phase_has_seconds_of_its_own(watch):
    watch.begin("judging 02.1")
    watch.process.cpu += 2.9
    watch.look()
    watch.begin("judging 02.2")
    watch.process.cpu += 2.9
    watch.look()
    watch.process.cpu += 0.2
    with pytest.raises(Stopped, match=r"^stopped while judging 02.2: more than 3 s$"):
        watch.look()


def test_a_busy_machine_stops_no_clerk_but_the_end_of_days_does(watch, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(clerks.time, "monotonic", lambda: now[0])
    watch.begin("judging 02.1")
    now[0] = 50.0
    watch.look()
    now[0] = 61.0
    with pytest.raises(Stopped):
        watch.look()
    watch.begin("running")
    now[0] = 10.0**6  # kernels have limits of their own
    watch.look()


def test_memory_counts_from_where_it_was(watch):
    watch.process.rss += 100
    watch.look()
    watch.process.rss += 1
    with pytest.raises(Stopped, match="of memory"):
        watch.look()


def test_a_clerk_that_ends_is_replaced(clerk, tmp_path):
    (tmp_path / "ada_02.ipynb").write_bytes(written(solved()))
    clerk._awake().kill()
    with pytest.raises(Ended, match="ended while starting"):
        list(clerk.ask("read", str(tmp_path / "ada_02.ipynb"), 0, []))
    assert clerk.process is None
    assert len(list(clerk.ask("read", str(tmp_path / "ada_02.ipynb"), 0, []))) == 1


def test_what_fails_in_a_clerk_says_in_which_phase(clerk):
    with pytest.raises(Stopped, match="failed while reading: FileNotFoundError"):
        list(clerk.ask("read", "/there/is/no/such/file", 0, []))


@pytest.mark.parametrize(
    ("end", "state", "times"),
    [(Ended, INFRASTRUCTURE, 2), (Failed, INFRASTRUCTURE, 2), (Stopped, UNREADABLE, 1)],
)
def test_a_submission_whose_clerk_ends_twice_is_no_zero(clerk, monkeypatch, end, state, times):
    asked = []

    def ended(what, *arguments):
        asked.append(what)
        raise end("ended while judging 02.1")
        yield

    monkeypatch.setattr(clerk, "ask", ended)
    result = clerk.grade(Submission("a.ipynb", "a", "02"))
    assert (result.state, result.exercises, len(asked)) == (state, (), times)
    assert "judging 02.1" in result.reason


def test_a_zip_that_stalls_its_reader_is_passed_over_the_next_time(run, tmp_path, monkeypatch):
    calls = []

    class Reader:
        phase = ""

        def ask(self, what, path, start, broken):
            calls.append((start, tuple(broken)))
            yield Submission("a.ipynb", reason="x").as_json()
            if not broken:
                self.phase = "reading b.zip"
                raise Stopped("stopped while reading b.zip: more than 60 s")

    (tmp_path / "class").mkdir()
    found = list(read_submissions([tmp_path / "class"], Reader()))
    assert calls == [(0, ()), (1, ("b.zip",))]
    assert [s.reason for s in found][1] == "stopped while reading b.zip: more than 60 s"


def test_a_clerk_tells_what_it_passes_over(run, clerk, tmp_path):
    (tmp_path / "ada_02.ipynb").write_bytes(written(solved()))
    (tmp_path / ".DS_Store").write_bytes(b"")
    passed_over = Counter()
    (found,) = read_submissions([tmp_path], clerk, passed_over)
    assert (found.file, found.lecture, found.reason) == ("ada_02.ipynb", "02", "")
    assert passed_over["system files"] == 1
    assert passed_over["the grader's own results"] == len(list(run.out.iterdir())) - 1  # a folder
    assert len(passed_over) == 2


@pytest.mark.skipif(os.name == "nt", reason="not on Windows: names there are text")
def test_names_that_are_no_text_links_and_deep_folders_are_listed(clerk, tmp_path):
    folder = tmp_path / "class"
    folder.mkdir()
    secret = tmp_path / "secret.ipynb"
    secret.write_bytes(written(solved()))
    (folder / "eve_02.ipynb").symlink_to(secret)
    with open(os.fsencode(folder) + b"/b\xf6b_02.ipynb", "wb") as file:
        file.write(written(solved()))
    here = os.open(folder, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("n", dir_fd=here)
        deeper = os.open("n", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)
    found = {s.file: s for s in read_submissions([folder], clerk)}
    subprocess.run(["rm", "-r", str(folder / "n")], check=True)  # too deep for pytest
    deep = "/".join("n" * 51)
    assert set(found) == {"b?b_02.ipynb", "eve_02.ipynb", deep}
    assert found[deep].reason == "a folder in more than 50 others is not opened"
    assert found["b?b_02.ipynb"].lecture == "02"
    assert "link" in found["eve_02.ipynb"].reason


@pytest.mark.skipif(os.name == "nt", reason="not on Windows: folders have no modes")
def test_folders_of_a_grading_are_private(run):
    assert run.folder.stat().st_mode & 0o077 == 0
    assert (run.out / "seed").stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.name == "nt", reason="not on Windows: files have no modes")
def test_the_seed_is_private_before_it_is_in_its_place(tmp_path, monkeypatch):
    modes, put = [], os.replace

    def watched(source, target):
        modes.append(os.stat(source).st_mode & 0o077)
        put(source, target)

    monkeypatch.setattr(os, "replace", watched)
    new_run(tmp_path / "out", Settings(sandbox=False)).clear()
    assert modes == [0]


def test_a_cell_that_no_parser_likes_is_a_reason_or_a_mistake(clerk, tmp_path):
    notebook = solved()
    notebook["cells"].insert(3, code("\n".join(["!echo hi"] * 600)))
    notebook["cells"].insert(3, code("+".join("0" * 100_000)))
    (tmp_path / "ada.ipynb").write_bytes(written(notebook))
    (found,) = read_submissions([tmp_path / "ada.ipynb"], clerk)
    assert (found.lecture, found.reason) == ("02", "")
