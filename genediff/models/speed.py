"""How the network is called while cells are drawn: in how many bits, and compiled or not.

The solver, the noise and the decoding of counts keep 32 bits; only the network inside the velocity is faster or not.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from genediff.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

    from genediff.models.config import SpeedConfig

    Network = Callable[[Tensor, Tensor, Tensor], Tensor]


def precision_on(wish: str) -> str:
    """Return "bf16" or "fp32" for a wish that may be "auto".

    auto is 32 bits on every device as yet: cells of one shipped model were told from real ones a little more easily
    when they were drawn in bfloat16 (benchmarks/sampling_precision.md).
    """
    return "fp32" if wish == "auto" else wish


def network(denoiser: nn.Module, config: SpeedConfig, device: torch.device, *, backend: str = "inductor") -> Network:
    """Return the denoiser as it is called while cells are drawn; what it returns has 32 bits.

    Parameters
    ----------
    backend
        Of `torch.compile`. On a GPU its kernels are recorded once and played back (CUDA graphs).
    """
    half = precision_on(config.precision) == "bf16"
    called: Network = _Compiled(denoiser, device, backend) if config.compiled else denoiser
    if not half:
        return called

    def in_half(x_t: Tensor, t: Tensor, codes: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return called(x_t, t, codes).float()

    return in_half


class _Compiled:
    """A network that is compiled for as many cells as its first call has; others, such as a last batch, go uncompiled.

    Compiling anew for each size would cost more than a small batch.
    """

    def __init__(self, denoiser: nn.Module, device: torch.device, backend: str) -> None:
        self.plain = denoiser
        self.on_gpu = device.type == "cuda"
        mode = "reduce-overhead" if self.on_gpu and backend == "inductor" else None
        self.fast: Network = torch.compile(denoiser, backend=backend, dynamic=False, mode=mode)
        self.size: int | None = None

    def __call__(self, x_t: Tensor, t: Tensor, codes: Tensor) -> Tensor:
        if self.size is not None:
            if len(x_t) != self.size:
                return self.plain(x_t, t, codes)
            return self._play(x_t, t, codes)
        with _compiler_may_be_missing():
            result = self._play(x_t, t, codes)
        self.size = len(x_t)
        return result

    def _play(self, x_t: Tensor, t: Tensor, codes: Tensor) -> Tensor:
        # Times and codes come as views of one number, which a recorded graph cannot copy into.
        t, codes = t.contiguous(), codes.contiguous()
        if not self.on_gpu:
            return self.fast(x_t, t, codes)
        torch.compiler.cudagraph_mark_step_begin()
        return self.fast(x_t, t, codes).clone()  # the next playback overwrites what this one returned


@contextlib.contextmanager
def _compiler_may_be_missing() -> Iterator[None]:
    from torch._dynamo.exc import BackendCompilerFailed, TorchDynamoException
    from torch._inductor.exc import InductorError

    try:
        yield
    except (BackendCompilerFailed, InductorError, TorchDynamoException) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(
            f"the network could not be compiled on this machine ({reason}); switch compiling off, cells are the same"
        ) from error
