"""`python -m facenet` is the command `facenet`."""

import sys

from facenet.cli import main

sys.exit(main())
