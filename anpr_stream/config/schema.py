"""The whole settings file: what every camera shares, what a camera may change, and the cameras."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationInfo, model_validator

from anpr_stream.config.address import is_live
from anpr_stream.config.clips import ClipSettings
from anpr_stream.config.delivery import Output, PlateList, Privacy, Service, Store
from anpr_stream.config.files import FileOutput
from anpr_stream.config.flow import BatchSettings, FlowSettings
from anpr_stream.config.models import DetectorSettings, InferenceSettings, PictureSettings, ReaderSettings
from anpr_stream.config.section import Section, beside_file
from anpr_stream.config.source import SourceSettings
from anpr_stream.config.tracking import TrackingSettings


class CameraSettings(Section):
    """What may be set for all cameras at the top of the file and again, key by key, for one camera."""

    flow: FlowSettings = FlowSettings()
    """Which frames are looked at and how long things may wait."""

    source: SourceSettings = SourceSettings()
    """How the source is opened, decoded, timed and watched."""

    formats: tuple[str, ...] = ()
    """Plate formats to expect: countries (`tw`, `de`) and groups (`eu`); empty: all of them. A soft
    preference: other texts still count. Too many: letters are mended after the wrong country's rules;
    too few: plates of guests are mended into something that they are not."""

    tracking: TrackingSettings = TrackingSettings()
    """From plates in frames to events: tracks, reads, visits, zones."""

    clips: ClipSettings = ClipSettings()
    """The camera's own video around each visit, beside its pictures (`anpr-stream serve`)."""


def _source(url: str, info: ValidationInfo) -> str:
    """Let a recording's relative path begin at the folder of the settings file."""
    is_elsewhere = is_live(url) or "://" in url or url.startswith("~")
    return url if is_elsewhere else beside_file(url, info)


class Camera(CameraSettings):
    """One camera or recording; whatever it does not set itself it takes from the top of the file."""

    url: Annotated[str, Field(min_length=1), AfterValidator(_source)]
    """Where the pictures come from: `rtsp://`, `rtsps://`, `http://` (MJPEG), `/dev/video0`, a file, a
    folder or a glob such as `drive/*.mp4`."""


class Settings(CameraSettings):
    """One settings file."""

    cameras: dict[str, Camera] = Field(default_factory=dict)
    """The cameras by name. The name stands in every event, file name and topic."""

    inference: InferenceSettings = InferenceSettings()
    """Engines that run the networks."""

    detector: DetectorSettings = DetectorSettings()
    """Finding plates."""

    reader: ReaderSettings = ReaderSettings()
    """Reading plates."""

    pictures: PictureSettings = PictureSettings()
    """What single pictures (`anpr-stream read`) get besides."""

    batch: BatchSettings = BatchSettings()
    """How the networks are shared between cameras."""

    files: tuple[FileOutput, ...] = ()
    """Event files on this machine."""

    outputs: tuple[Output, ...] = ()
    """Remote receivers of events; each is fed from a durable outbox."""

    store: Store = Store()
    """History, outbox and pictures on this machine (`anpr-stream serve`)."""

    lists: tuple[PlateList, ...] = ()
    """Plate lists and what a hit does."""

    privacy: Privacy = Privacy()
    """What is kept of whose plate."""

    service: Service = Service()
    """The daemon."""

    @model_validator(mode="after")
    def _know_all_names(self) -> Settings:
        """Refuse names that mean nothing: a filter with one would let nothing through, for ever."""
        lists = [plate_list.name for plate_list in self.lists]
        for kind, names in (("lists", lists), ("outputs", [output.name for output in self.outputs])):
            if doubles := [name for name in names if names.count(name) > 1]:
                raise ValueError(f"{kind}: the name {doubles[0]!r} is used twice")
        for part in (*self.outputs, *self.lists):
            if unknown := set(part.cameras) - self.cameras.keys():
                raise ValueError(f"{part.name}: cameras: there is no camera {min(unknown)!r}")
        for output in self.outputs:
            if unknown := set(output.lists) - set(lists):
                raise ValueError(f"{output.name}: lists: there is no list {min(unknown)!r}")
        for plate_list in self.lists:
            if unknown := set(plate_list.zones) - self.zones(plate_list.cameras):
                raise ValueError(f"{plate_list.name}: zones: none of its cameras has a zone {min(unknown)!r}")
        return self

    @model_validator(mode="after")
    def _show_nothing_hidden(self) -> Settings:
        """Refuse clips beside pictures that hide plates: nothing is hidden in the camera's own video."""
        is_clipped = any(settings.clips.enabled for settings in (self, *self.cameras.values()))
        if is_clipped and not self.privacy.hides_nothing:
            raise ValueError(
                "clips: they show every plate, and privacy is to hide some: "
                "set clips.enabled to false, or privacy to plain without blur_unlisted"
            )
        return self

    def zones(self, cameras: Collection[str] = ()) -> set[str]:
        """Return the names of all zones of the given cameras, or of all cameras."""
        return {
            zone.name
            for name, camera in self.cameras.items()
            if not cameras or name in cameras
            for zone in camera.tracking.places.zones
        }

    @model_validator(mode="before")
    @classmethod
    def _hand_down(cls, values: Any) -> Any:
        """Give each camera the settings above the cameras that it does not set itself."""
        if not isinstance(values, dict) or not isinstance(values.get("cameras"), dict):
            return values
        shared = {key: value for key, value in values.items() if key in CameraSettings.model_fields}
        cameras = {
            name: _over(shared, camera) if isinstance(camera, dict) else camera
            for name, camera in values["cameras"].items()
        }
        return {**values, "cameras": cameras}


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Return `below` with the keys of `above` laid over it, section by section."""
    both = dict(below)
    for key, value in above.items():
        beneath = both.get(key)
        both[key] = _over(beneath, value) if isinstance(value, dict) and isinstance(beneath, dict) else value
    return both
