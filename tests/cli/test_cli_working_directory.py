"""No verb imports what lies in the folder that it is run in."""

import os
import subprocess
import sys
from importlib.metadata import packages_distributions

import numpy as np
import pytest

from rrl_dsl.cli.main import app

HOSTILE = """
import os
with open(os.environ["TRACE"], "a") as file:
    file.write(__name__ + "\\n")
raise ImportError("a module of the working directory was imported")
"""
OPTIONAL = """IPython ipywidgets pandas polars psutil cupy jax tensorflow cv2 h5py dask distributed
    boto3 wandb comet_ml neptune mlflow onnx tensorrt deepspeed apex horovod orjson ujson chardet
    lz4 zstandard sitecustomize usercustomize matplotlib_inline colorama readline sage gmpy2 numba
    bokeh kornia_moons torch_xla habana_frameworks lightning_colossalai jsonargparse omegaconf"""
EVERY_VERB = """
import os, sys
from rrl_dsl.cli.start import run

def watch(event, arguments):
    if event == "import" and {"", os.getcwd()} & set(arguments[2] or ()):
        open(os.environ["TRACE"], "a").write(f"{arguments[0]} was looked for there\\n")

sys.addaudithook(watch)
train = ["--dataset", "npz:d.npz", "--epochs", "1", "--batch-size", "8", "--no-eval"]
for words in (
    ["check", "r.rrl"],
    ["fmt", "--check", "r.rrl"],
    ["builtins"],
    ["compile", "-e", "ssl()", "--out", "graph.svg"],
    ["explain", "r.rrl"],
    ["diff", "r.rrl", "-e", "ssl()"],
    ["losses"],
    ["train", "r.rrl", *train, "--out", "run"],
    ["views", "--dataset", "npz:d.npz", "--samples", "2"],
    ["sweep", "sweep.yaml", "--out", "swept"],
    ["runs", "swept"],
    ["plot", "swept/epochs.csv", "--value", "rank/backbone"],
    ["reproduce", "gap-frac", "--copy", "study"],
    ["eval", "run"],
    ["embed", "run", "--out", "features.npz"],
    ["export", "run"],
    ["bench"],
    ["lsp"],
):
    sys.argv = ["rrl-dsl", *words]
    try:
        run()
    except SystemExit as stop:
        print("ended:", words[0], stop.code or 0)
"""


SWEEP = """
recipe: r.rrl
loss: simclr
dataset: npz:d.npz
epochs: 1
batch_size: 8
eval: false
"""


@pytest.mark.slow
def test_modules_of_the_working_directory_are_not_imported(tmp_path):
    folder, program, trace = (
        tmp_path / "folder",
        tmp_path / "bin" / "program.py",
        tmp_path / "trace",
    )
    folder.mkdir()
    program.parent.mkdir()
    program.write_text(EVERY_VERB)
    packages = {name for name in packages_distributions() if name.isidentifier()}
    for name in {*packages, *OPTIONAL.split(), *sys.stdlib_module_names}:
        (folder / f"{name}.py").write_text(HOSTILE)
    (folder / "r.rrl").write_text("ssl(views=2)\n")
    (folder / "sweep.yaml").write_text(SWEEP)
    np.savez(folder / "d.npz", images=np.zeros((24, 8, 8), np.uint8), label=np.arange(24) % 2)

    def run(*command):
        return subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env={**os.environ, "TRACE": str(trace)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    done = run(str(program))
    assert not trace.exists(), trace.read_text()
    printed = done.stdout + done.stderr
    ended = [line.split()[1:] for line in printed.splitlines() if line.startswith("ended:")]
    expected = {command.name: "0" for command in app.registered_commands}
    expected["lsp"] = "1"  # an editor that is gone without a word
    assert dict(ended) == expected, printed

    # Python itself looks there first for what it imports before the program starts
    for name in (*sys.stdlib_module_names, "rrl_dsl"):
        (folder / f"{name}.py").unlink()
    done = run("-m", "rrl_dsl", "builtins")
    assert (done.returncode, trace.exists()) == (0, False), done.stderr
