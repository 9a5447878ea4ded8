"""
The processes of a training: one, or one for each GPU.

``accelerate launch`` and ``torchrun`` start several; accelerate gives each its device.
Without accelerate, as on a bare GPU machine, there is one process.
"""

from __future__ import annotations

import torch

try:
    from accelerate import Accelerator
except ImportError:  # torch, numpy and safetensors are enough for one process
    Accelerator = None

__all__ = ["Processes"]


class Processes:
    """
    The processes that a training runs in.

    Parameters
    ----------
    device : str, optional
        Device of torch; by default this process's GPU if there is one, else the CPU.

    Attributes
    ----------
    device : torch.device
    count, index : int
        Number of processes, and which this is.
    """

    def __init__(self, device=None):
        self._accelerator = None
        if Accelerator is not None and device is None:
            self._accelerator = Accelerator()
            self.device = self._accelerator.device
            self.count = self._accelerator.num_processes
            self.index = self._accelerator.process_index
        else:
            self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
            self.count, self.index = 1, 0

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.index == 0

    def mean(self, tensors):
        """Replace tensors, in place, by their means over the processes."""
        if self.count == 1:
            return
        # One large message is faster than many small ones.
        joined = torch.cat([tensor.reshape(-1) for tensor in tensors])
        parts = self._accelerator.reduce(joined, "mean").split([t.numel() for t in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def wait(self):
        """Wait until all processes have called this."""
        if self.count > 1:
            self._accelerator.wait_for_everyone()

    def any(self, flag) -> bool:
        """Whether ``flag`` is true in any process."""
        if self.count == 1:
            return bool(flag)
        value = torch.tensor(float(bool(flag)), device=self.device)
        return bool(self._accelerator.reduce(value, "sum") > 0)
