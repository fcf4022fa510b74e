"""`rrl-dsl export`: the program of a card loads its file; errors leave no file."""

import dataclasses
import re

import numpy as np
import pytest
import torch
from torch import nn

import rrl_dsl as rrl
from rrl_dsl.data import captions, registry
from rrl_dsl.language.span import Source
from rrl_dsl.training import export
from rrl_dsl.training.build import build
from rrl_dsl.training.display import Display
from rrl_dsl.training.fit import fit
from rrl_dsl.training.progress import LiveProgress
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.run import RunDirectory

pytestmark = pytest.mark.slow

TIMM = {"patch_size": 4, "depth": 2, "embed_dim": 48}
# the backbone, (H, W), its options, and the library that its card loads it with
BACKBONES = [
    pytest.param("resnet18", (16, 16), {}, "torchvision.models.resnet18()", id="small stem"),
    pytest.param("resnet18", (72, 72), {}, "torchvision.models.resnet18()", id="published stem"),
    pytest.param("vit-micro", (16, 16), {}, "torchvision.models.VisionTransformer", id="vit"),
    pytest.param("vit-micro", (8, 16), {}, "build_backbone", id="vit of rectangles"),
    pytest.param("small", (16, 16), {}, "build_backbone", id="small"),
    pytest.param("torchvision:shufflenet_v2_x0_5", (32, 32), {}, "get_model", id="torchvision"),
    pytest.param("timm:vit_tiny_patch16_224", (16, 16), TIMM, "timm.create_model", id="timm vit"),
    pytest.param("timm:resnet10t", (32, 32), {}, "timm.create_model", id="timm"),
]


@pytest.fixture
def run_of(tmp_path, monkeypatch):
    """Makes a run that was stopped at its first step, with statistics of batch norms of its own."""
    monkeypatch.chdir(tmp_path)

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(LiveProgress, "on_train_batch_start", stop)

    def make(backbone, sides=(16, 16), options=None, channels=3, arrays=None, **settings):
        draw = np.random.default_rng(0)
        images = draw.integers(0, 256, (12, channels, *sides), dtype=np.uint8)
        np.savez("data.npz", **(arrays or {"images": images}), label=np.arange(12) % 2)
        data = registry.load("npz:data.npz", root=tmp_path)
        if settings.pop("of_preset", False):
            data = dataclasses.replace(data, statistics=None)
        given = {"backbone": backbone, "backbone_options": options or {}, "batch_size": 4}
        given |= {"projector": {"hidden": 8, "out": 4, "norm": True}, "epochs": 1, "eval": False}
        if arrays is None:
            given |= {"augmentation": "cifar" if channels == 3 else "small-gray"}
        config = resolve([], {**given, **settings, "dataset": "npz:/data/mine.npz"})
        graph = rrl.parse("ssl(views=2)")
        module = build(graph, config, data)
        for part in module.modules():
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                part.running_mean.normal_()
                part.running_var.uniform_(0.5, 2)
        run = RunDirectory(tmp_path / "run")
        run.checkpoints.mkdir(parents=True)
        run.describe(Source("ssl(views=2)"), graph, config, data)
        with pytest.raises(KeyboardInterrupt):
            fit(module, data, run, Display())
        return run.path

    return make


def card_of(file):
    return file.with_name(f"{file.name}.md").read_text()


def applied(file):
    """The names of the program in the card of a file, after it ran beside the file."""
    (program,) = re.findall(r"^```python\n(.*?)^```", card_of(file), re.MULTILINE | re.DOTALL)
    names = {}
    exec(compile(program, "card", "exec"), names)
    return names, program


@pytest.mark.parametrize(("backbone", "sides", "options", "library"), BACKBONES)
def test_the_program_of_the_card_gives_the_features_of_the_run(
    run_of, command, tmp_path, backbone, sides, options, library
):
    run = run_of(backbone, sides, options)
    code, printed = command("export", "run", "-o", "encoder.pt")
    assert code == 0, printed
    names, program = applied(tmp_path / "encoder.pt")
    assert library in program
    with torch.no_grad():
        wanted = rrl.load_encoder(run)(names["pixels"])
    torch.testing.assert_close(names["features"], wanted, rtol=1e-4, atol=1e-5)
    published = (
        "stem differs from that of the published resnet18: `conv1` is `torch.nn.Conv2d(3, 64, "
    )
    assert (published in card_of(tmp_path / "encoder.pt")) == (sides == (16, 16)) * (
        backbone == "resnet18"
    )


def test_safetensors_hold_the_same_weights(run_of, command, tmp_path):
    pytest.importorskip("safetensors")
    run_of("vit-micro")
    for file in ("encoder.pt", "encoder.safetensors"):
        assert command("export", "run", "-o", file)[0] == 0
    one, other = (applied(tmp_path / f"encoder.{suffix}")[0] for suffix in ("pt", "safetensors"))
    with torch.no_grad():
        assert one["network"](other["images"]).equal(other["features"])


@pytest.mark.parametrize("backbone", ["resnet18", "vit-micro"])
def test_gray_images_have_a_stem_of_one_channel(run_of, command, tmp_path, backbone):
    run = run_of(backbone, (72, 72), channels=1, patch_size=8 if "vit" in backbone else None)
    assert command("export", "run")[0] == 0
    names, _ = applied(tmp_path / "encoder.pt")
    with torch.no_grad():
        wanted = rrl.load_encoder(run)(names["pixels"])
    torch.testing.assert_close(names["features"], wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("backbone", "options"),
    [("resnet18", {}), ("vit-micro", {}), ("timm:vit_tiny_patch16_224", TIMM)],
)
def test_onnx_has_the_features_for_batches_of_any_size(
    run_of, command, tmp_path, backbone, options
):
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    run = run_of(backbone, (16, 16), options)
    code, printed = command("export", "run", "-o", "encoder.onnx")
    assert code == 0, printed
    encoder = rrl.load_encoder(run)
    names, _ = applied(tmp_path / "encoder.onnx")
    with torch.no_grad():
        wanted = encoder(names["pixels"])
    np.testing.assert_allclose(names["features"], wanted, rtol=0, atol=1e-5)
    session = onnxruntime.InferenceSession("encoder.onnx")
    (entry,) = session.get_inputs()
    assert (entry.name, entry.shape[1:]) == ("images", [3, 16, 16])
    for count in (1, 5):
        images = torch.randn(count, 3, 16, 16)
        (features,) = session.run(["features"], {"images": images.numpy()})
        with torch.no_grad():
            np.testing.assert_allclose(features, encoder.network(images), rtol=0, atol=1e-5)


@pytest.mark.parametrize("suffix", [".pt", ".onnx"])
def test_a_projector_is_written_alone(run_of, command, tmp_path, suffix):
    if suffix == ".onnx":
        pytest.importorskip("onnxscript")
        pytest.importorskip("onnxruntime")
    run = run_of("small")
    code, printed = command("export", "run", "-o", f"head{suffix}", "--part", "projector")
    assert code == 0, printed
    names, _ = applied(tmp_path / f"head{suffix}")
    projector = rrl.load_encoder(run, part="projector").network[1]
    with torch.no_grad():
        wanted = projector(names["features"])
    np.testing.assert_allclose(names["embeddings"], wanted, rtol=0, atol=1e-5)


def test_the_card_says_what_was_trained_and_no_path(run_of, command, tmp_path):
    run_of("small", of_preset=True)
    assert command("export", "run", "-o", "small.pt")[0] == 0
    card = card_of(tmp_path / "small.pt")
    assert card.startswith("# small.pt\n\nThe backbone of the run `run`, trained with rrl-dsl")
    for part in (
        rrl.parse("ssl(views=2)").identity,
        "mean = torch.tensor([0.4914, 0.4822, 0.4465])",  # of CIFAR, as solo-learn has it
        "(n, 3, 16, 16): RGB images",
        "| dataset | `npz:mine.npz` |",
        "| epochs | 0 of 1 |",
        "The weights after epoch 0 were not evaluated.",
        "projector:\n  hidden: 8\n",
        "states no license",
    ):
        assert part in card
    assert str(tmp_path) not in card
    assert "data_dir" not in card


DRAW = np.random.default_rng(1)
# the array of the archive, the backbone, and what the card says of the input
SAMPLES = [
    pytest.param(
        {"images": DRAW.integers(0, 65536, (12, 8, 8), dtype=np.uint16)},
        "small",
        "(n, 1, 8, 8): gray images of 8 x 8 pixels, scaled to [0, 1] (uint8 by 255, uint16 by",
        id="uint16",
    ),
    pytest.param(
        {"images": DRAW.normal(40, 9, (12, 8, 8, 4)).astype(np.float32), "channels": "last"},
        "small",
        "(n, 4, 8, 8): 4-channel images of 8 x 8 pixels with the values of the dataset",
        id="float",
    ),
    pytest.param(
        {"inputs": DRAW.normal(40, 9, (12, 5)).astype(np.float32)},
        "mlp",
        "(n, 5): vectors",
        id="vectors",
    ),
    pytest.param(
        {"inputs": DRAW.normal(40, 9, (12, 7, 5)).astype(np.float32)},
        "mlp",
        "(n, 7, 5): sequences of vectors",
        id="sequences",
    ),
]


@pytest.mark.parametrize(("arrays", "backbone", "said"), SAMPLES)
def test_the_card_normalizes_every_kind_of_sample(
    run_of, command, tmp_path, arrays, backbone, said
):
    run = run_of(backbone, arrays=arrays)
    code, printed = command("export", "run")
    assert code == 0, printed
    names, program = applied(tmp_path / "encoder.pt")
    assert f"The input is float32 {said}" in card_of(tmp_path / "encoder.pt")
    encoder = rrl.load_encoder(run)
    given = "pixels" if "images" in arrays else "values"
    with torch.no_grad():
        torch.testing.assert_close(names["features"], encoder(names[given]))
    train = registry.load("npz:data.npz", root=tmp_path).train.images
    known = train.double() / (65535 if train.dtype == torch.uint16 else 1)
    axes = {4: (0, 2, 3), 3: (0, 1), 2: (0,)}[known.ndim]
    for name, wanted in (("mean", known.mean(axes)), ("std", known.std(axes, correction=0))):
        torch.testing.assert_close(names[name].flatten(), wanted.float())
    if "inputs" in arrays:  # a missing value is at the mean
        missing = program.replace("values = torch.rand(", "values = torch.nan * torch.rand(")
        exec(compile(missing, "card", "exec"), names)
        assert not names["inputs"].any()


@pytest.mark.parametrize("suffix", [".pt", ".onnx"])
def test_towers_are_written_by_their_columns(command, tmp_path, monkeypatch, suffix):
    if suffix == ".onnx":
        pytest.importorskip("onnxscript")
        pytest.importorskip("onnxruntime")
    monkeypatch.chdir(tmp_path)
    data = captions.load(tmp_path)
    data = dataclasses.replace(data, train=data.train.at(torch.arange(96)))
    recipe = "ssl(views=3) & cross_view()\ncontrast cross_view()"
    caption = {"column": "caption", "projector": {"hidden": 24}}
    settings = {"epochs": 1, "batch_size": 48, "eval": False, "projector": {"out": 8}}
    towers = ["image", caption, "tokens"]
    rrl.train(recipe, "clip", data, out="run", backbone="small", towers=towers, **settings)
    for part, given in (("image", "pixels"), ("caption", "vectors"), ("tokens", "tokens")):
        code, printed = command("export", "run", "-o", f"{part}{suffix}", "--part", part)
        assert code == 0, printed
        names, _ = applied(tmp_path / f"{part}{suffix}")
        assert f"The tower `{part}` of the run" in card_of(tmp_path / f"{part}{suffix}")
        with torch.no_grad():
            wanted = rrl.load_encoder("run", part=part)(names[given])
        np.testing.assert_allclose(names["embeddings"], wanted, rtol=0, atol=1e-5)


def test_the_card_has_the_results_of_the_weights_that_it_is_for(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(0)
    np.savez(
        "data.npz", images=draw.integers(0, 256, (40, 8, 8), np.uint8), label=np.arange(40) % 2
    )
    words = ["--dataset", "npz:data.npz", "--batch-size", "16", "--out", "run"]
    assert command("train", "-e", "ssl(views=2)", "--loss", "byol", "--epochs", "1", *words)[0] == 0
    code, printed = command("export", "run", "-o", "teacher.pt", "--part", "teacher")
    assert code == 0, printed
    linear = f"{100 * rrl.Run('run').table['teacher'].linear:.1f}"
    assert f"| teacher's backbone | {linear} |" in card_of(tmp_path / "teacher.pt")
    names, _ = applied(tmp_path / "teacher.pt")
    with torch.no_grad():
        wanted = rrl.load_encoder("run", part="teacher")(names["pixels"])
    torch.testing.assert_close(names["features"], wanted)
    assert command("train", "--resume", "run", "--epochs", "2", "--set", "eval=false")[0] == 0
    assert command("export", "run", "-o", "later.pt")[0] == 0
    assert "No probes were fitted" in card_of(tmp_path / "later.pt")
    text = (tmp_path / "run" / "recipe.rrl").read_text()
    (tmp_path / "run" / "recipe.rrl").write_text(text.replace("2", "3"))
    code, printed = command("export", "run", "-o", "edited.pt")
    assert code == 1
    assert "the recipe of `run` differs" in printed
    assert not (tmp_path / "edited.pt").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "encoder.h5"], "use one of the suffixes `.pt`, `.safetensors` or `.onnx`"),
        (["-o", "encoder"], "does not have the suffix of a network"),
        (["-o", "folder.pt"], "`folder.pt` cannot be written: Is a directory"),
        (["-o", "missing/encoder.pt"], "create its folder first"),
        (["--part", "projector"], "has no projector"),
        (["--part", "teacher"], "has no teacher"),
        (["--part", "bakcbone"], "did you mean `backbone`?"),
    ],
)
def test_what_cannot_be_written_is_an_error_and_leaves_no_file(
    run_of, command, tmp_path, words, message
):
    run_of("small", projector={"layers": 0})
    (tmp_path / "folder.pt").mkdir()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    code, printed = command("export", "run", *words)
    assert code == 1
    assert "error[RRL50" in printed
    assert message in printed
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(("suffix", "package"), [("safetensors", "safetensors"), ("onnx", "onnx")])
def test_a_missing_package_is_named_with_its_extra(command, tmp_path, monkeypatch, suffix, package):
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    code, printed = command("export", "run", "-o", f"encoder.{suffix}")
    assert code == 1
    assert f"error[RRL507]: `encoder.{suffix}` needs the package {package}" in printed
    assert f"pip install 'rrl-dsl[{suffix}]'" in printed


def test_a_run_starts_from_an_exported_file(run_of, command, tmp_path):
    from rrl_dsl.models.backbones import build_backbone
    from rrl_dsl.training.initial_weights import start_from

    run = run_of("vit-micro")
    assert command("export", "run")[0] == 0
    backbone = build_backbone("vit-micro", (3, 16, 16))
    note = start_from(backbone, "encoder.pt")
    assert "keep their random values: `mask_token` (missing)" in note.message
    images = torch.randn(2, 3, 16, 16)
    with torch.no_grad():
        wanted = rrl.load_encoder(run).network(images)
        torch.testing.assert_close(backbone.eval()(images), wanted)
