"""The app's front door: page settings and navigation, nothing else."""

from genediff.ui import frame

frame.open_page()
