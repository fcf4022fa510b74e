"""The views of one sample."""

from rrl_dsl.graph.builtin import Views, source
from rrl_dsl.graph.pair import Pair
from rrl_dsl.graph.recording import Mask


@source(example="ssl(views=2)")
def ssl(pair: Pair, views: Views = 2) -> Mask:
    """Relates the views of one sample.

    Two rows have an edge if they are views of the same sample, as in self-supervised learning. The
    trainer draws `views` views of each sample.

    Args:
        views: The number of views of each sample.
    """
    pair.ask_views(views)
    return pair.same_sample
