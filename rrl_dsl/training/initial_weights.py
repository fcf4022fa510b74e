"""The weights that a backbone starts from: those of a file or of another run."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from rrl_dsl.language.diagnostics import Diagnostic, error
from rrl_dsl.language.files import open_file
from rrl_dsl.models.backbones import Backbone
from rrl_dsl.training.resume import newest
from rrl_dsl.training.trained_encoder import weights_of

_SHOWN: Final = 10


@torch.no_grad()
def start_from(backbone: Backbone, place: str) -> Diagnostic | None:
    """Gives a backbone the weights of a file or of a run.

    Weights match by name and shape. The names in a file may have a common prefix, such as
    `state_dict.module.backbone.`: the prefix under which most weights match is removed.

    Args:
        backbone: The backbone.
        place: A file of a state dict, `.safetensors` or as `torch.save` writes it; or a run
            directory, whose newest checkpoint is used.

    Returns:
        A warning that lists what does not match, on both sides; None if everything does.

    Raises:
        RRLError: RRL512 if the weights cannot be read, or none matches; as
            `rrl_dsl.training.resume.newest`.
    """
    path = Path(place)
    given = weights_of(newest(path, None), "backbone") if path.is_dir() else _read(path)
    wanted = {name.removeprefix("body."): weight for name, weight in backbone.state_dict().items()}
    source = _sources(given, wanted)
    matched = [name for name in wanted if _fits(given.get(source[name]), wanted[name])]
    if not any(wanted[name].ndim for name in matched):  # counters match any other counter
        message = f"no weight of `{place}` matches the backbone: it has {_listed(given)}, and the "
        message += f"backbone has {_listed(wanted)}"
        raise error("RRL512", message, hint="use the backbone that the weights are from")
    for name in matched:
        wanted[name].copy_(given[source[name]])
    message = f"{len(matched)} of the {len(wanted)} tensors of the backbone are from `{place}`"
    if kept := [name for name in wanted if name not in matched]:
        reasons = [f"`{name}` ({_why(given.get(source[name]), wanted[name])})" for name in kept]
        message += f"; these keep their random values: {_shortened(reasons)}"
    taken = {source[name] for name in matched}
    if unused := [name for name in given if name not in taken]:
        message += f"; these tensors of the file are not used: {_listed(unused)}"
    return Diagnostic("RRL512", message, severity="warning") if kept or unused else None


def _why(given: Tensor | None, wanted: Tensor) -> str:
    if given is None:
        return "missing"
    return f"{_shape(given)} there, {_shape(wanted)} here"


def _shape(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"


def _listed(names: Mapping[str, Any] | list[str]) -> str:
    return _shortened([f"`{name}`" for name in names])


def _shortened(texts: list[str]) -> str:
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more


def _fits(given: Tensor | None, wanted: Tensor) -> bool:
    return given is not None and given.shape == wanted.shape


def _sources(given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, str]:
    """The name in a file for every weight, with the prefixes under which most weights match.

    Of equally good prefixes it is the shortest, and of these the first. Networks with patch tokens
    have other names than those of their libraries: see `rrl_dsl.models.plain`.
    """
    best, most = dict(zip(wanted, wanted, strict=True)), 0
    for before, now in (("", ""), ("net.", ""), ("embed.", "conv_proj.")):
        plain = [
            now + name.removeprefix(before) if name.startswith(before) else name for name in wanted
        ]
        for prefix in _prefixes(given):
            names = {name: prefix + other for name, other in zip(wanted, plain, strict=True)}
            fitting = sum(_fits(given.get(names[name]), weight) for name, weight in wanted.items())
            if fitting > most:
                best, most = names, fitting
    return best


def _prefixes(names: Mapping[str, Any]) -> list[str]:
    """Every prefix of the names that ends at a dot, and none, the shortest first."""
    prefixes = {"": None}
    for name in names:
        parts = name.split(".")
        prefixes |= {".".join(parts[:end]) + ".": None for end in range(1, len(parts))}
    return sorted(prefixes, key=len)


def _read(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name; those of nested mappings with dots."""
    try:
        with open_file(path) as file:  # which refuses a pipe or a device, that may never end
            if path.suffix == ".safetensors":
                content: Any = _safetensors(path)
            else:
                content = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as problem:
        raise error("RRL512", f"cannot read `{path}`: {problem.strerror or problem}") from None
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError) as problem:
        reason = str(problem).partition("\n")[0]
        if isinstance(problem, pickle.UnpicklingError):  # its text suggests running code
            reason = "it is damaged, or holds objects other than tensors"
        hint = "save only the weights: `torch.save(network.state_dict(), FILE)`"
        message = f"`{path}` is not a file of weights: {reason}"
        raise error("RRL512", message, hint=hint) from None
    tensors = dict(_flat(content))
    if not tensors:
        raise error("RRL512", f"`{path}` holds no weights", hint="pass a state dict")
    return tensors


def _safetensors(path: Path) -> Any:
    try:
        load, failure = import_module("safetensors.torch").load_file, _failure()
    except ModuleNotFoundError:
        message = f"`{path}` needs safetensors, which is not installed"
        hint = "install it with `pip install 'rrl-dsl[safetensors]'`"
        raise error("RRL512", message, hint=hint) from None
    try:
        return load(path)
    except failure as problem:
        raise ValueError(problem) from None


def _failure() -> type[Exception]:
    failure: type[Exception] = import_module("safetensors").SafetensorError
    return failure


def _flat(tree: Any, above: str = "") -> Iterator[tuple[str, Tensor]]:
    if isinstance(tree, Tensor | nn.Parameter):
        yield above.removesuffix("."), tree
    elif isinstance(tree, Mapping):
        for name, value in tree.items():
            yield from _flat(value, f"{above}{name}.")
