"""Offline users of the same core: backtest, check, send, schemas, the demo."""
