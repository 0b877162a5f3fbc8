"""`python -m moduledeploy` is the command `moduledeploy`."""

import sys

from moduledeploy.cli import main

if __name__ == "__main__":
    sys.exit(main())
