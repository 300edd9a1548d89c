import hashlib
import io
import zipfile

import pytest

from ivm.core.errors import DataFetchError, OptionError
from ivm.data.fetch import ARCHIVES, Remote, fetch


def archive(**files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as bundle:
        for name, content in files.items():
            bundle.writestr(name.replace("__", "/"), content)
    return file.getvalue()


class FakeHub:
    def __init__(self, online=True, damaged=()):
        self.files = {name: archive(data__a=name, data__b="b") for name in ARCHIVES.values()}
        self.online, self.damaged, self.asked = online, set(damaged), []

    def listing(self):
        if not self.online:
            raise ConnectionError("no route\nmore")
        return [Remote(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in self.files.items()]

    def download(self, name, folder):
        self.asked.append(name)
        content = self.files[name]
        (folder / name).write_bytes(content[:-1] + b"?" if name in self.damaged else content)


def test_parts_are_downloaded_checked_and_unpacked_once(tmp_path):
    hub = FakeHub()
    folders = fetch(tmp_path, ("human", "vqa"), hub=hub)
    assert [folder.name for folder in folders] == ["HumanLabelData", "VQAMachineData"]
    assert (folders[0] / "data" / "a").read_text() == "HumanLabelData.zip"
    assert hub.asked == ["HumanLabelData.zip", "VQAMachineData.zip"]
    fetch(tmp_path, hub=hub)
    assert hub.asked[2:] == ["RobotMachineData.zip"]


def test_a_damaged_archive_is_not_kept(tmp_path):
    with pytest.raises(DataFetchError, match="arrived damaged"):
        fetch(tmp_path, ("human",), hub=FakeHub(damaged=["HumanLabelData.zip"]))
    assert not (tmp_path / "HumanLabelData.zip").exists()
    fetch(tmp_path, ("human",), hub=FakeHub())


def test_offline_says_what_to_put_where(tmp_path):
    with pytest.raises(DataFetchError) as caught:
        fetch(tmp_path / "mix", ("human", "robot"), hub=FakeHub(online=False))
    assert str(caught.value) == (
        "IVM-Mix-1M cannot be downloaded here (no route): download HumanLabelData.zip and RobotMachineData.zip of the "
        f"data set 2toINF/IVM-Mix-1M elsewhere, put them into '{tmp_path / 'mix'}' and run the same command again"
    )


def test_archives_brought_by_hand_are_taken_offline(tmp_path):
    (tmp_path / "HumanLabelData.zip").write_bytes(FakeHub().files["HumanLabelData.zip"])
    (folder,) = fetch(tmp_path, ("human",), hub=FakeHub(online=False))
    assert (folder / "data" / "b").read_text() == "b"


def test_an_interrupted_unpacking_goes_on(tmp_path):
    hub = FakeHub()
    (folder,) = fetch(tmp_path, ("human",), hub=hub)
    (folder / ".unpacked").unlink()
    (folder / "data" / "a").write_text("half")
    fetch(tmp_path, ("human",), hub=hub)
    assert (folder / "data" / "a").read_text() == "HumanLabelData.zip"
    assert len(hub.asked) == 1


def test_an_archive_writes_nothing_outside_its_folder(tmp_path):
    hub = FakeHub()
    hub.files["HumanLabelData.zip"] = archive(**{"..__..__evil": "x", "ok": "y"})
    (folder,) = fetch(tmp_path / "deep" / "mix", ("human",), hub=hub)
    assert [path.name for path in folder.iterdir() if path.name[0] != "."] == ["ok"]
    assert not (tmp_path / "deep" / "evil").exists()


def test_no_archive_and_no_part(tmp_path):
    (tmp_path / "HumanLabelData.zip").write_bytes(b"nothing")
    with pytest.raises(DataFetchError, match="no whole archive"):
        fetch(tmp_path, ("human",), hub=FakeHub(online=False))
    with pytest.raises(OptionError, match="no part 'all'"):
        fetch(tmp_path, ("all",), hub=FakeHub())
