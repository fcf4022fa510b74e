"""A process ends in time: after a signal, and after the end of another process of its run."""

import os
import signal
import socket
import time

import pytest

from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.training import watch as watching
from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.watch import Stopped, Watch

STEPS = 200  # of a hundredth of a second


def step(watch):
    for _ in range(STEPS):
        watch.check()
        time.sleep(0.01)


@pytest.fixture
def leading(tmp_path):
    """A watch over the first of two processes, and the connection of the other."""
    server = socket.create_server(("127.0.0.1", 0))
    with Watch() as watch, socket.create_connection(server.getsockname()) as other:
        watch.run = RunDirectory(tmp_path)
        watch.connections.listen(server, 1)
        other.sendall(b"1 joined\n")
        other.settimeout(2)
        assert other.recv(100) == b"0 joined\n"
        yield watch, other


@pytest.mark.parametrize("times", [1, 2])
def test_a_signal_ends_the_next_step_and_the_other_process(leading, times):
    watch, other = leading
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Stopped) as stop:
        step(watch)
    assert stop.value.code == 143
    assert other.recv(100) == b"0 SIGTERM\n"


def test_a_signal_to_another_process_ends_this_one(leading):
    watch, other = leading
    other.sendall(b"1 SIGTERM\n")
    with pytest.raises(Stopped) as stop:
        step(watch)
    assert stop.value.code == 143


@pytest.mark.parametrize(
    ("last", "message"),
    [(b"", "process 1 of the run was killed"), (b"1 failed\n", "process 1 of the run failed")],
)
def test_the_end_of_another_process_is_reported(leading, last, message):
    watch, other = leading
    other.sendall(last)
    other.close()
    with pytest.raises(RRLError, match=message) as problem:
        step(watch)
    assert problem.value.diagnostics[0].code == "RRL511"


def test_an_operation_that_fails_after_another_process_ended_reports_that_end(leading):
    watch, other = leading
    other.close()
    cause = watch.cause(RuntimeError("Connection closed by peer"))
    assert "process 1 of the run was killed" in str(cause)


def test_a_failure_is_reported_to_the_other_process(leading):
    watch, other = leading
    problem = RRLError(())
    assert watch.cause(problem) is problem
    assert other.recv(100).startswith(b"0 failed ")


def test_a_process_that_is_done_is_not_missed(leading):
    watch, other = leading
    other.sendall(b"1 done\n")
    other.close()
    watch.leave()
    assert watch.ending is None


def test_a_process_that_reaches_no_step_ends_too(monkeypatch):
    monkeypatch.setattr(watching, "_GRACE", 0.2)
    child = os.fork()
    if not child:
        with Watch():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
            os._exit(0)
    latest = time.monotonic() + 20
    while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < latest:
        time.sleep(0.05)
    if not ended[0]:
        os.kill(child, signal.SIGKILL)
    assert os.waitstatus_to_exitcode(ended[1]) == 143


def test_preemption_requeues_the_job_once_and_training_continues(leading, tmp_path, monkeypatch):
    program = tmp_path / "scontrol"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    watch, other = leading
    os.kill(os.getpid(), signal.SIGUSR1)
    other.sendall(b"1 SIGUSR1\n")
    step(watch)
    assert (tmp_path / "asked").read_text() == "requeue 77\n"


def test_the_end_of_a_worker_that_loads_data_is_no_signal_to_the_run(leading):
    before = signal.signal(signal.SIGCHLD, lambda *_: None)  # as torch's loaders set one
    try:
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        watch, _ = leading
        step(watch)
        assert watch.ending is None
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_workers_are_left_to_themselves(leading):
    child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    os.kill(child, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
    watch, _ = leading
    assert watch.ending is None
