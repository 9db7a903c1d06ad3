"""Number plates out of live and recorded video: one fused event per vehicle visit."""

__version__ = "0.1.0"
