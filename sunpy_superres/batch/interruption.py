"""SIGTERM and Ctrl-C end a command in order, wherever they strike."""

from __future__ import annotations

import contextlib
import signal
import threading

__all__ = ["Terminated", "check", "orderly_end"]

#: Exceptions of the signals that have come, the last one at the end.
_CAME = []


class Terminated(KeyboardInterrupt):
    """SIGTERM, as a batch system sends it: the end is as orderly as on Ctrl-C."""


@contextlib.contextmanager
def orderly_end():
    """
    Let SIGTERM raise `Terminated`, so that no half of a file is left behind.

    SIGTERM and SIGINT are remembered as well, for `check`.  Handlers of somebody else stay.
    """
    ours = {signal.SIGTERM: Terminated, signal.SIGINT: KeyboardInterrupt}
    usual = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}

    def come(number, frame):
        _CAME.append(ours[number])
        raise ours[number]

    changed = []
    if threading.current_thread() is threading.main_thread():
        changed = [number for number in ours if signal.getsignal(number) is usual[number]]
    for number in changed:
        signal.signal(number, come)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, usual[number])
        _CAME.clear()


def check():
    """
    Raise again what a signal raised, if it was lost.

    An exception is, where it strikes in a callback of the interpreter, and becomes another one
    where a library turns any into its own.
    """
    if _CAME:
        raise _CAME[-1]
