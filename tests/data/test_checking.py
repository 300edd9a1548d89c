import cv2
import numpy as np
import pytest

from data_sets import make_original, make_record, make_shards, picture
from ivm.core.errors import OptionError
from ivm.data.checking import faults_of, leaks_of
from ivm.data.coding import encode_picture
from ivm.data.fingerprint import Fingerprints, fingerprint, near_pairs, near_within
from ivm.data.language import other_language
from ivm.data.pages import plot_page, random_items, sample_page
from ivm.data.record import Provenance
from ivm.data.shards import write_shard
from ivm.data.sources.original import OriginalSource
from ivm.data.sources.shards import ShardSource
from ivm.data.splitting import Splitter, split
from ivm.data.stats import Stats, card
from ivm.data.survey import Survey


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("IVM_CACHE", str(tmp_path / "cache"))


def surveyed(folder, **options):
    return Survey(ShardSource(folder), **options).run()


def test_exactly_the_planted_faults_are_named(tmp_path):
    planted = make_original(tmp_path / "mix", faults=True)
    source = OriginalSource(tmp_path / "mix", roots={"": tmp_path / "mix" / "pictures"})
    faults = list(faults_of({"": Survey(source).run()}))
    assert {fault.uuid: fault.kind for fault in faults} == planted
    assert len(faults) == len(planted)
    assert all(fault.where and fault.message for fault in faults)


def test_a_sound_data_set_has_no_fault(tmp_path):
    make_original(tmp_path / "mix", faults=False)
    source = OriginalSource(tmp_path / "mix", roots={"": tmp_path / "mix" / "pictures"})
    assert list(faults_of({"": Survey(source).run()})) == []


def test_a_survey_goes_on_and_is_not_done_twice(tmp_path):
    make_shards(tmp_path / "a", [3, 2])
    told = []
    Survey(ShardSource(tmp_path / "a")).run(progress=lambda done, total: told.append((done, total)))
    Survey(ShardSource(tmp_path / "a")).run(progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2), (2, 2), (2, 2)]
    make_shards(tmp_path / "a", [4, 2])
    assert len(list(surveyed(tmp_path / "a"))) == 6, "other shards are looked at anew"


def test_a_mended_picture_beside_an_unchanged_list_is_looked_at_again(tmp_path):
    make_original(tmp_path, faults=False)
    path = tmp_path / "HumanLabelData" / "img_h0.jpg"
    whole = path.read_bytes()
    source = OriginalSource(tmp_path / "HumanLabelData")
    path.unlink()
    assert [fault.kind for fault in faults_of({"": Survey(source).run()})] == ["missing-picture"]
    path.write_bytes(whole)
    assert list(faults_of({"": Survey(source).run()})) == []


def altered(image, how):
    if how == "smaller":
        return cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    if how == "brighter":
        return np.clip(image.astype(np.float32) * 0.8 + 40, 0, 255).astype(np.uint8)
    if how == "coarse jpeg":
        return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], cv2.IMREAD_COLOR)
    return image.copy()


@pytest.mark.parametrize("how", ["same", "smaller", "brighter", "coarse jpeg"])
def test_an_altered_picture_is_near_and_others_are_not(how):
    images = [picture(number, 96, 128) for number in range(40)]
    first = Fingerprints.of([fingerprint(image) for image in images])
    second = Fingerprints.of([fingerprint(altered(images[7], how))])
    assert list(near_pairs(first, second)) == [(7, 0)]


def test_near_is_near_in_the_hash_and_in_the_thumbnail():
    thumb, other = bytes(range(64)), bytes(range(64, 0, -1))
    first = Fingerprints.of([(0, thumb)])
    second = Fingerprints.of([(0b111111, thumb), (0b1111111, thumb), (0, other)])
    assert list(near_pairs(first, second)) == [(0, 0)]


def test_plain_pictures_are_near_only_of_one_brightness():
    plain = [np.full((20, 20, 3), value, np.uint8) for value in (0, 100, 101, 255)]
    prints = Fingerprints.of([fingerprint(image) for image in plain])
    assert [pair for pair in near_pairs(prints, prints) if pair[0] < pair[1]] == [(1, 2)]


def test_near_pairs_of_one_set():
    images = [picture(number, 48, 64) for number in range(30)]
    images[20] = altered(images[3], "brighter")
    prints = Fingerprints.of([fingerprint(image) for image in images])
    assert set(near_within(prints)) == {(3, 20)}


def test_a_picture_in_two_splits_is_a_fault(tmp_path):
    make_shards(tmp_path / "train", [4])
    again = make_record(2, uuid="again", image=altered(picture(2), "brighter"))
    write_shard(tmp_path / "train" / "more.tar", [make_record(3, uuid="twice")])
    (tmp_path / "val").mkdir()
    write_shard(tmp_path / "val" / "a.tar", [make_record(50), again])
    faults = list(faults_of({name: surveyed(tmp_path / name) for name in ("val", "train")}))
    assert [(fault.kind, fault.uuid) for fault in faults] == [("near-duplicate", "again")]
    assert "r2" in faults[0].message


def test_leaks(tmp_path):
    make_shards(tmp_path / "train", [5])
    (tmp_path / "eval").mkdir()
    clean = [make_record(number) for number in range(60, 63)]
    write_shard(tmp_path / "eval" / "a.tar", clean)
    assert list(leaks_of([surveyed(tmp_path / "train")], [surveyed(tmp_path / "eval")])) == []
    write_shard(tmp_path / "eval" / "b.tar", [make_record(3, uuid="e3", image=altered(picture(3), "brighter"))])
    (leak,) = leaks_of([surveyed(tmp_path / "train")], [surveyed(tmp_path / "eval")])
    assert leak.train.startswith("r3 ")
    assert leak.evaluation.startswith("e3 ")


@pytest.mark.parametrize(
    "text",
    ["the red cup", "pick up the pan and put it on the plate", "duck", "Frisbee!", "what is in the bowl?", "Café table",
     "die", "the piñata", "sort the cubes", "a menu", "3 blocks"],
)  # fmt: skip
def test_english(text):
    assert other_language(text) is None


@pytest.mark.parametrize(
    ("text", "language"),
    [("nimm die rote Tasse", "German"), ("prends la tasse rouge", "French"), ("coge la taza roja", "Spanish"),
     ("prendi la tazza rossa", "Italian"), ("pegue a xícara vermelha", "Portuguese"), ("pak het rode kopje", "Dutch"),
     ("拿起红色的杯子", "Cjk script"), ("возьми красную чашку", "Cyrillic script")],
)  # fmt: skip
def test_other_languages(text, language):
    found = other_language(text)
    assert found is not None
    if language != "Portuguese":  # which shares its small words with Spanish
        assert found == language


def test_split_parts_no_group_and_no_near_duplicate(tmp_path):
    records = [make_record(number) for number in range(60)]
    for number in range(9):
        again = altered(picture(number), "brighter")
        records.append(
            make_record(number, uuid=f"copy{number}", image=again, provenance=Provenance(group=f"c{number}"))
        )
    (tmp_path / "all").mkdir()
    write_shard(tmp_path / "all" / "a.tar", records)
    source, splitter = ShardSource(tmp_path / "all"), Splitter(val=0.3, test=0.2, seed=1)
    written = split(source, tmp_path / "parts", splitter, Survey(source).run())
    assert sum(one.records for one in written.values()) == 69
    assert 8 < written["val"].records < 35
    surveys = {name: surveyed(tmp_path / "parts" / name) for name in written}
    assert list(faults_of(surveys)) == []
    again = split(source, tmp_path / "parts", splitter, Survey(source).run())
    assert again == written


@pytest.mark.parametrize("shares", [{"val": 0.0}, {"val": 1.0}, {"val": 0.6, "test": 0.5}])
def test_impossible_shares(shares):
    with pytest.raises(OptionError, match="shares"):
        Splitter(**shares)


def test_stats_and_card(tmp_path):
    make_shards(tmp_path / "a", [6])
    write_shard(
        tmp_path / "a" / "more.tar",
        [
            make_record(9, mask=np.zeros((24, 32), np.uint8)),
            make_record(10, mask=np.zeros((24, 32), np.uint8), present=False),
        ],
    )
    stats = Stats.of(surveyed(tmp_path / "a"))
    assert (stats.records, stats.broken, stats.absent, stats.instructions) == (7, 1, 1, 14)
    plots = stats.plots()
    assert plots["Words in an instruction"] == {"1": 0, "2": 0, "3": 7, "4": 0, "5": 7}
    assert plots["Share of the picture that is needed"]["3 to 10 %"] == 6, "8x8 of 24x32 is 8.3 %"
    assert plots["Who drew the mask"] == {"machine": 4, "human": 3}
    text = card("Toys", stats, {"a.tar": 2_000_000})
    assert text.startswith('---\npretty_name: "Toys"')
    assert "| CC-BY-4.0 | 7 |" in text
    assert "run lengths" in text
    page = plot_page("Toys <1>", stats.summary(), plots)
    assert "Toys &lt;1&gt;" in page
    assert page.count("<svg") == len(plots)


def test_a_page_of_samples(tmp_path):
    make_shards(tmp_path / "a", [8])
    bad = make_record(9, uuid="bad", image=encode_picture(picture(9, 10, 10)))
    write_shard(tmp_path / "a" / "more.tar", [make_record(11, instructions=["the <b> cup"]), bad])
    source = ShardSource(tmp_path / "a")
    items = list(random_items(source, 4, seed=0))
    assert len(items) == 4
    assert len({item.uuid for item in items}) == 4
    page = sample_page("a", source.read(0, 2))
    assert page.count("<img") == 2 * 9
    assert "the &lt;b&gt; cup" in page
    assert 'class="fault">bad' in page
    assert "src=" in page
    assert "http" not in page
