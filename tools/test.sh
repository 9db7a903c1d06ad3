#!/usr/bin/env bash
# All checks of the project: set-up, lint, format, types, tests.
#   bash tools/test.sh           everything, on a bare machine too
#   bash tools/test.sh --quick   without the set-up, with the Python in $PYTHON or .venv
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "${1:-}" = --quick ]; then shift; else bash tools/setup.sh --test; fi
python=${PYTHON:-.venv/bin/python}

"$python" -m ruff check .
"$python" -m ruff format --check .
"$python" -m mypy
if [ $# -gt 0 ]; then exec "$python" -m pytest "$@"; fi

# PyTorch crashed now and then in a process that GStreamer, OpenVINO and TensorRT had filled before. Networks of four
# channels, with which it overran its memory and which the tests have no longer, and signals that met a stack which
# OpenVINO had freed, may have been the whole cause; no program of ours has these libraries together, so what trains is
# still tested in a process of its own.
training=(tests/tools/training tests/tools/test_{train_characters,train_detector,train_reader,export,shrink_checkpoint}.py)
status=0

# Cameras, brokers and fuzzers run for real, and a busy machine upsets one of them now and then: the files in which
# a test failed run once more, alone; after a crash all do. Both runs are printed; what fails twice fails.
check() {
  local first=0 again=("$@") log
  log=$(mktemp)
  "$python" -m pytest "$@" 2>&1 | tee "$log" || first=${PIPESTATUS[0]}
  if [ "$first" -eq 1 ]; then mapfile -t again < <(grep -oP '^(FAILED|ERROR) \K[^: ]+' "$log" | sort -u); fi
  rm "$log"
  if [ "$first" -eq 0 ]; then return; fi
  echo "once more, alone: ${again[*]}"
  "$python" -m pytest "${again[@]}" || status=$?
}

check --ignore=tests/tools
check tests/tools "${training[@]/#/--ignore=}"
check "${training[@]}"
exit "$status"
