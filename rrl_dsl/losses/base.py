"""The base class of losses: formulas over the reductions of a relation.

A loss declares its options as fields and its requirements as attributes and methods, and implements
`value`. It never builds an (n, n) matrix itself.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any, ClassVar, Literal, get_args

import torch
from pydantic import (
    ConfigDict,
    Field,
    GetPydanticSchema,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
)
from pydantic.dataclasses import dataclass
from pydantic_core.core_schema import no_info_wrap_validator_function as wrap_validator
from torch import Tensor, nn
from torch.nn import functional as F

from rrl_dsl.backends.matrix import of_matrix
from rrl_dsl.backends.relation import Relation, at_least_float32, without_autocast
from rrl_dsl.backends.ring import RingRelation, refused
from rrl_dsl.language.diagnostics import did_you_mean, error, listing
from rrl_dsl.losses.outputs import OUTPUTS, Output, Part

Normalize = Literal["rows", "edges"]
"""`rows`: the mean over rows with an edge of each row's mean; `edges`: the mean over all edges."""

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Finite = Annotated[float, Field(allow_inf_nan=False)]


def _kept(value: Any, number: ValidatorFunctionWrapHandler) -> Any:
    """Returns a tensor unchanged, for its gradient, and any other value as a number."""
    if not isinstance(value, Tensor):
        return number(value)
    if value.ndim or not value.is_floating_point():
        raise ValueError("should be a number or a floating-point tensor of shape ()")
    return value


def _kept_positive(value: Any, number: ValidatorFunctionWrapHandler) -> Any:
    value = _kept(value, number)
    if isinstance(value, Tensor) and value.device.type == "cpu" and not value > 0:
        raise ValueError("should be above 0")  # reading it from another device would wait
    return value


Learnable = Annotated[
    float | Tensor,
    GetPydanticSchema(lambda _, handler: wrap_validator(_kept_positive, handler(_Positive))),
]
"""An option above 0: a number, or a tensor of shape (), which keeps its gradient."""

LearnableReal = Annotated[
    float | Tensor,
    GetPydanticSchema(lambda _, handler: wrap_validator(_kept, handler(_Finite))),
]
"""An option of any sign: a number, or a tensor of shape (), which keeps its gradient."""

OPTIONS = ConfigDict(extra="forbid", arbitrary_types_allowed=False)

_EPSILON = 1e-6  # half precision can hold it


@dataclass(frozen=True, kw_only=True, config=OPTIONS)
class Loss(ABC):
    """A loss with its options. Call it with a relation, or with a matrix of weights.

    Attributes:
        binary: Whether every weight must be 0 or 1.
        symmetric: Whether the columns must be the rows, with symmetric weights.
        views: The least number of views per sample.
        row_wise: Whether it changes each embedding on its own, and compares embeddings only by
            reductions of the relation, other than `nearest_unrelated` and `restricted`. Such a loss
            can be computed around a ring of processes.
    """

    binary: ClassVar[bool] = False
    symmetric: ClassVar[bool] = False
    views: ClassVar[int] = 1
    row_wise: ClassVar[bool] = False

    def __call__(
        self,
        relation: Relation | Tensor,
        z: Tensor,
        *,
        keys: Tensor | None = None,
        view: Tensor | None = None,
        **others: Tensor,
    ) -> Tensor:
        """Returns the value of the loss.

        Args:
            relation: A relation, or weights (n, m), bool or a real dtype and not negative; float64
                weights are computed with in float64.
            z: The rows' embeddings (n, d), or those of their patches (n, P, d): see `inputs`.
            keys: The columns' embeddings (m, d), if the columns are not the rows. If the loss takes
                them from another network, such as a teacher, the columns of a square matrix are
                the rows, and its diagonal is self. Otherwise no pair is self.
            view: int64 (n,), the view of each row; only with a matrix instead of a relation.
            others: Further inputs of the loss, by the names in `inputs()`.

        Returns:
            A scalar in at least float32. Rows without an edge are ignored. Without any edge the
            loss is 0, except for terms that do not read the graph.

        Raises:
            RRLError: RRL406 if something is missing or the shapes do not fit together; RRL405
                or RRL409, depending on the loss.
        """
        self._check_given(z, keys, others)
        least = torch.float32
        if not isinstance(relation, Relation):
            matrix = _as_tensor("the graph", relation)
            views = None if view is None else _as_tensor("`view`", view)
            relation = of_matrix(matrix, view=views, columns=self._has_columns(matrix, keys))
            if matrix.dtype == torch.float64:  # its small weights are none in float32
                least = torch.float64
        elif view is not None:
            raise error("RRL406", "`view` is only for a matrix; a relation has views")
        if isinstance(relation, RingRelation) and not self.row_wise:
            raise refused(f"the loss `{self.name()}`")
        z, keys = relation.of_all(z, keys)
        self._check_shapes(relation, z, z if keys is None else keys)
        wider = torch.promote_types(z.dtype, z.dtype if keys is None else keys.dtype)
        dtype = torch.promote_types(wider, least)
        with without_autocast(z.device):
            rows = z.to(dtype)
            columns = rows if keys is None else keys.to(dtype)
            if 0 in relation.shape:  # nothing to compare costs nothing
                return 0.0 * (rows.sum() + columns.sum())
            return self.value(relation, rows, columns, **_full_precision(others))

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_tensors(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuses a tensor for an option that is a number, because it would lose its gradient."""
        field = cls.__pydantic_fields__[info.field_name]  # type: ignore[attr-defined]
        if isinstance(value, Tensor) and Tensor not in get_args(field.annotation):
            raise ValueError("should be a number; a tensor cannot be learned here")
        return value

    @abstractmethod
    def value(
        self, relation: Relation, z: Tensor, keys: Tensor, *others: Any, **named: Any
    ) -> Tensor:
        """Computes the loss from embeddings of the rows (n, d) and of the columns (m, d), a scalar.

        Both are float32 or float64, and the same tensor if the columns are the rows. The further
        inputs of `inputs` are keyword arguments.
        """

    def inputs(self) -> Mapping[str, Output]:
        """Returns the output of the model that each argument of `value` takes, by argument."""
        return {"z": "projection"}

    def needs(self) -> tuple[Part, ...]:
        """Returns the parts that a model must have."""
        needed = {part for output in self.inputs().values() for part in OUTPUTS[output].parts}
        return tuple(part for part in get_args(Part) if part in needed)

    def terms(self) -> Sequence[tuple[float, Loss]]:
        """Returns the terms of a sum with their weights; any other loss is its only term.

        A term may be a sum; see `flat_terms`.
        """
        return ((1.0, self),)

    def flat_terms(self) -> Sequence[tuple[float, Loss]]:
        """Returns the terms with nested sums expanded; no term is a sum."""
        return ((1.0, self),)

    def summed(self, value: Callable[[Loss], Tensor]) -> Tensor:
        """Returns the weighted sum of a value of each flat term, a scalar."""
        return torch.stack([weight * value(term) for weight, term in self.flat_terms()]).sum()

    def learned(self) -> list[nn.Parameter]:
        """Returns the learned parameters of the loss and of its terms."""
        options = (getattr(self, option.name) for option in fields(self))
        parameters = [option for option in options if isinstance(option, nn.Parameter)]
        for _, term in self.flat_terms():
            if term is not self:
                parameters += term.learned()
        return list(dict.fromkeys(parameters))

    def least_rows(self, width: int) -> int:
        """Returns the least number of rows per view of a batch, for embeddings of this width."""
        return 1

    def skipped(self, relation: Relation) -> dict[str, Tensor]:
        """Returns the share of rows that the loss ignores, by reason; scalars."""
        return {"without_edge": (relation.degree() == 0).float().mean()}

    def over(
        self,
        relation: Relation | Tensor,
        outputs: Mapping[Output, Tensor],
        columns: Mapping[Output, Tensor] | None = None,
    ) -> Tensor:
        """Returns the value of the loss for the outputs of a model.

        Args:
            relation: A relation, or weights, as in `__call__`.
            outputs: The outputs for the rows.
            columns: The outputs for the columns, if they are not the rows.

        Raises:
            RRLError: RRL406 if an output is missing.
        """
        inputs = self.inputs()
        given = {name: outputs[output] for name, output in inputs.items() if output in outputs}
        if columns is not None:
            wanted = inputs.get("keys", inputs["z"])
            if wanted not in columns:
                raise self._lacking("keys", wanted)
            given["keys"] = columns[wanted]
        if "z" not in given:
            raise self._lacking("z", inputs["z"])
        return self(relation, given.pop("z"), **given)

    def _check_given(self, z: Any, keys: Any, others: Mapping[str, Any]) -> None:
        for tensor in (z, z if keys is None else keys, *others.values()):
            if not isinstance(tensor, Tensor):
                raise error("RRL406", f"embeddings must be tensors, not a {type(tensor).__name__}")
        inputs = self.inputs()
        given = {"z", *others} | ({"keys"} if keys is not None else set())
        for name in [name for name in others if name not in inputs]:
            message = f"the loss `{self.name()}` has no argument `{name}`"
            hint = did_you_mean(name, list(inputs)) or f"it takes {listing(inputs, 'and')}"
            raise error("RRL406", message, hint=hint)
        for name in inputs:
            if name not in given and not self._is_optional(name):
                raise self._lacking(name, inputs[name])

    def _check_shapes(self, relation: Relation, z: Tensor, keys: Tensor) -> None:
        n, m = relation.shape
        shape = OUTPUTS[self.inputs()["z"]].shape
        if z.ndim != len(shape) or z.shape[1:] != keys.shape[1:]:
            shapes = f"{tuple(z.shape)}, {tuple(keys.shape)}"
            message = f"embeddings must have shape ({', '.join(shape)}), not {shapes}"
            raise error(
                "RRL406", message, hint="rows and columns must have the same sizes except the first"
            )
        if len(z) != n or len(keys) != m:
            message = (
                f"a relation of shape ({n}, {m}) was given embeddings of {len(z)} rows and "
                f"{len(keys)} columns"
            )
            hint = "pass the embeddings of the columns as `keys=`" if len(z) == n else None
            raise error("RRL406", message, hint=hint)
        if not z.is_floating_point() or not keys.is_floating_point():
            raise error("RRL406", f"embeddings must be floating-point, not {z.dtype}, {keys.dtype}")

    def _is_optional(self, name: str) -> bool:
        """Whether `value` has a default for an input."""
        parameter = inspect.signature(self.value).parameters.get(name)
        return parameter is not None and parameter.default is not parameter.empty

    def _lacking(self, name: str, output: Output) -> Exception:
        message = f"the loss `{self.name()}` needs `{name}`: {OUTPUTS[output].doc}"
        hint = "pass it as the second argument" if name == "z" else f"pass `{name}=`"
        return error("RRL406", message, hint=hint)

    def _has_columns(self, matrix: Tensor, keys: Tensor | None) -> bool:
        square = matrix.ndim == 2 and matrix.shape[0] == matrix.shape[1]
        return keys is not None and not ("keys" in self.inputs() and square)

    @classmethod
    def name(cls) -> str:
        """Returns the registered name, or the name of the class."""
        return cls._name or cls.__name__

    _name: ClassVar[str] = ""


def unit(z: Tensor) -> Tensor:
    """Returns the rows, scaled to length 1, (..., d)."""
    return F.normalize(z, dim=-1, eps=_EPSILON)


def mean_over_edges(total: Tensor, degree: Tensor, normalize: Normalize) -> Tensor:
    """The mean of a weighted sum over edges.

    Args:
        total: sum_j w_ij x_ij of each row, (n,), finite.
        degree: sum_j w_ij of each row, (n,).
        normalize: Whether the mean is over `rows` or over `edges`.
    """
    degree = degree.to(total.dtype)
    related = degree > 0
    if normalize == "edges":
        total = total.masked_fill(~related, 0.0)
        return total.sum() / degree.sum().masked_fill(~related.any(), 1.0)
    return mean_over_rows(total / degree.masked_fill(~related, 1.0), related)


def mean_over_rows(values: Tensor, related: Tensor) -> Tensor:
    """The mean of `values` (n,) over the related rows; 0 if there are none."""
    return values.masked_fill(~related, 0.0).sum() / related.sum().clamp(min=1)


def _full_precision(others: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name: at_least_float32(tensor) if tensor.is_floating_point() else tensor
        for name, tensor in others.items()
    }


def _as_tensor(name: str, value: Any) -> Tensor:
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        message = f"{name} must be a relation, a tensor or an array, not a {type(value).__name__}"
        raise error("RRL406", message, hint="`program(nodes)` or `program.relate(nodes)`") from None
