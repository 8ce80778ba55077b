"""MEASURE: numbers over event time. What a series is, how events fold into it, how its history is read."""
