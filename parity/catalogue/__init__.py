"""Facts: the networks, their designs and recipes, the known traps and faults, the supported versions."""
