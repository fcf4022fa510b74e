"""The model card of an exported network, in Markdown."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from torch import Tensor

from rrl_dsl.data.channel_statistics import Statistics
from rrl_dsl.data.dataset import Shape, is_image
from rrl_dsl.data.view_presets import PRESETS, Preset
from rrl_dsl.graph.text import text_of
from rrl_dsl.language import parser
from rrl_dsl.language.diagnostics import error, printable
from rrl_dsl.language.markdown import cell, code, fenced
from rrl_dsl.models.plain import building_code, changed_parts, keywords
from rrl_dsl.training.checkpoints import Resumed
from rrl_dsl.training.config import Config
from rrl_dsl.training.provenance import FREE
from rrl_dsl.training.results import Run
from rrl_dsl.training.resume import recipe_of
from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.signature import Signature, signature_of
from rrl_dsl.training.summary import accuracy_lines
from rrl_dsl.training.towers import towers_of
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
        part: `backbone`, `projector`, `teacher`, or the column of a tower.
        weights: The weights by their names in the file.
        file: The file that the card describes.

    Raises:
        RRLError: RRL505 if the recipe of the run was edited, or its summary is damaged; RRL502 if
            the backbone is one of timm, and timm is not installed.
    """
    config = Config.model_validate(checkpoint.provenance.configuration)
    release = checkpoint.provenance.libraries["rrl-dsl"]
    count = sum(weight.numel() for weight in weights.values())
    name = f"tower {code(part)}" if part in towers_of(config) else part
    lines = [
        f"# {printable(file.name)}",
        "",
        f"The {name} of the run {code(run.resolve().name)}, trained with rrl-dsl {release}. It has "
        f"{len(weights)} tensors with {count:,} values.",
        "",
        "## Use",
        "",
        *_use(checkpoint, config, part, file),
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


def _use(checkpoint: Resumed, config: Config, part: str, file: Path) -> list[str]:
    names, towers = signature_of(checkpoint, part), towers_of(config)
    if part in towers[1:]:
        return _tower(checkpoint, config, towers.index(part), file, names)
    if part in towers:
        return _samples(checkpoint, part, *_first_tower(checkpoint, config), file, names)
    if part == "projector":
        return _projector(config, file, names)
    shape = checkpoint.provenance.shape
    built, *building = building_code(
        config.backbone, shape, patch_size=config.patch_size, options=config.backbone_options
    )
    lines = _samples(checkpoint, part, [built], building, file, names)
    return [*lines, *_stem(config.backbone, shape)]


def _projector(config: Config, file: Path, names: Signature) -> list[str]:
    (width,) = names.shape
    imports = ["from rrl_dsl.models.heads import Projector"]
    building = [f"network = Projector({width}{keywords(config.projector.model_dump())})"]
    inputs = [f"features = torch.randn(8, {width})  # of the backbone"]
    return [
        "It maps the features of the backbone to the embeddings that the loss compares.",
        "",
        _code(file, imports, building, inputs, names),
    ]


def _first_tower(checkpoint: Resumed, config: Config) -> tuple[list[str], list[str]]:
    """How the tower of the samples themselves is imported and built."""
    given: dict[str, Any] = {"patch_size": config.patch_size} if config.patch_size else {}
    given |= {"options": config.backbone_options} if config.backbone_options else {}
    imports = [
        "from collections import OrderedDict",
        "from rrl_dsl.models.backbones import build_backbone",
        "from rrl_dsl.models.heads import Projector",
    ]
    building = [
        f"backbone = build_backbone({config.backbone!r}, {checkpoint.provenance.shape}"
        f"{keywords(given)})",
        f"projector = Projector(backbone.width{keywords(config.projector.model_dump())})",
        "network = torch.nn.Sequential(OrderedDict(backbone=backbone, projector=projector))",
    ]
    return imports, building


def _tower(
    checkpoint: Resumed, config: Config, place: int, file: Path, names: Signature
) -> list[str]:
    options, given = config.towers[place], checkpoint.provenance.towers[place - 1]
    projector, vocabulary = options.projector or config.projector, given["vocabulary"]
    chosen = options.model_dump(exclude_defaults=True, exclude={"projector"})
    imports = [
        "from collections import OrderedDict",
        "from rrl_dsl.models.options import ProjectorOptions",
        "from rrl_dsl.models.towers import TowerInput, TowerOptions, build_tower",
    ]
    building = [
        f"options = TowerOptions({keywords(chosen).removeprefix(', ')})",
        f"given = TowerInput({names.shape}, {vocabulary})  # the shape and the vocabulary",
        "projector = ProjectorOptions("
        f"{keywords(projector.model_dump(exclude_defaults=True)).removeprefix(', ')})",
        "tower = build_tower(options, given, projector)",
        "network = torch.nn.Sequential(OrderedDict(tower.named_children()))",
    ]
    sizes = ", ".join(map(str, names.shape))
    if vocabulary is None:
        what = f"float32 (n, {sizes}): vectors, which the network standardizes; NaN is missing"
        example = f"torch.randn(8, {sizes})"
    else:
        what = f"int64 (n, {sizes}): tokens below {vocabulary}, padded with 0"
        example = f"torch.randint({vocabulary}, (8, {sizes}))"
    return [
        f"The input is {what}. The output is comparable with that of the other towers.",
        "",
        _code(file, imports, building, [f"{names.given} = {example}"], names),
    ]


def _samples(
    checkpoint: Resumed,
    part: str,
    imports: Sequence[str],
    building: Sequence[str],
    file: Path,
    names: Signature,
) -> list[str]:
    """How a network of the samples themselves is applied, with their normalization."""
    provenance, sizes = checkpoint.provenance, ", ".join(map(str, names.shape))
    if is_image(names.shape):
        axes, name = "[:, None, None]", "pixels"
        scaled = "pixels / 255" if provenance.scaled else "pixels"
        normalized = f"({scaled} - mean) / std"
    else:
        axes, name = "", "values"
        normalized = "((values - mean) / std).nan_to_num(nan=0.0)"
    whole = f"torch.randint(256, (8, {sizes}), dtype=torch.uint8)"
    example = whole if provenance.scaled else f"torch.rand(8, {sizes})"
    used = _statistics(checkpoint)
    inputs = [
        f"mean = torch.tensor({list(used.mean)}){axes}",
        f"std = torch.tensor({list(used.std)}){axes}",
        f"{name} = {example}",
        f"{names.given} = {normalized}",
    ]
    loading = "DIRECTORY" if part == "backbone" else f"DIRECTORY, part={part!r}"
    return [
        f"The input is float32 (n, {sizes}): {_described(checkpoint)}.",
        "",
        _code(file, imports, building, inputs, names),
        "",
        f"With the run directory, `rrl_dsl.load_encoder({loading})` returns the network together "
        "with the normalization.",
    ]


def _statistics(checkpoint: Resumed) -> Statistics | Preset:
    """What samples are normalized by: their own statistics, or those of the preset."""
    provenance = checkpoint.provenance
    config = Config.model_validate(provenance.configuration)
    return provenance.statistics or PRESETS[config.augmentation.preset or provenance.augmentation]


def _described(checkpoint: Resumed) -> str:
    """The samples and their normalization in words."""
    shape, scaled = checkpoint.provenance.shape, checkpoint.provenance.scaled
    normalized = "normalized by the mean and the standard deviation below"
    if not is_image(shape):
        kind = "vectors" if len(shape) == 1 else "sequences of vectors"
        return f"{kind}, {normalized}; then a missing value is 0"
    channels, height, width = shape
    kind = {1: "gray", 3: "RGB"}.get(channels, f"{channels}-channel")
    images = f"{kind} images of {height} x {width} pixels"
    if not scaled:
        return f"{images} with the values of the dataset, {normalized}"
    return f"{images}, scaled to [0, 1] (uint8 by 255, uint16 by 65535) and {normalized}"


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
    names: Signature,
) -> str:
    """Returns a program that applies the file to an example."""
    name, given, returned = json.dumps(file.name), names.given, names.returned
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
    finished = Run(run)
    if finished.summary.get("configuration", {}).get("epochs") != epochs:
        return [f"The weights after epoch {epochs} were not evaluated."]
    warnings = [f"\n**Warning.** {printable(text)}." for text in finished.warnings]
    towers = [f"\n{line[0].upper()}{line[1:]}." for line in _tower_lines(finished)]
    if not finished.table:
        return ["No probes were fitted on frozen features.", *towers, *warnings]
    return [*accuracy_lines(finished.table), *towers, *warnings]


def _tower_lines(run: Run) -> list[str]:
    return run.towers.lines() if run.towers else []


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
        "versions": ", ".join(
            f"{name} {version}" for name, version in provenance.libraries.items()
        ),
    }
    settings = {name: value for name, value in provenance.configuration.items() if name not in FREE}
    settings["init"] = config.init and Path(config.init).name
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
