"""Which crops are worth a read: the large, sharp, whole ones; more while nothing is settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from anpr_stream.config.tracking import BudgetSettings, FusionSettings
from anpr_stream.types import Crop, CropQuality, FusedRead


def worth(quality: CropQuality, settings: FusionSettings) -> float:
    """Return how much a read of a crop counts, 0..1: by plate height, sharpness and truncation."""
    height = min(1.0, quality.height_px / settings.full_height_px)
    sharpness = settings.blurred_weight + (1.0 - settings.blurred_weight) * quality.sharpness
    return height * sharpness * (settings.truncated_weight if quality.truncated else 1.0)


@dataclass(slots=True)
class _Spent:
    """What was spent on one track."""

    asked: int = 0
    last_pts_s: float = float("-inf")
    best_worth: float = 0.0
    is_settled: bool = False


class ReadBudget:
    """Decides per track whether a crop is read; the caller counts the reasons of refusals."""

    def __init__(self, settings: BudgetSettings | None = None, fusion: FusionSettings | None = None) -> None:
        self._settings = settings or BudgetSettings()
        self._fusion = fusion or FusionSettings()
        self._tracks: dict[int, _Spent] = {}

    def refusal(self, track_id: int, pts_s: float, quality: CropQuality) -> str | None:
        """Return why a crop is not read, or None after noting that it will be.

        Args:
            track_id: whose plate it is.
            pts_s: stream time of the crop's frame.
            quality: what a read of it would be worth.

        Returns:
            `too_small`, `settled` (nothing to gain), `too_soon`, or None: read it.
        """
        if quality.height_px < self._settings.min_plate_height_px:
            return "too_small"
        spent = self._tracks.setdefault(track_id, _Spent())
        value = worth(quality, self._fusion)
        is_better = value > spent.best_worth * self._settings.better_by
        if spent.is_settled and not is_better:
            return "settled"
        if pts_s - spent.last_pts_s < self._interval_s(spent, is_better):
            return "too_soon"
        spent.asked += 1
        spent.last_pts_s = pts_s
        spent.best_worth = max(spent.best_worth, value)
        return None

    def _interval_s(self, spent: _Spent, is_better: bool) -> float:
        if spent.is_settled:
            return self._settings.settled_interval_s
        over = spent.asked - self._settings.eager_reads
        if over < 0 or is_better:
            return self._settings.unread_interval_s
        doubled = self._settings.unread_interval_s * 2.0 ** min(over, 16)
        return min(doubled, self._settings.max_interval_s)

    def learn(self, track_id: int, plate: FusedRead | None) -> None:
        """Take what the reads of a track say so far."""
        if track_id in self._tracks:
            self._tracks[track_id].is_settled = plate is not None and (
                plate.agreeing_reads >= self._settings.settled_agreeing
                and plate.confidence >= self._settings.settled_confidence
            )

    def forget(self, track_id: int) -> None:
        """Drop a track that ended."""
        self._tracks.pop(track_id, None)


class WaitingCrops:
    """Crops that wait for the reader: one a track, freshest first, none too old.

    Pure and not thread-safe: whoever shares it between threads holds the lock.
    """

    def __init__(self, settings: BudgetSettings | None = None, limit: int = 64) -> None:
        self._settings = settings or BudgetSettings()
        self._limit = limit
        self._crops: dict[tuple[str, int], Crop] = {}

    def __len__(self) -> int:
        return len(self._crops)

    def put(self, crops: Iterable[Crop]) -> Counter[str]:
        """Add crops; return the number of those dropped for it, by reason (`replaced`, `full`)."""
        dropped: Counter[str] = Counter()
        for crop in crops:
            key = (crop.frame.camera, crop.track_id)
            dropped["replaced"] += self._crops.pop(key, None) is not None
            self._crops[key] = crop
        while len(self._crops) > self._limit:
            self._crops.pop(next(iter(self._crops)))
            dropped["full"] += 1
        return +dropped

    def take(self, count: int, now_pts_s: dict[str, float] | None = None) -> tuple[list[Crop], Counter[str]]:
        """Take up to `count` crops, freshest first, and drop those that waited too long.

        Args:
            count: largest number wanted.
            now_pts_s: present stream time of each camera; None (recordings) drops none.

        Returns:
            The crops, and the number dropped by reason (`too_late`).
        """
        late = [key for key, crop in self._crops.items() if self._is_late(crop, now_pts_s or {})]
        for key in late:
            del self._crops[key]
        keys = list(reversed(self._crops))[:count]
        return [self._crops.pop(key) for key in keys], Counter({"too_late": len(late)} if late else {})

    def _is_late(self, crop: Crop, now_pts_s: dict[str, float]) -> bool:
        now = now_pts_s.get(crop.frame.camera)
        return now is not None and now - crop.frame.pts_s > self._settings.max_wait_s
