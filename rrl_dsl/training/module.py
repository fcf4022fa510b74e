"""The LightningModule: views, encoder, relation, loss, and probes that watch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import lightning as L
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.program import Program
from rrl_dsl.data.batches import Batch, row_columns
from rrl_dsl.data.views import Views
from rrl_dsl.graph.draws import key
from rrl_dsl.graph.streams import stream_word
from rrl_dsl.language.diagnostics import Diagnostic, RRLError, error
from rrl_dsl.losses import Loss
from rrl_dsl.losses.collapse import effective_rank
from rrl_dsl.training.backbones import build_backbone
from rrl_dsl.training.config import Config
from rrl_dsl.training.heads import Projector
from rrl_dsl.training.optimiser import build_optimiser, cosine_schedule
from rrl_dsl.training.statistics import edge_statistics

_RANK_ROWS = 2048  # enough rows to tell a rank, few enough for a decomposition every epoch


class RelationalModule(L.LightningModule):
    """Trains a backbone and a projector on the relation that a recipe defines.

    Two linear probes learn the finest label beside it, from the backbone's and the projector's
    features; their gradients never reach the encoder.
    """

    def __init__(
        self,
        config: Config,
        program: Program,
        loss: Loss,
        *,
        shape: tuple[int, int, int],
        classes: int,
    ) -> None:
        """A module with fresh weights.

        Args:
            config: The configuration.
            program: The compiled recipe.
            loss: The loss.
            shape: (C, H, W) of the images.
            classes: How many classes the finest label has.
        """
        super().__init__()
        self.config = config
        self.program = program
        self.clean = program.without_noise() if program.adds_edges else None
        self.loss = loss
        self.views = Views(config.augmentation or "cifar", shape)
        self.backbone = build_backbone(config.backbone, shape)
        chosen = config.projector
        self.projector = Projector(
            self.backbone.width, chosen.hidden, chosen.out, chosen.norm, chosen.layers
        )
        self.probes = nn.ModuleDict(
            {
                "backbone": nn.Linear(self.backbone.width, classes),
                "projector": nn.Linear(chosen.out, classes),
            }
        )
        self._validation: list[dict[str, Tensor]] = []

    def forward(self, images: Tensor) -> Tensor:
        """Backbone features (n, width) of float images (n, C, H, W), normalised."""
        features: Tensor = self.backbone(images)
        return features

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """One step on one batch of samples."""
        count = self.program.requires.views
        images = self.views(batch.images, count, self._draw_seed())
        features = self.backbone(images)
        embeddings = self.projector(features)
        sample, view, labels, fields = row_columns(batch, count)
        read = {need.name for need in self.program.requires.columns}
        fields = {name: column for name, column in fields.items() if name in read}
        nodes = self._gathered(Nodes(sample, view, labels, fields, check=False))
        z = self._gathered_embeddings(embeddings)
        spaces = self._spaces(features, z)
        loss = self._loss(nodes, z, spaces)
        self.log("loss", loss, on_step=False, on_epoch=True, batch_size=len(batch), sync_dist=True)
        if batch_idx == 0:
            self._log_edges(nodes, spaces)
        return loss + self._probe_loss(features, embeddings, labels["label"])

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Collects what the probes make of samples that are not trained on."""
        features = self.backbone(self.views.plain(batch.images))
        embeddings = self.projector(features)
        right = {
            f"probe/{name}": probe(found).argmax(dim=1) == batch.labels["label"]
            for name, probe, found in (
                ("backbone", self.probes["backbone"], features),
                ("projector", self.probes["projector"], embeddings),
            )
        }
        self._validation.append({**right, "backbone": features, "projector": embeddings})

    def on_validation_epoch_end(self) -> None:
        """Logs the probes' accuracies, their gap and the effective ranks."""
        whole = {
            name: torch.cat([part[name] for part in self._validation])
            for name in self._validation[0]
        }
        self._validation.clear()
        figures: dict[str, Tensor] = {}
        for name in ("backbone", "projector"):
            figures[f"probe/{name}"] = whole[f"probe/{name}"].float().mean()
            figures[f"rank/{name}"] = effective_rank(whole[name][:_RANK_ROWS]).float()
        figures["probe/gap"] = figures["probe/backbone"] - figures["probe/projector"]
        self.log_dict(figures, sync_dist=True)

    def on_train_epoch_end(self) -> None:
        """Stops a run whose loss is no number, before a checkpoint is made of it.

        Raises:
            RRLError: RRL508.
        """
        loss = float(self.trainer.callback_metrics.get("loss", torch.zeros(())))
        if not math.isfinite(loss):
            message = f"the loss became {loss} in epoch {self.current_epoch}"
            hint = "lower `optimiser.lr`, or raise the loss's temperature"
            raise error("RRL508", message, hint=hint)

    def configure_optimizers(self) -> Any:
        """One optimiser with a cosine schedule by step."""
        encoder = nn.ModuleList([self.backbone, self.projector])
        optimiser = build_optimiser(self.config, encoder, self.probes)
        total = int(self.trainer.estimated_stepping_batches)
        steps_per_epoch = max(1, total // max(1, self.config.epochs))
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

    def _spaces(self, features: Tensor, z: Tensor) -> dict[str, Tensor]:
        """The embeddings that the recipe compares rows by."""
        wanted = self.program.requires.spaces
        spaces = {"projection": z} if "projection" in wanted else {}
        if "backbone" in wanted:
            spaces["backbone"] = self._gathered_embeddings(features.detach())
        return spaces

    def _loss(self, nodes: Nodes, z: Tensor, spaces: dict[str, Tensor]) -> Tensor:
        relation = self.program.relate(
            nodes, spaces=spaces, epoch=self.current_epoch, step=self.global_step
        )
        try:
            return self.loss(relation, z)
        except RRLError as problem:
            raise self._explained(problem, nodes, spaces) from None

    def _explained(self, problem: RRLError, nodes: Nodes, spaces: dict[str, Tensor]) -> RRLError:
        """A collapse with the share of false edges that may have led to it."""
        first = problem.diagnostics[0]
        if first.code != "RRL409" or self.clean is None:
            return problem
        figures = self._edge_statistics(nodes, spaces)
        message = (
            f"{first.message}; {float(figures['edges/false']):.0%} of the batch's edges are false"
        )
        return RRLError(Diagnostic(first.code, message, hint=first.hint))

    def _probe_loss(self, features: Tensor, embeddings: Tensor, label: Tensor) -> Tensor:
        found = (("backbone", features), ("projector", embeddings))
        losses = [
            # a batch without one known label has no mean
            F.cross_entropy(
                self.probes[name](each.detach()), label, ignore_index=-1, reduction="sum"
            )
            / (label >= 0).sum().clamp(min=1)
            for name, each in found
        ]
        return torch.stack(losses).sum()

    def _log_edges(self, nodes: Nodes, spaces: dict[str, Tensor]) -> None:
        figures = self._edge_statistics(nodes, spaces)
        self.log_dict(figures, on_step=False, on_epoch=True, batch_size=1)

    def _edge_statistics(self, nodes: Nodes, spaces: dict[str, Tensor]) -> Mapping[str, Tensor]:
        return edge_statistics(
            self.program,
            self.clean,
            nodes,
            spaces=spaces,
            epoch=self.current_epoch,
            step=self.global_step,
        )

    def _draw_seed(self) -> int:
        """What the views of this step follow from, on this rank."""
        return key(self.config.seed, stream_word("views", self.global_rank), self.global_step)

    def _gathered_embeddings(self, z: Tensor) -> Tensor:
        """All ranks' embeddings, so that the loss does not depend on the number of ranks.

        The gradient of the gathering sums over ranks and DDP averages, so each rank's weights get
        the gradient of one loss over the whole batch.
        """
        if self.trainer.world_size == 1:
            return z
        gathered: Tensor = self.all_gather(z, sync_grads=True)  # type: ignore[assignment]
        return gathered.flatten(0, 1)

    def _gathered(self, nodes: Nodes) -> Nodes:
        if self.trainer.world_size == 1:
            return nodes

        def gather(column: Tensor) -> Tensor:
            gathered: Tensor = self.all_gather(column)  # type: ignore[assignment]
            return gathered.flatten(0, 1)

        labels = {name: gather(column) for name, column in nodes.labels.items()}
        fields = {name: gather(column) for name, column in nodes.fields.items()}
        return Nodes(gather(nodes.sample), gather(nodes.view), labels, fields, check=False)
