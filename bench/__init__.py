"""How fast the gateway is, measured: ``make bench`` prints one table with ratios, targets and the machine."""
