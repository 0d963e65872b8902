"""Steps of models that are timed beside a page: one model at a time, and only while somebody still looks."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
# Others beside it would slow a measurement down.
_TURN = threading.Lock()
FORGOTTEN = 5.0  # seconds after the last look at a measurement that still waits for its turn: it is not made


@dataclass
class Measurement(Generic[T]):
    """Filled by a thread; done without a result or a problem it was forgotten.

    ``asked`` is when a page last looked, ``problem`` a sentence where the model cannot be built.
    """

    done: threading.Event = field(default_factory=threading.Event)
    asked: float = field(default_factory=time.monotonic)
    result: T | None = None
    problem: str | None = None

    def look(self) -> bool:
        """Say whether it is done; while it is not, somebody looks."""
        self.asked = time.monotonic()
        return self.done.is_set()


def begin(make: Callable[[], T], forget: Callable[[], None]) -> Measurement[T]:
    """Measure when it is its turn; ``forget`` is called in place of ``make`` where nobody looks any more."""
    measurement: Measurement[T] = Measurement()

    def measure() -> None:
        try:
            with _TURN:
                if time.monotonic() - measurement.asked > FORGOTTEN:
                    forget()
                else:
                    measurement.result = make()
        except InputError as error:
            measurement.problem = str(error)
        except (MemoryError, RuntimeError) as error:
            why = (str(error) or type(error).__name__).splitlines()[0]
            measurement.problem = f"The model could not be built here: {why}"
        finally:
            measurement.done.set()

    threading.Thread(target=measure, name="estimate", daemon=True).start()
    return measurement
