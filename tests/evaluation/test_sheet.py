import numpy as np
import pytest

from ivm.evaluation.grounding import answer_all
from ivm.evaluation.objects import read_objects
from ivm.evaluation.sheet import CAPTION_HEIGHT, TILE_WIDTH, draw_sheet, draw_tile


@pytest.fixture
def tiles(masker, folder):
    return [draw_tile(answered) for answered in answer_all(masker, read_objects(folder))]


def test_a_tile_is_the_picture_with_a_caption(tiles):
    height = round(8 * TILE_WIDTH / 6)
    assert tiles[0].picture.shape == (height + CAPTION_HEIGHT, TILE_WIDTH, 3)
    assert tiles[0].picture.dtype == np.uint8
    assert (tiles[0].picture[height:].max(axis=2) > 200).any()


def test_a_tile_is_magenta_where_the_heatmap_is_high(tiles):
    # Picture a, "the green bar": rows 0-3 of 8, columns 4-5 of 6 are hot; the lower left corner is cold and black.
    tile = tiles[2].picture.astype(int)
    hot, cold = tile[120, 295], tile[400, 100]
    assert min(hot[0], hot[2]) > 130
    assert hot[1] < 100
    assert cold.max() < 20


def test_the_cross_says_whether_the_maximum_is_on_the_object(tiles):
    green, red = np.array([0, 230, 0]), np.array([230, 0, 0])
    hit, miss = tiles[0].picture, tiles[5].picture
    assert (hit == green).all(axis=2).any()
    assert not (hit == red).all(axis=2).any()
    assert (miss == red).all(axis=2).any()


def test_the_sheet_begins_with_the_worst(tiles):
    sheet = draw_sheet(tiles, columns=4)
    height = tiles[0].picture.shape[0]
    assert sheet.shape == (2 * height, 4 * TILE_WIDTH, 3)
    assert (sheet[:height, :TILE_WIDTH] == tiles[5].picture).all()
    assert (sheet[:height, TILE_WIDTH : 2 * TILE_WIDTH] == tiles[1].picture).all()
    assert not sheet[height:, 2 * TILE_WIDTH :].any()


def test_a_sheet_needs_a_tile():
    with pytest.raises(ValueError, match="at least one"):
        draw_sheet([])
