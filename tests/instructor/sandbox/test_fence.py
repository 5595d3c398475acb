"""What the sandbox promises, each promise tried by code inside it. README.md there lists them."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from course_utils.instructor.sandbox import sandbox as sandboxes
from course_utils.instructor.sandbox.course_copy import make_course_copy
from course_utils.instructor.sandbox.filter import DENIED, LATER
from course_utils.instructor.sandbox.kernel import Lost
from course_utils.instructor.sandbox.kernels import Kernels
from course_utils.instructor.sandbox.sandbox import Sandbox, sandbox_problem
from course_utils.instructor.sandbox.settings import DIED, GB, Fence
from course_utils.instructor.sandbox.usage import family
from course_utils.instructor.sandbox.view import python_folders, student_variables
from course_utils.runtime import project_root

pytestmark = pytest.mark.skipif(bool(sandbox_problem()), reason=f"no sandbox: {sandbox_problem()}")
SECONDS = 60  # of each cell here, all of which end at once
ALLOW_ALL = (0x7FFF0000 << 32 | 0x06).to_bytes(8, "little")  # a filter that denies nothing


@pytest.fixture(scope="module")
def fence(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fence")
    folder.chmod(0o755)
    make_course_copy(folder)
    (folder / "data").mkdir()
    return Fence(folder, project_root() / "data", memory=3 * GB // 2)


@pytest.fixture(scope="module")
def kernels(fence):
    kernels = Kernels(fence)
    kernels.prepare()
    yield kernels
    kernels.close()


@pytest.fixture
def kernel(kernels):
    kernel = kernels.start()
    run(kernel, "import os")
    yield kernel
    kernel.stop()


def run(kernel, code):
    """Run code, which must not fail."""
    reply = kernel.run(textwrap.dedent(code), SECONDS)
    assert reply.error == ""
    return reply


def gives(kernel, expression):
    """Return the text of an expression's value."""
    reply = kernel.run(f"raise RuntimeError({expression})", SECONDS)
    assert reply.ename == "RuntimeError", reply
    return reply.evalue


def lives(kernels):
    """Return the processes in the sandbox that are not its own."""
    return set(family(kernels.sandbox.process.pid)) - kernels.sandbox.own


def runs(process):
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(processes):
    """Return whether processes end: the keeper's own exit takes a moment, nobody may reap it."""
    late = time.monotonic() + 120
    while any(map(runs, processes)):
        if time.monotonic() > late:
            return False
        time.sleep(0.02)
    return True


# --- system calls ------------------------------------------------------------------------------

CALL = """
import ctypes
def error_of(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    return ctypes.get_errno() if libc.syscall(number, *arguments) == -1 else 0
"""


def number_of(name):
    import pyseccomp

    number = pyseccomp.resolve_syscall(pyseccomp.system_arch(), name)
    return LATER.get(name, number)


def calls(*names):
    return "\n".join([CALL, *(f"{name} = {number_of(name)}" for name in names)])


def test_denied_calls_are_denied(kernel):
    names = " ".join(DENIED).split()
    numbers = {name: number for name in names if (number := number_of(name)) >= 0}
    assert len(numbers) > 40
    run(kernel, CALL)
    # Nothing valid: what is not denied fails with another error.
    wrong = f"[n for n, i in {numbers}.items() if error_of(i, -1, -1, -1, -1, -1) != {errno.EPERM}]"
    assert gives(kernel, wrong) == "[]"


ARGUMENTS = {
    "keyctl": "0, -3, 0",
    "add_key": "b'user', b'name', b'secret', 6, -3",
    "request_key": "b'user', b'name', None, -3",
    "unshare": "0x10000000",
    "memfd_create": "b'name', 0",
    "shmget": "0, 4096, 0o1600",
    "semget": "0, 1, 0o1600",
    "msgget": "0, 0o1600",
    "kcmp": "__import__('os').getpid(), __import__('os').getpid(), 0, 0, 0",
    "userfaultfd": "1",
    "io_uring_setup": "1, ctypes.create_string_buffer(256)",
    "personality": "0xffffffff",
}


@pytest.fixture
def unfiltered(fence, monkeypatch):
    """Return a kernel that may make all calls."""
    _, keyctl = sandboxes.filter_program()
    monkeypatch.setattr(sandboxes, "filter_program", lambda: (ALLOW_ALL, keyctl))
    kernels = Kernels(fence)
    kernel = kernels.start()
    yield kernel
    kernel.stop()
    kernels.close()


def test_it_is_the_filter_that_denies_them(kernel, unfiltered):
    """Each of these works for ordinary users, and in the sandbox without its filter."""
    code = calls(*ARGUMENTS)
    errors = ", ".join(f"{name!r}: error_of({name}, {a})" for name, a in ARGUMENTS.items())
    found = []
    for one in (kernel, unfiltered):
        run(one, code)
        found.append(eval(gives(one, f"{{{errors}}}")))
    assert set(found[0].values()) == {errno.EPERM}, found[0]
    assert errno.EPERM not in found[1].values(), found[1]


def test_processes_get_no_namespaces(kernel):
    """The flags of clone3 lie where no filter can look: there is only clone."""
    run(kernel, calls("clone", "clone3"))
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert gives(kernel, f"error_of(clone, {flag | 17}, 0, 0, 0, 0)") == str(errno.EPERM)
    assert gives(kernel, "error_of(clone3, 0, 0)") == str(errno.ENOSYS)


def test_sockets_are_of_three_families(kernel):
    code = """
        import socket
        found = {}
        for family in range(50):
            try:
                socket.socket(family, socket.SOCK_DGRAM).close()
            except OSError as problem:
                found[family] = problem.errno
        """
    run(kernel, code)
    assert gives(kernel, "set(range(50)) - set(found)") == "{1, 2, 10}"
    assert gives(kernel, "set(found.values())") == f"{{{errno.EAFNOSUPPORT}}}"


def test_keys_of_the_grader_are_not_there(unfiltered):
    """Also without the filter: the keyring of the session is a new one."""
    run(unfiltered, calls("keyctl"))
    code = f"""
        import ctypes
        libc = ctypes.CDLL(None)
        libc.syscall({number_of("keyctl")}, 1, None)
        assert libc.syscall({number_of("add_key")}, b"user", b"secret", b"word", 4, -3) > 0
        print(libc.syscall({number_of("keyctl")}, 0, -3, 0))
        """
    own = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True)
    assert own.returncode == 0, own.stderr
    run(unfiltered, "ring = lambda: ctypes.CDLL(None).syscall(keyctl, 0, -3, 0)")
    mine = ctypes_session_keyring()
    assert int(gives(unfiltered, "ring()")) not in (-1, mine)


def ctypes_session_keyring():
    import ctypes

    return ctypes.CDLL(None).syscall(number_of("keyctl"), 0, -3, 0)


# --- files ---------------------------------------------------------------------------------------


def test_nothing_but_one_file_system_in_memory_can_be_written_to(kernel):
    mounts = "[line.split() for line in open('/proc/self/mounts')]"
    writable = eval(gives(kernel, f"{{m[1] for m in {mounts} if m[3].startswith('rw')}}"))
    devices = {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom", "tty")}
    assert writable - devices - {"/proc/keys"} == {"/tmp", "/dev/shm", "/proc", "/dev/pts"}
    assert gives(kernel, "os.stat('/tmp').st_dev == os.stat('/dev/shm').st_dev") == "True"
    for folder in ("/", "/dev", "/course", "/course/data", "/usr", sys.prefix):
        reply = kernel.run(f"open({folder + '/written'!r}, 'w')", SECONDS)
        assert reply.ename in ("OSError", "PermissionError"), (folder, reply)


def test_no_socket_has_a_name(kernel):
    """Nobody inside can ask for a second kernel, wherever temporary files lie."""
    code = """
        import os, stat, sys
        found = []
        known = ("/proc", "/sys", "/usr", sys.prefix, sys.base_prefix)
        for top, folders, files in os.walk("/"):
            folders[:] = [f for f in folders if not os.path.join(top, f).startswith(known)]
            paths = [os.path.join(top, name) for name in files]
            found += [p for p in paths if stat.S_ISSOCK(os.lstat(p).st_mode)]
        """
    run(kernel, code)
    assert gives(kernel, "found") == "[]"
    assert gives(kernel, "[l for l in open('/proc/net/unix') if len(l.split()) > 7][1:]") == "[]"


def test_files_fill_their_own_place_only_and_vanish(kernels, fence):
    kernel = kernels.start()
    code = """
        import os
        os.chdir("/tmp")
        for _ in range(1500):
            os.mkdir("d")
            os.chdir("d")
        full = 0
        for place in ("/tmp", "/dev/shm"):
            for number in range(20):
                try:
                    with open(f"{place}/{number}", "wb") as file:
                        for _ in range(20):
                            file.write(bytes(10**7))
                except OSError as problem:
                    full = problem.errno
        room = os.statvfs("/tmp")
        """
    run(kernel, code)
    assert gives(kernel, "full") == str(errno.ENOSPC)
    assert int(gives(kernel, "room.f_blocks * room.f_frsize")) < fence.disk + 4096
    empty_ones = int(gives(kernel, "room.f_files"))
    assert 0 < empty_ones <= fence.disk // 4096
    kernel.stop()
    after = kernels.start()
    left = gives(after, "__import__('os').listdir('/tmp') + __import__('os').listdir('/dev/shm')")
    after.stop()
    python = {Path(p).parts[2] for p in python_folders() if p.startswith("/tmp/")}  # may lie there
    assert set(eval(left)) == {"home"} | python


def test_files_and_processes_share_one_limit(fence):
    assert fence.disk + fence.processes_memory == fence.memory


def test_a_kernel_holds_its_stream_and_no_other_descriptor(kernel):
    code = """
        import asyncio, os
        loop = asyncio.get_running_loop()
        of_the_loop = {loop._selector.fileno(), loop._ssock.fileno(), loop._csock.fileno()}
        held = {}
        for name in set(map(int, os.listdir("/proc/self/fd"))) - of_the_loop:
            try:
                held[name] = os.readlink(f"/proc/self/fd/{name}").partition(":")[0]
            except OSError:
                pass  # the one that listed them
        """
    run(kernel, code)
    null = "/dev/null"
    assert eval(gives(kernel, "held")) == {0: null, 1: null, 2: null, 3: "socket"}


# --- memory and processes ------------------------------------------------------------------------

SHARED = """
import mmap
place = mmap.mmap(-1, 2 * 10**9)
for i in range(0, 2 * 10**9, 4096):
    place[i] = 1
"""
MANY = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        held = bytearray(250_000_000)
        held[::4096] = b"x" * len(held[::4096])
        time.sleep(600)
time.sleep(600)
"""
QUEUES = """
import os, socket, time
for _ in range(10):
    if os.fork() == 0:
        pairs = [socket.socketpair() for _ in range(480)]
        time.sleep(600)
time.sleep(600)
"""


# Pages of zeros, each with a page table of its own.
FAR_APART = """
import mmap
place = mmap.mmap(-1, 1 << 40, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, mmap.PROT_READ)
for i in range(0, 1 << 40, 1 << 21):
    place[i]
"""


@pytest.mark.parametrize(
    "code", [SHARED, MANY, QUEUES, FAR_APART], ids=["shared", "many", "sockets", "tables"]
)
def test_all_memory_counts(kernels, kernel, code):
    """Shared memory, that of many processes, what waits in sockets, and page tables."""
    with pytest.raises(Lost, match="GB of memory") as lost:
        kernel.run(code, 300)
    assert lost.value.status == DIED
    assert end(lives(kernels))


def test_one_process_gets_no_more_memory_than_the_limit(kernel):
    assert kernel.run("x = bytearray(2 * 10**9)", SECONDS).ename == "MemoryError"
    run(kernel, "1 + 1")


DAEMON = """
import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        while True:
            time.sleep(0.01)
    os._exit(0)
os.wait()
"""


def test_a_daemon_is_dead_before_the_next_kernel_starts(kernels):
    kernel = kernels.start()
    run(kernel, DAEMON)
    assert len(lives(kernels)) > 3  # the keeper, the first process, the kernel, the daemon
    kernel.stop()
    assert end(lives(kernels))


def test_sweeping_ends_what_was_not_stopped(kernels):
    kernel = kernels.start()
    run(kernel, DAEMON)
    kernels.sweep()
    assert not lives(kernels)
    assert not kernel.is_alive()
    with pytest.raises(Lost):
        kernel.run("1", SECONDS)


def test_what_survives_sweeping_is_told(kernels, kernel, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(sandboxes, "SWEEP_SECONDS", 0)
        patch.setattr(sandboxes.psutil.Process, "kill", lambda process: None)
        assert not kernels.sandbox.sweep()
    assert kernels.sandbox.sweep()


def test_a_sandbox_that_cannot_be_swept_is_ended(kernels, monkeypatch):
    kernel = kernels.start()
    before = family(kernels.sandbox.process.pid)
    assert len(before) > 4
    with monkeypatch.context() as patch:
        patch.setattr(Sandbox, "sweep", lambda sandbox: False)
        kernels.sweep()
    assert kernels.sandbox is None
    assert end(before)
    assert not kernel.is_alive()
    kernel.stop()


def test_a_sandbox_that_ended_is_replaced(kernels):
    kernels.prepare()
    kernels.sandbox.close()
    kernel = kernels.start()
    run(kernel, "1 + 1")
    kernel.stop()


def in_child(work):
    """Run a function in a forked process and return its id, and a pipe that it has written to."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            work(writing)
        finally:
            os._exit(1)
    os.close(writing)
    return pid, reading


def test_what_a_lecture_imports_is_there_in_each_sandbox(kernels):
    kernels.prepare(("wave", "xmlrpc.client.Fault", "no.such.module"))
    for _ in range(2):
        kernel = kernels.start()
        run(kernel, "import sys; assert {'wave', 'xmlrpc.client'} <= sys.modules.keys()")
        kernel.stop()
        kernels.sandbox.close()
        with pytest.raises(RuntimeError, match="the sandbox ended"):
            kernels.sandbox.prepare(["shelve"])
    kernels.prepare()  # the tests to come share it


def test_beside_gpus_only_what_is_known_to_leave_them_alone_is_imported(fence, monkeypatch):
    asked = []
    monkeypatch.setattr(Sandbox, "__init__", lambda sandbox, fence: None)
    monkeypatch.setattr(Sandbox, "_is_ready", lambda sandbox: True)
    sandbox = Sandbox(fence)
    sandbox.fence, sandbox.prepared = replace(fence, gpu=True), set()
    sandbox.control = SimpleNamespace(send=asked.append)
    sandbox.prepare(["keras"])
    sandbox.prepare(["torchvision"])
    assert asked == [" ".join(sandboxes.WITH_GPU).encode()]


def test_a_forked_child_starts_kernels(kernels):
    def work(pipe):
        kernel = kernels.start()
        reply = kernel.run("1 / 0", SECONDS)
        kernel.stop()
        os.write(pipe, reply.error.encode())

    pid, pipe = in_child(work)
    assert os.read(pipe, 100) == b"ZeroDivisionError: division by zero"
    os.waitpid(pid, 0)
    os.close(pipe)
    assert end(lives(kernels))


def test_a_kernel_ends_with_the_child_that_started_it(kernels):
    def work(pipe):
        kernel = kernels.start()
        os.write(pipe, b"x")
        kernel.run("import time; time.sleep(600)", 600)

    pid, pipe = in_child(work)
    assert os.read(pipe, 1) == b"x"
    started = lives(kernels)
    assert len(started) > 2
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(pipe)
    assert end(started)


def test_the_sandbox_ends_with_its_owner(fence):
    def work(pipe):
        own = Sandbox(fence)
        os.write(pipe, str(own.process.pid).encode())
        signal.pause()

    pid, pipe = in_child(work)
    started = family(int(os.read(pipe, 20)))
    assert len(started) == 2
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(pipe)
    assert end(started)


def test_processor_time_of_children_counts(kernel):
    burn = "import time\nwhile time.process_time() < 1: pass"
    reply = run(kernel, f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])")
    assert reply.seconds > 0.9  # the system counts in steps


# --- honest code -----------------------------------------------------------------------------

HONEST = {
    "torch": """
        import torch
        net = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(),
                                  torch.nn.Linear(4 * 36, 2))
        step = torch.optim.Adam(net.parameters())
        loss = torch.nn.functional.cross_entropy(net(torch.ones(5, 1, 8, 8)), torch.ones(5).long())
        loss.backward()
        step.step()
        torch.save(net.state_dict(), "net.pt")
        net.load_state_dict(torch.load("net.pt"))
        """,
    "loader": """
        from torch.utils.data import DataLoader
        import torch
        data = torch.utils.data.TensorDataset(torch.ones(10, 3))
        assert len(list(DataLoader(data, batch_size=5, num_workers=2))) == 2
        """,
    "figure": """
        %matplotlib inline
        import matplotlib.pyplot as plt
        fig, ax = plt.subplots()
        ax.plot([1, 2])
        fig.savefig("figure.png")
        plt.show()
        assert not plt.get_fignums(), "as inline figures do, it is closed"
        """,
    "subprocess": """
        import os, subprocess
        assert subprocess.run(["echo", "hi"], capture_output=True, text=True).stdout == "hi\\n"
        assert os.system("true") == 0
        assert os.popen("echo hi").read() == "hi\\n"
        """,
    "multiprocessing": """
        import multiprocessing
        def double(x): return 2 * x
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(double, [1, 2]) == [2, 4]
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor() as pool:
            assert list(pool.map(double, [1])) == [2]
        """,
    "await": """
        import asyncio
        task = asyncio.create_task(asyncio.sleep(0, 5))
        assert await task == 5
        process = await asyncio.create_subprocess_exec("true")
        assert await process.wait() == 0
        """,
    "magics": """
        %time 1 + 1
        %timeit -n1 -r1 1
        files = !echo hi
        assert files == ["hi"]
        !echo hi > file; true
        %run -i file.py
        """,
    "cell magic": "%%bash\ntest $HOME = /tmp/home",
    "timed": "%%time\ntimed = 3",
    "captured": "%%capture out\nprint('hi')",
    "history": "assert 'timed = 3' in ''.join(In) and Out is not None",
    "display": """
        from IPython.display import HTML, clear_output
        handle = display(HTML("hi"), display_id=True)
        handle.update(3)
        clear_output()
        """,
    "widgets": """
        import ipywidgets
        ipywidgets.interact(lambda x: x, x=3)
        with ipywidgets.Output():
            print("hi")
        """,
    "quit": "quit()\nstayed = 1",
    "output": """
        import sys
        sys.stdout.close()
        print("hi", file=sys.stderr, flush=True)
        print("hi")
        sys.stdout.buffer.write(b"hi")
        """,
    "a figure of the course": """
        from course_utils.plots.style import new_figure
        drawn = []
        figure, axes = new_figure()
        figure.png = lambda: drawn.append(1)
        figure.described("Nobody sees it.")
        """,
    "the last value": "4 + 1",
    "of the last cell": "assert _ == 5",
}


def test_honest_code_works(kernels):
    kernel = kernels.start()
    run(kernel, "open('file.py', 'w').write('ran = 1')")
    for code in HONEST.values():
        run(kernel, code.replace("%run -i file.py", "%run file.py"))
    assert gives(kernel, "(stayed, timed, ran, out.stdout)") == "(1, 3, 1, 'hi\\n')"
    assert gives(kernel, "drawn") == "[]"
    assert gives(kernel, "__import__('file').ran") == "1"
    kernel.stop()


def test_errors_are_those_of_a_notebook(kernel):
    found = {code: kernel.run(code, SECONDS).ename for code in ("1/0", "f(:", "input()", "%no")}
    assert list(found.values()) == ["ZeroDivisionError", "SyntaxError", "EOFError", "UsageError"]
    assert kernel.run("import sys; sys.exit(3)", SECONDS).error == "SystemExit: 3"
    run(kernel, "1 + 1")


def test_which_gpus_there_are_is_told_only_where_they_are_passed_through(fence, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/local/nvidia/lib64")
    with_gpu = student_variables(replace(fence, gpu=True), "/home")
    assert with_gpu["CUDA_VISIBLE_DEVICES"] == "1"
    assert with_gpu["LD_LIBRARY_PATH"] == "/usr/local/nvidia/lib64"
    without = student_variables(fence, "/home")
    assert not set(without) & {"CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH"}
