"""A disk that is full for TensorBoard's thread ends a run with one error."""

import errno
import os

import pytest
from tensorboard.summary.writer.record_writer import RecordWriter

RUN = ("train", "-e", "ssl(views=2)", "--epochs", "2", "--batch-size", "600", "--no-eval")


@pytest.mark.parametrize("after", [0, 3, 20])
def test_a_full_disk_is_one_error(command, tmp_path, monkeypatch, capfd, after):
    monkeypatch.chdir(tmp_path)
    write, calls = RecordWriter.write, []

    def full(self, data):
        calls.append(data)
        if len(calls) > after:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, data)

    monkeypatch.setattr(RecordWriter, "write", full)
    code, printed = command(*RUN, "--out", "run")
    assert code == 1
    assert len(calls) > after
    printed += capfd.readouterr().err
    assert printed.count("error[") == 1
    assert "error[RRL507]: `run/tensorboard` cannot be written: No space left on device" in printed
    assert "Traceback" not in printed
