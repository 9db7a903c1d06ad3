#!/usr/bin/env bash
# Show what anpr-stream does: set up, read two short clips, print what is known of them beside what was read.
#   bash tools/demo.sh
# Leaves annotated videos and a contact sheet in out/demo. May be run again at any time.
# With PYTHON set, that Python is used and nothing is installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ -z "${PYTHON:-}" ]; then bash tools/setup.sh; fi
python=${PYTHON:-.venv/bin/python}
out=out/demo
rm -rf "$out"
for clip in street night; do
  "$python" -m anpr_stream run "tools/demo/$clip.mp4" --output "$out/$clip.jsonl" \
    --annotate "$out/$clip.mp4" --snapshots "$out/snapshots"
done
exec "$python" -m tools.demo.report "$out"
