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
exec "$python" -m pytest "$@"
