from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.csv", "a.tsv", "c.PARQUET", "d.txt", ".hidden.csv", "base.rrl", "mine.rrl"):
        (tmp_path / name).write_text("0,1\n", encoding="utf-8")
    (tmp_path / "a.tsv").write_text("0\t1\n", encoding="utf-8")
    (tmp_path / 'odd"name.csv').write_text("0,1\n", encoding="utf-8")
    for inner in ("sub/deep", ".git"):
        (tmp_path / inner).mkdir(parents=True)
    (tmp_path / "sub/deep/x.csv").write_text("0,1\n", encoding="utf-8")
    (tmp_path / "sub/other.rrl").write_text("ssl()\n", encoding="utf-8")
    (tmp_path / ".git/y.csv").write_text("0,1\n", encoding="utf-8")
    (tmp_path / "base.rrl").write_text(
        'param frac = 0.3\nparam by = "label"\nparam on = true\nsupervised(frac=frac)\n',
        encoding="utf-8",
    )
    (tmp_path.parent / "outside.csv").write_text("0,1\n", encoding="utf-8")
    return tmp_path
