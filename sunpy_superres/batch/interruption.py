"""How SIGTERM and Ctrl-C end a command in order, whatever it is doing."""

from __future__ import annotations

import contextlib
import signal
import threading

__all__ = ["Terminated", "end_orderly", "raise_lost_signal"]

#: Exceptions of the signals that have been received, the last one at the end.
_RECEIVED = []


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a batch system sends it; the command ends in order, as on Ctrl-C."""


@contextlib.contextmanager
def end_orderly():
    """
    Let SIGTERM raise `Terminated`, so that no half-written file is left behind.

    SIGTERM and SIGINT are also remembered for `raise_lost_signal`.  A handler that another
    library has installed stays in place.
    """
    ours = {signal.SIGTERM: Terminated, signal.SIGINT: KeyboardInterrupt}
    usual = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}

    def handle(number, frame):
        _RECEIVED.append(ours[number])
        raise ours[number]

    changed = []
    if threading.current_thread() is threading.main_thread():
        changed = [number for number in ours if signal.getsignal(number) is usual[number]]
    for number in changed:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, usual[number])
        _RECEIVED.clear()


def raise_lost_signal():
    """
    Raise the exception of a signal again, if it was lost.

    Python drops an exception that is raised in some callbacks of the interpreter, and some
    libraries turn every exception into one of their own.
    """
    if _RECEIVED:
        raise _RECEIVED[-1]
