"""Settings by file, `--set` and flag: which wins, and what stays."""

import pytest
import yaml

import rrl_dsl as rrl
from rrl_dsl.language.diagnostics import error
from rrl_dsl.training.presets import configuration
from rrl_dsl.training.resolve import resolve
from rrl_dsl.training.settings import (
    from_arguments,
    from_assignment,
    from_flag,
    from_yaml,
    notes_of,
    pointing_at,
)


def test_a_flag_that_names_the_same_loss_keeps_its_options():
    given = [from_assignment("loss.slice=64"), from_flag("--loss", ("loss",), "wmse")]
    assert resolve(given, {"loss": "wmse"}).loss.options == {"slice": 64}


def test_a_file_and_a_flag_of_the_same_loss_keep_its_options(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("loss:\n  name: wmse\n  slice: 64\nepochs: 3\n")
    settings = [*from_yaml(path), from_flag("--loss", ("loss",), "wmse")]
    config = resolve(settings, {"loss": "wmse", "epochs": 9})
    assert config.loss.options == {"slice": 64}
    assert config.epochs == 3


@pytest.mark.parametrize("place", [("loss",), ("loss", "name")])
def test_options_in_brackets_are_added_to_those_that_are_set(place):
    before = [from_assignment("loss.name=wmse"), from_assignment("loss.slice=64")]
    given = [*before, from_flag("--loss", place, "wmse(by_view=false)")]
    loss = resolve(given, {}).loss
    assert (loss.name, loss.options) == ("wmse", {"slice": 64, "by_view": False})
    given += [from_assignment("loss.by_view=true"), from_flag("--loss", place, "1*wmse(slice=32)")]
    loss = resolve(given, {}).loss
    assert (loss.name, loss.options) == ("wmse", {"slice": 32, "by_view": True})


def test_another_loss_leaves_the_options_behind():
    given = [
        from_assignment("loss.name=wmse"),
        from_assignment("loss.slice=64"),
        from_flag("--loss", ("loss",), "simclr"),
    ]
    assert resolve(given, {}).loss.options == {}


def test_the_last_word_wins_and_an_error_points_at_it():
    given = [from_assignment("epochs=3"), from_assignment("epochs=x")]
    with pytest.raises(rrl.RRLError, match="epochs=x"):
        resolve(given, {})
    assert resolve(reversed(given), {}).epochs == 3


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("mask.ratio=[0.5, 0.1]", "`mask.ratio`: it should be two shares above 0 and below 1"),
        ("micro_batch=1", "`micro_batch`: it should be greater than or equal to 2, not 1"),
    ],
)
def test_errors_of_values_are_readable(assignment, message):
    with pytest.raises(rrl.RRLError) as problem:
        resolve([from_assignment(assignment)], {})
    assert problem.value.diagnostics[0].message.startswith(message)


COLOR = (3, 32, 32)


def on_color(*assignments):
    """The loss of a run on color images, with its options as given."""
    settings = [from_assignment(assignment) for assignment in assignments]
    wanted = resolve(settings, {}).loss
    loss = rrl.losses.create(wanted.name, **wanted.options)
    config = configuration(settings, loss, COLOR, "cifar")
    return rrl.losses.create(config.loss.name, **config.loss.options)


@pytest.mark.parametrize(
    ("brackets", "assignments"),
    [
        ("barlow(redundancy=0.01)", ["loss=barlow", "loss.redundancy=0.01"]),
        ("barlow(redundancy=0.01)", ["loss.name=barlow(redundancy=0.02)", "loss.redundancy=0.01"]),
        ("vicreg(invariance=3)", ["loss=vicreg", "loss.invariance=3"]),
        ("wmse(slice=32)", ["loss=wmse", "loss.slice=32"]),
        ("dino(temperature=0.2)", ["loss=dino", "loss.temperature=0.2"]),
        ("1.0*dino", ["loss=dino"]),
        ("(barlow)", ["loss=barlow"]),
        ("simdino(rate=mean)", ["loss=simdino", "loss.rate=mean"]),
    ],
)
def test_options_in_brackets_are_options_set_one_by_one(brackets, assignments):
    assert on_color(f"loss={brackets}") == on_color(*assignments)


def test_options_in_brackets_keep_the_others_of_the_preset():
    create = rrl.losses.create
    chosen = on_color("loss=barlow(redundancy=0.01)")
    assert chosen == create("barlow", redundancy=0.01, scale=0.1)
    assert on_color("loss=barlow(scale=1)") == create("barlow", redundancy=0.0051, scale=1)


def test_each_loss_of_a_sum_starts_from_its_own_preset():
    warm = "teacher_temperature=0.07, warmup_teacher_temperature=0.04, warmup_epochs=50"
    chosen = on_color("loss=0.5*dino(temperature=0.2) + vicreg + simclr")
    expected = f"0.5*dino(temperature=0.2, {warm}) + vicreg(variance_over_views=sum) + simclr"
    assert chosen == rrl.losses.create(expected)


def test_an_option_beside_a_sum_is_refused():
    with pytest.raises(rrl.RRLError, match="is a sum"):
        on_color("loss=barlow + simclr", "loss.redundancy=0.01")


@pytest.mark.parametrize(
    ("causes", "keys", "place"),
    [
        (("optimizer.lr",), ("epochs", "optimizer"), "optimizer.lr=0.5"),
        (("optimizer.lr",), (), "optimizer.lr=0.5"),
        (("loss.slice", "batch_size"), ("epochs", "loss"), "batch_size=8"),
        (("optimizer",), (), "optimizer.name=sgd"),
        (("optimizer.l",), (), None),
        (("loss.slice",), ("dataset", "batch_size"), "dataset=digits"),
        ((), ("bank", "dataset", "epochs"), "dataset=digits"),
        ((), ("bank",), None),
        ((), (), None),
    ],
)
def test_an_error_is_pointed_at_the_setting_that_causes_it(causes, keys, place):
    given = ("batch_size=8", "dataset=digits", "optimizer.lr=0.5", "optimizer.name=sgd", "epochs=2")
    with pytest.raises(rrl.RRLError) as caught, pointing_at([*map(from_assignment, given)], *keys):
        raise error("RRL508", "`epochs` is too high", settings=causes)
    (diagnostic,) = caught.value.diagnostics
    assert (diagnostic.source and diagnostic.source.text) == place


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ({"optimiser": {"lr": 0.3}}, {"optimizer": {"lr": 0.3}}),
        ({"optimiser": "sgd"}, {"optimizer": "sgd"}),
        ({"optimiser.lr": 0.3}, {"optimizer.lr": 0.3}),
        ({"prototypes": {"centre_momentum": 0.5}}, {"prototypes": {"center_momentum": 0.5}}),
        ({"loss": {"name": "dino", "centring": "sinkhorn"}}, {"loss": "dino(centering=sinkhorn)"}),
        ({"augmentation": "small-grey"}, {"augmentation": "small-gray"}),
    ],
)
def test_names_of_the_previous_release_are_accepted_however_they_are_given(tmp_path, before, now):
    path = tmp_path / "a.yaml"
    path.write_text(yaml.safe_dump(before))
    ((name, value),) = before.items()
    assigned = from_assignment(f"{name}={yaml.safe_dump(value, default_flow_style=True)}")
    wanted = resolve(from_arguments(now), {})
    assert wanted != resolve([], {})
    for given in (from_arguments(before), from_yaml(path), [assigned]):
        assert resolve(given, {}) == wanted


@pytest.mark.parametrize(
    ("before", "now", "note"),
    [
        ({"optimiser": {"lr": 0.3}}, {"optimizer": {"lr": 0.3}}, "`optimiser` is now `optimizer`"),
        ({"optimiser": "sgd"}, {"optimizer": "sgd"}, "`optimiser` is now `optimizer`"),
        (
            {"loss": {"name": "dino", "centring": "sinkhorn"}},
            {"loss": {"name": "dino", "centering": "sinkhorn"}},
            "`centring` is now `centering`",
        ),
        (
            {"augmentation": "small-grey"},
            {"augmentation": "small-gray"},
            "`small-grey` is now `small-gray`",
        ),
    ],
)
def test_a_config_takes_names_of_the_previous_release_with_a_note(before, now, note):
    with pytest.warns(FutureWarning, match=note) as notes:
        config = rrl.Config(**before)
    assert len(notes) == 1
    assert config == rrl.Config(**now) != rrl.Config()


def test_a_network_takes_options_of_the_previous_release_with_a_note():
    program, loss = rrl.compile("ssl()"), rrl.losses.create("dino")
    with pytest.warns(FutureWarning, match="`centre_momentum` is now `center_momentum`"):
        network = rrl.Network.for_(
            loss, program, "resnet18", (1, 8, 8), prototypes={"centre_momentum": 0.5, "count": 8}
        )
    assert network.options.prototypes.center_momentum == 0.5


def test_current_names_have_no_note(recwarn):
    rrl.Config(optimizer="sgd", params={"optimiser": 1}, augmentation="small-gray")
    assert not [note for note in recwarn if note.category is FutureWarning]


def test_a_note_says_the_new_name_once(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("optimiser:\n  lr: 0.3\n  warmup: 2\nprototypes.centre_momentum: 0.5\n")
    one, other = notes_of(from_yaml(path))
    assert (one.severity, one.message) == (
        "warning",
        "`optimiser` is now `optimizer`; only this release still accepts the old name",
    )
    assert one.source.position(one.span.start) == (1, 1)
    assert other.message.startswith("`centre_momentum` is now `center_momentum`")
    assert other.source.position(other.span.start) == (4, 12)
    assert not notes_of(from_arguments({"optimizer": {"lr": 0.3}, "params": {"optimiser": 1}}))


def test_a_loss_takes_an_option_by_its_name_of_the_previous_release():
    now = rrl.losses.create("dino + 0.5*ibot(centering=sinkhorn)")
    assert rrl.losses.create("dino + 0.5*ibot(centring=sinkhorn)") == now


INVERT = [{"RandomInvert": {"p": 1.0}}]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("augmentation: cifar", {"name": "cifar"}),
        ("augmentation:\n- RandomInvert: {p: 1.0}", {"operations": INVERT}),
        ("augmentation:\n  views: [cifar, [RandomInvert: {p: 1.0}]]", {"views": ["cifar", INVERT]}),
        ("augmentation: {name: photo, views: [cifar]}", {"name": "photo", "views": ["cifar"]}),
    ],
)
def test_an_augmentation_is_a_preset_or_operations(tmp_path, text, expected):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    config = resolve(from_yaml(path), {"augmentation": "digits"})
    kept = {"name": "digits"} if text.startswith("augmentation:\n  views") else {}
    assert config.augmentation.model_dump(exclude_none=True) == kept | expected
    again = resolve([*from_yaml(path), from_assignment("augmentation=small-gray")], {})
    assert again.augmentation.model_dump(exclude_none=True) == {"name": "small-gray"}


def test_an_augmentation_has_operations_or_views():
    given = [from_assignment("augmentation={operations: [], views: [cifar]}")]
    with pytest.raises(rrl.RRLError, match="`operations` and `views` cannot be used together"):
        resolve(given, {})
