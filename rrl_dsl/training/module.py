"""The LightningModule: views, encoder, relation, loss, and probes that watch."""

from __future__ import annotations

import math
from functools import partial
from typing import Any, NoReturn

import lightning as L
import torch
from torch import Tensor, nn

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.program import Program
from rrl_dsl.data.batches import Batch, row_columns
from rrl_dsl.data.crops import Scale
from rrl_dsl.data.views import Views
from rrl_dsl.graph.draws import key
from rrl_dsl.graph.streams import stream_word
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error
from rrl_dsl.losses import Loss
from rrl_dsl.losses.outputs import Output
from rrl_dsl.models.accumulation import in_parts
from rrl_dsl.models.backbones import Backbone, build_backbone
from rrl_dsl.models.bank import Bank
from rrl_dsl.models.encoder import Encoder, Outputs, joined
from rrl_dsl.models.heads import Projector
from rrl_dsl.models.imported import width_of
from rrl_dsl.models.masking import block_masks
from rrl_dsl.models.teacher import Centre, Teacher, follow, momentum_at
from rrl_dsl.training.checks import check_loss
from rrl_dsl.training.config import Config
from rrl_dsl.training.optimiser import build_optimiser, cosine_schedule
from rrl_dsl.training.parts import parts_of
from rrl_dsl.training.probes import LinearProbes
from rrl_dsl.training.relations import SPACES, Relations, compared
from rrl_dsl.training.statistics import edge_statistics
from rrl_dsl.training.watching import Watching


class RelationalModule(L.LightningModule):
    """Trains an encoder on the relation that a recipe defines.

    It has the parts that loss and recipe need, and no others: a predictor, a teacher, prototypes,
    heads for patches, a bank of earlier rows. Two linear probes learn the finest label beside it;
    their gradients never reach the encoder.

    `training_step` takes a `rrl_dsl.data.batches.Batch` and returns the `loss`, the `relations` of
    the step and, for the first batch of an epoch, what the loss `skipped`.
    """

    def __init__(
        self,
        config: Config,
        program: Program,
        loss: Loss,
        *,
        shape: tuple[int, int, int],
        classes: int | None = None,
        backbone: nn.Module | None = None,
    ) -> None:
        """A module with fresh weights.

        Args:
            config: The configuration.
            program: The compiled recipe.
            loss: The loss.
            shape: (C, H, W) of the images.
            classes: How many classes the finest label has; None for no probes.
            backbone: A network from float (n, C, H, W) to features (n, width), in place of the
                configured one.

        Raises:
            RRLError: RRL502 where the configuration does not fit the images, RRL404 and RRL424
                where recipe or model cannot serve the loss.
        """
        super().__init__()
        self.config = config
        self.program = program
        self.clean = program.without_noise() if program.adds_edges else None
        self.loss = loss
        self.learned = nn.ParameterList(loss.learned())
        self.views = Views(config.augmentation or "cifar", shape, local_views(config, shape))
        self.parts = parts_of(program.requires, loss)
        chosen = self._backbone(shape, backbone)
        check_loss(program, loss, config, chosen.patch_size)
        self.encoder = Encoder(
            chosen,
            projector=partial(Projector, **config.projector.model_dump()),
            prototypes=config.prototypes.count,
            parts=self.parts,
        )
        width = self.encoder.projector.width
        self.predictor = self._predictor(width) if "predictor" in self.parts else None
        self.teacher = Teacher(self.encoder) if "teacher" in self.parts else None
        self.bank = Bank(self._bank_size()) if "bank" in self.parts else None
        taken = set(loss.inputs().values())
        self.centre = self._new_centre() if "centre" in taken else None
        self.patch_centre = self._new_centre() if "patch_centre" in taken else None
        self.probes = None if classes is None else LinearProbes(chosen.width, width, classes)
        self.watching = Watching()

    @classmethod
    def load_from_checkpoint(cls, *_: Any, **__: Any) -> NoReturn:
        """Refuses: a checkpoint has weights, and not the recipe and the loss.

        Raises:
            RRLError: RRL505.
        """
        message = "a checkpoint alone does not say which recipe, loss and images it belongs to"
        hint = "`rrl_dsl.load_encoder(RUN)` reads the encoder of a run, `--resume RUN` goes on"
        raise error("RRL505", message, hint=hint)

    def forward(self, images: Tensor) -> Tensor:
        """Backbone features (n, width) of float images (n, C, H, W), normalised."""
        features: Tensor = self.encoder.backbone(images)
        return features

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """One step on one batch of samples."""
        outputs = self._encoded(batch)
        relations = self._relations(batch, outputs)
        loss = self._value(relations)
        self._remember(relations)
        self.log("step/loss", loss, on_step=True, on_epoch=False)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(batch), sync_dist=True)
        skipped = relations.skipped(self.loss) if batch_idx == 0 else {}
        if self.probes is not None:
            whole = self.program.requires.views
            label = batch.labels["label"].repeat(whole)
            seen: Outputs = {name: each[: len(label)] for name, each in outputs.items()}
            known = self._gathered((label >= 0).sum()[None], 1).float().mean()
            loss = loss + self.probes.loss(seen, label, known)
        return {"loss": loss, "relations": relations, "skipped": skipped}

    def on_after_backward(self) -> None:
        """Keeps the prototypes as they are in the epochs in which they are frozen."""
        if self.current_epoch < self.config.prototypes.frozen:
            for each in (self.encoder.prototypes, self.encoder.patch_prototypes):
                if each is not None:
                    each.zero_grad()

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Lets the teacher follow."""
        if self.teacher is None:
            return
        chosen, total = self.config.teacher, int(self.trainer.estimated_stepping_batches)
        momentum = momentum_at(self.global_step - 1, total, chosen.momentum, chosen.final)
        follow(self.teacher.encoder, self.encoder, momentum)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Watches samples that are not trained on."""
        outputs = self.encoder.heads(self(self.views.plain(batch.images)))
        self.watching.see(outputs)
        if self.probes is not None:
            self.watching.judge(outputs, batch.labels["label"], self.probes)

    def on_validation_epoch_end(self) -> None:
        """Logs what was watched: see `rrl_dsl.training.watching.Watching.figures`."""
        figures = self.watching.figures(lambda own: self._gathered(own, len(own)))
        self.log_dict(figures)

    def on_train_epoch_end(self) -> None:
        """Stops a run whose loss is no number, before a checkpoint is made of it.

        Raises:
            RRLError: RRL508.
        """
        loss = float(self.trainer.callback_metrics.get("loss", torch.zeros(())))
        if not math.isfinite(loss):
            message = f"the loss became {loss} in epoch {self.current_epoch + 1}"
            hint = "lower `optimiser.lr`, or raise the loss's temperature"
            raise error("RRL508", message, hint=hint)

    def configure_optimizers(self) -> Any:
        """One optimiser with a cosine schedule by step."""
        encoder = nn.ModuleList([self.encoder, self.learned])
        optimiser = build_optimiser(self.config, encoder, self.probes, self.predictor)
        total = int(self.trainer.estimated_stepping_batches)
        steps_per_epoch = max(1, total // max(1, self.trainer.max_epochs or 1))
        warmup = min(self.config.optimiser.warmup * steps_per_epoch, total // 2)
        schedule = cosine_schedule(optimiser, warmup=warmup, total=total)
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """Moves a batch without waiting for it."""
        return batch.to(device, non_blocking=True)

    def edge_statistics(self, relations: Relations) -> dict[str, Tensor]:
        """Figures of a step's graph over whole views: see `rrl_dsl.training.statistics`."""
        rows, cols, spaces = relations.whole_rows()
        return edge_statistics(
            self.program,
            self.clean,
            rows,
            cols,
            spaces=spaces,
            epoch=relations.epoch,
            step=relations.step,
        )

    def _backbone(self, shape: tuple[int, int, int], given: nn.Module | None) -> Backbone:
        config = self.config
        if isinstance(given, Backbone):
            return given
        if given is not None:
            return Backbone(given, width_of(given, type(given).__name__, shape))
        return build_backbone(
            config.backbone, shape, patch_size=config.patch_size, options=config.backbone_options
        )

    def _predictor(self, width: int) -> Projector:
        chosen = self.config.predictor
        return Projector(width, chosen.hidden, width, chosen.norm, chosen.layers)

    def _new_centre(self) -> Centre:
        return Centre(self.config.prototypes.count, self.config.prototypes.centre_momentum)

    def _bank_size(self) -> int:
        own = self.config.bank if "bank" in self.loss.needs() else 0
        return max(self.program.requires.bank, own)

    def _encoded(self, batch: Batch) -> Outputs:
        """What student and teacher make of the views of a batch."""
        whole, seed, size = self.program.requires.views, self._draw_seed(), self.config.micro_batch
        images = self.views(batch.images, whole, seed)
        mask = self._mask(images, seed) if "patches" in self.parts else None
        outputs: Outputs = in_parts(self.encoder, images, mask, size=size)
        if count := self.config.local_views.count:
            crops = self.views.local(
                batch.images if batch.local is None else batch.local, count, seed + 1
            )
            local: Outputs = in_parts(self._whole_image, crops, size=size)
            outputs |= joined([outputs, local])
        if self.predictor is not None:
            outputs["prediction"] = self.predictor(outputs["projection"])
        if mask is not None:
            outputs["mask"] = mask
        if self.teacher is not None:
            with torch.no_grad():
                outputs |= in_parts(self.teacher, images, size=size)
        return outputs

    def _whole_image(self, images: Tensor) -> Outputs:
        return self.encoder.heads(self.encoder.backbone(images))

    def _mask(self, images: Tensor, seed: int) -> Tensor:
        chosen = self.config.mask
        grid = self.encoder.backbone.grid(*images.shape[2:])
        return block_masks(
            len(images),
            grid,
            ratio=chosen.ratio,
            probability=chosen.probability,
            seed=seed,
            device=images.device,
        )

    def _relations(self, batch: Batch, outputs: Outputs) -> Relations:
        """The rows of all ranks with the outputs that loss, recipe and bank want."""
        views = self.program.requires.views
        whole = views * len(batch)
        wanted = {*self.loss.inputs().values(), *self._kept()}
        every: Outputs = {
            name: self._gathered(each, whole) for name, each in outputs.items() if name in wanted
        }
        if self.centre is not None:
            every["centre"] = self.centre.value.clone()
        if self.patch_centre is not None:
            every["patch_centre"] = self.patch_centre.value.clone()
        nodes = self._nodes(batch, views + self.config.local_views.count)
        nodes = nodes.each(lambda column: self._gathered(column, whole))
        whole *= self.trainer.world_size
        size = self.program.requires.bank
        bank = self.bank.newest(size, nodes.device) if self.bank is not None else None
        if "bank" in self.loss.inputs().values():
            every["bank"] = self._earlier_projections(every, whole)
        epoch, step = self.current_epoch, self.global_step
        return Relations(self.program, nodes, every, whole, bank, epoch, step)

    def _earlier_projections(self, outputs: Outputs, whole: int) -> Tensor:
        """What a loss looks for neighbours in; at the first step, the rows themselves."""
        projections = outputs["projection"]
        if self.bank is not None:
            earlier = self.bank.newest(self.config.bank, projections.device)
            if earlier is not None:
                return earlier[1]["projection"]
        return projections[:whole].detach()

    def _nodes(self, batch: Batch, views: int) -> Nodes:
        sample, view, labels, fields = row_columns(batch, views)
        read = {need.name for need in self.program.requires.columns}
        fields = {name: column for name, column in fields.items() if name in read}
        return Nodes(sample, view, labels, fields, check=False)

    def _value(self, relations: Relations) -> Tensor:
        try:
            return relations.value(self.loss)
        except RRLError as problem:
            raise self._explained(problem, relations) from None

    def _explained(self, problem: RRLError, relations: Relations) -> RRLError:
        """A collapse with the share of false edges that may have led to it."""
        first = problem.diagnostics[0]
        if first.code != "RRL409" or self.clean is None:
            return problem
        false = float(self.edge_statistics(relations)["edges/false"])
        message = f"{first.message}; {false:.0%} of the batch's edges are false"
        return RRLError(Diagnostic(first.code, message, hint=first.hint))

    def _remember(self, relations: Relations) -> None:
        """Moves the centres, and puts the rows of whole views into the bank."""
        outputs = relations.outputs
        if self.centre is not None:
            self.centre.update(outputs["teacher_prototypes"])
        if self.patch_centre is not None:
            self.patch_centre.update(outputs["teacher_patch_prototypes"], outputs["mask"])
        if self.bank is not None:
            rows = self._rows_to_keep(relations)
            kept: Outputs = {name: outputs[name][rows] for name in sorted(self._kept())}
            self.bank.push(relations.nodes[rows], kept)

    def _kept(self) -> set[Output]:
        """The outputs that the bank keeps: what is compared with its rows."""
        kept: set[Output] = {
            SPACES[each] for each in self.program.requires.spaces if each in SPACES
        }
        if self.program.requires.bank:
            kept |= {compared(term)[1] for _, term in self.loss.flat_terms()}
        return kept | ({"projection"} if "bank" in self.loss.needs() else set())

    def _rows_to_keep(self, relations: Relations) -> Tensor:
        """The rows that the bank keeps: those of its views, int64."""
        every = self.program.requires.views
        views = min(self.config.bank_views or every, every)
        later = relations.nodes.view[: relations.whole] >= views
        # sorted, as to ask for the places of the others would wait for the device
        return later.long().argsort(stable=True)[: relations.whole // every * views]

    def _draw_seed(self) -> int:
        """What the views of this step follow from, on this rank."""
        return key(self.config.seed, stream_word("views", self.global_rank), self.global_step)

    def _gathered(self, own: Tensor, whole: int) -> Tensor:
        """The rows of all ranks, so that the loss does not depend on the number of ranks.

        First those of whole views, then those of local ones. The gradient of the gathering sums
        over ranks and DDP averages, so each rank's weights get the gradient of one loss over the
        whole batch.
        """
        if self.trainer.world_size == 1:
            return own
        parts = [part for part in (own[:whole], own[whole:]) if len(part)]
        gathered = [self.all_gather(part, sync_grads=part.requires_grad) for part in parts]
        return torch.cat([part.flatten(0, 1) for part in gathered])  # type: ignore[union-attr]


def local_views(config: Config, shape: tuple[int, int, int]) -> tuple[int, Scale] | None:
    """The side and the scale of a run's local views, or None where it has none."""
    chosen = config.local_views
    if not chosen.count:
        return None
    return chosen.size or max(2, min(shape[1:]) // 2), chosen.scale
