"""How much noise each layer bears, learned, derived or tried out: `RobustnessProfile`, by any of `PROFILES`."""

from dse.robustness._agn import SETTLED, RobustnessSettings, learn_robustness, settled
from dse.robustness._fisher import fisher_profile
from dse.robustness._kept import kept_profile
from dse.robustness._noise_sweep import noise_sweep_profile
from dse.robustness._profile import RobustnessProfile
from dse.robustness._registry import PROFILES, profile_by_name, profile_table

__all__ = [
    "PROFILES",
    "RobustnessProfile",
    "RobustnessSettings",
    "SETTLED",
    "fisher_profile",
    "kept_profile",
    "learn_robustness",
    "noise_sweep_profile",
    "profile_by_name",
    "profile_table",
    "settled",
]
