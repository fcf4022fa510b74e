from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import pytest
import torch
from lightning.fabric.utilities.apply_func import move_data_to_device
from PIL import Image

from rrl_dsl.data.batches import Batch, loader, row_columns
from rrl_dsl.data.dataset import Split
from rrl_dsl.data.image_folder import load as load_folder
from rrl_dsl.language.diagnostics import RRLError


def split(count: int) -> Split:
    place = torch.arange(count)
    images = place.to(torch.uint8)[:, None, None, None].expand(count, 1, 2, 2)
    return Split(images, place * 10, {"label": place % 3, "coarse": place % 2})


def ids(batches: Iterable[Batch]) -> list[int]:
    return torch.cat([batch.sample for batch in batches]).tolist()


def order(count: int = 20, *, epoch: int, seed: int = 0, **options: int) -> list[int]:
    made = loader(split(count), 4, shuffle=True, seed=seed, **options)
    made.sampler.set_epoch(epoch)
    return ids(made)


def test_a_batch_keeps_images_ids_and_labels_together() -> None:
    for batch in loader(split(20), 6, shuffle=True):
        place = batch.sample // 10
        assert batch.images.dtype == torch.uint8
        assert batch.images.shape == (len(batch), 1, 2, 2)
        assert batch.images[:, 0, 0, 0].tolist() == place.tolist()
        assert batch.labels["label"].tolist() == (place % 3).tolist()
        assert batch.labels["coarse"].tolist() == (place % 2).tolist()


def test_without_shuffling_the_order_is_that_of_the_split() -> None:
    samples = [batch.sample.tolist() for batch in loader(split(5), 2, shuffle=False)]
    assert samples == [[0, 10], [20, 30], [40]]


def test_the_order_follows_from_seed_and_epoch() -> None:
    first = order(epoch=3)
    torch.manual_seed(1234)
    assert order(epoch=3) == first
    assert order(epoch=4) != first
    assert order(epoch=3, seed=1) != first
    assert sorted(first) == [10 * place for place in range(20)]


def test_a_new_loader_continues_where_the_old_one_would() -> None:
    old = loader(split(20), 4, shuffle=True)
    for epoch in range(3):
        old.sampler.set_epoch(epoch)
        last = ids(old)
    assert order(epoch=2) == last


def test_loading_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    order(epoch=0)
    assert torch.rand(3).equal(expected)


def test_processes_share_every_sample_between_them() -> None:
    shares = [order(24, epoch=1, world_size=3, rank=rank) for rank in range(3)]
    assert [len(share) for share in shares] == [8, 8, 8]
    assert sorted(chain(*shares)) == [10 * place for place in range(24)]


def test_uneven_shares_are_filled_up_or_cut() -> None:
    filled = [order(10, epoch=0, world_size=3, rank=rank) for rank in range(3)]
    assert [len(share) for share in filled] == [4, 4, 4]
    assert set(chain(*filled)) == {10 * place for place in range(10)}
    cut = loader(split(17), 4, shuffle=True, world_size=2, drop_last=True)
    assert [len(batch) for batch in cut] == [4, 4]


def test_workers_give_the_same_batches() -> None:
    assert order(epoch=2, workers=2) == order(epoch=2)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_mistake_found_in_a_worker_keeps_its_diagnostic(tmp_path: Path, workers: int) -> None:
    for part in ("train", "test"):
        for name in ("a", "b"):
            (tmp_path / part / name).mkdir(parents=True)
            Image.new("RGB", (4, 4)).save(tmp_path / part / name / "1.png")
    data = load_folder(tmp_path, size=4)
    (tmp_path / "train/b/1.png").write_bytes(b"damaged")  # after the dataset was checked
    path = tmp_path / "train" / "b" / "1.png"
    with pytest.raises(RRLError, match=rf"^error\[RRL412\]: {path} cannot be decoded"):
        list(loader(data.train, 1, shuffle=False, workers=workers))


def test_a_batch_that_is_never_full_is_refused() -> None:
    with pytest.raises(RRLError) as caught:
        loader(split(10), 6, shuffle=True, world_size=2, drop_last=True)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "RRL502"
    assert "the batch size 6 exceeds the 5 available samples for each of 2" in diagnostic.message
    assert "5 or less" in (diagnostic.hint or "")
    assert len(loader(split(10), 60, shuffle=False)) == 1


def test_a_batch_size_must_be_positive() -> None:
    with pytest.raises(RRLError, match=r"\[RRL502\].*not 0"):
        loader(split(10), 0, shuffle=False)


def test_lightning_moves_a_batch() -> None:
    batch = next(iter(loader(split(4), 2, shuffle=False)))
    moved = move_data_to_device(batch, torch.device("meta"))
    assert isinstance(moved, Batch)
    tensors = (moved.images, moved.sample, *moved.labels.values())
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert len(tensors) == 4


def test_row_columns_are_view_major() -> None:
    batch = next(iter(loader(split(4), 2, shuffle=False)))
    sample, view, labels, _ = row_columns(batch, 3)
    assert sample.tolist() == [0, 10, 0, 10, 0, 10]
    assert view.tolist() == [0, 0, 1, 1, 2, 2]
    assert labels["label"].tolist() == [0, 1, 0, 1, 0, 1]
    assert labels.keys() == {"label", "coarse"}
    assert {column.dtype for column in (sample, view, *labels.values())} == {torch.int64}
