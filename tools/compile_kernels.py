"""Compile the GPU kernels to PTX, so that a user needs no CUDA compiler.

The PTX is for compute capability 7.5 and declares PTX ISA 7.0 (CUDA 11.0), which every driver
since 450 translates for its own GPU; `ptxas` proves that for each generation. Run it after every
change of `kernels.cu`: a test compares the hash in the PTX with the source.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.options import ToolParser

INFERENCE = Path(__file__).resolve().parents[1] / "anpr_stream" / "inference"
SOURCE = INFERENCE / "kernels.cu"
PTX = INFERENCE / "kernels.ptx"
GENERATIONS = ("75", "80", "86", "89", "90", "100", "120")


def source_mark() -> str:
    """Return the comment that binds a PTX file to its source."""
    return f"// kernels.cu sha256 {hashlib.sha256(SOURCE.read_bytes()).hexdigest()}"


def compile_ptx() -> str:
    """Return the PTX of `kernels.cu`.

    Raises:
        subprocess.CalledProcessError: nvcc refuses the source.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "kernels.ptx"
        subprocess.run(
            ["nvcc", "-std=c++17", "-O3", "-ptx", "-arch=compute_75", str(SOURCE), "-o", str(out)], check=True
        )
        text = out.read_text()
    body = text[text.index(".version") :]
    return f"{source_mark()}\n{re.sub(r'^.version .*$', '.version 7.0', body, count=1, flags=re.M)}"


def assemble(ptx: Path, generation: str) -> None:
    """Let `ptxas` translate a PTX file for one generation of GPUs.

    Raises:
        subprocess.CalledProcessError: it cannot.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / "kernels.cubin")
        subprocess.run(["ptxas", f"-arch=sm_{generation}", str(ptx), "-o", target], check=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Write `kernels.ptx` and prove that it translates everywhere."""
    ToolParser("tools.compile_kernels", __doc__).parse_args(arguments)
    PTX.write_text(compile_ptx())
    for generation in GENERATIONS:
        assemble(PTX, generation)
    print(f"{PTX.name}: {PTX.stat().st_size} bytes, translates for SM {', '.join(GENERATIONS)}")


if __name__ == "__main__":
    main()
