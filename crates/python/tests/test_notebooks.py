"""The notebooks of docs/notebooks run from top to bottom."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import fisherlens
from conftest import ROOT

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
pytest.importorskip("ipykernel")
nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert len(NOTEBOOKS) == 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert not any(cell.outputs or cell.execution_count for cell in cells if cell.cell_type == "code")


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What the notebook writes with tempfile goes into the folder of this test.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    # The notebook runs in another folder, where a relative path to the package would lead nowhere.
    monkeypatch.setenv("PYTHONPATH", str(Path(fisherlens.__file__).resolve().parents[1]), prepend=os.pathsep)
    copy = shutil.copy(path, tmp_path)
    book = nbformat.read(copy, as_version=4)
    nbformat.validate(book)
    client = nbclient.NotebookClient(book, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}})
    client.execute()
    pictures = [output for cell in book.cells for output in cell.get("outputs", ()) if "image/png" in output.get("data", {})]
    assert pictures
    printed = [output for cell in book.cells for output in cell.get("outputs", ()) if output.output_type == "stream"]
    assert not [output.text for output in printed if output.name == "stderr" and "Warning" in output.text]
