"""lease-gateway: batch files in, a balanced ledger, bank, GL and dealer files out, delivered."""
