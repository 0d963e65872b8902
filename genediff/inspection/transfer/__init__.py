"""A trained model on other cells than its own: what it still sees in them, and which of its names still hold."""

from genediff.inspection.transfer.aligned_cells import Aligned, aligned, proposal
from genediff.inspection.transfer.measure import transfer
from genediff.inspection.transfer.transfer_report import Estimate, Row, Transfer

__all__ = ["Aligned", "Estimate", "Row", "Transfer", "aligned", "proposal", "transfer"]
