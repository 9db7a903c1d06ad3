"""Which crops are worth a read: the large, sharp, whole ones; more while nothing is settled."""

from __future__ import annotations

from dataclasses import dataclass

from anpr_stream.config.tracking import BudgetSettings, FusionSettings
from anpr_stream.types import CropQuality, FusedRead


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

    def is_too_soon(self, track_id: int, pts_s: float) -> bool:
        """Tell whether no crop of a track would be read now, so that none need be cut.

        Args:
            track_id: whose plate it is.
            pts_s: stream time of the frame.
        """
        spent = self._tracks.get(track_id)
        return spent is not None and pts_s - spent.last_pts_s < self._interval_s(spent, is_better=True)

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
        # Not doubled: a plate that was tried in vain from afar must not have to wait when it is near.
        return min(self._settings.unread_interval_s * (1.0 + over / 4), self._settings.max_interval_s)

    def learn(self, track_id: int, plate: FusedRead | None) -> None:
        """Take what the reads of a track say so far."""
        if track_id in self._tracks:
            self._tracks[track_id].is_settled = plate is not None and (
                plate.agreeing_reads >= self._settings.settled_agreeing
                and plate.confidence >= self._settings.settled_confidence
            )

    def doubt(self, track_id: int) -> None:
        """Take that a track was out of sight: what came back may be another plate and is read again."""
        if track_id in self._tracks:
            self._tracks[track_id].is_settled = False
            self._tracks[track_id].best_worth = 0.0

    def is_settled(self, track_id: int) -> bool:
        """Tell whether a track's text is settled, so that its crops may go first under load."""
        return track_id in self._tracks and self._tracks[track_id].is_settled

    def forget(self, track_id: int) -> None:
        """Drop a track that ended."""
        self._tracks.pop(track_id, None)
