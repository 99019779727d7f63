"""`nayan portrait` with a tiny real model: what is red is the person."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

import nayan
from nayan.cli import main
from nayan.core.errors import ConfigError, FormatError, NotFound
from nayan.runtime.backends.onnx import OnnxBackend
from nayan.runtime.bundle import write_bundle
from nayan.runtime.golden import make_golden
from nayan.runtime.predictor import Predictor
from nayan.runtime.preprocess import Preprocess
from nayan.runtime.spec import Spec
from nayan.runtime.tiles import Tiling
from nayan.tasks.segmentation.decode import decode
from nayan.tasks.segmentation.portrait.making import background_of, person_index, person_probability


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle: the more red than green, the more probably the second class."""
    weights = np.array([[-0.1, 0.1, 0], [0.1, -0.1, 0]], np.float32)[..., None, None]
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["pixels"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["planes", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "red",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["B", 64, 64, 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["B", 2, 64, 64])],
        [numpy_helper.from_array(weights, "weights")],
    )
    onnx = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    data = bytes(onnx.SerializeToString())
    spec = Spec("segmentation", "red", {}, ("background", "thing"), Preprocess((64, 64), "stretch"))
    image = np.full((20, 30, 3), (200, 40, 10), np.uint8)
    golden = make_golden(Predictor(spec, OnnxBackend(data), decode), image)
    return write_bundle(tmp_path_factory.mktemp("red") / "model", spec=spec, golden=golden, onnx=data)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """Return a picture of a red disc before a blue wall."""
    y, x = np.mgrid[:90, :120]
    red = np.hypot(y - 45, x - 60) < 25
    pixels = np.where(red[..., None], (220, 30, 40), (20, 60, 160)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "anna.png")
    return tmp_path / "anna.png"


def test_the_file_that_was_written_is_printed(
    model: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "portrait.png"
    assert main(["portrait", str(model), str(photo), "--out", str(out), "--background", "white"]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    pixels = np.array(Image.open(out))
    assert pixels[2, 2].tolist() == [255, 255, 255]
    assert np.abs(pixels[45, 60].astype(int) - (220, 30, 40)).max() <= 2


def test_a_folder_of_portraits_and_one_picture_without_anybody(
    model: Path, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (50, 40), (0, 0, 200)).save(photo.parent / "wall.png")
    (photo.parent / "more").mkdir()
    Image.open(photo).save(photo.parent / "more" / "Anna.png")
    out = tmp_path / "out"
    words = ["portrait", str(model), str(photo.parent), "--out", str(out), "--background", "none", "--json"]
    assert main(words) == 0
    records = json.loads(capsys.readouterr().out)
    files = [Path(record["file"]).name for record in records if "file" in record]
    assert sorted(files) == ["Anna.png", "anna_2.png"] or sorted(files) == ["Anna_2.png", "anna.png"]
    (failed,) = (record for record in records if "error" in record)
    assert failed["source"].endswith("wall.png")
    assert failed["error"] == "no person was found in the picture"
    made = next(record for record in records if "file" in record)
    assert made["share"] == pytest.approx(np.pi * 25**2 / (90 * 120), rel=0.05)
    with Image.open(made["file"]) as written:
        assert written.mode == "RGBA"


def test_nobody_in_any_picture_is_exit_code_3(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (50, 40), (0, 0, 200)).save(tmp_path / "wall.png")
    code = main(["portrait", str(model), str(tmp_path / "wall.png"), "--out", str(tmp_path / "out")])
    out, err = capsys.readouterr()
    assert code == 3
    assert out == ""
    assert "wall.png: no person was found" in err


def test_in_python_a_model_that_was_loaded_serves_many(model: Path, photo: Path, tmp_path: Path) -> None:
    loaded = nayan.load(model)
    for background in ("blur", "gray", str(photo)):
        (record,) = nayan.portrait(loaded, photo, out=tmp_path / "p", background=background, feather=3)
        assert Path(record["file"]).name == "anna.jpg"
    (record,) = nayan.portrait(loaded, [photo], out=tmp_path / "p", person="Thing", strength=2)
    assert Path(record["file"]).is_file()


def test_your_pictures_are_never_changed(model: Path, photo: Path) -> None:
    with pytest.raises(ConfigError, match="which are never changed"):
        nayan.portrait(model, photo, out=photo)
    with pytest.raises(ConfigError, match="which are never changed"):
        nayan.portrait(model, photo, out=photo.parent, background="none")


def test_another_task_another_class_and_other_places_are_refused(
    model: Path, colour_bundle: Path, photo: Path, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="needs a model that segments, this one is for classification"):
        nayan.portrait(colour_bundle, photo, out=tmp_path / "p")
    with pytest.raises(NotFound, match="no class is named 'cat'"):
        nayan.portrait(model, photo, out=tmp_path / "p", person="cat")
    with pytest.raises(ConfigError, match="JPEG cannot be transparent"):
        nayan.portrait(model, photo, out=tmp_path / "p.jpg", background="none")
    with pytest.raises(ConfigError, match=r"expected a folder, or a file ending in \.jpg"):
        nayan.portrait(model, photo, out=tmp_path / "p.bmp")
    Image.new("RGB", (9, 9)).save(photo.parent / "other.png")
    with pytest.raises(ConfigError, match="one file for 2 pictures"):
        nayan.portrait(model, photo.parent, out=tmp_path / "p.jpg")


def test_backgrounds_are_words_colours_or_pictures(photo: Path, tmp_path: Path) -> None:
    assert background_of("blur") == "blur"
    assert background_of("black") == (0, 0, 0)
    assert background_of("#0aF0ff") == (10, 240, 255)
    picture = background_of(str(photo))
    assert isinstance(picture, np.ndarray)
    assert picture.shape == (90, 120, 3)
    for wrong in ("blurr", "#12", "nowhere.jpg", "a\0b", "x" * 5000):
        with pytest.raises(ConfigError, match="or a picture, and there is no such file"):
            background_of(wrong)
    with pytest.raises(ConfigError, match="did you mean 'blur'"):
        background_of("blurr")
    (tmp_path / "text.jpg").write_text("no picture", encoding="utf-8")
    with pytest.raises(FormatError, match="not a picture"):
        background_of(str(tmp_path / "text.jpg"))


@pytest.mark.parametrize("index", [0, 1])
def test_a_threshold_that_was_fitted_becomes_one_half(model: Path, index: int) -> None:
    loaded = nayan.load(model)
    image = np.full((64, 64, 3), (110, 118, 0), np.uint8)  # the second class with a probability of 0.168
    plain = person_probability(loaded, image, index)
    fitted = replace(
        loaded, spec=loaded.spec.with_(decode_args={"thresholds": [float(1 / (1 + np.exp(1.6)))]})
    )
    np.testing.assert_allclose(plain, (0.832, 0.168)[index], atol=1e-3)
    np.testing.assert_allclose(person_probability(fitted, image, index), 0.5, atol=1e-3)


def test_a_model_that_looks_in_tiles_does_so_for_portraits_too(model: Path) -> None:
    loaded = nayan.load(model)
    image = np.zeros((100, 150, 3), np.uint8)
    image[:, 70:73] = (200, 0, 0)  # lost in one look at 64 x 64 pixels
    tiled = replace(loaded, spec=loaded.spec.with_(tiling=Tiling(64, whole=False, grid=32)))
    seen = person_probability(tiled, image, 1)
    np.testing.assert_allclose(seen[:, 70:73], 1, atol=1e-3)
    np.testing.assert_allclose(seen[:, [69, 73]], 0.5, atol=1e-3)


def test_the_person_is_who_is_named_or_can_be_meant() -> None:
    assert person_index(("sky", "people", "road"), None) == 1
    assert person_index(("figure", "background"), None) == 0
    assert person_index(("a", "b", "c"), "C") == 2
    with pytest.raises(ConfigError, match=r"none of the classes is a person: 0, 1, 2, 3, 4, 5, 6, 7, \.\.\."):
        person_index([str(n) for n in range(20)], None)
    with pytest.raises(ConfigError, match=r"none of the classes is a person: a, b, c\n"):
        person_index(("a", "b", "c"), None)
