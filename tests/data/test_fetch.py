import hashlib
import io
import os
import subprocess
import sys
import zipfile

import pytest

import fake_hub
from ivm.core.download import RemoteFile
from ivm.core.errors import DataFetchError, OptionError
from ivm.data.fetch import ARCHIVES, REPOSITORY, fetch


def archive(**files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as bundle:
        for name, content in files.items():
            bundle.writestr(name.replace("__", "/"), content)
    return file.getvalue()


class FakeHub:
    repository, kind = REPOSITORY, "dataset"

    def __init__(self, online=True, damaged=(), stop_after=None):
        self.files = {name: archive(data__a=name, data__b="b") for name in ARCHIVES.values()}
        self.online, self.damaged, self.stop_after, self.asked = online, set(damaged), stop_after, []

    def listing(self, wanted):
        if not self.online:
            raise ConnectionError("no route\nmore")
        return "commit", [
            RemoteFile(name, "", hashlib.sha256(data).hexdigest(), len(data))
            for name, data in self.files.items()
            if wanted(name)
        ]

    def transfer(self, file, out):
        self.asked.append((file.name, out.tell()))
        content = self.files[file.name]
        content = content[:-1] + b"?" if file.name in self.damaged else content
        out.write(content[out.tell() : self.stop_after])
        if self.stop_after:
            raise ConnectionError("broken off")


def test_parts_are_downloaded_checked_and_unpacked_once(tmp_path):
    hub = FakeHub()
    folders = fetch(tmp_path, ("human", "vqa"), hub=hub)
    assert [folder.name for folder in folders] == ["HumanLabelData", "VQAMachineData"]
    assert (folders[0] / "data" / "a").read_text() == "HumanLabelData.zip"
    assert hub.asked == [("HumanLabelData.zip", 0), ("VQAMachineData.zip", 0)]
    fetch(tmp_path, hub=hub)
    assert hub.asked[2:] == [("RobotMachineData.zip", 0)]


def test_a_download_that_broke_off_goes_on_where_it_stopped(tmp_path):
    with pytest.raises(DataFetchError, match=r"broken off; missing here: HumanLabelData\.zip\): .*goes on where"):
        fetch(tmp_path, ("human",), hub=FakeHub(stop_after=100))
    assert not (tmp_path / "HumanLabelData.zip").exists()
    hub = FakeHub()
    (folder,) = fetch(tmp_path, ("human",), hub=hub)
    assert hub.asked == [("HumanLabelData.zip", 100)]
    assert (folder / "data" / "b").read_text() == "b"


def test_an_archive_of_which_a_part_was_brought_by_hand_is_fetched_anew(tmp_path):
    hub = FakeHub()
    (tmp_path / "HumanLabelData.zip").write_bytes(hub.files["HumanLabelData.zip"][:100])
    fetch(tmp_path, ("human",), hub=hub)
    assert hub.asked == [("HumanLabelData.zip", 0)]


def test_the_command_fetches_a_data_set_of_the_hub(tmp_path):
    files = {name: archive(data__a=name) for name in ARCHIVES.values()} | {"README.md": b"never fetched"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    with fake_hub.running(fake_hub.FakeHub(REPOSITORY, files, "dataset")) as hub:
        environment = kept | {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home"), "NO_PROXY": "*"}
        line = [sys.executable, "-m", "ivm", "data", "fetch", "ivm-mix-1m", "--part", "robot", "-o", "mix"]
        done = subprocess.run(line, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=200)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mix" / "RobotMachineData" / "data" / "a").read_text() == "RobotMachineData.zip"
    assert sorted(path.name for path in (tmp_path / "mix").iterdir()) == ["RobotMachineData", "RobotMachineData.zip"]


def test_a_damaged_archive_is_not_kept(tmp_path):
    with pytest.raises(DataFetchError, match="arrived damaged"):
        fetch(tmp_path, ("human",), hub=FakeHub(damaged=["HumanLabelData.zip"]))
    assert list(tmp_path.iterdir()) == []
    fetch(tmp_path, ("human",), hub=FakeHub())


def test_offline_says_what_to_put_where(tmp_path):
    with pytest.raises(DataFetchError) as caught:
        fetch(tmp_path / "mix", ("human", "robot"), hub=FakeHub(online=False))
    assert str(caught.value) == (
        "IVM-Mix-1M cannot be fetched (no route; missing here: HumanLabelData.zip, RobotMachineData.zip): run the same "
        "command again, it goes on where it stopped, or put HumanLabelData.zip and RobotMachineData.zip of the "
        f"data set 2toINF/IVM-Mix-1M into '{tmp_path / 'mix'}' yourself"
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
