"""What an archive may bring into a folder, whichever Python opens it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from store.kit.errors import ConfigError
from store.tables.unpack import unpack


def archive(*entries: tarfile.TarInfo) -> tarfile.TarFile:
    """An archive with these entries as it comes through a pipe; each file says "content"."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as writing:
        for item in entries:
            item.size = 7 if item.isreg() else 0
            writing.addfile(item, io.BytesIO(b"content"))
    packed.seek(0)
    return tarfile.open(fileobj=packed, mode="r|")


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, link, mode
    return made


def test_files_and_folders_come_out_for_their_owner_alone(tmp_path: Path) -> None:
    octets: list[int] = []
    packed = archive(
        entry(".", tarfile.DIRTYPE),
        entry("keys", tarfile.DIRTYPE, mode=0o777),
        entry("keys/ada.asc"),
        entry("a/b/program", mode=0o6777),
    )
    with packed:
        unpack(packed, tmp_path, octets.append)
    made = {str(path.relative_to(tmp_path)): path.stat().st_mode & 0o7777 for path in tmp_path.rglob("*")}
    assert made == {"keys": 0o700, "keys/ada.asc": 0o600, "a": 0o700, "a/b": 0o700, "a/b/program": 0o600}
    assert (tmp_path / "a" / "b" / "program").read_text() == "content"
    assert sum(octets) == 14


@pytest.mark.parametrize(
    "hostile",
    [
        entry("../outside"), entry("keys/../../outside"), entry("/tmp/outside"), entry("..", tarfile.DIRTYPE),
        entry("door", tarfile.SYMTYPE, ".."), entry("door", tarfile.LNKTYPE, "ombud.toml"), entry("pipe", tarfile.FIFOTYPE),
        entry("disk", tarfile.BLKTYPE), entry("terminal", tarfile.CHRTYPE),
    ],
    ids=lambda item: f"{item.name} {item.type.decode()}",
)  # fmt: skip
def test_what_is_no_file_or_leads_outside_is_refused(hostile: tarfile.TarInfo, tmp_path: Path) -> None:
    folder = tmp_path / "inside"
    folder.mkdir()
    with archive(hostile, entry("later")) as packed, pytest.raises(ConfigError, match="not opened"):
        unpack(packed, folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["inside"]
