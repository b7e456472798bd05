"""How many servers a queue needs, by Erlang's C formula. Ring: values.

For requests that come at random and take times that are exponential, of `load` busy servers on
average, the share that waits longer than t is C(n, load) x exp(-(n - load) x t / service time).
Times that vary less, as most do, wait less.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

GRAIN: Final = 20  # loads are rounded up to a twentieth of a server: so few that all are remembered
LARGE: Final = 500.0  # from here on the square root of the load is precise enough


def servers_for(load: float, turns: float, share: float) -> int:
    """Return the fewest servers with which at most `share` of the requests waits too long.

    Args:
        load: servers that are busy on average.
        turns: how long a request may wait, in service times.
        share: of the requests, between 0 and 1.
    """
    if load > LARGE:
        return math.ceil(load + math.sqrt(-2 * math.log(share) * load))
    return _servers_for(math.ceil(load * GRAIN), round(turns * GRAIN), share)


@lru_cache(maxsize=4096)
def _servers_for(load_grains: int, turns_grains: int, share: float) -> int:
    load, turns = load_grains / GRAIN, turns_grains / GRAIN
    servers, blocked = 0, 1.0
    while True:
        servers += 1
        blocked = load * blocked / (servers + load * blocked)
        if servers <= load:
            continue
        waiting = blocked / (1 - load / servers * (1 - blocked))  # Erlang C, by B
        late = waiting * math.exp((load - servers) * turns)
        if late <= share:
            return servers
