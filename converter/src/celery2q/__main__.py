"""`python -m celery2q` is the command `celery2q`."""

import sys

from celery2q.cli import main

sys.exit(main())
