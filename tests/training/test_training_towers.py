"""Runs with a tower for each view: images beside captions as tokens or as vectors."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import rrl_dsl as rrl
from rrl_dsl.data import captions
from rrl_dsl.data.batches import Batch
from rrl_dsl.training.config import Config
from rrl_dsl.training.named_code import code_of
from rrl_dsl.training.retrieval import evaluate_towers
from rrl_dsl.training.run import RunDirectory
from rrl_dsl.training.towers import tower_inputs

pytestmark = pytest.mark.slow

CLIP = "ssl(views=2) & cross_view()\ncontrast cross_view()"
FAST = {"epochs": 2, "batch_size": 48, "projector": {"out": 16}, "optimizer": {"warmup": 0}}


@pytest.fixture(scope="session")
def captioned(tmp_path_factory):
    """The digits with captions; 480 to train on."""
    data = captions.load(tmp_path_factory.mktemp("data"))
    return dataclasses.replace(data, train=data.train.at(torch.arange(480)))


@pytest.fixture(scope="session")
def run(captioned, tmp_path_factory):
    out = tmp_path_factory.mktemp("towers") / "run"
    return rrl.train(CLIP, "clip", captioned, out=out, towers=["image", "tokens"], **FAST)


def test_two_epochs_reach_retrieval_far_above_chance(run):
    there, back = run.towers.retrieval
    assert (there.query, there.answer) == ("image", "tokens")
    assert (back.query, back.answer) == ("tokens", "image")
    for retrieval in (there, back):
        assert retrieval.r1 > 3 * retrieval.chance
        assert retrieval.r5 > retrieval.r1
    (prompts,) = run.towers.zero_shot
    assert prompts.chance == 0.1
    assert prompts.accuracy > 0.3
    assert "Retrieval image -> tokens: R@1" in (run.directory / "summary.md").read_text()
    assert set(run.table) == {"pixels", "untrained", "backbone", "projector"}


def test_each_tower_loads_by_its_column(run, captioned):
    images, tokens = (
        rrl.load_encoder(run.directory, "image"),
        rrl.load_encoder(run.directory, "tokens"),
    )
    test = captioned.test
    with torch.no_grad():
        z = F.normalize(images(test.images[torch.arange(len(test))]))
        prompts = F.normalize(tokens(captioned.prompts["tokens"]))
    right = ((z @ prompts.T).argmax(dim=1) == test.labels["label"]).double().mean()
    assert float(right) == run.towers.zero_shot[0].accuracy
    projector = rrl.load_encoder(run.directory, "projector")
    assert all(map(torch.equal, projector.parameters(), images.parameters()))
    assert run.encoder(test.images[torch.arange(2)]).shape == (2, 128)
    with pytest.raises(rrl.RRLError, match=r"\[RRL402\].*`tokens` must have the shape \(n, 6\)"):
        tokens(torch.zeros(2, 7, dtype=torch.int64))
    with pytest.raises(rrl.RRLError, match=r"\[RRL402\].*has the tokens 0 to 17 .* not 18"):
        tokens(torch.full((2, 6), 18))
    with pytest.raises(
        rrl.RRLError, match=r"\[RRL505\].*no part `token`(?s:.*)did you mean `tokens`"
    ):
        rrl.load_encoder(run.directory, "token")


def test_eval_and_embed_know_towers(run, cli, tmp_path, monkeypatch):
    """On the full dataset, whose test split is that of the run."""
    result = cli("eval", run.directory, "--dataset", "digits-captions", "--json")
    assert result.code == 0, result.err
    summary = json.loads(result.out)
    assert summary["towers"] == json.loads((run.directory / "summary.json").read_text())["towers"]
    assert 0 < summary["graph"]["average_precision"] <= 1
    shown = cli("eval", run.directory, "--dataset", "digits")
    assert "retrieval is not measured: the dataset `digits` has no field `tokens`" in shown.out
    words = ("embed", run.directory, "--dataset", "digits-captions", "--split", "test")
    for part in ("image", "tokens"):
        result = cli(*words, "--part", part, "-o", tmp_path / f"{part}.npz")
        assert result.code == 0, result.err
    images, tokens = (np.load(tmp_path / f"{part}.npz")["features"] for part in ("image", "tokens"))
    assert images.shape == tokens.shape == (360, 16)
    result = cli("export", run.directory, "--part", "tokens", "--out", tmp_path / "tower.pt")
    assert result.code == 0, result.err
    assert "backbone.body.1.embed.weight" in torch.load(tmp_path / "tower.pt", weights_only=True)


def test_a_resumed_run_has_the_numbers_of_a_whole_one(run, captioned, tmp_path):
    shutil.copytree(run.directory, tmp_path / "run")
    files = RunDirectory(tmp_path / "run")
    files.last.unlink()  # what is left is from the end of the first epoch
    again = rrl.train(resume=tmp_path / "run", dataset=captioned)
    assert len(again.history) == 2
    assert again.history[-1]["loss"] == run.history[-1]["loss"]
    assert again.towers == run.towers


def test_three_views_of_three_modalities_and_a_sum_of_losses(captioned, tmp_path):
    towers = [
        {"column": "image", "backbone": "small", "projector": {"hidden": 32}},
        {"column": "caption", "backbone": "mlp"},
        {"column": "tokens", "projector": {"layers": 1}},
    ]
    run = rrl.train(
        "(ssl(views=3) | similarity(caption, kernel=exp, temperature=0.1)) & cross_view()\n"
        "contrast cross_view()",
        "clip + 0.5*sigmoid",
        captioned,
        out=tmp_path / "run",
        towers=towers,
        **{**FAST, "epochs": 1},
    )
    assert [retrieval.answer for retrieval in run.towers.retrieval] == [
        "caption",
        "image",
        "tokens",
        "image",
    ]
    assert [zero_shot.column for zero_shot in run.towers.zero_shot] == ["caption", "tokens"]
    vectors = rrl.load_encoder(run.directory, "caption")
    assert vectors.network[0].body[0].mean.abs().max() > 0  # the statistics of the training split
    assert rrl.load_encoder(run.directory, "image").network[1][0].out_features == 32


def test_recall_is_that_of_a_search_by_hand(captioned):
    draw = torch.Generator().manual_seed(0)
    data = dataclasses.replace(captioned, test=captioned.test.at(torch.arange(40)))
    image = torch.randn(40, 6, generator=draw)
    words = torch.randn(18, 6, generator=draw)

    def encode(batch: Batch) -> torch.Tensor:
        places = [data.test.sample.tolist().index(sample) for sample in batch.sample.tolist()]
        return image[places]

    def text(tokens: torch.Tensor) -> torch.Tensor:
        return words[tokens].sum(dim=1)

    there, back = evaluate_towers(data, "image", encode, {"tokens": text}).retrieval
    tokens = [tuple(row) for row in data.test.fields["tokens"].tolist()]
    distinct = sorted(set(tokens))
    a = F.normalize(image).numpy()
    b = F.normalize(text(torch.tensor(distinct))).numpy()
    ranks = [
        sorted(range(len(distinct)), key=lambda place: -float(row @ b[place])).index(
            distinct.index(own)
        )
        for row, own in zip(a, tokens, strict=True)
    ]
    assert there.r1 == pytest.approx(np.mean([rank < 1 for rank in ranks]))
    assert there.r5 == pytest.approx(np.mean([rank < 5 for rank in ranks]))
    assert there.chance == pytest.approx(1 / len(distinct))
    r1 = []
    for own in tokens:
        order = sorted(range(40), key=lambda place: -float(a[place] @ b[distinct.index(own)]))
        r1.append([tokens[place] == own for place in order[:5]])
    assert back.r1 == pytest.approx(np.mean([right[0] for right in r1]))
    assert back.r5 == pytest.approx(np.mean([any(right) for right in r1]))
    assert back.chance == pytest.approx(np.mean([tokens.count(own) / 40 for own in tokens]))


@pytest.mark.parametrize(
    ("towers", "message"),
    [
        (
            ["tokens", "image"],
            "RRL502 the first tower must read `image`, the samples, not `tokens` | write "
            "`towers: [image, tokens]`",
        ),
        (["image"], "RRL502 `towers` has only one tower"),
        (["image", "image"], "RRL502 `towers` has several towers for `image`"),
        (
            ["image", "token"],
            "RRL401 the dataset `digits-captions` has no field `token` | did you mean `tokens`?",
        ),
        (["image", "label"], "RRL417 `label` of the dataset `digits-captions` has numbers"),
        (["image", "tokens", "caption"], "RRL404 every view needs a tower"),
        (
            [{"column": "image"}, {"column": "caption", "tokens": True}],
            "RRL502 `caption` of the dataset",
        ),
        (
            [{"column": "image"}, {"colum": "tokens"}],
            "RRL501 there is no setting `towers.1.colum` | did you mean `column`?",
        ),
        (
            [{"column": "image"}, {"column": "tokens", "projector": {"ot": 3}}],
            "RRL501 there is no setting `towers.1.projector.ot`",
        ),
        ([{"column": 3}], "RRL502 `towers.0.column`: it should be text"),
        ("image", "RRL502 `towers`: it should be a valid list"),
    ],
)
def test_towers_that_do_not_fit(towers, message, captioned, tmp_path):
    with pytest.raises(rrl.RRLError) as caught:
        rrl.train(CLIP, "clip", captioned, out=tmp_path / "run", towers=towers, **FAST)
    messages = [
        f"{diagnostic.code} {diagnostic.message} | {diagnostic.hint}"
        for diagnostic in caught.value.diagnostics
    ]
    assert any(text.startswith(message) for text in messages), messages
    assert all("towers" in diagnostic.source.text for diagnostic in caught.value.diagnostics)
    assert not (tmp_path / "run").exists()


def test_a_file_names_code_for_a_tower_only_where_it_is_allowed(tmp_path):
    config = Config(backbone="a.b:C", towers=["image", {"column": "x", "backbone": "d.e:F"}])
    assert code_of(config)["backbone"] == ["a.b:C"]
    assert code_of(config)["towers"] == ["d.e:F"]
    first = Config(towers=[{"column": "image", "backbone": "a.b:C"}, "x"])
    assert first.backbone == "a.b:C"
    assert [*code_of(first)["backbone"], *code_of(first)["towers"]] == ["a.b:C"]
    for text in (
        "backbone: evil:C\ntowers: [image, tokens]\n",
        "towers: [image, {column: x, backbone: evil:C}]\n",
    ):
        file = tmp_path / "config.yaml"
        file.write_text(text)
        with pytest.raises(rrl.RRLError, match=r"\[RRL510\].*`evil:C`"):
            rrl.train(CLIP, "clip", "digits-captions", config=file, out=tmp_path / "run")


def test_an_archive_of_pairs_trains_towers_and_has_prompts(tmp_path):
    """Captions of 4 classes as whole numbers of any type; class 3 is described by token 4."""
    draw = np.random.default_rng(0)
    label = np.arange(120) % 4
    images = draw.integers(0, 60, (120, 8, 8)) + 48 * label[:, None, None]
    words = np.stack([label + 1, np.full(120, 9), np.zeros(120, int)], axis=1)
    prompts = np.array([[number, 9, 0] for number in (1, 2, 3, 4)], dtype=np.int32)
    pairs = {"images": images.astype(np.uint8), "label": label, "words": words.astype(np.float32)}
    np.savez(tmp_path / "pairs.npz", **pairs, prompts_words=prompts)
    name = f"npz:{tmp_path / 'pairs.npz'}"
    settings = {"towers": ["image", "words"], "batch_size": 24, "epochs": 1}
    run = rrl.train(CLIP, "clip", name, out=tmp_path / "run", **settings)
    (prompted,) = run.towers.zero_shot
    assert (prompted.column, prompted.chance) == ("words", 0.25)
    assert run.towers.retrieval[0].chance == 0.25  # four different captions
    np.savez(tmp_path / "pairs.npz", **pairs, prompts_words=prompts[:3])
    with pytest.raises(
        rrl.RRLError, match=r"\[RRL412\].*prompts `words` of shape \(3, 3\), not \(4, 3\)"
    ):
        rrl.train(CLIP, "clip", name, out=tmp_path / "other", **settings)


def test_a_first_tower_of_another_column_is_an_error_with_the_setting():
    x = torch.arange(20.0).reshape(10, 2)
    split = rrl.Split(x, torch.arange(10), {}, {"x": x, "y": x})
    data = rrl.DataSet(
        "d", split, dataclasses.replace(split, sample=split.sample + 10), {}, (2,), "scarf"
    )
    with pytest.raises(rrl.RRLError, match=r"write `towers: \[inputs, y\]`, and `inputs: \[x\]`"):
        tower_inputs(Config(towers=["x", "y"]), data)
