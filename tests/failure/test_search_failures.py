"""What goes wrong with pictures in an index: another model or none, broken pictures, a job cut off."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nayan
from nayan.cli import main
from nayan.core.errors import BundleError, ConfigError, DataError, FormatError, NotFound, WeightsError
from nayan.runtime.bundle import open_bundle, write_files
from nayan.runtime.index import open_index
from nayan.runtime.manifest import ONNX
from nayan.tasks.embedding.search import filling


def drawn(folder: Path, count: int = 12) -> Path:
    folder.mkdir(parents=True)
    colours = np.random.default_rng(0).integers(20, 255, (count, 3))
    for number, colour in enumerate(colours):
        pixels = np.broadcast_to(colour.astype(np.uint8), (9, 9, 3))
        Image.fromarray(np.ascontiguousarray(pixels)).save(folder / f"{number:02d}.png")
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return drawn(tmp_path / "pictures")


@pytest.fixture
def other_model(colour_embedder: Path, tmp_path: Path) -> Path:
    """Return an embedder with the same network, and another way from a picture to its pixels."""
    bundle = open_bundle(colour_embedder)
    preprocess = bundle.spec.preprocess
    spec = bundle.spec.with_(preprocess=type(preprocess)(preprocess.size, "letterbox"))
    files = {ONNX: bundle.graph}
    return write_files(tmp_path / "other", spec=spec, golden=bundle.golden(), files=files)


def test_an_index_takes_no_other_model(pictures: Path, colour_embedder: Path, other_model: Path) -> None:
    index = pictures.with_name("index")
    nayan.index(colour_embedder, pictures, index)
    with pytest.raises(DataError, match=r"holds vectors of another model: 'colours .*', expected 'colours "):
        nayan.index(other_model, pictures, index)
    with pytest.raises(DataError, match="holds vectors of another model"):
        nayan.search(index, pictures / "00.png", model=other_model)
    shutil.rmtree(index / "model")
    shutil.copytree(other_model, index / "model")
    with pytest.raises(DataError, match="holds vectors of another model"):
        nayan.search(index, pictures / "00.png")


def test_an_index_that_lost_its_model_gets_it_back(pictures: Path, colour_embedder: Path) -> None:
    index = pictures.with_name("index")
    nayan.index(colour_embedder, pictures, index)
    shutil.rmtree(index / "model")
    with pytest.raises(BundleError, match="the index has lost its model") as error:
        nayan.search(index, pictures / "00.png")
    assert "nayan index" in error.value.hint
    assert nayan.index(colour_embedder, pictures, index).new == 0
    assert nayan.search(index, pictures / "00.png")[0].id == "00.png"


def test_a_changed_model_in_the_index_is_refused(pictures: Path, colour_embedder: Path) -> None:
    index = pictures.with_name("index")
    nayan.index(colour_embedder, pictures, index)
    spec = index / "model" / "spec.json"
    spec.write_text(spec.read_text(encoding="utf-8") + " ", encoding="utf-8")
    with pytest.raises(BundleError, match=r"spec\.json"):
        nayan.search(index, pictures / "00.png")


def test_a_job_that_was_cut_off_goes_on_where_it_was(
    pictures: Path, colour_embedder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "APPENDED", 4)
    index = pictures.with_name("index")

    def cut(done: int, total: int) -> None:
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nayan.index(colour_embedder, pictures, index, on_progress=cut)
    filled = nayan.index(colour_embedder, pictures, index)
    assert (filled.pictures, filled.new, filled.same) == (12, 4, 8)
    whole = pictures.with_name("whole")
    nayan.index(colour_embedder, pictures, whole)
    with open_index(index) as one, open_index(whole) as other:
        names = sorted(one.ids())
        assert names == sorted(other.ids())
        assert np.array_equal(one.vectors(names), other.vectors(names))


def test_what_a_cut_off_beginning_left_is_made_good(pictures: Path, colour_embedder: Path) -> None:
    index = pictures.with_name("index")
    nayan.index(colour_embedder, pictures, index)
    with open_index(index, write=True) as opened:
        opened.delete(opened.ids())
    shutil.rmtree(index / "model")
    (index / "pictures.json").unlink()
    assert nayan.index(colour_embedder, pictures, index).new == 12
    assert nayan.search(index, pictures / "03.png")[0].id == "03.png"


def test_broken_pictures_are_named_and_tried_again(pictures: Path, colour_embedder: Path) -> None:
    index = pictures.with_name("index")
    (pictures / "05.png").write_bytes(b"no picture")
    filled = nayan.index(colour_embedder, pictures, index)
    assert (filled.pictures, filled.new) == (11, 11)
    assert [name for name, _ in filled.failures] == ["05.png"]
    shutil.copy(pictures / "06.png", pictures / "05.png")
    assert nayan.index(colour_embedder, pictures, index).new == 1


def test_where_no_picture_can_be_read_nothing_is_claimed(
    tmp_path: Path, colour_embedder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="no picture could be embedded, 1 could not be read; the first: "):
        nayan.embed(colour_embedder, tmp_path / "bad")
    assert main(["index", str(colour_embedder), str(tmp_path / "bad"), "--out", str(tmp_path / "i")]) == 3
    assert "a.png" in capsys.readouterr().err
    with pytest.raises(FormatError, match=r"a\.png"):
        nayan.search(tmp_path / "i", tmp_path / "bad" / "a.png")


def test_a_table_that_fits_no_picture_is_refused_before_anything_is_embedded(
    pictures: Path, colour_embedder: Path, tmp_path: Path
) -> None:
    (tmp_path / "items.csv").write_text("image,price\nelsewhere/00.png,1\n", encoding="utf-8")
    with pytest.raises(DataError, match="none of its 1 rows is of one of the 12 pictures") as error:
        nayan.index(colour_embedder, pictures, tmp_path / "index", metadata=tmp_path / "items.csv")
    assert "'elsewhere/00.png', the pictures such as '00.png'" in error.value.hint
    with open_index(tmp_path / "index") as index:
        assert len(index) == 0


def test_another_distance_is_refused(pictures: Path, colour_embedder: Path) -> None:
    index = pictures.with_name("index")
    nayan.index(colour_embedder, pictures, index, distance="euclidean")
    assert nayan.index(colour_embedder, pictures, index).same == 12
    with pytest.raises(ConfigError, match="compares by euclidean distance, not cosine"):
        nayan.index(colour_embedder, pictures, index, distance="cosine")


def test_what_gives_no_vectors_is_refused(tmp_path: Path, pictures: Path, colour_embedder: Path) -> None:
    file = tmp_path / "w.safetensors"
    file.write_bytes(b"")
    for options, error, message in (
        ({"model": "supcon_mobilenetv2_100"}, ConfigError, "a model to compare embeds when it was trained"),
        ({"model": "yolo"}, ConfigError, "a model to detect embeds when it was trained"),
        ({"model": "resnet18", "weights": "none"}, ConfigError, "an untrained network finds nothing alike"),
        (
            {"model": "resnet18", "weights": "none.safetensors"},
            WeightsError,
            "there is no file of weights at",
        ),
        ({"model": "resnet18", "weights": file, "pooling": "max"}, NotFound, "no pooling is named 'max'"),
        ({"model": "resnett18", "weights": file}, NotFound, "no model is named 'resnett18'"),
        ({"model": tmp_path / "none" / "model"}, BundleError, "no bundle here"),
        ({"model": colour_embedder, "weights": file}, ConfigError, "has its own weights and size"),
        ({"model": colour_embedder, "pooling": "gem"}, ConfigError, "an embedder has its own pooling"),
    ):
        with pytest.raises(error, match=message):
            nayan.embed(options.pop("model"), pictures, **options)  # type: ignore[arg-type]


def test_a_classifier_that_keeps_no_weights_cannot_be_cut(pictures: Path, colour_bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"holds no weights\.safetensors"):
        nayan.embed(colour_bundle, pictures)


def test_a_database_keeps_no_model(pictures: Path) -> None:
    with pytest.raises(ConfigError, match="a database keeps no model") as error:
        nayan.search("postgresql://nobody@127.0.0.1:1/none#goods", pictures / "00.png")
    assert "--model" in error.value.hint


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["search", "INDEX", "none.png"], 3, "none.png: there is no such file"),
        (["search", "PICTURES", "PICTURES/00.png"], 3, "is no index"),
        (["search", "INDEX", "PICTURES/00.png", "-k", "0"], 2, "k is 0"),
        (["search", "INDEX", "PICTURES/00.png", "--filter", "price <"], 2, "ends where a value is expected"),
        (["search", "INDEX", "PICTURES/00.png", "--filter", "price < 1"], 2, "no field of metadata is named"),
        (["search", "INDEX", "PICTURES/00.png", "--minus", "PICTURES/00.png"], 3, "cancel each other out"),
        (["recommend", "INDEX", "1.png"], 2, "no picture in the index is named '1.png'"),
        (["duplicates", "NONE"], 3, "is no index"),
        (["embed", "MODEL", "PICTURES", "--out", "vectors.txt"], 2, "written as .npz or .csv"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(
    pictures: Path,
    colour_embedder: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    message: str,
) -> None:
    index = pictures.with_name("index")
    nayan.index(colour_embedder, pictures, index)
    places = {"INDEX": index, "PICTURES": pictures, "NONE": index / "none", "MODEL": colour_embedder}
    for word, place in places.items():
        words = [each.replace(word, str(place)) for each in words]
    assert main(words) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err


def test_the_document_of_a_search_says_what_was_asked(
    pictures: Path, colour_embedder: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    index = str(pictures.with_name("index"))
    assert main(["index", str(colour_embedder), str(pictures), "--out", index, "--json"]) == 0
    filled = json.loads(capsys.readouterr().out)
    assert (filled["schema_version"], filled["pictures"], filled["new"]) == (1, 12, 12)
    query = str(pictures / "00.png")
    assert main(["search", index, query, "-k", "2", "--diverse", "--json", "--out", str(tmp_path / "s")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["query"], found["index"], len(found["hits"])) == ([query], index, 2)
    assert found["hits"][0]["id"] == "00.png"
    assert (tmp_path / "s" / "hits.png").is_file()
    assert main(["recommend", index, "00.png", "-k", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[0].split() == ["similarity", "picture"]
    assert main(["duplicates", index, "--within", "0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["groups"] == []
