"""Start the page: `python app.py`, then open the address it prints. The same as `medalign serve`.

On a Hugging Face Space this file is the entry point. `gradio app.py` reloads it on every change.
"""

import sys

from medalign.cli import main
from medalign.cli.serve import build_demo

if __name__ == "__main__":
    sys.exit(main(["serve", *sys.argv[1:]]))

demo = build_demo()  # under this name Gradio looks for the page; its models are loaded at the first analysis
