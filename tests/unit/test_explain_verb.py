"""`nayan explain` finds the true boxes of a picture, and gives networks what they take beside the pixels."""

import json
from pathlib import Path

import boxed
import masked
import numpy as np
import pytest
import torch
from looked import PROPOSALS, SMALL, scene, small_detectors
from torch import nn

from nayan import api
from nayan.cli import main
from nayan.core.errors import ConfigError, DataError, NotFound
from nayan.data.pictures import find_sample
from nayan.data.splits import read_split
from nayan.explain import explain
from nayan.explain.record import every_tensor, record
from nayan.tasks.restore import build_named


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    objects = [("dog", (10, 10, 50, 40)), ("cat", (70, 50, 30, 30))]
    pictures = {"one.png": (1, objects), "empty.png": (2, [])}
    return boxed.coco(tmp_path_factory.mktemp("data"), {"train": pictures, "valid": pictures})


def picture(data: Path, name: str = "one.png") -> Path:
    return next(iter(sorted(data.rglob(name))))


def test_the_true_boxes_come_from_the_data_set_with_its_classes(data: Path) -> None:
    story = api.explain("yolo", picture(data), what="assignment", data=data, imgsz=64)
    assert [row[0] for row in story.panels[0].table.rows] == ["1 dog", "2 cat"]
    background = api.explain("yolo", picture(data, "empty.png"), what="assignment", data=data, imgsz=64)
    assert background.panels[0].data["objects"] == 0


def test_selective_search_takes_the_picture_in_the_place_of_the_model(data: Path) -> None:
    story = api.explain(picture(data), what="proposals", data=data, count=20)
    assert story.panels[2].data["objects"] == 2


def test_a_picture_of_another_place_is_no_picture_of_the_data(data: Path, tmp_path: Path) -> None:
    boxed.picture(tmp_path / "other.png", 9)
    with pytest.raises(DataError, match=r"other\.png: is none of the \d+ pictures") as caught:
        api.explain("yolo", tmp_path / "other.png", what="assignment", data=data)
    assert "the data set that the picture is from" in caught.value.hint


def test_the_same_file_is_found_however_its_path_is_written(data: Path) -> None:
    dataset = read_split(data, "all")
    odd = picture(data).parent / ".." / picture(data).parent.name / "one.png"
    assert find_sample(dataset, odd).path.samefile(picture(data))


def test_data_is_refused_where_it_says_nothing_and_beside_a_number_of_classes(data: Path) -> None:
    with pytest.raises(ConfigError, match="summary does not look at true boxes"):
        api.explain("yolo", what="summary", data=data)
    with pytest.raises(ConfigError, match=r"--classes 3: .* says which classes there are"):
        api.explain("yolo", picture(data), what="anchors", data=data, classes=3)


def test_a_run_finds_the_boxes_in_what_it_was_trained_on_while_it_is_there(
    data: Path, tmp_path: Path
) -> None:
    from nayan.api.inside import _if_learnt_from

    known = _if_learnt_from({"path": str(data), "format": "coco"}, picture(data), targets=("Boxes",))
    assert len(known.samples[0].target) == 2
    gone = {"path": str(tmp_path / "gone"), "format": None}
    assert _if_learnt_from(gone, picture(data), targets=("Boxes",)) is None


def test_a_detector_by_its_name_has_the_classes_of_coco() -> None:
    named = build_named("yolo", imgsz=64)
    assert (len(named.classes), named.classes[0]) == (80, "person")
    assert build_named("lenet").classes is None
    assert build_named("yolo", imgsz=64, classes=["cat"]).classes == ["cat"]
    assert build_named("fast_rcnn", imgsz=64, classes=2).inputs["proposals"]["method"] == "selective_search"


def test_the_command_writes_pictures_and_tells_the_story(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["explain", "yolo", str(picture(data)), "--what", "nms", "--imgsz", "64", "--conf", "0"]
    assert main([*given, "--iou", "0.5", "--data", str(data), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "gave way to" in told
    assert "objects found" in told
    assert len(list((tmp_path / "out").glob("*.png"))) == 3


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("scenes")
    table = "name,r,g,b\nground,0,0,0\nleft,250,0,0\nright,0,0,250\n"
    masked.masked(root, {"images/one.png": 1, "images/two.png": 2, "classes.csv": table})
    colours = {0: (0, 0, 0), 1: (250, 0, 0), 2: (0, 0, 250)}
    (root / "masks").mkdir()
    for name in ("one", "two"):
        masked.painted(masked.halves(1, 2), colours).save(root / "masks" / f"{name}.png")
    return root


def test_the_true_mask_comes_from_the_data_set_with_its_classes(scenes: Path) -> None:
    picture = scenes / "images" / "one.png"
    story = api.explain("unet", picture, what="skips", data=scenes, imgsz=32, channels=3)
    assert story.panels[0].data["against"] == "truth"
    pushed = api.explain("unet", picture, what="losses", data=scenes, imgsz=32)
    assert pushed.panels[-1].title == "On this picture"


def test_data_that_say_something_else_are_refused(data: Path, scenes: Path) -> None:
    with pytest.raises(DataError, match=r"holds boxes .*, wanted masks"):
        api.explain("unet", picture(data), what="skips", data=data, imgsz=32)
    with pytest.raises(DataError, match=r"holds masks .*, wanted boxes"):
        api.explain("yolo", scenes / "images" / "one.png", what="anchors", data=scenes, imgsz=64)


def test_a_segmenter_by_its_name_is_as_its_paper_has_it() -> None:
    named = build_named("unet", imgsz=32)
    assert (named.preprocess.channels, named.classes) == (1, ("background", "foreground"))
    published = build_named("unet_mobilenetv2_100", imgsz=64)
    assert (published.preprocess.channels, len(published.classes)) == (3, 21)
    assert published.classes[0] == "background"


def test_a_name_may_have_a_slash_and_no_picture_is_needed_for_how_maps_grow() -> None:
    pytest.importorskip("segmentation_models_pytorch")
    story = api.explain("smp/linknet", what="upsampling", imgsz=64)
    assert next(step["how"] for step in story.panels[-1].data["steps"]) == "transposed 4x4, stride 2"
    with pytest.raises(NotFound, match="no model is named 'smp/linknett'"):
        api.explain("smp/linknett", what="upsampling")


def test_the_command_takes_what_replaces_a_skip_and_the_pixel_of_a_cam(
    scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["explain", "unet", str(scenes / "images" / "one.png"), "--imgsz", "32"]
    assert main([*given, "--what", "skips", "--fill", "zero", "--json", "--out", str(tmp_path / "a")]) == 0
    assert json.loads(capsys.readouterr().out)["panels"][0]["data"]["fill"] == "zero"
    assert main([*given, "--what", "cam", "--at", "3,4", "--out", str(tmp_path / "b")]) == 0
    assert "the pixel at x = 3, y = 4" in capsys.readouterr().out


def test_a_network_that_takes_proposals_is_given_them_by_looks_that_know_nothing_of_it() -> None:
    networks = small_detectors()
    summary = explain(networks["rcnn"], what="summary", preprocess=SMALL, inputs=PROPOSALS)
    assert summary.panels[0].table is not None
    with pytest.raises(ConfigError, match="no stage puts out one"):
        explain(networks["rcnn"], what="features", preprocess=SMALL, image=scene(), inputs=PROPOSALS)


def test_every_tensor_of_an_output_is_recorded_where_that_is_asked_for() -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, object]:
            return {"a": [x + 1], "b": (2 * x, "text")}

    network = nn.Sequential(Two())
    pick = lambda output: {f"[{row}]": each for row, each in enumerate(every_tensor(output))}  # noqa: E731
    with record(network, gradients=True, pick=pick) as seen:
        given = torch.ones(2, requires_grad=True)
        output = network(given)
        (output["a"][0].sum() + 3 * output["b"][0].sum()).backward()
    assert list(seen) == ["0[0]", "0[1]"]
    assert np.allclose(seen["0[1]"], 2)
    assert np.allclose(seen.gradients["0[1]"], 3)
    assert every_tensor("text") == []
