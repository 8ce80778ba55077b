"""Kafka as the broker: how to get in, topics, reading, writing, owned partitions, and the transport for Faust."""
