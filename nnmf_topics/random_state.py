"""The state of a random generator as plain data, so that training goes on alike after a load."""

from typing import Any

import numpy as np


def random_state_to_plain(random_state: np.random.RandomState) -> dict[str, Any]:
    """Return JSON-ready data that `random_state_from_plain` makes the same generator of."""
    name, keys, position, has_gauss, cached = random_state.get_state(legacy=True)
    return {
        "name": name,
        "keys": [int(key) for key in keys],
        "position": int(position),
        "has_gauss": int(has_gauss),
        "cached": float(cached),
    }


def random_state_from_plain(plain: dict[str, Any]) -> np.random.RandomState:
    """Build the generator again; ValueError or KeyError if the data are none."""
    random_state = np.random.RandomState()
    keys = np.asarray(plain["keys"], dtype=np.uint32)
    position, has_gauss, cached = plain["position"], plain["has_gauss"], plain["cached"]
    # NumPy takes any position, and then reads memory that is not its own.
    if keys.shape != (624,) or position not in range(625):
        raise ValueError(f"the random state has {keys.size} keys and is at {position!r}")
    random_state.set_state((plain["name"], keys, position, has_gauss, cached))
    return random_state
