"""Guided stories: ordered views of the app with text and questions."""

from genediff.learn.story import Question, Step, Story, parse_story
from genediff.learn.story_library import StoryLibrary

__all__ = ["Question", "Step", "Story", "StoryLibrary", "parse_story"]
