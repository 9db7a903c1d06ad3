"""All tests; the package comes first, before any test's own GStreamer (see its `__init__`)."""

import anpr_stream  # noqa: F401
