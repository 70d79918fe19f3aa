"""The licences that come with the wheel."""

import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not installed")
def test_every_compiled_crate_has_its_licence_in_the_wheel() -> None:
    command = "cargo tree --locked --offline --package fisherlens-python --features extension --edges normal --prefix none --format {p}"
    listed = subprocess.run(command.split(), cwd=PACKAGE, check=True, capture_output=True, text=True).stdout
    crates = {" ".join(line.split()[:2]).replace(" v", " ") for line in listed.splitlines() if line.strip()}
    lines = set((PACKAGE / "THIRD-PARTY-LICENSES.txt").read_text(encoding="utf-8").splitlines())
    missing = sorted(crates - lines)
    assert not missing, f"run cargo about, as the first lines of THIRD-PARTY-LICENSES.txt say: {missing}"
    assert len(crates) > 100


def test_the_licence_of_the_package_is_that_of_the_repository() -> None:
    assert (PACKAGE / "LICENSE").read_bytes() == (PACKAGE.parents[1] / "LICENSE").read_bytes()
