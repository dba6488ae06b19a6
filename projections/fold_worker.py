"""The process beside a fold that makes subjects' views; started by `projections.fold_crew`."""

from __future__ import annotations

import gc
import socket
import sys
from typing import TYPE_CHECKING

from projections.carried import Surroundings, packed, receive, send, unpacked
from projections.subject_views import SubjectViews, views_of

if TYPE_CHECKING:
    from projections.carried import Subjects


def made(surroundings: Surroundings, subjects: Subjects) -> list[SubjectViews]:
    """The views of some subjects of a page."""
    return [
        views_of(surroundings.case(subject, records), surroundings.as_of)
        for subject, records in subjects
    ]


def main() -> None:
    """Make the views of the subjects that come until there are no more."""
    gc.disable()  # what comes and goes holds no cycles, and looking for them took a third
    with socket.socket(fileno=sys.stdin.fileno()) as line:
        surroundings: Surroundings | None = None
        while True:
            try:
                news, subjects = receive(line), receive(line)
                if news:
                    surroundings = unpacked(news)
                if surroundings is not None:
                    send(line, packed(made(surroundings, unpacked(subjects))))
            except (EOFError, OSError):
                return  # nobody asks any more


if __name__ == "__main__":
    main()
