"""Names the settings that may have made a training diverge."""

from __future__ import annotations

from rrl_dsl.language.diagnostics import RRLError, error, listing
from rrl_dsl.training.config import Config


def diverged(what: str, config: Config, *, learned: bool) -> RRLError:
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
