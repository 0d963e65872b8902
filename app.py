"""The app's front door: page settings and navigation, nothing else."""

from genediff.core.waiting_threads import sleep_while_waiting
from genediff.ui.kit import layout
from genediff.ui.learn import story_bar

sleep_while_waiting()
layout.open_page(above=story_bar.show)
