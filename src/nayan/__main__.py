"""`python -m nayan` is `nayan`."""

import sys

from nayan.cli import main

sys.exit(main())
