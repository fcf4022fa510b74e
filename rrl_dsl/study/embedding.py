"""The features of a dataset under the encoder of a run, as arrays and as a file."""

from __future__ import annotations

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from rrl_dsl.data.batches import loader
from rrl_dsl.data.dataset import DataSet, Split
from rrl_dsl.data.registry import IMAGE_FILES
from rrl_dsl.language.diagnostics import did_you_mean, error, listing
from rrl_dsl.language.files import write_bytes
from rrl_dsl.training.build import load_data
from rrl_dsl.training.config import Config
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.resume import newest
from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.trained_encoder import LoadedEncoder, load_encoder

FORMATS: Final = (".npz", ".parquet")
_BATCH: Final = 512


@dataclass(frozen=True, eq=False)
class Embedding:
    """The features of n samples.

    Attributes:
        features: float32 (n, d).
        sample: int64 (n,), the stable ids.
        split: (n,), the name of the split of each sample: `train`, `val` or `test`.
        labels: Label name -> int64 (n,), or (n, k) for several classes per sample; -1 is unknown.
        class_names: Label name -> the names of its classes.
        names: The texts whose hashes are the ids, such as the paths of images; empty if there are
            none.
    """

    features: NDArray[np.float32]
    sample: NDArray[np.int64]
    split: NDArray[np.str_]
    labels: Mapping[str, NDArray[np.int64]]
    class_names: Mapping[str, tuple[str, ...]]
    names: Sequence[str] = ()

    def write(self, path: Path) -> None:
        """Writes the features as `.npz` or `.parquet`.

        The columns are `features`, `sample`, `split`, `name` if there are names, and `label_NAME`
        for each label. An archive also has `classes_NAME`, the names of the classes; in Parquet, a
        label is its class name.

        Raises:
            RRLError: As `format_of`; RRL507 if the file cannot be written.
        """
        write_bytes(path, self._npz() if format_of(path) == ".npz" else self._parquet())

    def _npz(self) -> bytes:
        content = io.BytesIO()
        arrays: dict[str, NDArray[Any]] = {
            "features": self.features,
            "sample": self.sample,
            "split": self.split,
        }
        if self.names:
            arrays["name"] = np.array(self.names, dtype=np.str_)
        for name, label in self.labels.items():
            arrays[f"label_{name}"] = label
            arrays[f"classes_{name}"] = np.array(self.class_names[name], dtype=np.str_)
        np.savez(content, allow_pickle=False, **arrays)
        return content.getvalue()

    def _parquet(self) -> bytes:
        values = pa.array(self.features.ravel())
        columns = {
            "features": pa.FixedSizeListArray.from_arrays(values, self.features.shape[1]),
            "sample": pa.array(self.sample),
            "split": pa.array(self.split.tolist()),
        }
        if self.names:
            columns["name"] = pa.array(self.names)
        for name, label in self.labels.items():
            columns[f"label_{name}"] = pa.array(_named(label.tolist(), self.class_names[name]))
        content = pa.BufferOutputStream()
        pq.write_table(pa.table(columns), content)
        return bytes(content.getvalue().to_pybytes())


def format_of(path: Path) -> str:
    """Returns the suffix of a file of features.

    Raises:
        RRLError: RRL507 if there is no such format.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        hint = f"use one of the suffixes {listing(FORMATS)}"
        raise error("RRL507", f"`{path}` does not have the suffix of a table", hint=hint)
    return suffix


def _named(label: list[Any], classes: tuple[str, ...]) -> list[Any]:
    """The class names of labels; None is unknown. Lists hold several classes."""
    return [
        [classes[number] for number in value if number >= 0]
        if isinstance(value, list)
        else (classes[value] if value >= 0 else None)
        for value in label
    ]


def data_of_run(
    run: Path,
    dataset: str | None = None,
    *,
    data_dir: Path | None = None,
    download: bool = False,
    allow_code: Collection[str] = (),
) -> DataSet:
    """Loads the dataset of a run, or another one with images of the same shape.

    Args:
        run: The run directory.
        dataset: The name of another dataset.
        data_dir: The directory of the datasets; defaults to that of the run.
        download: Whether to download a missing dataset.
        allow_code: The modules that the configuration of the run may name code of.

    Raises:
        RRLError: RRL402 if the images have another shape; as `load_encoder` and `load_data`.
    """
    known = newest(run, allow_code).provenance
    config = Config.model_validate(known.configuration)
    written = resolve(RunDirectory(run).settings(allow_code), {})  # its paths are absolute
    changes: dict[str, Any] = {
        "dataset": written.dataset,
        "data_dir": data_dir or written.data_dir,
        "download": download or config.download,
    }
    if dataset is not None:
        changes |= {"dataset": dataset, "split": None}
    if changes["dataset"].partition(":")[0] in IMAGE_FILES:
        changes["image_size"] = known.shape[1]
    data = load_data(config.model_copy(update=changes))
    if data.shape != known.shape:
        message = f"the samples of `{data.name}` are {_size(data.shape)}, and those of the run "
        raise error("RRL402", message + f"{_size(known.shape)}", hint="use samples of that shape")
    return data


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def splits_of(data: DataSet, wanted: str | None) -> dict[str, Split]:
    """Returns the splits of a dataset by name, or one of them.

    Raises:
        RRLError: RRL410 if the dataset does not have the split.
    """
    splits = {"train": data.train, "val": data.val, "test": data.test}
    known = {name: split for name, split in splits.items() if split is not None and len(split)}
    if wanted is None:
        return known
    if wanted not in known:
        hint = did_you_mean(wanted, list(known)) or f"its splits are {listing(known, 'and')}"
        raise error("RRL410", f"`{data.name}` has no split `{wanted}`", hint=hint)
    return {wanted: known[wanted]}


def embed(
    run: str | Path,
    *,
    part: str = "backbone",
    data: DataSet | None = None,
    split: str | None = None,
    allow_code: Collection[str] = (),
) -> Embedding:
    """Returns the features of a dataset under the encoder of a run, in evaluation mode.

    Args:
        run: The run directory.
        part: As for `rrl_dsl.load_encoder`.
        data: The dataset; defaults to that of the run.
        split: `train`, `val` or `test`; defaults to all of them.
        allow_code: The modules that the configuration of the run may name code of.

    Raises:
        RRLError: As `rrl_dsl.load_encoder`, `data_of_run` and `splits_of`.
    """
    encoder = load_encoder(run, part, allow_code=allow_code)
    data = data or data_of_run(Path(run), allow_code=allow_code)
    chosen = splits_of(data, split)
    parts = [(name, *_encoded(encoder, samples)) for name, samples in chosen.items()]
    return Embedding(
        features=np.concatenate([features for _, features, _, _ in parts]),
        sample=np.concatenate([sample for _, _, sample, _ in parts]),
        split=np.concatenate([np.full(len(sample), name) for name, _, sample, _ in parts]),
        labels={
            name: np.concatenate([labels[name] for _, _, _, labels in parts])
            for name in parts[0][3]
        },
        class_names=data.class_names,
        names=[name for samples in chosen.values() for name in samples.names],
    )


@torch.inference_mode()
def _encoded(
    encoder: LoadedEncoder, split: Split
) -> tuple[NDArray[np.float32], NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """The features, ids and labels of a split, in its order."""
    batches = loader(split, min(_BATCH, len(split)), shuffle=False)
    features = [encoder.of(batch).float().numpy() for batch in batches]
    labels = {name: label.numpy() for name, label in split.labels.items()}
    return np.concatenate(features), split.sample.numpy(), labels
