"""Presets of color images against solo-learn's scripts/pretrain/cifar, written as data."""

from typing import get_args

import pytest
import torch
from torch import nn

import rrl_dsl as rrl
from rrl_dsl.data.views import Views
from rrl_dsl.language.diagnostics import RRLError
from rrl_dsl.models.heads import Projector
from rrl_dsl.training.config import Config
from rrl_dsl.training.optimizer import build_optimizer
from rrl_dsl.training.presets import CIFAR, NAMED, SMALL_GRAY, configuration
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.settings import from_assignment

COLOR = (3, 32, 32)

PUBLISHED = {
    # (optimizer, lr, weight_decay, classifier_lr), projector, predictor, augmentations, others;
    # L a linear layer with its width, B batch norm (b without scale and offset), R ReLU, G GELU
    "simclr": ("lars 0.4 1e-4 0.1", "L2048 R L256", None, "symmetric", {}),
    "suncet": ("sgd 0.4 1e-5 0.1", "L2048 R L256", None, "symmetric", {}),
    "wmse": ("adam 2e-3 1e-6 3e-3", "L1024 B R L64", None, "wmse", {"loss.slice": 128}),
    "barlow": (
        "lars 0.3 1e-4 0.1",
        "L2048 B R L2048 B R L2048",
        None,
        "asymmetric",
        {"loss.scale": 0.1, "loss.redundancy": 0.0051},
    ),
    "vicreg": (
        "lars 0.3 1e-4 0.1",
        "L2048 B R L2048 B R L2048",
        None,
        "vicreg",
        {"loss.invariance": 25.0, "loss.variance": 25.0, "loss.covariance": 1.0},
    ),
    "byol": (
        "lars 1.0 1e-5 0.1",
        "L4096 B R L256",
        "L4096 B R L256",
        "asymmetric",
        {"teacher.momentum": 0.99, "teacher.final": 1.0},
    ),
    "simsiam": (
        "sgd 0.5 1e-5 0.1",
        "L2048 B R L2048 B R L2048 b",
        "L512 B R L2048",
        "symmetric_weak",
        {"predictor.constant_lr": True},
    ),
    "nnclr": (
        "lars 0.4 1e-5 0.1",
        "L2048 B R L2048 B R L256 B",
        "L4096 B R L256",
        "asymmetric",
        {"loss.temperature": 0.2, "bank": 65536, "bank_views": 1},
    ),
    "dino": (
        "lars 0.3 1e-6 0.1",
        "L2048 G L2048 G L256",
        None,
        "asymmetric",
        {
            "prototypes.count": 4096,
            "prototypes.frozen": 1,
            "teacher.momentum": 0.9995,
            "teacher.final": 1.0,
            "loss.temperature": 0.1,
            "loss.teacher_temperature": 0.07,
            "loss.warmup_teacher_temperature": 0.04,
            "loss.warmup_epochs": 50,
        },
    ),
}

AUGMENTATIONS = {
    # for each view: least share of the crop, jitter, shares that are blurred and solarised
    "symmetric": [(0.08, (0.8, 0.8, 0.8, 0.2), 0.5, 0.0)],
    "symmetric_weak": [(0.08, (0.4, 0.4, 0.4, 0.1), 0.5, 0.0)],
    "asymmetric": [
        (0.08, (0.4, 0.4, 0.2, 0.1), 0.0, 0.0),
        (0.08, (0.4, 0.4, 0.2, 0.1), 0.0, 0.2),
    ],
    "vicreg": [(0.2, (0.4, 0.4, 0.2, 0.1), 0.0, 0.1)],
    "wmse": [(0.2, (0.8, 0.8, 0.8, 0.2), 0.0, 0.0)],
}

LETTERS = {nn.ReLU: "R", nn.GELU: "G"}
each_method = pytest.mark.parametrize("name", PUBLISHED)


def config_of(name, *assignments):
    settings = [from_assignment(assignment) for assignment in (f"loss={name}", *assignments)]
    wanted = resolve(settings, {}).loss
    loss = rrl.losses.create(wanted.name, **wanted.options)
    return configuration(settings, loss, COLOR, "cifar")


def layers(head):
    """A head in the letters of the table."""
    said = []
    for module in head:
        match module:
            case nn.Linear():
                said.append(f"L{module.out_features}")
            case nn.BatchNorm1d():
                said.append("B" if module.affine else "b")
            case _:
                said.append(LETTERS[type(module)])
    return " ".join(said)


def steps_of(view):
    """The share of the crop, the jitter, and the shares that are blurred and solarised."""
    by_type = {type(operation).__name__: operation for operation in view}
    crop, jitter = by_type["RandomCrop"], by_type["ColorJitter"]
    blur, solarize = (by_type.get(f"Random{name}") for name in ("GaussianBlur", "Solarize"))
    assert (jitter.p, by_type["RandomGrayscale"].p) == (0.8, 0.2)
    assert by_type["RandomHorizontalFlip"].p == 0.5
    amounts = (jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)
    shares = (operation.p if operation else 0.0 for operation in (blur, solarize))
    return (*crop._param_generator.scale, amounts, *shares)


def views_of(name):
    """An augmentation as a row of the table, for each view."""
    choices = []
    for view in Views(name, COLOR).augment:
        assert view[0].flags["size"] == COLOR[1:]
        least, most, *steps = steps_of(view)
        assert most == 1
        choices.append((least, *steps))
    return choices


@each_method
def test_optimizers_are_the_published_ones(name):
    config = config_of(name)
    chosen = config.optimizer
    optimizer, *numbers = PUBLISHED[name][0].split()
    assert chosen.name == optimizer
    assert [chosen.lr, chosen.weight_decay, config.probe.lr] == [
        float(number) for number in numbers
    ]
    assert (config.batch_size, chosen.lr_scale) == (256, "linear")
    assert (chosen.momentum, chosen.trust, chosen.warmup) == (0.9, 0.02, 10)


@each_method
def test_heads_are_the_published_ones(name):
    config = config_of(name)
    _, projector, predictor, _, _ = PUBLISHED[name]
    assert layers(Projector(512, **config.projector.model_dump())) == projector
    if predictor is not None:
        chosen, width = config.predictor, config.projector.out
        head = Projector(width, chosen.hidden, width, chosen.norm, chosen.layers)
        assert layers(head) == predictor


@each_method
def test_views_are_the_published_ones(name):
    assert views_of(config_of(name).augmentation.name) == AUGMENTATIONS[PUBLISHED[name][3]]


@each_method
def test_local_views_have_the_jitter_of_the_others_alone(name):
    """As in scripts/pretrain/imagenet-100-multicrop, whose other views are these but for blur."""
    preset, scale = config_of(name).augmentation.name, (0.05, 0.3)
    (view,) = Views(preset, COLOR, (16, scale)).augment_local
    jitter = AUGMENTATIONS[PUBLISHED[name][3]][0][1]
    assert steps_of(view) == (*scale, jitter, 0.0, 0.0)


@each_method
def test_other_settings_are_the_published_ones(name):
    config = config_of(name)
    loss = rrl.losses.create(config.loss.name, **config.loss.options)
    for place, value in PUBLISHED[name][4].items():
        setting = config
        for key in place.split("."):
            setting = loss if key == "loss" else getattr(setting, key)
        assert setting == value, place


def test_one_loss_by_two_names_trains_alike():
    simclr, supcon = config_of("simclr"), config_of("supcon")
    assert simclr.model_copy(update={"loss": supcon.loss}) == supcon


def test_the_teacher_of_mean_shift_has_the_constant_momentum_of_its_authors():
    assert CIFAR["mean_shift"]["teacher"] == {"momentum": 0.99, "final": 0.99}
    small = SMALL_GRAY["mean_shift"]["teacher"]
    assert small["momentum"] == small["final"]


def test_barlow_twins_weighs_redundancy_by_the_width_of_small_embeddings():
    config = configuration((), rrl.losses.create("barlow"), (1, 8, 8), "digits")
    assert SMALL_GRAY["barlow"]["loss"]["redundancy"] == 1 / config.projector.out


def test_simsiam_has_its_head_on_small_images_too():
    config = configuration((), rrl.losses.create("simsiam"), (1, 8, 8), "digits")
    assert (config.projector.output_norm, config.projector.norm) == ("plain", True)
    assert config.predictor.constant_lr


@pytest.mark.parametrize("name", ["dinov2", "simdino"])
def test_transformers_with_a_teacher_see_weak_views_of_digits_and_of_nothing_else(name):
    loss = rrl.losses.create(name)
    for usual, preset in {"digits": "digits-weak", "small-gray": "small-gray"}.items():
        assert configuration((), loss, (1, 8, 8), usual).augmentation.name == preset
    simclr = configuration((), rrl.losses.create("simclr"), (1, 8, 8), "digits")
    assert simclr.augmentation.name == "digits"
    chosen = configuration([from_assignment("augmentation=digits")], loss, (1, 8, 8), "digits")
    assert chosen.augmentation.name == "digits"


def test_weak_views_of_digits_are_nearer_to_each_other(digits):
    def correlation(preset):
        drawn = Views(preset, digits.shape)(digits.train.images[:256], 2, seed=0).flatten(1)
        first, second = drawn.chunk(2)
        centered = [view - view.mean(dim=0) for view in (first, second)]
        return float(torch.corrcoef(torch.stack([view.flatten() for view in centered]))[0, 1])

    assert correlation("digits-weak") > 1.5 * correlation("digits")


def test_lejepa_is_the_authors_minimal_example():
    config = config_of("lejepa")
    chosen = config.optimizer
    assert (chosen.name, chosen.lr, chosen.weight_decay, chosen.lr_scale) == (
        "adamw",
        5e-4,
        5e-4,
        "none",
    )
    head = layers(Projector(512, **config.projector.model_dump()))
    assert head == "L2048 B R L2048 B R L16"
    assert config.loss.options == {"weight": 0.02, "slices": 256}


TRANSFORMERS = {
    # of the authors' repositories: lr for 256 samples, its scale, layer decay, teacher momentum
    "dinov2": (0.004 * 0.5, "sqrt", 0.9, 0.992),
    "simdino": (0.004 * 0.5, "sqrt", 0.9, 0.9),
    "ibot": (0.0005, "linear", 1.0, 0.996),
}


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers_train_as_their_authors_do(name):
    config = config_of(name)
    chosen = config.optimizer
    optimization = chosen.lr, chosen.lr_scale, chosen.layer_decay, config.teacher.momentum
    assert optimization == TRANSFORMERS[name]
    assert (chosen.name, chosen.clip, chosen.warmup) == ("adamw", 3.0, 10)
    assert (chosen.weight_decay, chosen.final_weight_decay) == (0.04, 0.4)
    assert (config.backbone, config.teacher.final) == ("vit-tiny", 1.0)
    head = layers(Projector(192, **config.projector.model_dump()))
    assert head == "L2048 G L2048 G L256"
    if name != "simdino":
        options = config.loss.options
        assert (options["warmup_teacher_temperature"], options["warmup_epochs"]) == (0.04, 30)
        assert options["teacher_temperature"] == 0.07


def test_mean_shift_trains_as_its_authors_do():
    config = config_of("mean_shift")
    chosen = config.optimizer
    assert (chosen.name, chosen.lr, chosen.weight_decay) == ("sgd", 0.05, 1e-4)
    # hidden 2 f and out f / 4, for the 512 features of ResNet-18
    assert layers(Projector(512, **config.projector.model_dump())) == "L1024 B R L128"
    assert config.predictor.hidden == 1024


def test_every_preset_is_published_or_the_nearest_that_is():
    own = {*PUBLISHED, *TRANSFORMERS, "lejepa", "mean_shift", "clip"}
    assert CIFAR.keys() - own == {"supcon", "laplacian", "projection"}
    for name in CIFAR.keys() - {"lejepa", "clip", *TRANSFORMERS}:
        assert config_of(name).optimizer.lr_scale == "linear", name


@pytest.mark.parametrize(("batch", "scale"), [(256, 1), (512, 2), (64, 0.25)])
def test_learning_rates_scale_with_the_batch(batch, scale):
    encoder, probes = nn.Linear(4, 3), nn.Linear(3, 2)
    config = config_of("simclr", f"batch_size={batch}")
    weights, biases, probe = build_optimizer(config, encoder, probes).param_groups
    assert weights["lr"] == biases["lr"] == pytest.approx(0.4 * scale)
    assert probe["lr"] == pytest.approx(0.1 * scale)
    config = config_of("simclr", f"batch_size={batch}", "optimizer.lr_scale=none")
    weights, _, probe = build_optimizer(config, encoder, probes).param_groups
    assert (weights["lr"], probe["lr"]) == (0.4, 0.1)


def test_simclr_fast_is_the_published_setting():
    """The README and the script of dkobak/simclr-cifar10."""
    config = config_of("simclr", "preset=simclr-fast")
    chosen = config.optimizer
    assert (chosen.name, chosen.lr, chosen.lr_scale) == ("sgd", 0.03, "linear")
    assert (chosen.momentum, chosen.weight_decay, chosen.warmup) == (0.9, 5e-4, 0)
    assert (config.epochs, config.batch_size, config.backbone) == (1000, 512, "resnet18")
    assert config.loss.options == {"temperature": 0.5}
    assert layers(Projector(512, **config.projector.model_dump())) == "L1024 R L128"
    (view,) = Views(config.augmentation.name, COLOR).augment
    by_type = {type(operation).__name__: operation for operation in view}
    crop, jitter = by_type["RandomCrop"], by_type["ColorJitter"]
    assert crop._param_generator.scale == (0.2, 1.0)
    amounts = jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue
    assert (amounts, jitter.p) == ((0.4, 0.4, 0.4, 0.1), 0.8)
    assert by_type["RandomGrayscale"].p == 0.1
    assert by_type["RandomHorizontalFlip"].p == 0.5
    assert len(view) == 4


def test_settings_of_the_user_override_a_named_preset():
    config = config_of("simclr", "preset=simclr-fast", "epochs=7", "loss.temperature=0.1")
    assert (config.epochs, config.batch_size) == (7, 512)
    assert config.loss.options == {"temperature": 0.1}


def test_a_named_preset_is_for_any_loss_but_its_options_are_not():
    config = config_of("barlow", "preset=simclr-fast")
    assert (config.optimizer.name, config.projector.out) == ("sgd", 128)
    assert config.loss.options == {}


def test_an_unknown_preset_has_a_suggestion():
    with pytest.raises(RRLError, match=r"(?s)RRL502.*did you mean `simclr-fast`"):
        config_of("simclr", "preset=simclr_fast")
    assert get_args(get_args(Config.model_fields["preset"].annotation)[0]) == tuple(NAMED)
