"""A tower of a run for use without the trainer."""

from __future__ import annotations

from torch import Tensor, nn

from rrl_dsl.data.batches import Batch
from rrl_dsl.language.diagnostics import error
from rrl_dsl.models.towers import TowerInput


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
            given: What the field has.
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
            RRLError: RRL402 if the shape is another, or a token is not in the vocabulary.
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
