"""Operating points: one network, a handful of multipliers, several assignments to switch between."""
