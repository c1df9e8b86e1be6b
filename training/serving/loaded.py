"""The models that a serving worker holds: least recently used ones leave when memory runs short."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from annotation.judges.models import Failure
from annotation.judges.providers.base import ProviderError
from core import artifacts
from training.registry.resident import Resident

# Of a process beside its weights: Python, torch and what a pass needs.
OVERHEAD_BYTES = 500_000_000
# Weights on disk may be half precision; rewards are computed in float32.
WIDENING = 2


class Held:
    """One loaded model, who uses it now, and when it was last used."""

    def __init__(self, resident: Resident, estimate: int) -> None:
        self.resident, self.estimate = resident, estimate
        self.users = 0
        self.used = time.monotonic()

    @property
    def bytes(self) -> int:
        """Memory in use; before the first answer the estimate."""
        return max(_resident_bytes(self.resident.pid), 0) or self.estimate


class Models:
    """Residents by folder, within `most_bytes` together where that is possible."""

    def __init__(self, most_bytes: int, idle_seconds: float) -> None:
        self.most_bytes, self.idle_seconds = most_bytes, idle_seconds
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._loading = asyncio.Lock()

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, folder: str) -> bool:
        return folder in self._held

    @asynccontextmanager
    async def using(self, folder: str) -> AsyncIterator[Resident]:
        """The process of a model; it is not closed while somebody uses it.

        Raises:
            NotFound: the model's files are gone.
            ProviderError: other models in use leave no memory for it.
        """
        async with self._loading:
            held = self._held.get(folder)
            if held is None or held.resident.closed:
                held = await self._load(folder)
            held.users += 1
        try:
            yield held.resident
        finally:
            held.users -= 1
            held.used = time.monotonic()
            if self._held.get(folder) is held:
                self._held.move_to_end(folder)

    async def _load(self, folder: str) -> Held:
        path = await asyncio.to_thread(artifacts.fetch, folder)
        held = Held(Resident("--reward", "--model", str(path)), _estimate(path))
        self._held.pop(folder, None)
        await self._make_room(held.estimate)
        self._held[folder] = held
        return held

    async def _make_room(self, needed: int) -> None:
        while self._held and sum(each.bytes for each in self._held.values()) + needed > (
            self.most_bytes
        ):
            idle = next((name for name, each in self._held.items() if not each.users), None)
            if idle is None:
                raise ProviderError(Failure.SERVER, "Other models are in use: try again.")
            await self._held.pop(idle).resident.close()

    async def unload_idle(self) -> None:
        """Close what nobody has asked for some time."""
        now = time.monotonic()
        for name, held in list(self._held.items()):
            if not held.users and now - held.used > self.idle_seconds:
                await self._held.pop(name).resident.close()

    async def close(self) -> None:
        while self._held:
            await self._held.popitem()[1].resident.close()


def _estimate(folder: Path) -> int:
    weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return WIDENING * weights + OVERHEAD_BYTES


def _resident_bytes(pid: int | None) -> int:
    """Resident memory of a process; 0 where there is none."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    line = next((line for line in lines if line.startswith("VmRSS")), "VmRSS: 0")
    return int(line.split()[1]) * 1024
