"""Cells in: files, their diagnosis, imported data sets.

Light by design: nothing heavy is imported before it is used.
"""

from genediff.data.cells.dataset import Dataset
from genediff.data.cells.dataset_info import DatasetInfo
from genediff.data.cells.split import SPLITS
from genediff.data.importing.config import MISSING, ImportConfig
from genediff.data.importing.diagnose import diagnose
from genediff.data.importing.doctor import Diagnosis, Problem, require_usable
from genediff.data.importing.importer import import_cells
from genediff.data.importing.read_file import SUFFIXES, CellFile, read_cells
from genediff.data.uploads.allowed_roots import allowed_roots, check_path
from genediff.data.uploads.incoming import MAX_UPLOAD_BYTES, save_upload
from genediff.data.uploads.upload_files import safe_name

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
