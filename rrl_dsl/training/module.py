"""The LightningModule: draws views, computes the loss, and trains online probes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NoReturn

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.program import Program
from rrl_dsl.data.batches import Batch, row_columns
from rrl_dsl.data.channel_statistics import Statistics
from rrl_dsl.data.dataset import is_image
from rrl_dsl.data.views import Views
from rrl_dsl.graph.draws import key
from rrl_dsl.graph.streams import stream_word
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error, listing
from rrl_dsl.losses import Loss
from rrl_dsl.models.backbones import Backbone, build_backbone, wrapped
from rrl_dsl.models.encoder import Encoder, Outputs
from rrl_dsl.models.network import Network
from rrl_dsl.models.relations import Relations
from rrl_dsl.training.config import Config
from rrl_dsl.training.optimizer import (
    build_optimizer,
    cosine_schedule,
    schedule_weight_decay,
)
from rrl_dsl.training.probes import LinearProbes
from rrl_dsl.training.statistics import edge_statistics
from rrl_dsl.training.towers import columns_for
from rrl_dsl.training.watching import Watching


class RelationalModule(L.LightningModule):
    """Trains a `Network` on the relation of a recipe, as a LightningModule.

    The module draws the views, gathers the rows of all ranks, and logs metrics. Two linear probes
    learn the finest label at the same time; their gradients do not reach the encoder.

    `training_step` takes a `rrl_dsl.Batch`. It returns the `loss`, the `relations` of the step and,
    for the first batch of an epoch, what the loss `skipped`.
    """

    def __init__(
        self,
        config: Config,
        program: Program,
        loss: Loss,
        *,
        shape: tuple[int, ...],
        classes: int | None = None,
        backbone: nn.Module | None = None,
        views: Views | None = None,
        towers: Sequence[Encoder] = (),
    ) -> None:
        """Creates a module with new weights.

        Args:
            config: The settings.
            program: The compiled recipe.
            loss: The loss.
            shape: (C, H, W) of the images.
            classes: The number of classes of the finest label; None for no probes.
            backbone: A network from float (n, C, H, W) to features (n, width), in place of
                `config.backbone`.
            views: The function that draws the views, in place of `config.augmentation`.
            towers: The encoders of the views after the first, as `build_towers` returns them.

        Raises:
            RRLError: RRL502 if the settings do not fit the images, RRL404 or RRL424 if the recipe
                or the model does not provide what the loss needs.
        """
        super().__init__()
        self.config = config
        self.program = program
        self.clean = program.without_noise() if program.adds_edges else None
        self.views = views or views_of(config, shape, "cifar" if is_image(shape) else "scarf")
        self.network = Network(loss, program, self._backbone(shape, backbone), config, towers)
        encoder = self.network.encoder
        sizes = encoder.backbone.width, encoder.projector.width
        self.probes = None if classes is None else LinearProbes(*sizes, classes)
        self.watching = Watching()
        self.is_compiled = False
        self._first_loss: Tensor | None = None

    @classmethod
    def load_from_checkpoint(cls, *_: Any, **__: Any) -> NoReturn:
        """Raises an error: a checkpoint does not contain the recipe and the loss.

        Raises:
            RRLError: RRL505.
        """
        message = "a checkpoint does not contain its recipe, its loss and its images"
        hint = (
            "use `rrl_dsl.load_encoder(RUN)` to load the encoder of a run, or `--resume "
            "RUN` to continue it"
        )
        raise error("RRL505", message, hint=hint)

    @property
    def drawn_views(self) -> int:
        """The number of views of an image that are drawn: one if the others are of towers."""
        return 1 if self.network.towers else self.program.requires.views

    def forward(self, images: Tensor) -> Tensor:
        """Computes backbone features (n, width) of float images (n, C, H, W), normalized."""
        features: Tensor = self.network.encoder.backbone(images)
        return features

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Computes the loss of a batch of samples."""
        outputs = self._outputs(batch)
        relations = self.network.relations(
            self._nodes(batch),
            outputs,
            step=self.global_step,
            epoch=self.current_epoch,
            gather=None if self.trainer.world_size == 1 else self.config.gather,
        )
        loss = self._value(relations)
        if self.global_step == 0:
            self._first_loss = loss.detach()
        self.network.remember(relations)
        self.log("step/loss", loss, on_step=True, on_epoch=False)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(batch), sync_dist=True)
        skipped = relations.skipped(self.network.criterion) if batch_idx == 0 else {}
        if self.probes is not None:
            label = batch.labels["label"].repeat(self.drawn_views)
            seen: Outputs = {name: tensor[: len(label)] for name, tensor in outputs.items()}
            known = self._gathered((label >= 0).sum()[None]).float().mean()
            loss = loss + self.probes.loss(seen, label, known)
        return {"loss": loss, "relations": relations, "skipped": skipped}

    def on_after_backward(self) -> None:
        """Freezes the prototypes in the first `prototypes.frozen` epochs."""
        self.network.freeze_prototypes(self.current_epoch)

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Sets the weight decay of the step, and clips the gradient of the network."""
        chosen, total = self.config.optimizer, int(self.trainer.estimated_stepping_batches)
        schedule_weight_decay(optimizer, chosen, self.global_step, total)
        if chosen.clip is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), chosen.clip)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Moves the teacher towards the encoder."""
        self.network.follow(int(self.trainer.estimated_stepping_batches))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Evaluates the probes and the embeddings on samples outside the training split."""
        outputs = self.network.encoder.heads(self(self.views.plain(batch.images)))
        self.watching.see(outputs)
        if self.probes is not None:
            self.watching.judge(outputs, batch.labels["label"], self.probes)

    def on_validation_epoch_end(self) -> None:
        """Logs the metrics of `rrl_dsl.training.watching.Watching.figures`."""
        figures = self.watching.figures(self._gathered)
        self.log_dict(figures)

    def on_train_epoch_end(self) -> None:
        """Stops a run whose loss is not finite, before a checkpoint is written.

        Raises:
            RRLError: RRL508.
        """
        loss = float(self.trainer.callback_metrics.get("loss", torch.zeros(())))
        if not math.isfinite(loss):
            message = f"the loss became {loss} in epoch {self.current_epoch + 1}"
            learned = self._first_loss is None or bool(self._first_loss.isfinite())
            raise _diverged(message, self.config, learned=learned)

    def compile_encoder(self) -> None:
        """Compiles the encoder, and that of the teacher, when a step first calls them."""
        self.is_compiled = True
        self.network.encoder.compile()
        if self.network.teacher is not None:
            self.network.teacher.encoder.compile()

    def configure_optimizers(self) -> Any:
        """Returns one optimizer with a cosine schedule by step."""
        network = self.network
        encoder = nn.ModuleList([network.encoder, network.towers, network.learned])
        optimizer = build_optimizer(self.config, encoder, self.probes, network.predictor)
        total = int(self.trainer.estimated_stepping_batches)
        steps_per_epoch = max(1, total // max(1, self.trainer.max_epochs or 1))
        warmup = min(self.config.optimizer.warmup * steps_per_epoch, total // 2)
        schedule = cosine_schedule(optimizer, warmup=warmup, total=total)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Moves a batch to the device without waiting."""
        return batch.to(device, non_blocking=True)

    def edge_statistics(self, relations: Relations, *, alone: bool = False) -> dict[str, Tensor]:
        """Returns the statistics of `rrl_dsl.training.statistics` for a step's whole views.

        Args:
            relations: The relations of the step.
            alone: Whether this process evaluates the rows of all processes. Otherwise each process
                evaluates its own rows, and all processes must call this.
        """
        rows, cols, spaces = relations.whole_rows(own=not alone)
        return edge_statistics(
            self.program,
            self.clean,
            rows,
            cols,
            spaces=spaces,
            epoch=relations.epoch,
            step=relations.step,
            summed=lambda totals: totals if alone else self._gathered(totals[None]).sum(dim=0),
        )

    def _backbone(self, shape: tuple[int, ...], given: nn.Module | None) -> Backbone:
        config = self.config
        if given is not None:
            return wrapped(given, shape)
        return build_backbone(
            config.backbone, shape, patch_size=config.patch_size, options=config.backbone_options
        )

    def _outputs(self, batch: Batch) -> Outputs:
        """Computes the outputs of student and teacher for the views of a batch."""
        seed, count = self._draw_seed(), self.config.local_views.count
        views, local = self.views(batch.images, self.drawn_views, seed), None
        if count:
            images = batch.images if batch.local is None else batch.local
            local = self.views.local(images, count, seed + 1)
        columns = columns_for(self.config, batch)
        outputs: Outputs = self.network(views, local, columns=columns, seed=seed)
        return outputs

    def _nodes(self, batch: Batch) -> Nodes:
        """Returns the rows of views and local views, with the columns that the recipe reads."""
        views = self.program.requires.views + self.config.local_views.count
        sample, view, labels, fields = row_columns(batch, views)
        read = {need.name for need in self.program.requires.columns}
        fields = {name: column for name, column in fields.items() if name in read}
        return Nodes(sample, view, labels, fields, check=False)

    def _value(self, relations: Relations) -> Tensor:
        try:
            return relations.value(self.network.criterion)
        except RRLError as problem:
            raise self._explained(problem, relations) from None

    def _explained(self, problem: RRLError, relations: Relations) -> RRLError:
        """Adds to the error of a collapse its possible cause: false edges, or settings."""
        first = problem.diagnostics[0]
        outputs = relations.outputs.values()
        if first.code == "RRL409" and not all(bool(output.isfinite().all()) for output in outputs):
            message = f"the outputs of the network are not finite in step {self.global_step + 1}"
            return _diverged(message, self.config, learned=self.global_step > 0)
        if first.code != "RRL409" or self.clean is None:
            return problem
        false = float(self.edge_statistics(relations, alone=True)["edges/false"])
        message = f"{first.message}; {false:.0%} of the batch's edges are false"
        return RRLError(Diagnostic(first.code, message, hint=first.hint))

    def _draw_seed(self) -> int:
        """Returns the seed of the views of this step in this process."""
        return key(self.config.seed, stream_word("views", self.global_rank), self.global_step)

    def _gathered(self, own: Tensor) -> Tensor:
        """Gathers the rows of all processes, so that the loss does not depend on their number.

        The gradient of the gathering sums over processes and DDP averages over them, so the weights
        get the gradient of one loss over the whole batch.
        """
        if self.trainer.world_size == 1:
            return own
        every = self.all_gather(own, sync_grads=own.requires_grad)
        assert isinstance(every, Tensor)
        return every.flatten(0, 1)


def views_of(
    config: Config, shape: tuple[int, ...], preset: str, statistics: Statistics | None = None
) -> Views:
    """Returns what draws the views and the local views of a run.

    Args:
        config: The configuration.
        shape: (C, H, W) of the images, or the shape of other samples.
        preset: The preset of the dataset, for a configuration without one.
        statistics: The statistics of the dataset; None for those of the preset.

    Raises:
        RRLError: RRL502 if the configured augmentation does not fit the samples.
    """
    augmentation, chosen = config.augmentation, config.local_views
    local = (chosen.size, chosen.scale) if chosen.count else None
    return Views(augmentation.preset or preset, shape, local, augmentation.drawn, statistics)


def _diverged(what: str, config: Config, *, learned: bool) -> RRLError:
    """RRL508, with the values of the settings that may be the cause.

    Args:
        what: The message, such as `the loss became nan in epoch 3`.
        config: The configuration.
        learned: Whether the optimizer made a step before. If not, the learning rate is not the
            cause.
    """
    loss = config.loss
    options = {f"loss.{name}": value for name, value in loss.options.items() if _is_number(value)}
    rate = {"optimizer.lr": config.optimizer.lr} if learned else {}
    values = [f"`{name}` is {value:g}" for name, value in (options | rate).items()]
    fixes = ["lower `optimizer.lr`"] if learned else []
    if options:
        fixes.append(
            f"set {listing(options, 'and')} nearer to the default in `rrl-dsl explain {loss.name}`"
        )
    hint = ", or ".join(fixes) or "look for values in the data that are not finite or very large"
    message = f"{what}; {' and '.join(values)}" if values else what
    return error("RRL508", message, hint=hint, settings=(*options, *rate))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
