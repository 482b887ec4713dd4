"""Zip archives from strangers (XLSX, AASX): refused by their table of contents before anything is unpacked. Pure."""

import io
import zipfile
import zlib
from collections.abc import Iterator

from msgspec import Struct

from catalog.core.cells import Wording

BLOCK_BYTES = 2**16


class ZipLimits(Struct, frozen=True, kw_only=True):
    """Most entries, most bytes unpacked (all entries together), most bytes unpacked per byte packed."""

    entries_max: int = 200
    bytes_max: int = 50 * 2**20
    ratio_max: int = 100
    ratio_bytes_min: int = 2**20
    """Small entries may be packed as well as they like."""


class UnsafeZip(ValueError):
    """An archive that is not opened; `expected` says what would be."""

    def __init__(self, found: str, expected: Wording) -> None:
        self.found = found
        self.expected = expected
        super().__init__(f"{found}: {expected.en}")


def open_zip(content: bytes, limits: ZipLimits) -> zipfile.ZipFile:
    """Open an archive whose table of contents keeps the limits. Raises UnsafeZip."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
        entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, RuntimeError) as error:
        raise UnsafeZip(
            str(error)[:80],
            Wording("a whole file, not cut off or locked", "잘리거나 잠기지 않은 온전한 파일"),
        ) from None
    if len(entries) > limits.entries_max:
        raise UnsafeZip(
            f"{len(entries):,} parts",
            Wording(f"at most {limits.entries_max} parts", f"{limits.entries_max}개 이내의 구성 파일"),
        )
    if len({entry.filename for entry in entries}) < len(entries):
        raise UnsafeZip("a part twice", Wording("each part once", "중복 없는 구성 파일"))
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > limits.bytes_max:
        raise _too_large(unpacked, limits)
    for entry in entries:
        if entry.flag_bits & 1:
            raise UnsafeZip(entry.filename, Wording("a file without a password", "암호가 없는 파일"))
        if entry.file_size > max(entry.compress_size * limits.ratio_max, limits.ratio_bytes_min):
            raise UnsafeZip(
                f"{entry.filename}: {entry.compress_size:,} → {entry.file_size:,} bytes",
                Wording(f"parts packed at most {limits.ratio_max} to 1", f"압축률 {limits.ratio_max}:1 이내"),
            )
    return archive


def read_entry(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of a part; never more than the table of contents says. Raises UnsafeZip where it lies."""
    return b"".join(_blocks(archive, name))


def check_sizes(archive: zipfile.ZipFile) -> None:
    """Unpack every part once and forget it, so that another reader may trust the sizes. Raises UnsafeZip."""
    for name in archive.namelist():
        for _ in _blocks(archive, name):
            pass


def _blocks(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    size = archive.getinfo(name).file_size
    try:
        with archive.open(name) as part:
            while block := part.read(BLOCK_BYTES):
                size -= len(block)
                yield block
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError):
        size = -1
    # zipfile stops at the size that the table gives; a stream that has more fails its checksum.
    if size:
        raise UnsafeZip(name, Wording("parts as large as they say", "표기된 크기와 같은 구성 파일"))


def _too_large(unpacked: int, limits: ZipLimits) -> UnsafeZip:
    mebibytes = limits.bytes_max // 2**20
    return UnsafeZip(
        f"{unpacked:,} bytes unpacked",
        Wording(f"at most {mebibytes} MiB unpacked", f"압축을 풀어 {mebibytes} MiB 이내"),
    )
