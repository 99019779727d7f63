"""From sample data over a trained model to answers: what a user does to search among pictures."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

import nayan
from nayan.cli import main
from nayan.core.errors import ConfigError, DataError
from nayan.runtime.bundle import open_bundle
from nayan.runtime.index import open_index
from nayan.tasks.restore import build_named
from tiny_runs import draw_signs, one_core


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the sample data of comparing, a part of it."""
    return nayan.sample("compare", tmp_path_factory.mktemp("data") / "numbers", count=200)


@pytest.fixture(scope="module")
def bundle(numbers: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an embedder that was trained on it for a moment."""
    out = tmp_path_factory.mktemp("runs") / "supcon"
    with one_core():
        return nayan.train(
            numbers, out=out, model="supcon", imgsz=32, epochs=2, workers=1, device="cpu", weights="none"
        ).bundle


def test_a_catalogue_is_indexed_searched_and_recommends(
    numbers: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = sorted((numbers / "test").rglob("*.png"))
    table = tmp_path / "items.csv"
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["image", "number", "tens"])
        writer.writerows([str(each), each.parent.name, len(each.parent.name)] for each in pictures)
    index = tmp_path / "index"
    words = ["index", str(bundle), str(numbers / "test"), "--out", str(index), "--metadata", str(table)]
    assert main(words) == 0
    assert f"{len(pictures):,} pictures" in capsys.readouterr().err
    query = pictures[0]
    own = query.relative_to(numbers / "test").as_posix()
    assert main(["search", str(index), str(query), "-k", "3", "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert hits[0]["id"] == own
    assert hits[0]["similarity"] == pytest.approx(1, abs=1e-5)
    assert hits[0]["metadata"]["number"] == query.parent.name
    others = nayan.recommend(index, own, k=4, distinct="number", out=tmp_path / "seen")
    assert query.parent.name not in {hit.metadata["number"] for hit in others}
    assert len({hit.metadata["number"] for hit in others}) == 4
    assert (tmp_path / "seen" / "hits.png").is_file()
    assert nayan.search(index, query, where=f'number != "{query.parent.name}"')[0].id != own


def test_what_embed_writes_is_what_predict_gives_and_what_the_index_holds(
    numbers: Path, bundle: Path, tmp_path: Path
) -> None:
    folder = next((numbers / "test").iterdir())
    words = ["embed", str(bundle), str(folder), "--out"]
    assert main([*words, str(tmp_path / "vectors.npz")]) == 0
    assert main([*words, str(tmp_path / "vectors.csv")]) == 0
    with np.load(tmp_path / "vectors.npz", allow_pickle=False) as kept:
        sources, vectors = kept["source"].tolist(), kept["embedding"]
    rows = list(csv.reader((tmp_path / "vectors.csv").read_text(encoding="utf-8").splitlines()))
    assert [row[0] for row in rows[1:]] == sources
    assert np.array([row[1:] for row in rows[1:]], np.float32) == pytest.approx(vectors, abs=1e-6)
    predicted = [record["predictions"][0]["embedding"] for record in nayan.predict(bundle, folder)]
    np.testing.assert_allclose(vectors, predicted, atol=2e-6)
    nayan.index(bundle, folder, tmp_path / "index")
    with open_index(tmp_path / "index") as index:
        held = index.vectors([Path(source).name for source in sources])
    np.testing.assert_allclose(held, vectors, atol=1e-6)


def test_a_backbone_by_its_name_is_kept_by_the_index_as_a_bundle(tmp_path: Path) -> None:
    data = draw_signs(tmp_path / "signs")
    weights = tmp_path / "lenet.safetensors"
    network = build_named("lenet", classes=3).network
    assert network is not None
    save_file(network.state_dict(), weights)
    index = tmp_path / "index"
    filled = nayan.index("lenet", data / "train", index, weights=weights)
    spec = open_bundle(index / "model").spec
    assert (filled.new, spec.task, spec.model) == (24, "embedding", "lenet")
    assert all(check.passed for check in nayan.check_bundle(index / "model"))
    assert nayan.index("lenet", data / "val", index, weights=weights).new == 12
    assert nayan.search(index, data / "train/bar/0.png")[0].id == "bar/0.png"
    with pytest.raises(DataError, match="of another model"):
        nayan.index("lenet", data / "train", index, weights=weights, pooling="flatten")
    with pytest.raises(ConfigError, match=r"--pooling gem takes maps .*, lenet gives \(84,\)"):
        nayan.embed("lenet", data / "val", weights=weights, pooling="gem")


def test_the_last_map_is_pooled_as_is_wished(tmp_path: Path) -> None:
    data = draw_signs(tmp_path / "signs")
    weights = tmp_path / "small.safetensors"
    network: Any = build_named("mobilenetv3_small_050", imgsz=64).network
    save_file(network.state_dict(), weights)
    files = [str(data / f"val/bar/{number}.png") for number in range(3)]
    found = {
        pooling: nayan.embed(
            "mobilenetv3_small_050", files, weights=weights, pooling=pooling, imgsz=64
        ).vectors
        for pooling in ("gap", "gem", "flatten")
    }
    maps = network.backbone.num_features
    assert found["gap"].shape[1] == network.backbone.num_pooled
    assert found["gem"].shape[1] == maps
    assert found["flatten"].shape[1] == maps * 2 * 2
    for vectors in found.values():
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_trained_classifier_gives_what_its_last_layer_sees(tmp_path: Path) -> None:
    data = draw_signs(tmp_path / "signs")
    with one_core():
        run = nayan.train(
            data, out=tmp_path / "run", model="lenet", imgsz=28, epochs=1, workers=1, device="cpu"
        )
    (record,) = nayan.predict(run.bundle, data / "val/bar/0.png")
    embedded = nayan.embed(run.bundle, data / "val")
    assert embedded.vectors.shape == (12, 84)
    assert "predictions" in record
    index = tmp_path / "index"
    nayan.index(run.folder, data / "val", index)
    again = nayan.index(index / "model", data / "val", index)  # its own model, by which no torch is needed
    assert (again.new, again.same) == (0, 12)


def test_a_picture_that_changes_is_found_as_what_it_shows_now(
    numbers: Path, bundle: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    sources = sorted((numbers / "test").rglob("*.png"))[:6]
    for number, source in enumerate(sources[:5]):
        (folder / f"{number}.png").write_bytes(source.read_bytes())
    index = tmp_path / "index"
    nayan.index(bundle, folder, index)
    Image.open(sources[5]).resize((40, 40)).save(folder / "2.png")
    assert nayan.index(bundle, folder, index).changed == 1
    Image.open(sources[5]).resize((40, 40)).save(tmp_path / "question.png")
    assert nayan.search(index, tmp_path / "question.png", k=1)[0].id == "2.png"
