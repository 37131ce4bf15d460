"""Start the page: `python app.py`, then open the address it prints. The same as `medalign serve`.

On a Hugging Face Space this file is the entry point. `gradio app.py` runs it again on every change, and serves its `demo`.
"""

import contextlib
import sys

with contextlib.suppress(ModuleNotFoundError):
    import spaces  # noqa: F401  on Hugging Face Spaces; before PyTorch and Gradio, which it adapts to ZeroGPU

from medalign.cli import main
from medalign.cli.serve import build_demo

if __name__ != "__main__":
    demo = build_demo()  # its models are loaded at the first analysis
elif status := main(["serve", *sys.argv[1:]], names=globals()):  # the page becomes `demo` here, too
    sys.exit(status)
