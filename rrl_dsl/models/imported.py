"""Networks of other packages by name.

`timm:NAME` and `torchvision:NAME` are networks of these packages. `package.module:attribute` is a
class or function of any package. A package can declare names in the entry-point group
`rrl_dsl.backbones`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from operator import attrgetter
from typing import Any, Final, get_type_hints

import torch
import torchvision
from torch import Tensor, nn

from rrl_dsl.language.diagnostics import RRLError, did_you_mean, error
from rrl_dsl.language.machine import is_out_of_memory
from rrl_dsl.models.tokens import PatchEncoder, Tokens

ENTRY_POINTS: Final = "rrl_dsl.backbones"
"""Entry points of this group are callables that make a network, with the arguments of
`imported_network`."""

_LIBRARIES: Final = ("timm", "torchvision")
PUBLISHING: Final = tuple(f"{library}:" for library in _LIBRARIES)
"""The beginnings of the names of networks that have published weights."""

_MODULE_HINT = "install its package, or add its folder to PYTHONPATH"
_MAKER_HINT = (
    "name a subclass of `torch.nn.Module`, or annotate the function: `def network() -> nn.Module`"
)


def declared() -> dict[str, EntryPoint]:
    """Returns the entry points of other packages by name, without loading them."""
    return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


def is_place(name: str) -> bool:
    """Whether a name is `package.module:attribute`, which imports that module."""
    source, colon, _ = name.partition(":")
    return bool(colon) and source not in _LIBRARIES


def imported_network(
    name: str,
    shape: tuple[int, ...],
    options: Mapping[str, Any],
    *,
    pretrained: bool = False,
) -> nn.Module:
    """Builds a network of another package.

    Args:
        name: `timm:NAME` calls `timm.create_model` without classifier, and for images
            of this shape; `torchvision:NAME` calls the function of that name in torchvision;
            `package.module:attribute`, or a name that a package declares, calls a class or function
            with the options, and with `shape=(C, H, W)` where it has a parameter of that name.
        shape: (C, H, W) of the images.
        options: Further arguments.
        pretrained: Whether a network of timm or torchvision has its published weights.

    Raises:
        RRLError: RRL512, if the published weights cannot be loaded. RRL502, if the network cannot
            be imported or created, or is not a `torch.nn.Module`. Nothing is called that is neither
            declared by a package, nor a subclass of `torch.nn.Module`, nor a function annotated to
            return one.
    """
    source, _, target = name.partition(":")
    if source == "timm":
        return _from_timm(target, shape, options, pretrained)
    if source == "torchvision":
        return _from_torchvision(target, options, pretrained)
    make = resolve(name)
    given = dict(options)
    with _explained(f"`{name}` cannot be created"):
        if "shape" in inspect.signature(make).parameters:
            given["shape"] = shape
        net = make(**given)
    if not isinstance(net, nn.Module):
        message = f"`{name}` returns a value of type `{type(net).__name__}`, not a torch.nn.Module"
        raise error("RRL502", message, hint=_MAKER_HINT)
    return net


def resolve(name: str) -> Callable[..., Any]:
    """Returns the class or function that a name refers to, without calling it.

    Args:
        name: `package.module:attribute`, or one of `declared()`.

    Raises:
        RRLError: RRL502 if it cannot be imported, or is not declared to return a network.
    """
    if ":" not in name:
        with _explained(f"the backbone `{name}` cannot be imported"):
            make: Callable[..., Any] = declared()[name].load()
        return make
    module, _, attribute = name.partition(":")
    make = _attribute(module, attribute)
    if not _makes_a_network(make):
        message = f"`{name}` is neither a torch.nn.Module class nor a function that returns one"
        raise error("RRL502", message, hint=_MAKER_HINT)
    return make


def _makes_a_network(make: Callable[..., Any]) -> bool:
    """Whether it is an `nn.Module` class, or a function annotated to return an `nn.Module`."""
    if inspect.isfunction(make) or inspect.ismethod(make):
        with _explained(f"the annotations of `{make.__qualname__}` cannot be read"):
            kind = get_type_hints(make).get("return")
    else:
        kind = make
    return inspect.isclass(kind) and issubclass(kind, nn.Module)


def width_of(net: nn.Module, name: str, shape: tuple[int, ...]) -> int:
    """Returns the number of features of a network, from a trial on a black image.

    Args:
        net: The network.
        name: Its name, for the error.
        shape: (C, H, W) of the image.

    Raises:
        RRLError: RRL502 if it fails, or does not return float (1, width).
    """
    with _explained(f"`{name}` fails on an image of shape {shape}"):
        features = _trial(net, net, shape)
    if not isinstance(features, Tensor):
        returned = f"a value of type `{type(features).__name__}`"
    elif features.ndim != 2 or len(features) != 1 or not features.is_floating_point():
        returned = f"{str(features.dtype).removeprefix('torch.')} of shape {tuple(features.shape)}"
    else:
        return features.shape[1]
    message = f"`{name}` returns {returned} for one image, not float features of shape (1, width)"
    raise error("RRL502", message, hint="pool and flatten its output")


def _attribute(module: str, attribute: str) -> Callable[..., Any]:
    """Imports a class or function by its module and its name."""
    try:
        imported = import_module(module)
    except ModuleNotFoundError as problem:
        missing = str(problem.name)
        if not f"{module}.".startswith(
            f"{missing}."
        ):  # the module exists, and imports one that does not
            raise _failure(f"`{module}` cannot be imported", problem) from problem
        message = f"there is no module `{missing}` for the backbone `{module}:{attribute}`"
        raise error("RRL502", message, hint=_MODULE_HINT) from None
    except Exception as problem:
        raise _failure(f"`{module}` cannot be imported", problem) from problem
    try:
        make: Callable[..., Any] = attrgetter(attribute)(imported)
    except AttributeError:
        public = [member for member in dir(imported) if not member.startswith("_")]
        hint = did_you_mean(attribute, public) or _MAKER_HINT
        raise error("RRL502", f"`{module}` has no attribute `{attribute}`", hint=hint) from None
    return make


def _from_torchvision(name: str, options: Mapping[str, Any], pretrained: bool) -> nn.Module:
    known = torchvision.models.list_models(module=torchvision.models)
    if name not in known:
        hint = did_you_mean(name, known) or "`torchvision.models.list_models()` lists them"
        raise error("RRL502", f"torchvision has no network `{name}`", hint=hint)
    _check_weights("torchvision", name, options, "weights")
    weights = "DEFAULT" if pretrained else None
    with _created("torchvision", name, pretrained):
        net: nn.Module = torchvision.models.get_model(name, weights=weights, **options)
    with _explained(f"`torchvision:{name}` has no last layer to remove"):
        linear = [path for path, part in net.named_modules() if isinstance(part, nn.Linear)]
        if linear:  # the last layer scores the classes
            net.set_submodule(linear[-1], nn.Identity())
    return net


def _from_timm(
    name: str, shape: tuple[int, ...], options: Mapping[str, Any], pretrained: bool
) -> nn.Module:
    timm = _timm(name)
    if not timm.is_model(name):
        alike = [known for known in timm.list_models() if known[:3] == name[:3]]
        hint = did_you_mean(name, alike) or "`timm.list_models()` lists them"
        raise error("RRL502", f"timm has no network `{name}`", hint=hint)
    _check_weights("timm", name, options, "pretrained", "checkpoint_path")
    given = timm_arguments(name, shape, options)
    with _created("timm", name, pretrained):
        net: nn.Module = timm.create_model(name, pretrained=pretrained, num_classes=0, **given)
    with _explained(f"`timm:{name}` cannot be applied"):
        side = _patch_side(net, shape)
    return net if side is None else _TimmTransformer(net, side)


def timm_arguments(name: str, shape: tuple[int, ...], options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments of `timm.create_model` for images of a shape, beside `num_classes`.

    Raises:
        RRLError: RRL502 if timm is not installed.
    """
    given: dict[str, Any] = {"in_chans": shape[0], **options}
    if _timm(name).get_pretrained_cfg(name).fixed_input_size:  # those that take `img_size`
        given.setdefault("img_size", shape[1:])
    return given


def _timm(name: str) -> Any:
    """Imports timm, for one of its networks."""
    try:
        return import_module("timm")
    except ModuleNotFoundError as problem:
        if problem.name != "timm":
            raise _failure("timm cannot be imported", problem) from problem
        message = f"the backbone `timm:{name}` needs timm, which is not installed"
        raise error("RRL502", message, hint="`pip install timm`") from None


class _TimmTransformer(PatchEncoder):
    """A vision transformer of timm, with a learned mask token."""

    def __init__(self, net: Any, patch_size: int) -> None:
        super().__init__(patch_size)
        self.net = net
        self.mask_token = nn.Parameter(torch.zeros(net.embed_dim))

    def tokens(self, images: Tensor, mask: Tensor | None = None) -> Tokens:
        def replace(_: nn.Module, inputs: tuple[Tensor], patches: Tensor) -> Tensor:
            if mask is None:
                return patches
            # (n, P, width), or (n, rows, columns, width) where the size of images may change
            where = mask.reshape(*patches.shape[:-1], 1)
            return torch.where(where, self.mask_token.to(patches.dtype), patches)

        hook = self.net.patch_embed.register_forward_hook(replace)
        try:
            sequence = self.net.forward_features(images)
        finally:
            hook.remove()
        # a gradient in every step, which processes that train together wait for
        features = self.net.forward_head(sequence) + 0 * self.mask_token.sum()
        return Tokens(features, sequence[:, self.net.num_prefix_tokens :])


def _patch_side(net: Any, shape: tuple[int, ...]) -> int | None:
    """Returns the side of the patches of a timm network, or None if it has no patch tokens."""
    sides = getattr(getattr(net, "patch_embed", None), "patch_size", None)
    prefix = getattr(net, "num_prefix_tokens", None)
    if prefix is None or not isinstance(sides, tuple) or len(set(sides)) != 1:
        return None
    side = int(sides[0])
    if shape[1] % side or shape[2] % side:
        return None
    features = _trial(net, net.forward_features, shape)
    patches = (shape[1] // side) * (shape[2] // side)
    return side if features.shape == (1, prefix + patches, net.embed_dim) else None


def _trial(net: nn.Module, call: Callable[[Tensor], Any], shape: tuple[int, ...]) -> Any:
    """Calls a network on one black image in evaluation mode."""
    modes = [(module, module.training) for module in net.modules()]
    net.eval()
    try:
        with torch.no_grad():
            return call(torch.zeros(1, *shape))
    finally:
        for module, mode in modes:
            module.training = mode


def _check_weights(library: str, name: str, options: Mapping[str, Any], *reserved: str) -> None:
    """Refuses options that name weights: settings do."""
    if given := [option for option in reserved if option in options]:
        message = f"`{library}:{name}` takes no option `{given[0]}` here"
        hint = "use `--set pretrained=true` for its published weights, or `init` for a file"
        where = (f"backbone_options.{given[0]}",)
        raise error("RRL502", message, hint=hint, settings=where)


@contextmanager
def _created(library: str, name: str, pretrained: bool) -> Iterator[None]:
    """Explains why a network cannot be created: as `_explained`, or by missing weights."""
    try:
        with _explained(f"`{library}:{name}` cannot be created"):
            yield
    except RRLError as problem:
        if not (pretrained and isinstance(problem.__cause__, OSError | RuntimeError | ValueError)):
            raise
        cache = {"timm": "HF_HOME", "torchvision": "TORCH_HOME"}[library]
        reason = problem.diagnostics[0].message.partition("cannot be created: ")[2]
        message = f"`pretrained` needs the published weights of `{library}:{name}`, which cannot "
        message += f"be loaded: {reason}"
        hint = "run once with a network connection, which fills the cache of the library "
        hint += f"(`{cache}`), or start from a file with `init`"
        raise error("RRL512", message, hint=hint, settings=("pretrained",)) from problem


@contextmanager
def _explained(message: str) -> Iterator[None]:
    """Raises the errors of other packages as errors with a code."""
    try:
        yield
    except RRLError:
        raise
    except Exception as problem:
        if is_out_of_memory(problem):
            raise
        raise _failure(message, problem) from problem


def _failure(message: str, problem: Exception) -> RRLError:
    first, *_ = str(problem).splitlines() or [""]
    what = f"{message}: {type(problem).__name__}: {first}" if first else f"{message}: {problem!r}"
    return error("RRL502", what, hint="fix the network or its `options`")
