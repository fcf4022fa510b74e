"""One edge for each row: to another view of its sample, or to a neighbor."""

from dataclasses import dataclass
from typing import Any

from rrl_dsl.graph.builtin import Count, Index, Positive, Seed, SpaceOrField, source
from rrl_dsl.graph.pair import Pair
from rrl_dsl.graph.recording import Mask
from rrl_dsl.graph.stage import BatchRows, Stage
from rrl_dsl.graph.types import MODEL_SPACES


@dataclass(frozen=True)
class Bootstrapped(Stage):
    """One column for each row: see `bootstrap`. It takes the hash of every row."""

    space: SpaceOrField
    k: int
    temperature: float
    levels = 1
    longest = 1

    def find(self, arrays: Any, batch: BatchRows) -> Any:
        """The lists of one row, band by band."""
        sample, (hashes,) = batch.rows.sample, batch.inputs
        in_model = self.space in MODEL_SPACES
        vectors = batch.spaces[self.space] if in_model else batch.rows.vector(self.space)
        vectors = arrays.unit_vectors(arrays.float64(vectors))
        known = batch.first & arrays.isfinite(vectors).all(1)
        offered = known & batch.is_column
        position = arrays.positions(vectors)
        uniform = arrays.float64(hashes >> 1) / 2.0**31

        def chosen(rows: Any) -> Any:
            distance = arrays.ranked_distance(vectors[rows], vectors, "cosine")
            others = offered & known[rows][:, None] & (position != rows[:, None])
            distance = arrays.where(others, distance, float("inf"))
            same = sample[rows][:, None] == sample
            of_own = arrays.where(same, distance, float("inf"))
            own, nearest = arrays.smallest(of_own, 1)[:, 0], arrays.amin(of_own, 1)
            neighbors = arrays.smallest(distance, self.k)
            row = arrays.positions(rows)
            farther = distance[row[:, None], neighbors] - nearest[:, None]
            chance = arrays.exp(-farther / self.temperature)
            up_to = arrays.where(neighbors < 0, 0.0, chance).cumsum(1)
            place = (up_to <= (uniform[rows] * up_to[:, -1])[:, None]).sum(1)
            drawn = neighbors[row, place.clip(max=neighbors.shape[1] - 1)]
            return arrays.where(nearest <= arrays.amin(distance, 1), drawn, own)[:, None]

        return batch.by_rows(chosen)


@source(example="bootstrap(3, temperature=0.02, space=caption)", given={"k": "10"})
def bootstrap(
    pair: Pair,
    k: Count,
    *,
    temperature: Positive,
    space: SpaceOrField = "teacher",
    bank: Index = 0,
    seed: Seed | None = None,
) -> Mask:
    """Relates each row to another view of its sample, or to a neighbor.

    Row i has one edge, to a column j that is drawn again in every step. If no other sample is
    nearer to row i than its own, j is one of its k nearest columns, drawn with a probability in
    proportion to exp(cos(x_i, x_j) / temperature). Otherwise, j is the nearest view of its own
    sample. A neighbor is therefore drawn less often the farther it is compared with that view.
    Edges go from i to j and not back. A row is never its own neighbor.
    With `bank=m`, the last m rows are additional columns.

    Lebailly et al. (2023), AdaSim. They average the similarities of a sample over the last 50
    epochs; here they are those of one step.

    Args:
        k: The number of nearest columns to draw from.
        temperature: How strongly nearer columns are preferred.
        space: The embeddings or the field in which similarities are measured.
        bank: The number of earlier rows that are additional columns.
        seed: A seed for this call, in place of the recipe's: the same draws in every run.
    """
    pair.ask_views(2)
    pair.ask_bank(bank)
    stage = Bootstrapped(space, k, temperature)
    return pair.listed(stage, "directed", hashed=pair.key("step")) & ~pair.same_row
