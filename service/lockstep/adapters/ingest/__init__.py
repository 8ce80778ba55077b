"""Events from outside on their way to the broker: texts cut into events, and what became of each that was published."""
