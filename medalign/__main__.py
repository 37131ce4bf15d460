"""`python -m medalign`: see `medalign.cli`."""

import sys

from medalign.cli import main

if __name__ == "__main__":
    sys.exit(main())
