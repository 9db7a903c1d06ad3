"""How sure a fused text is: a logistic map of what its reads say, fitted on held-out tracks."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from anpr_stream.errors import ModelError

_CLIP = 6.0
"""Log odds beyond which more certainty is not believed."""


def log_odds(probability: float) -> float:
    """Return the log odds of a probability, at most 6 either way."""
    bounded = min(max(probability, 1e-9), 1.0 - 1e-9)
    return max(-_CLIP, min(_CLIP, math.log(bounded / (1.0 - bounded))))


@dataclass(frozen=True, slots=True)
class FusionFeatures:
    """What speaks for a fused text; each grows with certainty.

    Attributes:
        lead: log odds of the text against all other candidates, characters and format together.
        weakest: log odds of its least certain character.
        agreement: share of the reads' weight that spells the text, 0..1.
        evidence: log(1 + weight of all reads).
        own: log odds of the confidence of the surest agreeing read, -6 without one.
        known: 1 if a plate format knows the text.
    """

    lead: float
    weakest: float
    agreement: float
    evidence: float
    own: float
    known: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Weights of the features, none below 0, so that more evidence never makes a text less sure.

    The defaults are set by hand; `fit_calibration` finds better ones on held-out tracks.
    """

    lead: float = 0.35
    weakest: float = 0.25
    agreement: float = 2.0
    evidence: float = 0.8
    own: float = 0.3
    known: float = 0.3
    bias: float = -3.5

    def confidence(self, features: FusionFeatures) -> float:
        """Return the probability that the text is right."""
        *weights, bias = astuple(self)
        total = bias + sum(w * x for w, x in zip(weights, astuple(features), strict=True))
        return 1.0 / (1.0 + math.exp(-total))

    @staticmethod
    def load(path: Path) -> Calibration:
        """Read what `save` wrote; the defaults where there is no file.

        Raises:
            ModelError: a file of another form.
        """
        if not path.is_file():
            return Calibration()
        try:
            return Calibration(**{key: float(value) for key, value in json.loads(path.read_text()).items()})
        except (ValueError, TypeError, AttributeError) as error:
            raise ModelError(f"{path}: not a calibration ({error}); fit it anew or remove it") from error

    def to_json(self) -> str:
        """Return the text of a file for `load`."""
        return json.dumps({key: round(value, 6) for key, value in asdict(self).items()}, indent=1) + "\n"


def fit_calibration(records: Sequence[tuple[FusionFeatures, bool]], ridge: float = 0.01) -> Calibration:
    """Fit the weights by logistic regression with weights of at least 0.

    Args:
        records: features of fused texts of held-out tracks, and whether the text was right.
        ridge: pull towards 0 per record; keeps features that never vary out.

    Raises:
        ValueError: no records, or all of them right or wrong.
    """
    right = np.array([is_right for _, is_right in records], dtype=np.float64)
    if not 0 < right.sum() < len(right):
        raise ValueError(f"need right and wrong texts, got {int(right.sum())} right of {len(right)}")
    inputs = np.array([[*astuple(features), 1.0] for features, _ in records])

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        scores = inputs @ weights
        slopes = weights * [*[ridge] * (len(weights) - 1), 0.0]
        value = np.logaddexp(0.0, scores).mean() - (right * scores).mean() + slopes @ weights / 2
        return float(value), inputs.T @ (1.0 / (1.0 + np.exp(-scores)) - right) / len(right) + slopes

    bounds = [(0.0, None)] * (inputs.shape[1] - 1) + [(None, None)]
    start = np.array(astuple(Calibration()))
    found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B")
    return Calibration(*map(float, found.x))
