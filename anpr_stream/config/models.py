"""Settings of the networks: where they run, what the detector reports, how plates are read."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, ValidationInfo

from anpr_stream.config.section import Section, beside_file

EngineName = Literal["auto", "tensorrt", "cuda", "openvino", "onnxruntime"]
Precision = Literal["auto", "fp32", "fp16", "bf16", "int8"]
ReaderKind = Literal["gru", "characters"]


def _network(name: str, info: ValidationInfo) -> str:
    return beside_file(name, info) if name.endswith(".onnx") else name


Network: TypeAlias = Annotated[str, AfterValidator(_network)]
"""Name of a shipped network, or the path of an ONNX file."""


class InferenceSettings(Section):
    """Which engine runs the networks. The same for all cameras of a process."""

    backend: EngineName = "auto"
    """`auto` measures the engines of this machine on each network's own sample, takes the fastest one whose
    numbers are right, and remembers the choice. A named engine is used or refused, never replaced."""

    precision: Precision = "auto"
    """`auto` prefers what the processor has arithmetic for (INT8, bf16, FP16 on GPUs) and the
    network's sample confirms. `fp32` is slower and exact to the last digit,
    on GPUs since Ampere to three digits (TF32)."""

    threads: int = Field(default=0, ge=0, le=64)
    """Threads on one picture on the CPU; 0 takes one per two cores, at least one. The detector works on as
    many pictures at once as the cores have room for. More shorten a single picture, fewer let pictures,
    stages and cameras overlap, which gives more pictures a second."""

    max_batch: int = Field(default=16, ge=1, le=256)
    """Largest batch on a GPU. More serves more cameras at once and takes memory and building time; fewer
    makes many cameras wait for each other."""

    gpus: tuple[int, ...] = ()
    """Numbers of the GPUs that share the cameras, as `nvidia-smi` counts; empty takes all. `cuda` takes the
    first only."""


class DetectorSettings(Section):
    """Finding plates in frames."""

    model: Network = "detector-cpu"
    """Name of a shipped network, or the path of an ONNX file."""

    input_px: int = Field(default=640, ge=64, le=2048)
    """Longer side of the network's input; the shorter one follows the frame's aspect. Larger finds farther
    plates and costs its square in time; smaller misses plates below about 10 input pixels in height."""

    coarse_px: int = Field(default=256, ge=0, le=2048)
    """Longer side of a second, coarse look's input where it is smaller than the first one's: plates too large
    for that are seen whole in this. Larger costs more time, smaller takes more things for plates; 0 leaves
    the look out, for cameras whose plates are all small."""

    threshold: float = Field(default=0.1, gt=0, lt=1)
    """Lowest confidence that is reported. The tracker wants weak plates too: they continue a track, and only
    its own `strong_confidence` starts one. Too high loses tracks in glare, too low ties them to noise."""

    max_iou: float = Field(default=0.45, gt=0, le=1)
    """Overlap (intersection over union) above which the weaker of two boxes goes. Too high reports one plate
    twice, too low loses a plate close to another."""

    max_inside: float = Field(default=0.8, gt=0, le=1)
    """Part of the smaller box that may lie in a better box. Too high keeps half plates inside whole ones."""

    min_height_px: float = Field(default=6, ge=0)
    """Plates lower than this in the frame are not reported: nobody can read them."""


class ReaderSettings(Section):
    """Reading cut-out plates."""

    reader: ReaderKind = "gru"
    """`gru` reads the whole plate at once; `characters` cuts it into characters and classifies each, which
    needs upright, sharp plates whose characters do not touch."""

    model: Network = "reader-cpu"
    """Name of a shipped network, or the path of an ONNX file, for `gru`."""

    characters_model: Network = "characters"
    """Likewise for `characters`."""

    margins: tuple[float, ...] = (0.0, 0.1)
    """Fractions of the box added on each side before cutting. Several are read apart and averaged: each costs
    a run, and reads that differ show which texts are not to be trusted. Empty takes the one margin that the
    network was trained around."""

    rectify: bool = False
    """Straighten a slanted plate by its corners where the detector gives them. The shipped detector's corners
    are less true than its boxes, and fewer texts come out right; for a detector trained on more corners."""

    straighten_below: float = Field(default=0.9, ge=0, le=1)
    """A text less sure than this is read once more where the plate's pixels show it slanted: with the slant
    taken out, and the surer text counts. Higher costs time; 0 reads all plates as they lie."""

    closer_below: float = Field(default=0.9, ge=0, le=1)
    """A text less sure than this is read once more by the box that the detector finds in the part of the
    picture around the plate. Higher reads a few more texts right and costs time; 0 never looks closer."""

    beam_width: int = Field(default=8, ge=1, le=64)
    """Texts followed while decoding; more finds rarer candidates and costs time."""

    max_candidates: int = Field(default=5, ge=1, le=20)
    """Length of the list of possible texts."""


class PictureSettings(Section):
    """More work for single pictures, which have no second frame."""

    thresholds: tuple[float, ...] = (0.45, 0.35, 0.25, 0.15, 0.1)
    """Confidences of the detector from which on plates are read, step by step until a text is sure. Plates
    below the highest one are reported only with a sure text, or if there is no other. Lower last steps find
    more and cost time in pictures without a plate."""

    sure: float = Field(default=0.6, ge=0, le=1)
    """A text with this confidence ends the search. Too high searches on for nothing, too low is content with
    half a plate."""

    input_px: int = Field(default=384, ge=64, le=2048)
    """Longer side of the first search's input. Photos show larger plates than streets: higher finds smaller
    plates, but takes larger ones for something else and costs its square in time."""

    larger_input_px: int = Field(default=768, ge=0, le=2048)
    """Input of a second search where the first gave no sure text; 0 leaves it out. Finds far plates, costs
    time."""

    largest_input_px: int = Field(default=1536, ge=0, le=4096)
    """Input of a third search of pictures whose longer side has so many pixels, where the others gave no sure
    text; 0 leaves it out. Finds cars far away in a telephone's photos, costs about a second."""

    margins: tuple[float, ...] = (0.0, 0.04, 0.08, 0.12, 0.16)
    """Margins that are read and averaged."""

    legible: float = Field(default=0.1, ge=0, le=1)
    """A text with less confidence than this counts as none."""

    unread: float = Field(default=0.6, ge=0, le=1)
    """Confidence of the detector from which on a plate without a legible text is reported. Lower reports more
    things that are no plates, higher fewer plates that nobody can read."""
