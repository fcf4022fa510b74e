"""Loads the encoder of a run for use without the trainer."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from torch import Tensor, nn

from rrl_dsl.data.batches import Batch
from rrl_dsl.data.dataset import Shape, is_image
from rrl_dsl.data.pixels import WHITE
from rrl_dsl.data.views import Views
from rrl_dsl.language.diagnostics import did_you_mean, error, listing
from rrl_dsl.models.backbones import build_backbone
from rrl_dsl.models.heads import Projector
from rrl_dsl.models.towers import TowerInput, build_tower
from rrl_dsl.training.checkpoints import Resumed
from rrl_dsl.training.config import Config
from rrl_dsl.training.resume import newest
from rrl_dsl.training.towers import towers_of

_PREFIXES: Final[dict[str, str]] = {
    "backbone": "network.encoder.backbone.",
    "projector": "network.encoder.projector.",
    "teacher": "network.teacher.encoder.backbone.",
}
"""The prefix of the weights of each part in a checkpoint."""


class TrainedEncoder(nn.Module):
    """Maps images to features: normalizes them as the run did, and applies its network.

    Attributes:
        network: From normalized float images (n, C, H, W), vectors or sequences to features (n, d).
        views: Its `plain` normalizes them.
        shape: The shape of the samples of the run.
        scaled: Whether the samples are whole numbers, which are scaled to [0, 1].
    """

    def __init__(self, network: nn.Module, views: Views, shape: Shape, *, scaled: bool) -> None:
        """Creates the encoder.

        Args:
            network: The network.
            views: The views of the run.
            shape: The shape of the samples.
            scaled: Whether they are whole numbers.
        """
        super().__init__()
        self.network = network
        self.views = views
        self.shape = shape
        self.scaled = scaled

    def forward(self, images: Tensor) -> Tensor:
        """Returns the features of images, or of what the run was trained on.

        Args:
            images: uint8 or uint16 (n, C, H, W), of the size that the run was trained on. If the
                run was trained on floating-point images, vectors or sequences, float (n, *shape).

        Returns:
            float (n, d).

        Raises:
            RRLError: RRL402 if they are not a tensor, or if the type, the number of axes, the
                number of channels or the length of the vectors differs from that of the run.
        """
        self._check(images)
        features: Tensor = self.network(self.views.plain(images))
        return features

    def _check(self, images: object) -> None:
        is_images = is_image(self.shape)
        axes = (self.shape[0], "H", "W") if is_images else self.shape
        what, kind = "images" if is_images else "samples", "uint8" if self.scaled else "float32"
        message = f"{what} must be torch.{kind} (n, {', '.join(map(str, axes))}), not "
        if not isinstance(images, Tensor):
            hint = "stack them as a tensor, such as `torch.from_numpy(array)`"
            raise error("RRL402", f"{message}a {type(images).__name__}", hint=hint)
        typed = images.dtype in WHITE if self.scaled else images.is_floating_point()
        fits = images.shape[1:] == self.shape
        if is_images:  # networks may take images of other sizes
            fits = images.ndim == 4 and images.shape[1] == self.shape[0]
        if not (typed and fits):
            hint = "pass the values as the run read them"
            if is_images:
                hint += ": pixels of files are divided by 255, or by 65535 with 16 bits"
            if self.scaled:
                hint = "pass pixels from 0 to 255, or pass normalized images to `encoder.network`"
            raise error("RRL402", f"{message}{images.dtype} {tuple(images.shape)}", hint=hint)

    def of(self, batch: Batch) -> Tensor:
        """Returns the features of the samples of a batch, float (b, d).

        Raises:
            RRLError: As `forward`.
        """
        features: Tensor = self(batch.images)
        return features


class TrainedTower(nn.Module):
    """Maps vectors or tokens to embeddings that are comparable with those of the other towers.

    Attributes:
        network: Standardizes vectors as the run did; then its backbone and its projector.
        column: The field that it reads.
        given: The shape and the vocabulary of the field.
    """

    def __init__(self, network: nn.Module, column: str, given: TowerInput) -> None:
        """Creates the tower.

        Args:
            network: The network.
            column: The field that it reads.
            given: The shape and the vocabulary of the field.
        """
        super().__init__()
        self.network = network
        self.column = column
        self.given = given

    def forward(self, values: Tensor) -> Tensor:
        """Returns the embeddings of values of the field.

        Args:
            values: float (n, d), or tokens (n, T), whole numbers of any type.

        Returns:
            float (n, k).

        Raises:
            RRLError: RRL402 if the shape differs from that of the run, or a token is not in the
                vocabulary.
        """
        shape, vocabulary = self.given
        if tuple(values.shape[1:]) != shape:
            wanted = f"(n, {', '.join(map(str, shape))})"
            message = f"`{self.column}` must have the shape {wanted}, not {tuple(values.shape)}"
            raise error("RRL402", message, hint="pad tokens with 0" if vocabulary else None)
        if vocabulary is not None and bool(((values < 0) | (values >= vocabulary)).any()):
            message = f"`{self.column}` has the tokens 0 to {vocabulary - 1} in the data of the "
            message += f"run, not {int(values.max() if values.min() >= 0 else values.min())}"
            raise error("RRL402", message, hint="number the words as in the data of the run")
        embeddings: Tensor = self.network(values)
        return embeddings

    def of(self, batch: Batch) -> Tensor:
        """Returns the embeddings of the samples of a batch, float (b, k).

        Raises:
            RRLError: RRL401 if the batch does not have the field; as `forward`.
        """
        if self.column not in batch.fields:
            message = f"the dataset has no field `{self.column}`, which the tower reads"
            raise error("RRL401", message, hint="use a dataset with the fields of the run")
        embeddings: Tensor = self(batch.fields[self.column])
        return embeddings


LoadedEncoder = TrainedEncoder | TrainedTower


def load_encoder(
    run: str | Path, part: str = "backbone", *, allow_code: Collection[str] = ()
) -> LoadedEncoder:
    """Loads the encoder of a run, in evaluation mode on the CPU, with its input normalization.

    It is built only from the newest checkpoint, whose checksum is verified.

    Args:
        run: The run directory.
        part: `backbone` returns features, `projector` the embeddings that the loss uses, and
            `teacher` the features of the teacher's backbone. The column of a tower, such as
            `image`, returns its embeddings; `backbone` and `projector` are of the first tower.
        allow_code: The modules whose code the configuration of the run may name as
            `package.module:attribute`.

    Raises:
        RRLError: RRL505 if the run does not exist, its checkpoint is damaged or does not match its
            configuration, or it does not have the part. RRL510 if the configuration names code of
            another module. RRL502 as `rrl_dsl.models.backbones.build_backbone`.
    """
    return encoder_of(newest(Path(run), allow_code), part)


def encoder_of(checkpoint: Resumed, part: str) -> LoadedEncoder:
    """Returns the encoder in a checkpoint, as `load_encoder` does.

    Raises:
        RRLError: As `load_encoder`.
    """
    config, data = Config.model_validate(checkpoint.provenance.configuration), checkpoint.provenance
    prefix = _prefix(part, config)
    towers = towers_of(config)
    if part in towers[1:]:
        return _tower(checkpoint, config, towers.index(part))
    if part in towers:
        part, prefix = "projector", _PREFIXES["projector"]
    features = _PREFIXES["backbone"] if part == "projector" else prefix
    backbone = build_backbone(
        config.backbone,
        data.shape,
        patch_size=config.patch_size,
        options=config.backbone_options,
    )
    _take_up(backbone, checkpoint, features)
    network: nn.Module = backbone
    if part == "projector":
        projector = Projector(backbone.width, **config.projector.model_dump())
        _take_up(projector, checkpoint, prefix)
        network = nn.Sequential(backbone, projector)
    preset = config.augmentation.preset or data.augmentation
    views = Views(preset, data.shape, statistics=data.statistics)
    return TrainedEncoder(network, views, data.shape, scaled=data.scaled).eval()


def _tower(checkpoint: Resumed, config: Config, place: int) -> TrainedTower:
    options, given = config.towers[place], checkpoint.provenance.towers[place - 1]
    read = TowerInput(tuple(given["shape"]), given["vocabulary"])
    tower = build_tower(options, read, config.projector)
    _take_up(tower, checkpoint, _prefix(options.column, config))
    network = nn.Sequential(tower.backbone, tower.projector)
    return TrainedTower(network, options.column, read).eval()


def parts_of(checkpoint: Resumed) -> list[str]:
    """Returns the parts of the model in a checkpoint: all have a backbone and a projector."""
    teacher = _PREFIXES["teacher"]
    has_teacher = any(name.startswith(teacher) for name in checkpoint.weights)
    return ["backbone", "projector", "teacher"] if has_teacher else ["backbone", "projector"]


def weights_of(checkpoint: Resumed, part: str) -> dict[str, Tensor]:
    """Returns the weights of a part of the model in a checkpoint, with the names of the network.

    Args:
        checkpoint: The checkpoint.
        part: `backbone`, `projector` (without the backbone), `teacher` (its backbone), or the
            column of a tower (its backbone and its projector).

    Raises:
        RRLError: RRL505 if the model does not have the part.
    """
    config = Config.model_validate(checkpoint.provenance.configuration)
    weights = _own(checkpoint, _prefix(part, config))
    if not weights and part == "projector":
        message = (
            f"the model of `{checkpoint.checkpoint}` has no projector: `projector.layers` is 0"
        )
        raise error("RRL505", message, hint="the loss compares the features of the backbone")
    return {name.removeprefix("body."): value.contiguous() for name, value in weights.items()}


def _prefix(part: str, config: Config) -> str:
    towers = towers_of(config)
    if part in towers:
        place = towers.index(part)
        return f"network.towers.{place - 1}." if place else "network.encoder."
    if part not in _PREFIXES:
        known = [*_PREFIXES, *towers]
        hint = did_you_mean(part, known) or f"its parts are {listing(known, 'and')}"
        raise error("RRL505", f"a run has no part `{part}`", hint=hint)
    return _PREFIXES[part]


def _own(run: Resumed, prefix: str) -> dict[str, Tensor]:
    """Returns the weights of the newest checkpoint with a prefix, and removes the prefix."""
    weights = {
        name.removeprefix(prefix): value
        for name, value in run.weights.items()
        if name.startswith(prefix)
    }
    if not weights and prefix == _PREFIXES["teacher"]:
        hint = "only losses such as `byol` and `dino` train a teacher"
        raise error("RRL505", f"the model of `{run.checkpoint}` has no teacher", hint=hint)
    return weights


def _take_up(module: nn.Module, run: Resumed, prefix: str) -> None:
    try:
        module.load_state_dict(_own(run, prefix))
    except RuntimeError as problem:
        message = f"`{run.checkpoint}` does not match the network of its configuration"
        raise error("RRL505", f"{message}: {str(problem).splitlines()[-1].strip()}") from None
