"""The peaks of heatmaps as prompts, on heatmaps that can be read."""

import numpy as np
import pytest

from ivm.core.model import Prediction
from ivm.models.experts.pointed import LIMIT, PointedExpert
from ivm.models.experts.points import peaks

LOW = -10.0


def heatmap(*places, shape=(4, 4)):
    """Logits with (row, column, logit) in a desert."""
    logits = np.full(shape, LOW, np.float32)
    for row, column, logit in places:
        logits[row, column] = logit
    return logits


def test_a_peak_is_the_centre_of_its_cell_in_the_picture():
    """A map of 4 x 4 cells for a picture 40 high, 80 wide: cells are 20 wide, 10 high."""
    points = peaks(heatmap((1, 3, 0.0)), (40, 80), threshold=0.3, apart=0.1, limit=5)
    np.testing.assert_allclose(points, [[70, 15]])
    assert points.dtype == np.float32


def test_peaks_come_best_first_and_apart():
    """Cells of 10 pixels: the second place lies 10 away from the first, the third 30, the fourth is too low."""
    logits = heatmap((0, 0, 3), (0, 1, 2), (0, 3, 1), (3, 3, -2))
    for apart, wanted in ((0.1, [[5, 5], [15, 5], [35, 5]]), (0.3, [[5, 5], [35, 5]]), (0.8, [[5, 5]])):
        np.testing.assert_allclose(peaks(logits, (40, 40), threshold=0.3, apart=apart, limit=5), wanted)
    np.testing.assert_allclose(peaks(logits, (40, 40), threshold=0.3, apart=0, limit=2), [[5, 5], [15, 5]])


def test_where_nothing_is_probable_there_is_no_peak():
    assert peaks(heatmap((0, 0, -3)), (40, 40), threshold=0.3, apart=0.1, limit=5).shape == (0, 2)


class FakeHeatmap:
    name = "fake"

    def __init__(self, *maps):
        self.maps = maps

    def encode(self, images):
        return list(range(len(images)))

    def predict(self, features, instructions):
        return Prediction([self.maps[place] for place in features], np.array([0.7, 0.1], np.float32)[: len(features)])


class FakeSam:
    """Takes the pixel at a point as its mask; remembers what it was asked."""

    name = "sam"

    def __init__(self):
        self.asked = []

    def encode(self, images):
        return [image.shape[:2] for image in images]

    def masks_at(self, features, points):
        self.asked.append(points.tolist())
        logits = np.full(features, LOW, np.float32)
        for x, y in points.astype(int):
            logits[y, x] = 5
        return logits


def test_a_heatmap_and_sam_together():
    sam = FakeSam()
    expert = PointedExpert(FakeHeatmap(heatmap((1, 2, 4)), heatmap()), sam)
    assert expert.name == "fake+sam"
    logits, presence = expert.predict(expert.encode([np.zeros((8, 8, 3), np.uint8)] * 2), ["a", "b"])
    assert sam.asked == [[[5, 3]], []]
    assert np.argwhere(logits[0] > 0).tolist() == [[3, 5]]
    assert not (logits[1] > 0).any()
    assert presence.tolist() == pytest.approx([0.7, 0.1])


def test_the_number_of_points_is_bounded():
    sam = FakeSam()
    expert = PointedExpert(FakeHeatmap(np.full((30, 30), 2, np.float32)), sam)
    expert.predict(expert.encode([np.zeros((30, 30, 3), np.uint8)]), ["a"])
    assert len(sam.asked[0]) == LIMIT
