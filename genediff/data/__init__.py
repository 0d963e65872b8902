"""Cells in: files, their diagnosis, imported data sets.

Light by design: nothing heavy is imported before it is used.
"""

from genediff.data.config import MISSING, ImportConfig
from genediff.data.dataset import Dataset
from genediff.data.doctor import Diagnosis, Problem, diagnose, require_usable
from genediff.data.importer import import_cells
from genediff.data.info import DatasetInfo
from genediff.data.io import SUFFIXES, CellFile, read_cells
from genediff.data.paths import allowed_roots, check_path
from genediff.data.split import SPLITS
from genediff.data.uploads import MAX_UPLOAD_BYTES, safe_name, save_upload

__all__ = [
    "MAX_UPLOAD_BYTES",
    "MISSING",
    "SPLITS",
    "SUFFIXES",
    "CellFile",
    "Dataset",
    "DatasetInfo",
    "Diagnosis",
    "ImportConfig",
    "Problem",
    "allowed_roots",
    "check_path",
    "diagnose",
    "import_cells",
    "read_cells",
    "require_usable",
    "safe_name",
    "save_upload",
]
