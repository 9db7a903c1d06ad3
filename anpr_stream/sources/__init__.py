"""Where frames come from: cameras, recordings and pictures, all as `Source`.

Sources count their own frames, drops, rebuilds and whether they are up in `anpr_stream.metrics`.
"""

from anpr_stream.sources.open import open_source, probe

__all__ = ["open_source", "probe"]
