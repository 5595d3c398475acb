"""Cells of lectures in forked processes, which begin with what all lectures import.

The imports take longer than most of the cells. A forked process has them from the one that it was
forked from, and nothing else: no lecture has run there.
"""

import contextlib
import io
import multiprocessing
import os

PREPARED = (
    *("torch", "torch._dynamo", "torchvision.transforms.v2", "matplotlib.pyplot"),
    *("sklearn.metrics", "IPython.core.interactiveshell"),
    *(f"course_utils.{room}" for room in ("data", "models", "training", "inspection", "plots")),
    "forked",
)


def processes():
    """Return what starts such processes; where a system cannot fork, new ones."""
    can_fork = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if can_fork else "spawn")
    if can_fork:
        context.set_forkserver_preload(list(PREPARED))
    return context


def run_forked(cells, folder, context, seconds=600):
    """Return what cells print when they run in ``folder``, in a process of their own."""
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(cells, folder, theirs))
    process.start()
    theirs.close()
    try:
        assert ours.poll(seconds), f"no answer after {seconds} seconds"
        text, error = ours.recv()
    finally:
        process.kill()
        process.join()
    assert error is None, f"{text}\n{error}"
    return text


def _run(cells, folder, pipe):
    from IPython.core.interactiveshell import InteractiveShell

    os.chdir(folder)
    os.environ |= {"COURSE_DEVICE": "cpu", "MPLBACKEND": "agg"}
    shell, printed, error = InteractiveShell.instance(), io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        for cell in cells:
            result = shell.run_cell(cell)
            if not result.success:
                error = repr(result.error_before_exec or result.error_in_exec)
                break
    pipe.send((printed.getvalue(), error))
