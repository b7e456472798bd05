"""`mesh up --detach`: the process in the background."""

import sys

from mesh.embedded.daemon import detached_main

sys.exit(detached_main())
