"""The wheel as a stranger meets it: ``python tests/check_wheel.py`` builds it, installs it and uses it.

A new virtual environment of the Python that runs this file gets the wheel and what it asks for. From an empty folder,
with an empty workspace, the app opens on the demo, what ships is listed, and a pathway model trains some steps.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parents[1]
LICENCES = "BSD-3-Clause AND GPL-3.0-only AND CC-BY-4.0 AND CC-BY-SA-4.0 AND CC0-1.0"
PATIENCE_SECONDS = 180

# Streamlit's test client runs a page in the process, so a page that fails inside the wheel is seen without a browser.
OPEN_PAGES = """
import os
from genediff.core.installation import APP
os.chdir(APP)  # as `genediff app` does: Streamlit reads .streamlit/ of the working folder
from streamlit.testing.v1 import AppTest
for page in sorted((APP / "pages").glob("*.py")):
    test = AppTest.from_file(str(APP / "app.py"), default_timeout=240)
    test.query_params["dataset"] = "pbmc3k"
    test.query_params["model"] = "pbmc3k-quick"
    test.switch_page(f"pages/{page.name}").run()
    assert not test.exception, (page.name, test.exception)
    print(page.stem, end=" ", flush=True)
os._exit(0)  # work that pages began in the background is not waited for
"""

NOTEBOOK = """
import genediff
workspace = genediff.Workspace()
model = genediff.GeneDiff.load(workspace.model_folder("pbmc3k-quick"))
print(model.generate(5, seed=1).shape)
"""


def build(folder: Path) -> Path:
    """Return the wheel that pip builds of this checkout, after a look into it."""
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)],
        check=True,
    )
    (wheel,) = folder.glob("genediff-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        meta = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    for needed in ("app.py", "pages/home.py", "assets/app.css", "assets/knowledge/hallmark/", ".streamlit/config.toml"):
        assert any(name.startswith(f"genediff/_app/{needed}") for name in names), needed
    assert "genediff/py.typed" in names
    assert f"License-Expression: {LICENCES}\n" in meta, meta[:1500]
    assert any(name.endswith("licenses/assets/knowledge/collectri/COPYING") for name in names)
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB, {len(names)} files", flush=True)
    return wheel


class Stranger:
    """Someone with a new environment, an empty folder and an empty workspace."""

    def __init__(self, folder: Path, requirements: Sequence[str]) -> None:
        self.bin = folder / "venv" / "bin"
        self.place = folder / "empty"
        self.place.mkdir()
        venv.create(folder / "venv", with_pip=True)
        kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
        self.environment = {**kept, "GENEDIFF_HOME": str(folder / "home"), "GENEDIFF_WARM_UP": "0"}
        start = time.monotonic()
        self.run("pip", "install", "--quiet", *requirements)
        print(f"installed in {time.monotonic() - start:.0f} s", flush=True)

    def run(self, command: str, *arguments: str) -> str:
        """Run a command of the environment and return what it prints; it ends here when the command fails."""
        done = subprocess.run(
            [self.bin / command, *arguments], cwd=self.place, env=self.environment, capture_output=True, text=True,
            check=False, timeout=3600,
        )  # fmt: skip
        shown = " ".join(arguments) if len(arguments) < 2 or "\n" not in arguments[-1] else f"{arguments[0]} …"
        if done.returncode != 0:
            output = f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
            raise SystemExit(f"{command} {shown} failed with {done.returncode}:\n{output}")
        return done.stdout

    @contextlib.contextmanager
    def served(self) -> Iterator[str]:
        """Run the app on a free port; yields the address that it prints."""
        process = subprocess.Popen(
            [self.bin / "genediff", "app", "--no-browser"], cwd=self.place, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"http://localhost:\d+\S*", line)
            assert found is not None, line + (process.communicate()[0] if process.poll() is not None else "")
            yield found[0]
        finally:
            os.killpg(process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=30)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def answer(address: str) -> str:
    """Return what the server says at an address, asking until it listens."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(address, timeout=20) as page:
                return str(page.read().decode())
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.3)


def check_app(stranger: Stranger) -> None:
    """The server is well, the page answers at the demo's address, and every page runs inside the wheel."""
    with stranger.served() as address:
        assert "/generate?dataset=pbmc3k&model=pbmc3k-quick" in address, address
        server = address.split("/generate")[0]
        assert answer(f"{server}/_stcore/health") == "ok"
        assert "<script" in answer(address)
        print(f"app: {address} is well and answers", flush=True)
    print("pages:", stranger.run("python", "-c", OPEN_PAGES).strip(), flush=True)


def check_lists(stranger: Stranger) -> None:
    """What ships is listed by name."""
    for command, expected in (
        (("datasets",), {"pbmc3k", "simulated-screen"}),
        (("models", "list"), {"pbmc3k-quick", "pbmc3k-pathway"}),
        (("knowledge", "list"), {"hallmark", "reactome", "go_bp", "collectri", "trrust"}),
    ):
        listed = {item["id"] for item in json.loads(stranger.run("genediff", *command, "--json"))}
        assert listed >= expected, (command, listed)
        assert all(name in stranger.run("genediff", *command) for name in expected), command
        print(f"genediff {' '.join(command)}: {', '.join(sorted(listed))}", flush=True)


def check_training(stranger: Stranger) -> None:
    """A pathway model trains some steps, and then belongs to the models."""
    steps = ("--steps", "5", "--tokenizer-steps", "5", "--batch-size", "32", "--device", "cpu")
    said = stranger.run("genediff", "train", "pbmc3k", "--strategy", "pathway", "--gene-sets", "hallmark", *steps)
    assert "Finished" in said, said
    model = re.findall(r"genediff generate (\S+)", said)[-1]
    assert model in {item["id"] for item in json.loads(stranger.run("genediff", "models", "list", "--json"))}
    print(f"trained: {said.splitlines()[0]}", flush=True)


def main() -> None:
    """Build, install, use; the first thing that fails ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--tested", action="store_true", help="install the versions of requirements.txt, not the newest"
    )
    parser.add_argument("--keep", type=Path, help="a folder to work in that stays; a temporary one unless given")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="genediff-wheel-") as temporary:
        folder = options.keep or Path(temporary)
        (folder / "dist").mkdir(parents=True)
        wheel = build(folder / "dist")
        constraints = ("-c", str(ROOT / "requirements.txt")) if options.tested else ()
        stranger = Stranger(folder, (str(wheel), *constraints))
        check_lists(stranger)
        check_app(stranger)
        print("notebook:", stranger.run("python", "-c", NOTEBOOK).strip(), flush=True)
        check_training(stranger)
    print(f"The wheel works on Python {sys.version.split()[0]}.")


if __name__ == "__main__":
    main()
