"""``python -m nnmf_topics`` is ``nnmf-topics``."""

import sys

from nnmf_topics.cli import main

sys.exit(main())
