"""The model card of an exported network, in Markdown."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import yaml
from torch import Tensor

from rrl_dsl.data.dataset import Shape
from rrl_dsl.data.views import PRESETS
from rrl_dsl.graph.text import text_of
from rrl_dsl.language import parser
from rrl_dsl.language.diagnostics import error, printable
from rrl_dsl.language.markdown import cell, code, fenced
from rrl_dsl.models.plain import building_code, changed_parts
from rrl_dsl.training.config import Config
from rrl_dsl.training.provenance import FREE
from rrl_dsl.training.results import Run
from rrl_dsl.training.resume import recipe_of
from rrl_dsl.training.run import Resumed, RunDirectory
from rrl_dsl.training.summary import accuracy_lines
from rrl_dsl.training.yaml_values import Dumper

_CLASSIFIER: Final = "fc"
"""The last layer of a residual network; the parts before the blocks are its stem."""


def card_of(
    run: Path, checkpoint: Resumed, part: str, weights: Mapping[str, Tensor], file: Path
) -> str:
    """Returns the card of a part of the model of a run.

    Args:
        run: The run directory.
        checkpoint: The checkpoint that the part is from.
        part: `backbone`, `projector` or `teacher`.
        weights: The weights by their names in the file.
        file: The file that the card describes.

    Raises:
        RRLError: RRL505 if the recipe of the run was edited, or its summary is damaged; RRL502 if
            the backbone is one of timm, and timm is not installed.
    """
    config = Config.model_validate(checkpoint.provenance.configuration)
    release = checkpoint.provenance.libraries["rrl-dsl"]
    count = sum(weight.numel() for weight in weights.values())
    use = _projector if part == "projector" else _backbone
    lines = [
        f"# {printable(file.name)}",
        "",
        f"The {part} of the run {code(run.resolve().name)}, trained with rrl-dsl {release}. It has "
        f"{len(weights)} tensors with {count:,} values.",
        "",
        "## Use",
        "",
        *use(checkpoint, config, weights, file),
        "",
        "## Results",
        "",
        *_results(run, checkpoint),
        "",
        "## Training",
        "",
        *_training(run, checkpoint, config),
        "",
        "## License",
        "",
        "This card states no license. Choose one before you publish the file, and check the "
        "license of the dataset.",
        "",
    ]
    return "\n".join(lines)


def _projector(
    checkpoint: Resumed, config: Config, weights: Mapping[str, Tensor], file: Path
) -> list[str]:
    width = weights["0.weight"].shape[1]
    options = "".join(f", {name}={value!r}" for name, value in config.projector)
    imports = ["from rrl_dsl.models.heads import Projector"]
    building = [f"network = Projector({width}{options})"]
    inputs = [f"features = torch.randn(8, {width})  # of the backbone"]
    return [
        "It maps the features of the backbone to the embeddings that the loss compares.",
        "",
        _code(file, imports, building, inputs, "features", "embeddings"),
    ]


def _backbone(
    checkpoint: Resumed, config: Config, weights: Mapping[str, Tensor], file: Path
) -> list[str]:
    channels, height, width = shape = checkpoint.provenance.shape
    preset = PRESETS[config.augmentation.name or checkpoint.provenance.augmentation]
    built, *building = building_code(
        config.backbone, shape, patch_size=config.patch_size, options=config.backbone_options
    )
    inputs = [
        f"mean = torch.tensor({list(preset.mean)})[:, None, None]",
        f"std = torch.tensor({list(preset.std)})[:, None, None]",
        f"pixels = torch.randint(256, (8, {channels}, {height}, {width}), dtype=torch.uint8)",
        "images = (pixels / 255 - mean) / std",
    ]
    return [
        f"The input is float32 (n, {channels}, {height}, {width}): "
        f"{'RGB' if channels == 3 else 'gray'} images of {height} x {width} pixels, scaled to "
        "[0, 1] and normalized by the mean and the standard deviation below.",
        *_stem(config.backbone, shape),
        "",
        _code(file, [built], building, inputs, "images", "features"),
        "",
        "With the run directory, `rrl_dsl.load_encoder(DIRECTORY)` returns the network together "
        "with the normalization.",
    ]


def _stem(backbone: str, shape: Shape) -> list[str]:
    """How the stem of a residual network differs from the published one."""
    changed = changed_parts(backbone, shape).items()
    stem = [f"`{name}` is `{part}`" for name, part in changed if name != _CLASSIFIER]
    if not stem:
        return []
    return ["", f"The stem differs from that of the published {backbone}: {' and '.join(stem)}."]


def _code(
    file: Path,
    imports: Sequence[str],
    building: Sequence[str],
    inputs: Sequence[str],
    given: str,
    returned: str,
) -> str:
    """Returns a program that applies the file to an example."""
    name = json.dumps(file.name)
    if file.suffix == ".onnx":
        lines = [
            "import onnxruntime",
            "import torch",
            "",
            f"session = onnxruntime.InferenceSession({name})",
            *inputs,
            f'({returned},) = session.run(None, {{"{given}": {given}.numpy()}})',
        ]
    else:
        load = f"torch.load({name}, weights_only=True)"
        if file.suffix == ".safetensors":
            imports = [*imports, "from safetensors.torch import load_file"]
            load = f"load_file({name})"
        lines = [
            "import torch",
            *imports,
            "",
            *building,
            f"network.load_state_dict({load})",
            "network.eval()",
            *inputs,
            "with torch.no_grad():",
            f"    {returned} = network({given})",
        ]
    return fenced("\n".join(lines), "python")


def _results(run: Path, checkpoint: Resumed) -> list[str]:
    epochs = checkpoint.epochs
    if not os.path.lexists(RunDirectory(run).summary):
        return [f"The weights after epoch {epochs} were not evaluated."]
    found = Run(run)
    if found.summary.get("configuration", {}).get("epochs") != epochs:
        return [f"The weights after epoch {epochs} were not evaluated."]
    warnings = [f"\n**Warning.** {printable(text)}." for text in found.warnings]
    if not found.table:
        return ["No probes were fitted on frozen features.", *warnings]
    return [*accuracy_lines(found.table), *warnings]


def _training(run: Path, checkpoint: Resumed, config: Config) -> list[str]:
    provenance, directory = checkpoint.provenance, RunDirectory(run)
    graph = recipe_of(directory, provenance.directory, config.params)
    if graph.identity != provenance.identity:
        message = f"the recipe of `{run}` differs from the start of this run"
        raise error("RRL505", message, hint=f"undo the change of `{directory.recipe}`")
    kind, colon, place = config.dataset.partition(":")  # the path is of no use elsewhere
    facts = {
        "recipe": code(text_of(graph)),
        "identity": code(provenance.identity),
        "loss": code(config.loss.text),
        "dataset": code(kind + colon + Path(place).name),
        "epochs": f"{checkpoint.epochs} of {config.epochs}",
        "versions": ", ".join(f"{name} {each}" for name, each in provenance.libraries.items()),
    }
    settings = {name: value for name, value in provenance.configuration.items() if name not in FREE}
    return [
        "The recipe, which relates the samples:",
        "",
        fenced(parser.read(directory.recipe).text.strip()),
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {cell(value)} |" for name, value in facts.items()),
        "",
        "The settings:",
        "",
        fenced(yaml.dump(settings, Dumper=Dumper, sort_keys=False).strip(), "yaml"),
    ]
