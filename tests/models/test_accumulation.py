"""Parts of a batch: the gradients of the whole, the memory of a part."""

import weakref
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import rrl_dsl as rrl
from rrl_dsl import losses
from rrl_dsl.models import accumulation
from rrl_dsl.models.accumulation import in_parts

ROWS, WIDTH = 24, 6


def rows(count=ROWS, width=WIDTH, dtype=torch.float64):
    return torch.randn(count, width, dtype=dtype, generator=torch.Generator().manual_seed(0))


def network(*inner, dtype=torch.float64):
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(WIDTH, 16), *inner, nn.Tanh(), nn.Linear(16, 4)).to(dtype)


def whole_loss(z):
    """A loss that joins every row with every other."""
    sample = torch.arange(len(z)) % (len(z) // 2)
    nodes = rrl.Nodes(sample, torch.arange(len(z)) // (len(z) // 2), {"label": sample % 3})
    relation = rrl.compile("ssl() | supervised()").relate(nodes)
    return losses.create("simclr")(relation, z)


def gradients(net, loss):
    net.zero_grad()
    loss.backward()
    return [weight.grad.clone() for weight in net.parameters()]


@pytest.mark.parametrize("size", [1, 5, 7, 8, 23])
def test_the_gradients_are_those_of_the_whole_batch(size):
    net, images = network(), rows()
    whole = gradients(net, whole_loss(net(images)))
    parts = gradients(net, whole_loss(in_parts(net, images, size=size)))
    apart = gradients(net, sum(whole_loss(part) for part in net(images).split(12)) / 2)
    for expected, gradient, other in zip(whole, parts, apart, strict=True):
        torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-15)
        assert not torch.allclose(gradient, other, rtol=1e-3)


@pytest.mark.parametrize(("size", "seen"), [(None, [24]), (24, [24]), (99, [24]), (10, [8, 8, 8])])
def test_no_part_is_larger_than_asked_for_and_none_much_smaller(size, seen):
    net, sizes = network(), []
    net[0].register_forward_hook(lambda module, given, out: sizes.append(len(out)))
    out = in_parts(net, rows(), size=size)
    assert sizes == seen
    out.sum().backward()
    assert sizes == seen + (seen[::-1] if len(seen) > 1 else [])
    torch.testing.assert_close(out, net(rows()))


@pytest.mark.parametrize("momentum", [0.1, None])
def test_running_statistics_are_those_of_one_forward_pass_in_parts(momentum):
    plain, ours = (network(nn.BatchNorm1d(16, momentum=momentum)) for _ in range(2))
    for _ in range(3):
        z = torch.cat([plain(part) for part in rows().tensor_split(4)])
        expected = gradients(plain, whole_loss(z))
        gradient = gradients(ours, whole_loss(in_parts(ours, rows(), size=7)))
        torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-15)
    for name, value in plain.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=0, atol=0, msg=name)
    assert int(ours[1].num_batches_tracked) == 12
    assert ours[1].momentum == momentum


def test_norms_get_their_momentum_back_where_the_backward_pass_fails():
    class Breaks(nn.Module):
        calls = 0

        def forward(self, x):
            self.calls += 1
            if self.calls > 4:
                raise RuntimeError("a screw is loose")
            return x

    net = network(nn.BatchNorm1d(16), Breaks())
    loss = whole_loss(in_parts(net, rows(), size=6))
    with pytest.raises(RuntimeError, match="screw"):
        loss.backward()
    assert net[1].momentum == 0.1
    assert int(net[1].num_batches_tracked) == 4


def test_the_second_pass_repeats_the_draws():
    net, images = network(nn.Dropout(0.5)), rows()
    torch.manual_seed(7)
    z = torch.cat([net(part) for part in images.tensor_split(3)])
    expected = gradients(net, whole_loss(z))
    torch.manual_seed(7)
    z = in_parts(net, images, size=8)
    torch.rand(100)
    torch.testing.assert_close(gradients(net, whole_loss(z)), expected, rtol=1e-12, atol=1e-15)


def test_autocast_holds_for_what_is_computed_again():
    net, images = network(dtype=torch.float32), rows(dtype=torch.float32)
    seen = []
    net[0].register_forward_hook(lambda module, given, out: seen.append(out.dtype))

    def cast(size):
        with torch.autocast("cpu", torch.bfloat16):
            z = in_parts(net, images, size=size)
        return gradients(net, whole_loss(z.float()))

    expected = cast(None)
    torch.testing.assert_close(cast(6), expected, rtol=0.05, atol=0.005)
    assert seen == [torch.bfloat16] * (1 + 4 + 4)


class Both(NamedTuple):
    features: torch.Tensor
    embeddings: list[torch.Tensor]


def test_outputs_of_every_form_are_put_together():
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = network()

        def encode(self, images, scale, nothing):
            assert nothing is None
            z = self.net(images) * scale
            return {"both": Both(z, [z + 1, z[:, 0]]), "pair": (images, scale)}

    encoder, images, scale = Encoder(), rows(), torch.arange(float(ROWS))[:, None].double()
    outputs = in_parts(encoder.encode, images, scale, None, size=5)
    expected = encoder.encode(images, scale, None)
    assert type(outputs["both"]) is Both
    torch.testing.assert_close(outputs, expected)
    expected = gradients(encoder, whole_loss(expected["both"].embeddings[0]))
    gradient = gradients(encoder, whole_loss(outputs["both"].embeddings[0]))
    torch.testing.assert_close(gradient, expected, rtol=1e-12, atol=1e-15)


def test_invalid_modules_and_outputs_are_refused():
    with pytest.raises(TypeError, match="must be a module or a method"):
        in_parts(lambda images: images, rows(), size=5)

    class Speaks(nn.Module):
        def forward(self, images):
            return "words"

    with pytest.raises(TypeError, match="a network must return tensors"):
        in_parts(Speaks(), rows(), size=5)


def test_without_gradients_nothing_is_kept_to_compute_again(monkeypatch):
    monkeypatch.setattr(accumulation, "checkpoint", None)
    net = network(nn.BatchNorm1d(16)).eval()
    with torch.no_grad():
        torch.testing.assert_close(in_parts(net, rows(), size=5), net(rows()))
    with torch.enable_grad(), pytest.raises(TypeError):
        in_parts(net, rows(), size=5)


class LiveBytes(TorchDispatchMode):
    """The most bytes that tensors made inside of it held at a time."""

    def __init__(self):
        super().__init__()
        self.live = self.peak = 0
        self.known = weakref.WeakSet()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for output in out if isinstance(out, tuple | list) else [out]:
            if isinstance(output, torch.Tensor):
                self.hold(output.untyped_storage())
        return out

    def hold(self, storage):
        if storage in self.known:
            return
        self.known.add(storage)
        self.live += storage.nbytes()
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self.drop, storage.nbytes())

    def drop(self, count):
        self.live -= count


def peak(size):
    """The peak of a step whose network is deep, and whose outputs are small."""
    torch.manual_seed(1)
    layers = [layer for _ in range(12) for layer in (nn.Linear(64, 64), nn.Tanh())]
    net = nn.Sequential(nn.Linear(WIDTH, 64), *layers, nn.Linear(64, 2))
    for weight in net.parameters():
        weight.grad = torch.zeros_like(weight)  # or making them would count
    images = rows(4096, dtype=torch.float32)
    with LiveBytes() as memory:
        in_parts(net, images, size=size).square().sum().backward()
    return memory.peak


def test_the_activations_of_one_part_are_in_memory(monkeypatch):
    whole = peak(None)
    activations = 4096 * 64 * 4 * 12
    assert whole > activations
    assert peak(512) < activations / 4
    monkeypatch.setattr(accumulation, "checkpoint", lambda run, *args, **_: run(*args))
    assert peak(512) > activations  # parts alone save nothing
