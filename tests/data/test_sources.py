import json
import pickle

import numpy as np
import pytest
from PIL import Image

from data_sets import HEIGHT, WIDTH, dim, make_original, make_record, make_shards, picture, save, square
from ivm.core.errors import DeviceError, OptionError, RecordError
from ivm.data.boxes import boxes_to_mask
from ivm.data.convert import ToOriginal, ToShards
from ivm.data.faults import BadRecordError, Fault
from ivm.data.phrases import ask_for
from ivm.data.record import Record
from ivm.data.sources.coco import segmentation_mask
from ivm.data.sources.finding import layout_of, open_source
from ivm.data.sources.original import OriginalSource
from ivm.data.sources.scenes import SceneSource
from ivm.data.sources.shards import ShardSource
from ivm.data.tabletop.mujoco_gl import open_context
from ivm.masking.rle import encode_rle


def everything(source):
    return list(source.read(0, len(source)))


@pytest.fixture
def original(tmp_path):
    make_original(tmp_path / "mix", faults=False)
    return OriginalSource(tmp_path / "mix", roots={"": tmp_path / "mix" / "pictures"})


def test_all_three_parts_of_the_original(original):
    records = {record.uuid: record for record in everything(original)}
    assert list(records) == ["h0", "h1", "h2", "grey", "r0", "v0", "v1"]
    assert {uuid: record.source for uuid, record in records.items() if record.source == "human"}.keys() == {
        "h0", "h1", "h2", "grey"
    }  # fmt: skip
    for number, uuid in enumerate(["h0", "h1", "h2"]):
        image, mask = records[uuid].pixels()
        np.testing.assert_allclose(image.astype(int), picture(number), atol=40)
        assert ((mask > 127) == (square(number) > 127)).mean() > 0.99
    assert records["h0"].instructions == ("the red cup", "take the cup")
    assert records["grey"].image.shape == (HEIGHT, WIDTH, 3)
    np.testing.assert_array_equal(
        records["v1"].mask, boxes_to_mask([[0.25, 0.25, 0.75, 0.75]], WIDTH, HEIGHT, "padded")
    )


def test_plain_boxes(tmp_path):
    make_original(tmp_path, faults=False)
    source = OriginalSource(tmp_path, roots={"vsr": tmp_path / "pictures" / "vsr"}, boxes="plain", drawn_by="human")
    records = {item.uuid: item for item in everything(source)}
    np.testing.assert_array_equal(records["v1"].mask, boxes_to_mask([[0.25, 0.25, 0.75, 0.75]], WIDTH, HEIGHT, "plain"))
    assert records["v1"].source == "human"
    assert isinstance(records["v0"], Fault)
    assert "--images coco=FOLDER" in records["v0"].message


def test_a_path_out_of_the_data_set_is_refused(tmp_path):
    make_original(tmp_path / "mix", faults=False)
    save(tmp_path / "secret.jpg", picture(0))
    lines = tmp_path / "mix" / "HumanLabelData" / "data.jsonl"
    for path in ("../../secret.jpg", str(tmp_path / "secret.jpg")):
        lines.write_text(json.dumps({"uuid": "h0", "image": path, "instruction": ["the cup"]}))
        (fault,) = everything(OriginalSource(lines))
        assert fault.kind == "missing-picture"


@pytest.mark.parametrize("masks", ["keep", "rle", "png"])
def test_original_to_shards_and_back_loses_nothing(tmp_path, original, masks):
    shards, back, again = (tmp_path / name for name in ("shards", "back", "again"))
    ToShards(source=original, folder=shards, name="mix", records=3, masks=masks).run()
    ToOriginal(source=ShardSource(shards), folder=back, name="mix").run()
    ToShards(source=OriginalSource(back), folder=again, name="mix", records=3, masks=masks).run()
    first, second, third = (
        {record.uuid: record for record in everything(source)}
        for source in (original, OriginalSource(back), ShardSource(again))
    )
    assert first.keys() == second.keys() == third.keys()
    for uuid, record in first.items():
        for other in (second[uuid], third[uuid]):
            assert other.picture == record.picture
            np.testing.assert_array_equal(other.mask, record.mask)
            for name in ("instructions", "source", "weight", "license", "provenance", "present"):
                assert getattr(other, name) == getattr(record, name)
    if masks == "keep":
        folder = original.place / "HumanLabelData"
        assert (back / "mask_h0.jpg").read_bytes() == (folder / "mask_h0.jpg").read_bytes()


def test_the_originals_own_reader_gets_the_mask_of_any_record(tmp_path):
    """As that reader does it: times 1.5, at most 255, stretched to 0..1."""
    import cv2

    soft = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (24, 1))
    make_shards(tmp_path / "shards", [1], mask=soft)
    ToOriginal(source=ShardSource(tmp_path / "shards"), folder=tmp_path / "back", name="a").run()
    grey = cv2.imread(str(tmp_path / "back" / "mask_r0.jpg"), cv2.IMREAD_GRAYSCALE).astype(np.float64)
    bright = np.minimum(grey * 1.5, 255)
    stretched = (bright - bright.min()) / (bright.max() - bright.min())
    np.testing.assert_allclose(stretched * 255, soft / 248 * 255, atol=12)


def coco_file(folder, extra=()):
    save(folder / "pictures" / "1.jpg", picture(1))
    runs = encode_rle(square(2) == 255)
    told = {
        "images": [{"id": 1, "file_name": "1.jpg", "height": HEIGHT, "width": WIDTH, "license": 4}],
        "categories": [{"id": 7, "name": "mouse"}, {"id": 8, "name": "dog"}],
        "annotations": [
            {"id": 10, "image_id": 1, "category_id": 7, "segmentation": [[0, 0, 8, 0, 8, 8, 0, 8]], "iscrowd": 0},
            {"id": 11, "image_id": 1, "category_id": 7, "segmentation": [[20, 0, 24, 0, 24, 4, 20, 4]], "iscrowd": 0},
            {"id": 12, "image_id": 1, "category_id": 8, "segmentation": runs, "iscrowd": 0},
            *extra,
        ],
    }
    (folder / "instances.json").write_text(json.dumps(told))
    return folder / "instances.json"


def test_coco_instances(tmp_path):
    source = open_source(coco_file(tmp_path), roots={"": tmp_path / "pictures"})
    mice, dog = everything(source)
    assert mice.instructions == ("the mice", "find all mice", "where are the mice?")
    assert dog.instructions[0] == "the dog"
    assert mice.license == "CC-BY-2.0"
    assert (mice.mask[2, 2], mice.mask[2, 22], mice.mask[2, 15]) == (255, 255, 0)
    np.testing.assert_array_equal(dog.mask, square(2))


def test_polygons_are_filled_to_their_corners():
    mask = segmentation_mask([[2, 1, 6, 1, 6, 4, 2, 4]], 6, 8) // 255
    assert mask.sum() in range(12, 21)
    assert mask[1:4, 2:6].all()
    assert not mask[0].any()
    twice = segmentation_mask([[2, 1, 6, 1, 6, 4, 2, 4]] * 2, 6, 8) // 255
    np.testing.assert_array_equal(twice, mask)


def test_broken_annotations_are_named(tmp_path):
    extra = [
        {"id": 20, "image_id": 2, "category_id": 7, "segmentation": [[0, 0, 1, 1]]},
        {"id": 21, "image_id": 1, "category_id": 9, "segmentation": [[0, 0, 8, 0, 8, 8]]},
    ]
    items = everything(open_source(coco_file(tmp_path, extra), roots={"": tmp_path / "pictures"}))
    assert [item.kind for item in items if isinstance(item, Fault)] == ["record", "missing-picture"]
    with pytest.raises(OptionError, match="--images FOLDER"):
        open_source(tmp_path / "instances.json")
    (tmp_path / "instances.json").write_text("{}")
    with pytest.raises(RecordError, match="not COCO's"):
        open_source(tmp_path / "instances.json", roots={"": tmp_path})


@pytest.mark.parametrize("kind", ["json", "p"])
def test_refcoco(tmp_path, kind):
    coco_file(tmp_path)
    refs = [
        {"ref_id": 5, "ann_id": 11, "split": "val", "sentences": [{"sent": "the small mouse"}, {"sent": "right one"}]},
        {"ref_id": 6, "ann_id": 99, "split": "val", "sentences": [{"sent": "nobody"}]},
    ]
    path = tmp_path / f"refs(unc).{kind}"
    path.write_bytes(json.dumps(refs).encode() if kind == "json" else pickle.dumps(refs))
    record, fault = everything(open_source(tmp_path, roots={"": tmp_path / "pictures"}))
    assert record.instructions == ("the small mouse", "right one")
    assert record.provenance.split == "val"
    assert (record.mask[2, 22], record.mask[2, 2]) == (255, 0)
    assert fault.kind == "missing-mask"


class Harmful:
    def __reduce__(self):
        return (print, ("this ran",))


def test_a_pickle_that_runs_code_is_refused(tmp_path, capsys):
    coco_file(tmp_path)
    (tmp_path / "refs(unc).p").write_bytes(pickle.dumps([Harmful()]))
    with pytest.raises(RecordError, match=r"builtins\.print"):
        open_source(tmp_path, roots={"": tmp_path / "pictures"})
    assert "this ran" not in capsys.readouterr().out


def test_reasonseg(tmp_path):
    folder = tmp_path / "train"
    save(folder / "a.jpg", picture(1))
    shapes = [
        {"label": "target", "points": [[0, 0], [20, 0], [20, 20], [0, 20]]},
        {"label": "ignore", "points": [[0, 0], [5, 0], [5, 20], [0, 20]]},
    ]
    (folder / "a.json").write_text(json.dumps({"text": ["what keeps the rain off?"], "shapes": shapes}))
    (folder / "b.json").write_text("{}")
    save(folder / "b.jpg", picture(2))
    record, fault = everything(open_source(folder))
    assert record.instructions == ("what keeps the rain off?",)
    assert (record.mask[10, 10], record.mask[10, 2]) == (255, 0)
    assert record.provenance.split == "train"
    assert isinstance(fault, Fault)


@pytest.mark.parametrize(
    "damaged",
    [None, "polygon", [[0, 0, 8]], {}, {"size": [6], "counts": "1"}, {"size": [6, 8], "counts": ["all"]}],
    ids=str,
)
def test_a_segmentation_that_is_none_is_told(damaged):
    with pytest.raises(BadRecordError, match="neither polygons") as error:
        segmentation_mask(damaged, 6, 8)
    assert error.value.kind == "unreadable-mask"


def test_a_damaged_polygon_or_cut_out_is_told_and_the_others_are_read(tmp_path):
    polygons, products = tmp_path / "train", tmp_path / "products"
    for name, points in (("a", [[0, 0], [20]]), ("b", [[0, 0], [20, 0], [20, 20]])):
        save(polygons / f"{name}.jpg", picture(1))
        shapes = [{"label": "target", "points": points}]
        (polygons / f"{name}.json").write_text(json.dumps({"text": "the cup", "shapes": shapes}))
    cut_out = np.dstack([picture(1), square(1)])
    (products / "rgba").mkdir(parents=True)
    for name in "ab":
        Image.fromarray(cut_out).save(products / "rgba" / f"{name}.png")
    (products / "rgba" / "a.png").write_bytes((products / "rgba" / "a.png").read_bytes()[:80])
    (products / "index.json").write_text(json.dumps([{"name": "a"}, {"name": "b"}]))
    for folder, kind in ((polygons, "unreadable-mask"), (products, "unreadable-picture")):
        fault, record = everything(open_source(folder))
        assert fault.kind == kind
        assert record.mask.any()


def test_a_manifest_of_objects(tmp_path):
    save(tmp_path / "a.jpg", picture(1))
    save(tmp_path / "a__cup.png", square())
    save(tmp_path / "a_teacher.png", square(8))
    entries = [
        {"image": "a.jpg", "mask": "a__cup.png", "instruction": "the cup"},
        {"image": "a.jpg", "teacher_mask": "a_teacher.png", "instruction": "put it down", "video": "v"},
        {"image": "b.jpg", "mask": "a__cup.png", "instruction": "the cup"},
    ]
    (tmp_path / "manifest.json").write_text(json.dumps(entries))
    one, two, fault = everything(open_source(tmp_path))
    assert (one.source, two.source, two.provenance.group) == ("human", "machine", "v")
    np.testing.assert_array_equal(two.mask, square(8))
    assert fault.kind == "missing-picture"


@pytest.mark.parametrize(
    ("noun", "count", "first"),
    [("dog", 1, "the dog"), ("dog", 2, "the dogs"), ("person", 3, "the people"), ("bus", 2, "the buses"),
     ("berry", 2, "the berries"), ("key", 2, "the keys"), ("sky", 5, "the sky"), ("knife", 2, "the knives")],
)  # fmt: skip
def test_phrases(noun, count, first):
    assert ask_for(noun, count)[0] == first


def test_what_is_no_data_set(tmp_path):
    with pytest.raises(RecordError, match="no file or folder"):
        layout_of(tmp_path / "nothing")
    with pytest.raises(RecordError, match="--layout"):
        layout_of(tmp_path)
    with pytest.raises(RecordError, match=r"no \.jsonl file"):
        OriginalSource(tmp_path)
    with pytest.raises(OptionError, match="it is no folder"):
        OriginalSource(tmp_path, roots={"coco": tmp_path / "nothing"})


@pytest.mark.parametrize(
    ("folder", "layout", "fewest", "license_"),
    [
        ("coco_photos", "object-maps", 1000, "CC-BY-2.0"),
        ("street_scenes", "class-maps", 4000, "CC-BY-NC-4.0"),
        ("grocery_cutouts", "cutouts", 81, "MIT"),
        ("video", "video", 100, "unknown (DAVIS, research only)"),
        ("robot_frames", "manifest", 224, "Apache-2.0"),
        ("tabletop_photo", "manifest", 7, "Apache-2.0"),
        ("tabletop_frames", "manifest", 75, "Apache-2.0"),
    ],
)
def test_labelled_folders_become_records(data, folder, layout, fewest, license_):
    if not (data / folder).is_dir():
        pytest.skip(f"there is no folder {data / folder}")
    assert layout_of(data / folder) == layout
    source = open_source(data / folder)
    assert len(source) >= fewest
    licenses = set()
    for position, number in enumerate(np.linspace(0, len(source) - 1, 60).astype(int)):
        (record,) = source.read(int(number), int(number) + 1)
        assert isinstance(record, Record), record
        licenses.add(record.license)
        if position % 10 == 0:
            _, mask = record.pixels()
            assert mask.any()
    assert license_ in licenses


def test_rendered_scenes_are_the_same_in_any_order():
    pytest.importorskip("numba")
    source = SceneSource(scenes=4, questions=3, width=64, height=48)
    whole = everything(source)
    assert [record for number in (3, 1) for record in source.read(number, number + 1)] == [
        record for scene in ("3", "1") for record in whole if record.provenance.item == f"scene {scene}"
    ]
    assert len({record.uuid for record in whole}) == len(whole) > 4
    for record in whole:
        assert record.mask.any() == record.present
        assert record.mask.shape == (48, 64)
    assert everything(SceneSource(scenes=1, width=64, height=48, seed=1))[0].picture != whole[0].picture


def test_each_renderer_draws_its_own_scenes():
    pytest.importorskip("numba")
    pytest.importorskip("mujoco")
    try:
        open_context(8, 8).free()
    except DeviceError as error:
        pytest.skip(str(error))
    small = {"scenes": 2, "width": 64, "height": 48}
    fast, other = everything(SceneSource(**small)), everything(SceneSource(**small, renderer="mujoco"))
    assert {r.provenance.group for r in other} <= {"tabletop-mujoco-0-0", "tabletop-mujoco-0-1"}
    assert {r.provenance.group for r in fast} <= {"tabletop-0-0", "tabletop-0-1"}
    for records in (fast, other):
        assert records
        assert all(record.mask.any() == record.present for record in records)
    assert not {record.picture for record in fast} & {record.picture for record in other}
    # A process that begins at the second scene draws it as the one that began at the first.
    last = [record for record in other if record.provenance.item == "scene 1"]
    assert list(SceneSource(**small, renderer="mujoco").read(1, 2)) == last
    with pytest.raises(OptionError, match=r"one of 2\.5d, mujoco"):
        SceneSource(scenes=1, renderer="blender")


def test_conversion_leaves_out_what_is_broken_and_tells_it(tmp_path):
    planted = make_original(tmp_path / "mix", faults=True)
    source = OriginalSource(tmp_path / "mix", roots={"": tmp_path / "mix" / "pictures"})
    done = ToShards(source=source, folder=tmp_path / "shards", name="mix", records=5).run()
    # What can be read but is labelled badly stays: only validate names it.
    kinds = ("instruction", "missing-mask", "json", "missing-picture", "box")
    unreadable = {uuid for uuid, kind in planted.items() if kind in kinds}
    assert {fault.uuid for fault in done.faults} == unreadable
    assert done.records == len(source) - len(unreadable)


def test_a_folder_takes_several_data_sets_but_no_other_job_of_one_name(tmp_path):
    make_shards(tmp_path / "a", [3])
    source, folder = ShardSource(tmp_path / "a"), tmp_path / "out"
    ToShards(source=source, folder=folder, name="one").run()
    ToShards(source=source, folder=folder, name="two").run()
    assert len(everything(ShardSource(folder))) == 6
    with pytest.raises(OptionError, match="another folder"):
        ToShards(source=source, folder=folder, name="one", masks="png").run()
    with pytest.raises(OptionError, match="cannot begin"):
        ToShards(source=source, folder=folder, name="../x")


def test_a_shard_that_is_gone_is_written_anew(tmp_path):
    make_shards(tmp_path / "a", [2, 2])
    job = ToShards(source=ShardSource(tmp_path / "a"), folder=tmp_path / "b", name="b")
    files = job.run().files
    (tmp_path / "b" / files[1]).unlink()
    (tmp_path / "b" / files[0]).write_bytes(b"half")
    job.run()
    assert [record.uuid for record in everything(ShardSource(tmp_path / "b"))] == ["r0", "r1", "r2", "r3"]


def test_pictures_can_be_encoded_anew(tmp_path):
    make_shards(tmp_path / "a", [1])
    job = ToShards(source=ShardSource(tmp_path / "a"), folder=tmp_path / "b", name="b", masks="png", pictures="png")
    job.run()
    (record,) = everything(ShardSource(tmp_path / "b"))
    assert record.picture.startswith(b"\x89PNG")
    assert record.mask_code.kind == "png"
    np.testing.assert_array_equal(record.image, make_record().image)


def test_a_dim_mask_is_what_the_original_brightens():
    assert set(np.unique(dim(square()))) == {0, 170}
