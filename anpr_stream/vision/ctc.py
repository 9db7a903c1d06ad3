"""From a reader's logits to texts: CTC (Graves et al., 2006), prefix beam search (Hannun et al., 2014).

Each line of text is decoded by itself and the lines are joined, so that a character which ends one
line and begins the next is not merged.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, groupby, product
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from anpr_stream.types import ALPHABET, Candidate, FloatArray, Read

BLANK = 0

Indices: TypeAlias = tuple[int, ...]
"""A text as classes 1..36."""

LEAST_STEP = 0.01
"""A class less probable than this at a step neither begins nor extends a text there."""
LEAST_TEXT = 1e-3
"""A text less probable than this part of the best one is given up."""
SURE_BLANK = 0.998
"""A step this sure of blank only ends the run of the character before it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text.

    Attributes:
        candidates: (classes, probability), best first, never empty.
        characters: (n, 36) float32, one distribution per character of the best candidate.
    """

    candidates: tuple[tuple[Indices, float], ...]
    characters: FloatArray


def softmax(logits: FloatArray, temperature: float = 1.0) -> FloatArray:
    """Probabilities over the last axis, logits divided by the temperature."""
    scaled = logits / np.float32(temperature)
    scaled -= scaled.max(axis=-1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=-1, keepdims=True)
    return np.asarray(scaled, np.float32)


def decode(probabilities: FloatArray, lines: int = 1, beam_width: int = 8, max_candidates: int = 5) -> Read:
    """Decode one picture.

    Args:
        probabilities: (lines * steps, 37) float32, rows sum to 1, class 0 blank.
        lines: number of lines of text that the steps hold one after the other.
        beam_width: texts kept at each step; wider finds rarer candidates and costs time.
        max_candidates: length of the list of candidates.

    Returns:
        The most probable text over all its alignments; its confidence is that probability.
    """
    decoded = [decode_line(part, beam_width) for part in np.split(probabilities, lines)]
    joined = _join(decoded, max_candidates)
    candidates = tuple(Candidate(to_text(classes), confidence) for classes, confidence in joined)
    lengths = tuple(len(line.characters) for line in decoded if len(line.characters))
    characters = np.concatenate([line.characters for line in decoded])
    return Read(candidates[0].text, candidates[0].confidence, characters, lengths, candidates)


def decode_line(probabilities: FloatArray, beam_width: int = 8) -> Line:
    """Decode the steps (T, 37) of one line."""
    beam = beam_search(probabilities, beam_width)
    best = beam[0][0]
    runs = greedy_runs(probabilities)
    if tuple(klass for klass, _, _ in runs) != best:
        runs = align(probabilities, best)
    return Line(beam, _gather(probabilities, runs))


def to_text(classes: Indices) -> str:
    """Spell classes 1..36."""
    return "".join(ALPHABET[klass - 1] for klass in classes)


def greedy_runs(probabilities: FloatArray) -> list[tuple[int, int, int]]:
    """Best class of each step, repeats collapsed, blanks left out: (class, first step, past the last)."""
    runs, start = [], 0
    for klass, group in groupby(probabilities.argmax(axis=1).tolist()):
        end = start + len(list(group))
        if klass != BLANK:
            runs.append((klass, start, end))
        start = end
    return runs


def beam_search(probabilities: FloatArray, beam_width: int = 8) -> tuple[tuple[Indices, float], ...]:
    """Find the most probable texts, each summed over its alignments.

    Steps that are sure of blank are passed over: on a legible plate half of all steps, and most of the cost.

    Args:
        probabilities: (T, 37) float32.
        beam_width: texts kept at each step.

    Returns:
        Up to `beam_width` (classes, probability), best first, never empty.
    """
    beam: _Beam = {(): (1.0, 0.0)}
    for blank, classes in _likely(probabilities):
        if blank >= SURE_BLANK:
            beam = {text: ((ends + runs) * blank, 0.0) for text, (ends, runs) in beam.items()}
        else:
            beam = _prune(_extend(beam, blank, classes), beam_width)
    scored = [(text, ends + runs) for text, (ends, runs) in beam.items()]
    return tuple(sorted(scored, key=lambda entry: (-entry[1], entry[0])))


_Beam: TypeAlias = dict[Indices, tuple[float, float]]
"""Texts with their probability of ending in blank and of ending in their last character."""


def _likely(probabilities: FloatArray) -> list[tuple[float, list[tuple[int, float]]]]:
    """Each step's probability of blank and its likely classes, as plain numbers: faster than small arrays."""
    steps: list[tuple[float, list[tuple[int, float]]]] = [
        (blank, []) for blank in probabilities[:, BLANK].tolist()
    ]
    characters = probabilities[:, BLANK + 1 :]
    where, klass = np.nonzero(characters > LEAST_STEP)
    values = characters[where, klass]
    for step, index, value in zip(where.tolist(), klass.tolist(), values.tolist(), strict=True):
        steps[step][1].append((index + BLANK + 1, value))
    return steps


def _extend(beam: _Beam, blank: float, classes: list[tuple[int, float]]) -> _Beam:
    """One step: every text stays (blank, or its last character goes on) or grows by one of the classes."""
    grown: _Beam = {}
    for text, (ends, runs) in beam.items():
        total = ends + runs
        was_ends, was_runs = grown.get(text, (0.0, 0.0))
        last = text[-1] if text else BLANK
        for klass, probability in classes:
            gain = total * probability
            if klass == last:
                was_runs += runs * probability
                gain = ends * probability
            if gain > 0:
                longer = (*text, klass)
                longer_ends, longer_runs = grown.get(longer, (0.0, 0.0))
                grown[longer] = (longer_ends, longer_runs + gain)
        grown[text] = (was_ends + total * blank, was_runs)
    return grown


def _prune(beam: _Beam, width: int) -> _Beam:
    scores = {text: ends + runs for text, (ends, runs) in beam.items()}
    least = LEAST_TEXT * max(scores.values())
    kept = {text: state for text, state in beam.items() if scores[text] >= least}
    if len(kept) <= width:
        return kept
    return {text: kept[text] for text in heapq.nlargest(width, kept, key=scores.__getitem__)}


def align(probabilities: FloatArray, text: Indices) -> list[tuple[int, int, int]]:
    """Find the most probable alignment of a text (Viterbi over its characters and the blanks between).

    Args:
        probabilities: (T, 37) float32.
        text: classes; must fit into T steps.

    Returns:
        Per character (class, first step, past the last).
    """
    states = np.zeros(2 * len(text) + 1, dtype=np.intp)
    states[1::2] = text
    emit = np.log(np.maximum(probabilities[:, states], 1e-30))
    may_skip = np.zeros(len(states), dtype=bool)
    may_skip[3::2] = states[3::2] != states[1:-2:2]
    path = _viterbi(emit, may_skip)
    runs = [(state, list(group)) for state, group in groupby(range(len(path)), key=lambda t: int(path[t]))]
    return [(int(states[state]), steps[0], steps[-1] + 1) for state, steps in runs if state % 2]


def _viterbi(emit: FloatArray, may_skip: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Best state of each step; a state is reached from itself, the one before, or (`may_skip`) two before."""
    steps, count = emit.shape
    moves = np.zeros((steps, count), dtype=np.intp)
    score = np.full(count, -np.inf, dtype=np.float32)
    score[:2] = emit[0, :2]
    for step in range(1, steps):
        ways = np.full((3, count), -np.inf, dtype=np.float32)
        ways[0] = score
        ways[1, 1:] = score[:-1]
        ways[2, 2:] = np.where(may_skip[2:], score[:-2], -np.inf)
        moves[step] = ways.argmax(axis=0)
        score = ways.max(axis=0) + emit[step]
    state = count - 1 if count == 1 or score[-1] >= score[-2] else count - 2
    path = np.empty(steps, dtype=np.intp)
    for step in range(steps - 1, -1, -1):
        path[step] = state
        state -= int(moves[step, state])
    return path


def _gather(probabilities: FloatArray, runs: list[tuple[int, int, int]]) -> FloatArray:
    """One distribution per character: the mean over its run, each step weighted by how little blank it is.

    A run's edge, where the network is half at blank already, so says little about which character it is.
    """
    rows = np.zeros((len(runs), len(ALPHABET)), dtype=np.float32)
    for row, (_, start, end) in zip(rows, runs, strict=True):
        steps = probabilities[start:end]
        weights = 1 - steps[:, BLANK]
        row[:] = weights @ steps[:, BLANK + 1 :] / max(float(weights.sum()), 1e-9)
    return rows


def _join(lines: list[Line], max_candidates: int) -> list[tuple[Indices, float]]:
    """Best combinations of the lines' candidates, each text once; the first is made of each line's best."""
    combinations = [
        (tuple(chain.from_iterable(classes for classes, _ in parts)), math.prod(p for _, p in parts))
        for parts in product(*(line.candidates for line in lines))
    ]
    combinations.sort(key=lambda entry: -entry[1])
    unique: dict[Indices, float] = {}
    for text, probability in combinations:
        unique.setdefault(text, min(probability, 1.0))
    return list(unique.items())[:max_candidates]


def mix(reads: Sequence[Read], max_candidates: int = 5) -> Read:
    """Average several reads of one plate (other margins, other networks) over whole texts.

    A text's probability is the mean over the reads; one that a read does not list counts 0 there. The
    character distributions are the mean over the reads whose own text won.
    """
    if len(reads) == 1:
        return reads[0]
    scores: dict[str, float] = {}
    for read in reads:
        for candidate in read.candidates:
            scores[candidate.text] = scores.get(candidate.text, 0.0) + candidate.confidence / len(reads)
    own = {read.text for read in reads}
    text = max(own, key=lambda entry: (scores.setdefault(entry, 0.0), entry))
    winners = [read for read in reads if read.text == text]
    ranked = sorted(scores, key=lambda entry: (entry != text, -scores[entry], entry))
    return Read(
        text,
        scores[text],
        np.mean([read.character_probabilities for read in winners], axis=0, dtype=np.float32),
        winners[0].line_lengths,
        tuple(Candidate(entry, scores[entry]) for entry in ranked[:max_candidates]),
    )
