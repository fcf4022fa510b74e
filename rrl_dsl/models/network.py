"""The network of a method: an encoder and all parts that loss and recipe need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn

from rrl_dsl.backends.nodes import Nodes
from rrl_dsl.backends.processes import Parts, all_rows, by_rank, check_alike
from rrl_dsl.backends.program import Program
from rrl_dsl.backends.strategy import Gather
from rrl_dsl.language.diagnostics import error
from rrl_dsl.losses import Loss
from rrl_dsl.losses.outputs import Output
from rrl_dsl.models.accumulation import in_parts
from rrl_dsl.models.backbones import Backbone, build_backbone, wrapped
from rrl_dsl.models.bank import Bank
from rrl_dsl.models.encoder import Encoder, Outputs, joined
from rrl_dsl.models.heads import Projector
from rrl_dsl.models.masking import block_masks
from rrl_dsl.models.options import NetworkOptions
from rrl_dsl.models.relations import SPACES, Relations, compared
from rrl_dsl.models.requirements import check_loss, parts_of
from rrl_dsl.models.schedule import value_at
from rrl_dsl.models.teacher import Center, Teacher, follow
from rrl_dsl.models.towers import check_towers

GatherRows = Gather | Callable[[Tensor], Tensor]
"""`all`, `ring`, or a function from the rows of one rank (n, ...) to those of all (ranks * n, ...),
with gradients."""


class Network(nn.Module):
    """A backbone with exactly the parts that a loss and a recipe need.

    The parts are a projector, a predictor, a teacher, prototypes, heads for patches, and a bank of
    earlier rows. A training step is:

        outputs = network(views)
        value = network.loss(nodes, outputs)
        value.backward()
        optimizer.step()
        network.follow(steps)

    `state_dict` contains all state, including the bank, the centers and the step.

    Attributes:
        encoder: The student: backbone, projector and heads. With towers, the first of them.
        towers: The encoders of the later views, if they are of other modalities.
        teacher: The moving average of the encoder, or None.
    """

    def __init__(
        self,
        loss: Loss,
        program: Program,
        backbone: Backbone,
        options: NetworkOptions,
        towers: Sequence[Encoder] = (),
    ) -> None:
        """Creates a network with new heads; see `for_`.

        Args:
            loss: The loss.
            program: The compiled recipe.
            backbone: The backbone.
            options: The options of its parts.
            towers: The encoders of the views after the first, if they are of other modalities.

        Raises:
            RRLError: RRL404 and RRL424 if recipe, backbone or towers do not provide what the loss
                needs, RRL502 if the embeddings of towers differ in width.
        """
        super().__init__()
        patches, local = backbone.patch_size is not None, options.local_views.count
        check_loss(program, loss, patches=patches, local_views=local)
        self.criterion = loss
        self.program = program
        self.options = options
        self.parts = parts_of(program.requires, loss)
        self.learned = nn.ParameterList(loss.learned())
        self.encoder = Encoder(
            backbone,
            projector=partial(Projector, **options.projector.model_dump()),
            prototypes=options.prototypes.count,
            parts=self.parts,
        )
        self.towers = nn.ModuleList(towers)
        if towers:
            check_towers(program, loss, towers, self.encoder.projector.width, local)
        self.predictor = self._new_predictor() if "predictor" in self.parts else None
        self.teacher = Teacher(self.encoder) if "teacher" in self.parts else None
        self.bank = Bank(self._bank_size()) if "bank" in self.parts else None
        taken = set(loss.inputs().values())
        self.center = self._new_center() if "center" in taken else None
        self.patch_center = self._new_center() if "patch_center" in taken else None
        self.step = 0

    @classmethod
    def for_(
        cls,
        loss: Loss,
        program: Program,
        backbone: str | nn.Module,
        shape: tuple[int, ...],
        **options: Any,
    ) -> Self:
        """Builds the network that a loss and a recipe need.

        Args:
            loss: The loss, from `rrl_dsl.losses.create`.
            program: The compiled recipe.
            backbone: A name as in the setting `backbone`, or a network that maps float images
                (n, C, H, W) to features (n, width).
            shape: (C, H, W) of the images.
            options: The options of the parts, with the names of the settings of a run:
                `projector={"hidden": 256, "out": 32}`, `bank=4096`.

        Raises:
            RRLError: RRL404 or RRL424 if the recipe or the backbone does not provide what the loss
                needs, RRL501 or RRL502 for an unknown or invalid option, RRL502 for a backbone that
                does not exist or does not accept the images.
        """
        chosen = NetworkOptions.of(options)
        if isinstance(backbone, str):
            return cls(loss, program, build_backbone(backbone, shape), chosen)
        return cls(loss, program, wrapped(backbone, shape), chosen)

    def forward(
        self,
        views: Tensor,
        local: Tensor | None = None,
        *,
        columns: Sequence[Tensor] = (),
        seed: int | None = None,
    ) -> Outputs:
        """Computes the outputs of the student and the teacher for the views of a batch.

        Args:
            views: The views of the recipe, float (views * b, C, H, W), ordered by view, normalized.
            local: The local views, float (local * b, C, side, side), ordered by view.
            columns: The input of each of `towers`, (b, ...); then `views` has one view.
            seed: The seed of the patch masks; defaults to torch's generator.

        Returns:
            Output -> tensor, for the rows of `views` and then of `local` or `columns`. Outputs of
            patches and of the teacher only have the rows of `views`, and so has `backbone` with
            towers.
        """
        size = self.options.micro_batch
        mask = self._mask(views, seed) if "patches" in self.parts else None
        outputs: Outputs = in_parts(self.encoder, views, mask, size=size)
        if local is not None:
            outputs |= joined([outputs, in_parts(self._whole_image, local, size=size)])
        if self.towers:
            outputs["projection"] = self._of_towers(outputs["projection"], columns)
        if self.predictor is not None:
            outputs["prediction"] = self.predictor(outputs["projection"])
        if mask is not None:
            outputs["mask"] = mask
        if self.teacher is not None:
            with torch.no_grad():
                outputs |= in_parts(self.teacher, views, size=size)
        return outputs

    def loss(
        self,
        nodes: Nodes,
        outputs: Outputs,
        *,
        step: int | None = None,
        epoch: int = 0,
        gather: GatherRows | None = None,
    ) -> Tensor:
        """Computes the loss of a step, moves the centers, and pushes the rows to the bank.

        Args:
            nodes: The rows of the views, followed by those of the local views.
            outputs: The outputs for these rows.
            step: The optimizer step; defaults to the last step plus one.
            epoch: The epoch.
            gather: How the ranks of `torch.distributed` share the rows, see `Program.relate`: `all`
                or `ring`; or a function that gathers like `all`: from the rows of this rank to the
                rows of all, in the order of the ranks, that sums gradients over ranks. None for one
                rank. All ranks must have the same number of rows.

        Returns:
            A scalar: the loss over the rows of all ranks. Each rank evaluates its own rows.

        Raises:
            RRLError: As `Program.relate` and `Loss.__call__`.
        """
        relations = self.relations(nodes, outputs, step=step, epoch=epoch, gather=gather)
        value = relations.value(self.criterion)
        self.remember(relations)
        return value

    def relations(
        self,
        nodes: Nodes,
        outputs: Outputs,
        *,
        step: int | None = None,
        epoch: int = 0,
        gather: GatherRows | None = None,
    ) -> Relations:
        """Returns the relations that the loss of a step compares: the first half of `loss`."""
        whole, parts = self._rows_of_views(nodes), None
        taken, kept = set(self.criterion.inputs().values()), self._kept()
        every: Outputs = {name: tensor for name, tensor in outputs.items() if name in taken | kept}
        known = every
        if gather is not None:
            own_whole, function = whole, all_rows if isinstance(gather, str) else gather
            if nodes.checked:
                check_alike((nodes,), function)
            parts = _parts(len(nodes), own_whole, function, nodes.device, ring=gather == "ring")
            nodes = nodes.map(lambda column: _gathered(column, own_whole, function))
            whole = parts[True].places.numel()
            wanted = every
            if gather == "ring":
                wanted = {name: tensor.detach() for name, tensor in every.items() if name in kept}
            known = {
                name: _gathered(tensor, own_whole, function) for name, tensor in wanted.items()
            }
            every = every if gather == "ring" else known
        if self.center is not None:
            every["center"] = self.center.value.clone()
        if self.patch_center is not None:
            every["patch_center"] = self.patch_center.value.clone()
        size = self.program.requires.bank
        bank = self.bank.newest(size, nodes.device) if self.bank is not None else None
        if "bank" in self.criterion.inputs().values():
            every["bank"] = self._earlier_projections(every, whole)
        at = self.step if step is None else step
        return Relations(self.program, nodes, every, known, whole, bank, epoch, at, parts)

    def remember(self, relations: Relations) -> None:
        """Moves the centers and pushes the rows of the views to the bank: the end of `loss`."""
        outputs = relations.outputs
        self.step = relations.step + 1
        if self.center is not None:
            self.center.update(outputs["teacher_prototypes"])
        if self.patch_center is not None:
            self.patch_center.update(outputs["teacher_patch_prototypes"], outputs["mask"])
        if self.bank is not None:
            rows = self._rows_to_keep(relations)
            kept: Outputs = {name: relations.known[name][rows] for name in sorted(self._kept())}
            self.bank.push(relations.nodes[rows], kept)

    def freeze_prototypes(self, epoch: int) -> None:
        """Removes the gradients of the prototypes in the epochs in which they are frozen.

        Call it between `backward` and `optimizer.step`.
        """
        if epoch < self.options.prototypes.frozen:
            for head in (self.encoder.prototypes, self.encoder.patch_prototypes):
                if head is not None:
                    head.zero_grad()

    def follow(self, steps: int | None = None) -> None:
        """Moves the teacher towards the encoder. Does nothing without a teacher.

        Call it after `optimizer.step`.

        Args:
            steps: The number of steps of the training, over which the momentum of the teacher
                rises. By default, the momentum keeps its first value.
        """
        if self.teacher is None:
            return
        chosen = self.options.teacher
        momentum = chosen.momentum
        if steps is not None:
            momentum = value_at(
                self.step - 1, steps, chosen.momentum, chosen.final, chosen.schedule
            )
        follow(self.teacher.encoder, self.encoder, momentum)

    def get_extra_state(self) -> dict[str, int]:
        """Returns the state that is not a tensor: the step."""
        return {"step": self.step}

    def set_extra_state(self, state: dict[str, int]) -> None:
        """Restores the state from `get_extra_state`."""
        self.step = state["step"]

    def _new_predictor(self) -> Projector:
        chosen, width = self.options.predictor, self.encoder.projector.width
        return Projector(width, chosen.hidden, width, chosen.norm, chosen.layers)

    def _new_center(self) -> Center:
        chosen = self.options.prototypes
        return Center(chosen.count, chosen.center_momentum)

    def _bank_size(self) -> int:
        own = self.options.bank if "bank" in self.criterion.needs() else 0
        return max(self.program.requires.bank, own)

    def _whole_image(self, images: Tensor) -> Outputs:
        return self.encoder.heads(self.encoder.backbone(images))

    def _of_towers(self, first: Tensor, columns: Sequence[Tensor]) -> Tensor:
        """Returns the embeddings of all towers: those of the first, then of the others."""
        size = self.options.micro_batch
        others = [
            in_parts(tower, column, size=size)["projection"]
            for tower, column in zip(self.towers, columns, strict=True)
        ]
        return torch.cat([first, *others])

    def _mask(self, images: Tensor, seed: int | None) -> Tensor:
        chosen = self.options.mask
        return block_masks(
            len(images),
            self.encoder.backbone.grid(*images.shape[2:]),
            ratio=chosen.ratio,
            probability=chosen.probability,
            seed=int(torch.randint(2**62, ())) if seed is None else seed,
            device=images.device,
        )

    def _rows_of_views(self, nodes: Nodes) -> int:
        """Returns the number of rows of the recipe's views; the others are local views."""
        local = self.options.local_views.count
        if not local:
            return len(nodes)
        views = self.program.requires.views
        samples, rest = divmod(len(nodes), views + local)
        if rest:
            message = (
                f"{len(nodes)} rows are not {views} views and {local} local views of each sample"
            )
            raise error(
                "RRL406", message, hint="pass the rows of the views, then those of the local views"
            )
        return samples * views

    def _earlier_projections(self, outputs: Outputs, whole: int) -> Tensor:
        """Returns the rows that a loss searches; in the first step, the rows of the batch."""
        projections = outputs["projection"]
        if self.bank is not None:
            earlier = self.bank.newest(self.options.bank, projections.device)
            if earlier is not None:
                return earlier[1]["projection"]
        return projections[:whole].detach()

    def _kept(self) -> set[Output]:
        """Returns the outputs that the bank keeps: those that are compared with its rows."""
        kept: set[Output] = {
            SPACES[space] for space in self.program.requires.spaces if space in SPACES
        }
        if self.program.requires.bank:
            kept |= {compared(term)[1] for _, term in self.criterion.flat_terms()}
        return kept | ({"projection"} if "bank" in self.criterion.needs() else set())

    def _rows_to_keep(self, relations: Relations) -> Tensor:
        """Returns the indices of the rows that the bank keeps, int64."""
        every = self.program.requires.views
        views = min(self.options.bank_views or every, every)
        later = relations.nodes.view[: relations.whole] >= views
        # sorted, because `nonzero` would wait for the device
        return later.long().argsort(stable=True)[: relations.whole // every * views]


def _gathered(own: Tensor, whole: int, gather: Callable[[Tensor], Tensor]) -> Tensor:
    """Gathers the rows of all processes: first the views, then the local views."""
    parts = [part for part in (own[:whole], own[whole:]) if len(part)]
    return torch.cat([gather(part) for part in parts])


def _parts(
    own: int, whole: int, gather: Callable[[Tensor], Tensor], device: torch.device, *, ring: bool
) -> tuple[Parts, Parts]:
    """Which of all rows, and which of the rows of views, are those of which rank.

    Args:
        own: The rows of this rank.
        whole: How many of them are of views.
        gather: From the rows of this rank to those of all.
        device: Where the rows are.
        ring: Whether embeddings are passed around a ring.
    """
    of_views, of_local = by_rank(whole, device), by_rank(own - whole, device)
    everything = torch.cat([of_views, of_local + of_views.numel()], dim=1)
    return Parts(everything, gather, ring), Parts(of_views, gather, ring)
