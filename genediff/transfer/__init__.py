"""A trained model on other cells than its own: what it still sees in them, and which of its names still hold."""

from genediff.transfer.aligned import Aligned, aligned, proposal
from genediff.transfer.measure import transfer
from genediff.transfer.report import Estimate, Row, Transfer

__all__ = ["Aligned", "Estimate", "Row", "Transfer", "aligned", "proposal", "transfer"]
