"""The only place that touches the world: brokers, channels, HTTP, metrics, logs."""
