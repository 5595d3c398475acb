"""Grading on a Dask cluster: the same points, whatever happens to its workers."""

import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as xml
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec

import psutil
import pytest
from corpus import POINTS, RIGHT, answer, lines, solved, spies, written

from course_utils.__main__ import main
from course_utils.instructor.reports.results import (
    FULL,
    INFRASTRUCTURE,
    PARTIAL,
    WRONG,
    read_results,
)
from course_utils.instructor.sandbox.sandbox import sandbox_problem
from course_utils.instructor.sandbox.settings import DIED
from course_utils.lectures import graded_id
from course_utils.runtime import project_root

ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "OMP_"))}
# A submission that two workers died of is given up.
ENVIRONMENT["DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES"] = "1"
SEED = 20
NAMES = ("serial", "cluster")
POISON = lines(
    """
    import json, os, signal
    from course_utils.instructor.grading.cluster import Station
    def grade(self, text, plain=Station.grade):
        if json.loads(text)["file"].startswith("poison"):
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(self, text)
    Station.grade = grade
    """
)


def grade_one(tmp_path, *options):
    """Grade one short submission; return the exit code and what was printed."""
    submission = tmp_path / "ada_02.ipynb"
    submission.write_bytes(short())
    return grade(submission, tmp_path / "out", *options)


HAS_DASK = find_spec("distributed") is not None


def needs_cluster(test):
    missing = "no cluster: python -m pip install distributed"
    test = pytest.mark.skipif(not HAS_DASK, reason=missing)(test)
    reason = f"no sandbox: {sandbox_problem()}"
    return pytest.mark.skipif(bool(sandbox_problem()), reason=reason)(test)


def short(source=None):
    """Return a submission in which only 02.1 is answered, by ``source`` or the solution."""
    notebook = solved()
    others = {graded_id(exercise, "answer") for exercise in POINTS if exercise != "02.1"}
    if source is not None:
        answer(notebook, "02.1")["source"] = source
    notebook["cells"] = [
        cell
        for cell in notebook["cells"]
        if cell["metadata"].get("nbgrader", {}).get("grade_id") not in others
    ]
    return written(notebook)


def run(*arguments, **variables):
    done = subprocess.run(
        [sys.executable, "-m", "course_utils", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=600,
        env=ENVIRONMENT | variables,
    )
    return done.returncode, done.stdout + done.stderr


@contextmanager
def begun(*arguments):
    """Yield a command that runs, as a terminal would run it."""
    with subprocess.Popen(
        [sys.executable, "-m", "course_utils", *map(str, arguments)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                kill(process)


def grade(submissions, out, *options):
    return run("grade", submissions, "--out", out, "--seed", SEED, *options)


def until(condition, what, seconds=300):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.05)
    return found


def kill(process):
    """Kill a process and all that it started, as the end of a machine would."""
    with_children = [*psutil.Process(process.pid).children(recursive=True), process]
    for one in with_children:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    process.wait()


class Cluster:
    """A scheduler and its workers, each a process."""

    def __init__(self, folder):
        self.folder, self.workers = folder, {}
        file = folder / "scheduler.json"
        options = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        self.scheduler = self.start("scheduler", *options, "--scheduler-file", file)
        until(file.exists, "the scheduler")
        self.address = until(partial(self.read, file), "its address")["address"]
        (folder / "poison.py").write_text(POISON)

    def read(self, file):
        try:
            return json.loads(file.read_text())
        except ValueError:
            return None

    def start(self, *arguments, **variables):
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *map(str, arguments)],
                env=ENVIRONMENT | variables,
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )

    def add_worker(self, *options, **variables):
        options = (*options, "--no-nanny", "--no-dashboard", "--local-directory", self.folder)
        if "--nthreads" not in options:
            options += ("--nthreads", 1)
        name = f"worker-{len(self.workers)}"
        self.workers[name] = self.start(
            "worker", self.address, "--name", name, *options, **variables
        )
        return self.workers[name]

    def wait(self):
        """Wait until all workers are there."""
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(len(self.workers), timeout=300)

    def close(self):
        for process in (*self.workers.values(), self.scheduler):
            if process.poll() is None:
                kill(process)


@contextmanager
def started(folder):
    cluster = Cluster(folder)
    try:
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def cluster(tmp_path):
    with started(tmp_path) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Return a cluster of three workers, which die of a submission called poison."""
    with started(tmp_path_factory.mktemp("cluster")) as cluster:
        for _ in range(3):
            cluster.add_worker("--preload", cluster.folder / "poison.py")
        yield cluster


@pytest.fixture(scope="module")
def handed_in(three, tmp_path_factory):
    folder = tmp_path_factory.mktemp("class")
    (spy,) = (s for s in spies(int(three.address.split(":")[-1]), folder) if s.name == "network")
    attack = next(c for c in json.loads(spy.content)["cells"] if "create_connection" in c["source"])
    sources = {
        "ada": None,
        "bob": "def size_after(size, kernel_size, stride=1, padding=0, dilation=1):\n"
        "    return (size + 2 * padding - kernel_size) // stride + 1",
        "cas": RIGHT + "def size_after(*a, **k):\n    __import__('os')._exit(0)",
        "spy": attack["source"],
    }
    for name, source in sources.items():
        (folder / f"{name}_02.ipynb").write_bytes(short(source))
    (folder / "eve_02.ipynb").write_bytes(b"")
    return folder


def rows(out):
    """Return grades.csv without its times."""
    with (out / "grades.csv").open(newline="", encoding="utf-8-sig") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def cases_of(out):
    """Return the test cases of junit.xml without their times."""
    found = {}
    for case in xml.parse(out / "junit.xml").iter("testcase"):
        properties = {p.get("name"): p.get("value") for p in case.iter("property")}
        properties["failure"] = [(f.get("message"), f.text) for f in case.iter("failure")]
        found[case.get("classname"), case.get("name")] = properties
    return found


def timeless(result):
    exercises = tuple(dataclasses.replace(e, seconds=0.0) for e in result.exercises)
    return dataclasses.replace(result, exercises=exercises, seconds=0.0)


def kill_a_busy_worker(cluster):
    """Kill one worker whose kernel runs a submission."""
    from distributed import Client

    def load():
        return client.run_on_scheduler(
            lambda dask_scheduler: {
                worker.name: len(worker.processing) for worker in dask_scheduler.workers.values()
            }
        )

    def busy():
        for name, submissions in load().items():
            process = psutil.Process(cluster.workers[name].pid)
            # Bubblewrap and the process that kernels are forked from are three.
            if not submissions or len(process.children(recursive=True)) < 5:
                continue
            process.suspend()
            if load()[name]:
                return cluster.workers[name]
            process.resume()
        return None

    with Client(cluster.address, set_as_default=False) as client:
        kill(until(busy, "a busy worker"))


@needs_cluster
def test_a_cluster_that_loses_a_worker_gives_what_the_serial_run_gives(three, handed_in, tmp_path):
    status, printed = grade(handed_in, tmp_path / "serial", "--workers", 1)
    assert status == 0, printed
    options = ("--out", tmp_path / "cluster", "--seed", SEED, "--cluster", three.address)
    with begun("grade", handed_in, *options) as grading:
        kill_a_busy_worker(three)
        printed = grading.communicate(timeout=600)[0]
    assert grading.returncode == 0, printed
    assert sum(worker.poll() is not None for worker in three.workers.values()) == 1
    serial, ours = (read_results(tmp_path / name / "results") for name in NAMES)
    assert [timeless(result) for result in ours] == [timeless(result) for result in serial]
    assert rows(tmp_path / "cluster") == rows(tmp_path / "serial")
    assert cases_of(tmp_path / "cluster") == cases_of(tmp_path / "serial")
    pages = [sorted(p.name for p in (tmp_path / x / "feedback").iterdir()) for x in NAMES]
    assert pages[0] == pages[1]
    found = {result.student: [e.status for e in result.exercises][:1] for result in ours}
    assert found == {"ada": [FULL], "bob": [PARTIAL], "cas": [DIED], "spy": [WRONG], "eve": []}


@needs_cluster
def test_a_submission_that_kills_its_workers_is_given_up(three, tmp_path):
    three.add_worker("--preload", three.folder / "poison.py")
    folder = tmp_path / "class"
    folder.mkdir()
    for name in ("ada", "poison"):
        (folder / f"{name}_02.ipynb").write_bytes(short())
    status, printed = grade(folder, tmp_path / "out", "--cluster", three.address)
    assert status == 1, printed
    assert "poison_02.ipynb: 2 workers ended while they graded it" in printed
    good, bad = read_results(tmp_path / "out" / "results")
    assert good.points == POINTS["02.1"]
    assert (bad.student, bad.state, bad.exercises) == ("poison", INFRASTRUCTURE, ())
    (row,) = (row for row in rows(tmp_path / "out") if row["student"] == "poison")
    assert (row["points"], row["status"]) == ("", INFRASTRUCTURE)


@needs_cluster
def test_an_interrupt_that_python_drops_is_noticed():
    from course_utils.instructor.grading.cluster import _kept_interrupts

    before = signal.getsignal(signal.SIGINT)
    with _kept_interrupts() as interrupted:
        assert not interrupted.is_set()
        with pytest.raises(KeyboardInterrupt):  # somebody may catch it
            signal.raise_signal(signal.SIGINT)
        assert interrupted.is_set()
    assert signal.getsignal(signal.SIGINT) is before


@needs_cluster
def test_an_interrupted_grading_goes_on_where_it_was(tmp_path):
    folder, out = tmp_path / "class", tmp_path / "out"
    folder.mkdir()
    for name in ("ada", "bob", "cas", "dan"):
        (folder / f"{name}_02.ipynb").write_bytes(short())
    command = ("grade", folder, "--out", out, "--workers", 1, "--cluster")
    with begun(*command) as grading:
        until(lambda: list(out.glob("results/*.json")), "the first result")
        below = psutil.Process(grading.pid).children(recursive=True)
        commands = [process.cmdline() for process in below]
        os.killpg(grading.pid, signal.SIGINT)
        printed = grading.communicate(timeout=120)[0]
    assert grading.returncode == 1, printed
    assert "It was interrupted. The same command goes on." in printed
    assert "Traceback" not in printed
    assert any("zygote" in " ".join(arguments) for arguments in commands)
    assert psutil.wait_procs(below, timeout=30)[1] == []
    before = {p.name: p.stat().st_mtime_ns for p in out.glob("results/*.json")}
    assert 1 <= len(before) < 4
    assert {row["student"] for row in rows(out)} == {
        r.student for r in read_results(out / "results")
    }
    status, printed = run(*command)
    assert status == 0, printed
    after = {p.name: p.stat().st_mtime_ns for p in out.glob("results/*.json")}
    assert len(after) == 4
    assert {name: after[name] for name in before} == before


@needs_cluster
def test_a_worker_with_another_course_is_named(cluster, tmp_path):
    root, other = project_root(), tmp_path / "other"
    shutil.copytree(root / "course_utils", other / "course_utils")
    for name in ("notebooks", "data", "pyproject.toml"):
        (other / name).symlink_to(root / name)
    with (other / "course_utils" / "exercises" / "l02_convolution.py").open("a") as file:
        file.write("# another version\n")
    cluster.add_worker(PYTHONPATH=str(other))
    cluster.wait()
    status, printed = grade_one(tmp_path, "--cluster", cluster.address)
    assert status == 1, printed
    assert "has the course" in printed
    assert "install the same on both" in printed
    assert "Traceback" not in printed
    assert "interrupted" not in printed
    assert read_results(tmp_path / "out" / "results") == []


@needs_cluster
def test_a_worker_with_threads_is_refused(cluster, tmp_path):
    cluster.add_worker("--nthreads", 2)
    cluster.wait()
    status, printed = grade_one(tmp_path, "--cluster", cluster.address)
    assert status == 1, printed
    assert "has 2 threads: start it with `dask worker --nthreads 1`" in printed


@pytest.mark.parametrize(
    ("address", "message"),
    [("class.zip", "not the address of a scheduler"), ("host", "not the address of a scheduler")],
)
def test_what_is_no_address_is_told(capsys, address, message):
    with pytest.raises(SystemExit) as ended:
        main(["grade", "--cluster", address, "--out", "grades"])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_without_distributed_it_says_what_to_install(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "course_utils.instructor.grading.cluster", raising=False)
    status = main(["grade", "x.ipynb", "--out", str(tmp_path / "out"), "--cluster"])
    assert status == 2
    assert capsys.readouterr().err == "distributed is missing: python -m pip install distributed\n"


@needs_cluster
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cluster", "127.0.0.1:9"], "no scheduler answers at 127.0.0.1:9"),
        (["--cluster", "--no-sandbox"], "--cluster needs the sandbox"),
    ],
)
def test_what_cannot_be_graded_is_told_in_one_line(monkeypatch, tmp_path, options, message):
    monkeypatch.setitem(ENVIRONMENT, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "1s")
    status, printed = grade_one(tmp_path, *options)
    assert status in (1, 2)
    assert message in printed
    assert "Traceback" not in printed
