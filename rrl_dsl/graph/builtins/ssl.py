"""The views of one sample."""

from rrl_dsl.graph.builtin import Views, source
from rrl_dsl.graph.recording import Mask, Pair


@source(example="ssl(views=2)")
def ssl(pair: Pair, views: Views = 2) -> Mask:
    """Relates the views of one sample.

    An edge where both rows are views of the same sample: self-supervised learning. `views` also
    tells the trainer how many views to draw.

    Args:
        views: How many views of each sample to draw.
    """
    pair.ask_views(views)
    return pair.same_sample
