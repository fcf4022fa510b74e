"""Training on images that stay in archives or Arrow files, with worker processes."""

import csv
import io
import shutil
import signal
import subprocess
import sys
import tarfile
import time

import numpy as np
import pytest
import torch
from PIL import Image

from rrl_dsl.training.run import RunDirectory

pytestmark = pytest.mark.slow

SETTINGS = ("image_size=8", "backbone=small", "workers=2")


def pictures(count):
    draw = np.random.default_rng(0)
    return [
        Image.fromarray(pixels) for pixels in draw.integers(0, 256, (count, 12, 12, 3), np.uint8)
    ]


def write_shards(folder, images):
    folder.mkdir(exist_ok=True)
    with tarfile.open(folder / "all.tar", "w") as tar:
        for number, image in enumerate(images):
            png = io.BytesIO()
            image.save(png, "PNG")
            for name, content in (
                (f"{number:03}.png", png),
                (f"{number:03}.cls", b"%d" % (number % 3)),
            ):
                stored = content.getvalue() if name.endswith("png") else content
                member = tarfile.TarInfo(name)
                member.size = len(stored)
                tar.addfile(member, io.BytesIO(stored))
    return f"wds:{folder}/all.tar"


def write_arrow(folder, images):
    datasets = pytest.importorskip("datasets")
    columns = {"image": images, "label": [number % 3 for number in range(len(images))]}
    features = datasets.Features(image=datasets.Image(), label=datasets.Value("int64"))
    shutil.rmtree(folder, ignore_errors=True)
    datasets.Dataset.from_dict(columns, features=features).save_to_disk(folder)
    return f"hf:{folder}"


def epochs_in(run):
    if not (run / "metrics.csv").exists():
        return []
    with (run / "metrics.csv").open() as file:
        return [{**row, "seconds": None} for row in csv.DictReader(file)]


@pytest.mark.parametrize("write", [write_shards, write_arrow])
def test_a_killed_run_resumes_to_the_same_weights_and_refuses_other_images(
    command, tmp_path, monkeypatch, write
):
    monkeypatch.setenv("RRL_DSL_CACHE", str(tmp_path / "cache"))
    images = pictures(48)
    words = ["train", "-e", "ssl(views=2) | supervised()", "--loss", "simclr", "--epochs", "3"]
    words += ["--dataset", write(tmp_path / "data", images), "--batch-size", "8"]
    words += [word for setting in SETTINGS for word in ("--set", setting)]
    straight, run = tmp_path / "straight", tmp_path / "run"
    code, printed = command(*words, "--out", straight)
    assert code == 0, printed
    with subprocess.Popen([sys.executable, "-m", "rrl_dsl", *words, "--out", str(run)]) as process:
        latest = time.monotonic() + 120
        while not epochs_in(run) and process.poll() is None and time.monotonic() < latest:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL

    write(tmp_path / "data", [images[1], images[0], *images[2:]])
    code, printed = command("train", "--resume", run)
    assert code == 1
    assert "error[RRL505]: these differ from the start of this run: `data: train images`" in printed

    write(tmp_path / "data", images)
    code, printed = command("train", "--resume", run)
    assert code == 0, printed
    assert epochs_in(run) == epochs_in(straight)
    for name, weight in RunDirectory(straight).newest().weights.items():
        assert torch.equal(weight, RunDirectory(run).newest().weights[name])
