"""The demo market: data, the rule behind its prices, and how an empty database is filled."""
