"""One text out of all reads of a plate: by character, aligned, weighted by what each read is worth.

Never judged by format read by read: the soft prior of the formats sees only what all reads say
together. Columns of the profile where "no character" wins are left out, so a long plate is weighed
against a short one by evidence, column by column.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anpr_stream.config.tracking import FusionSettings
from anpr_stream.plates.formats import FormatSet, Repair
from anpr_stream.tracking.alignment import Logs
from anpr_stream.tracking.calibration import Calibration, FusionFeatures, log_odds
from anpr_stream.tracking.profile import GAP, Profile, Variant
from anpr_stream.types import ALPHABET, Candidate, CropQuality, FloatArray, FusedRead, Read

Mask = npt.NDArray[np.bool_]

_KEPT = 4
"""So many times the texts that are added up are kept: one that comes late must be able to grow."""
_UNDECIDED = 0.1
"""A column whose "no character" is neither below this nor above its complement is tried both ways."""


class Fusion:
    """What all reads of one plate say together; bounded, whatever the number of reads.

    Args:
        formats: the soft prior; a set without formats leaves the characters as they are.
        settings: weights and rates of errors.
        calibration: turns what speaks for a text into a probability.
    """

    def __init__(
        self,
        formats: FormatSet | None = None,
        settings: FusionSettings | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self._formats = formats or FormatSet(())
        self._settings = settings or FusionSettings()
        self._calibration = calibration or Calibration()
        self._variants: dict[tuple[str, bool], Variant] = {}
        self._fused: _Fused | None = None
        self._is_stale = False
        self.blanks = 0
        """Reads without any character; they say nothing about the text."""

    @property
    def is_truncated(self) -> bool:
        """True while every read with a text was of a plate that the picture's edge cut."""
        return bool(self._variants) and all(v.is_truncated for v in self._variants.values())

    def add(self, read: Read, quality: CropQuality) -> None:
        """Take one more read.

        Args:
            read: of this plate.
            quality: of the crop that was read; it makes the read's weight.
        """
        if read.text:
            self._take([Variant.of(read, quality, self._settings)])
        else:
            self.blanks += 1

    def merge(self, other: Fusion) -> None:
        """Take over all reads of another fusion, whose track turned out to be the same plate."""
        self.blanks += other.blanks
        self._take(other._variants.values())

    def plate(self) -> FusedRead | None:
        """Return the text that all reads make, or None while there is none."""
        fused = self._newest()
        return fused.plate if fused else None

    def features(self) -> FusionFeatures | None:
        """Return what the confidence of `plate` is made of, for `fit_calibration`."""
        fused = self._newest()
        return fused.features if fused else None

    def _take(self, variants: Iterable[Variant]) -> None:
        for variant in variants:
            known = self._variants.setdefault((variant.text, variant.is_truncated), variant)
            if known is not variant:
                known.take(variant)
            elif len(self._variants) > _KEPT * self._settings.max_variants:
                self._forget_lightest_but(variant)
        self._is_stale = True

    def _forget_lightest_but(self, newest: Variant) -> None:
        """Make room; the newest text weighs little only because it is new."""
        others = [key for key, variant in self._variants.items() if variant is not newest]
        del self._variants[min(others, key=lambda key: (self._variants[key].weight, key))]

    def _newest(self) -> _Fused | None:
        if self._is_stale:
            self._fused = self._fuse()
            self._is_stale = False
        return self._fused

    def _fuse(self) -> _Fused | None:
        # A fixed order makes the result independent of the order of the reads.
        variants = sorted(self._variants.values(), key=lambda v: (-v.weight, v.text, v.is_truncated))
        if not variants:
            return None
        profile = Profile(variants[: self._settings.max_variants], self._settings)
        posterior = profile.posterior(self._settings.independent_reads)
        masks = _spelled_columns(posterior)
        if not masks[0].any():
            return None
        first, *others = [_spelling(posterior, mask) for mask in masks if mask.any()]
        repairs = self._formats.rerank(first, others, self._settings.candidates)
        best = repairs[0]
        spelled = _columns_of(best.text, posterior, masks)
        raw_text = "".join(ALPHABET[place] for place in posterior[masks[0], :GAP].argmax(axis=1))
        characters = _character_confidences(best.text, posterior[spelled])
        # The formats repair all reads alike: one that spells the text before repair agrees, too.
        agreeing = [variant for variant in variants if variant.text in (best.text, raw_text)]
        features = self._features(variants, agreeing, repairs, characters)
        confidence = self._calibration.confidence(features)
        plate = FusedRead(
            text=best.text,
            raw_text=raw_text,
            confidence=confidence,
            char_confidences=characters,
            candidates=_candidates(repairs, confidence, self._settings.candidates),
            format=best.format.name if best.format else None,
            country=self._formats.country(best.text),
            reads=sum(variant.reads for variant in variants),
            agreeing_reads=sum(variant.reads for variant in agreeing),
            line_lengths=profile.line_lengths(spelled),
            surest_read=_surest(agreeing),
        )
        return _Fused(plate, features)

    @staticmethod
    def _features(
        variants: Sequence[Variant],
        agreeing: Sequence[Variant],
        repairs: Sequence[Repair],
        characters: Sequence[float],
    ) -> FusionFeatures:
        weight, total = (sum(variant.weight for variant in some) for some in (agreeing, variants))
        return FusionFeatures(
            lead=log_odds(_shares(repairs)[0]),
            weakest=log_odds(min(characters)),
            agreement=weight / total,
            evidence=math.log1p(total),
            own=log_odds(_surest(agreeing)),
            known=float(repairs[0].format is not None),
        )


@dataclass(frozen=True, slots=True)
class _Fused:
    """A fused text and what its confidence is made of."""

    plate: FusedRead
    features: FusionFeatures


def _spelled_columns(posterior: Logs) -> list[Mask]:
    """Return which columns hold a character, likeliest first; the least certain columns both ways."""
    gaps = posterior[:, GAP]
    likeliest: Mask = gaps < 0.5
    masks = [likeliest]
    undecided = np.flatnonzero((gaps > _UNDECIDED) & (gaps < 1.0 - _UNDECIDED))
    for column in sorted(undecided, key=lambda place: abs(float(gaps[place]) - 0.5))[:2]:
        toggled = likeliest.copy()
        toggled[column] ^= True
        masks.append(toggled)
    return masks


def _spelling(posterior: Logs, mask: Mask) -> FloatArray:
    """Return the character columns, (L, 36), times the probability that the others hold none."""
    spelling = posterior[mask, :GAP]
    spelling[0] *= posterior[~mask, GAP].prod()
    return spelling.astype(np.float32)


def _columns_of(text: str, posterior: Logs, masks: Sequence[Mask]) -> Mask:
    """Return the columns that spell a text: of those masks that have its length, the likeliest."""
    places = [ALPHABET.index(character) for character in text]

    def likelihood(mask: Mask) -> float:
        return float(posterior[mask][range(len(places)), places].prod() * posterior[~mask, GAP].prod())

    return max((mask for mask in masks if mask.sum() == len(text)), key=likelihood)


def _character_confidences(text: str, columns: Logs) -> tuple[float, ...]:
    return tuple(float(row[ALPHABET.index(character)]) for row, character in zip(columns, text, strict=True))


def _surest(agreeing: Sequence[Variant]) -> float:
    return max((variant.surest for variant in agreeing), default=0.0)


def _shares(repairs: Sequence[Repair]) -> list[float]:
    """Return the probability of each text among all of them."""
    best = repairs[0].log_probability
    odds = [math.exp(repair.log_probability - best) for repair in repairs]
    total = sum(odds)
    return [odd / total for odd in odds]


def _candidates(repairs: Sequence[Repair], confidence: float, count: int) -> tuple[Candidate, ...]:
    """Share what the first text leaves of certainty among the others."""
    first, *others = _shares(repairs)
    left = (1.0 - confidence) / max(1.0 - first, 1e-9)
    shares = [confidence, *(min(share * left, confidence) for share in others)]
    return tuple(Candidate(r.text, share) for r, share in zip(repairs, shares, strict=True))[:count]
