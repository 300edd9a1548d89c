"""Florence-2's answers, read strictly: what is well-formed comes back, nothing else does, and nothing is guessed."""

import numpy as np
import pytest
import transformers
from hypothesis import given
from hypothesis import strategies as st

import tiny_experts
from ivm.models.experts.regions import BINS, Region, boxes_of, inside_of, read_regions

bins = st.integers(0, BINS - 1)
labels = st.text(st.characters(exclude_characters="<", exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    str.strip
)
corners = st.tuples(bins, bins)


def ordered(first, second):
    return (min(first[0], second[0]), min(first[1], second[1])), (max(first[0], second[0]), max(first[1], second[1]))


boxes = st.lists(st.tuples(labels, st.lists(st.builds(ordered, corners, corners), min_size=1, max_size=3)), max_size=3)
outlines = st.lists(st.lists(corners, min_size=3, max_size=5).map(tuple), min_size=1, max_size=3)
groups = st.lists(st.tuples(labels, outlines), max_size=3)
fragments = [
    "<loc_0>",
    "<loc_999>",
    "<loc_1000>",
    "<loc_12>",
    "<loc_>",
    "<poly>",
    "</poly>",
    "<sep>",
    "<s>",
    "</s>",
    "<",
    "a",
]


def written(points):
    return "".join(f"<loc_{x}><loc_{y}>" for x, y in points)


def detection(found):
    return "<s>" + "".join(label + "".join(map(written, own)) for label, own in found) + "</s>"


def grouped(found):
    return "<s>" + "".join(f"{label}<poly>{'<sep>'.join(map(written, own))}</poly>" for label, own in found) + "</s>"


@given(boxes)
def test_boxes_come_back(found):
    wanted = [Region(label.strip(), (box,)) for label, own in found for box in own]
    assert read_regions(detection(found), boxes=True) == wanted


@given(groups)
def test_outlines_in_groups_come_back(found):
    wanted = [Region(label.strip(), tuple(own)) for label, own in found]
    for as_boxes in (True, False):
        assert read_regions(grouped(found), boxes=as_boxes) == wanted


@given(outlines)
def test_outlines_without_groups_come_back(found):
    """So are the answers to a referring expression."""
    answer = "</s><s>" + "<sep>".join(map(written, found)) + "</s>"
    assert read_regions(answer, boxes=False) == [Region("", (outline,)) for outline in found]


@given(st.one_of(boxes.map(detection), groups.map(grouped)), st.data())
def test_what_is_cut_off_anywhere_adds_nothing(answer, data):
    whole = read_regions(answer, boxes=True)
    part = read_regions(answer[: data.draw(st.integers(0, len(answer)))], boxes=True)
    assert part == whole[: len(part)]


@given(st.one_of(st.text(), st.lists(st.sampled_from(fragments), max_size=20).map("".join)), st.booleans())
def test_any_text_is_read(answer, as_boxes):
    for region in read_regions(answer, boxes=as_boxes):
        assert region.outlines
        assert all(0 <= side < BINS for outline in region.outlines for point in outline for side in point)
        if len(region.outlines[0]) == 2:
            (((x0, y0), (x1, y1)),) = region.outlines
            assert as_boxes
            assert x0 <= x1
            assert y0 <= y1
        else:
            assert all(len(outline) >= 3 for outline in region.outlines)


@pytest.mark.parametrize(
    ("answer", "as_boxes"),
    [
        ("cup<loc_1><loc_2><loc_3></s>", True),  # three sides
        ("cup<loc_1><loc_2><loc_3><loc_4><loc_5></s>", True),
        ("cup<loc_5><loc_2><loc_3><loc_4></s>", True),  # ends before it begins
        ("cup<loc_1><loc_2><loc_3><loc_1000></s>", True),  # outside
        (f"cup<loc_1><loc_2><loc_3><loc_{'9' * 5000}></s>", True),
        ("<loc_1><loc_2><loc_3><loc_4></s>", False),  # no area
        ("<loc_1><loc_2><loc_3><loc_4><loc_5><loc_6><loc_7></s>", False),  # half a corner
        ("cup<poly><loc_1><loc_2><loc_3><loc_4><loc_5><loc_6>", False),  # not ended
        ("cup<poly><loc_1><loc_2><loc_3><loc_4><loc_5><loc_6>and</poly></s>", True),
        ("cup</s>", True),
        ("", True),
    ],
)
def test_what_is_not_whole_is_no_region(answer, as_boxes):
    assert read_regions(answer, boxes=as_boxes) == []


@given(boxes)
def test_transformers_reads_the_same_boxes(found):
    found = [(f"thing{place}", own) for place, (_, own) in enumerate(found)]
    config = {"description_with_bboxes": {}}
    post = transformers.models.florence2.processing_florence2.Florence2PostProcessor(config, TOKENIZER)
    told = post(detection(found), image_size=(BINS, BINS), parse_tasks="description_with_bboxes")
    wanted = np.array([one["bbox"] for one in told["description_with_bboxes"]], np.float32).reshape(-1, 4)
    ours = boxes_of(read_regions(detection(found), boxes=True), (BINS, BINS))
    np.testing.assert_allclose(
        ours, wanted + np.array([0, 0, 1, 1])
    )  # theirs are the bins' numbers, ours reach over the last one


TOKENIZER = tiny_experts.bart_tokenizer()


def test_boxes_in_pixels():
    """A picture 100 high, 200 wide: a bin is a tenth of a pixel high and a fifth wide."""
    regions = [Region("", (((0, 0), (999, 999)),)), Region("", (((500, 250), (749, 259)),))]
    np.testing.assert_allclose(boxes_of(regions, (100, 200)), [[0, 0, 200, 100], [100, 25, 150, 26]])
    assert boxes_of([], (100, 200)).shape == (0, 4)
    triangles = [Region("", (((0, 0), (99, 0), (0, 99)), ((200, 300), (299, 300), (200, 399))))]
    np.testing.assert_allclose(boxes_of(triangles, (1000, 1000)), [[0, 0, 300, 400]])


def test_inside_an_outline():
    """The left half of the upper half, and a triangle."""
    half = Region("", (((0, 0), (499, 0), (499, 499), (0, 499)),))
    np.testing.assert_array_equal(inside_of([half], (2, 4)), [[1, 1, 0, 0], [0, 0, 0, 0]])
    triangle = Region("", (((0, 0), (999, 0), (0, 999)),))
    inside = inside_of([triangle], (50, 50))
    assert inside[0, :49].all()
    assert inside[:49, 0].all()
    assert not inside[30:, 30:].any()
    assert inside.mean() == pytest.approx(0.5, abs=0.03)
    assert not inside_of([], (2, 4)).any()


def test_an_outline_that_crosses_itself_is_filled_where_it_winds_once():
    """An hourglass lying on its side: filled left and right, open above and below."""
    hourglass = Region("", (((0, 0), (0, 999), (999, 0), (999, 999)),))
    inside = inside_of([hourglass], (10, 10))
    assert inside[3:7, [0, 9]].all()
    assert not inside[[0, 9], 3:7].any()
    assert inside.mean() == pytest.approx(0.5, abs=0.1)
