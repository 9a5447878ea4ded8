"""The global state of torch: what the package computes neither depends on it nor changes it."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager

__all__ = ["own_torch_state"]


@contextmanager
def own_torch_state():
    """
    Compute in float32 on the CPU unless told otherwise, and give torch its state back afterwards.

    A session may have another default number format (``torch.set_default_dtype``) or device
    (``torch.set_default_device``), may compute in a shorter format (``torch.autocast``), and draws
    random numbers of its own.  Use it in a ``with`` statement, or as a decorator.
    """
    import torch

    dtype = torch.get_default_dtype()
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices=[]))
        if torch.get_default_device().type != "cpu":  # the context slows each call
            stack.enter_context(torch.device("cpu"))
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        torch.set_default_dtype(torch.float32)
        try:
            yield
        finally:
            torch.set_default_dtype(dtype)
