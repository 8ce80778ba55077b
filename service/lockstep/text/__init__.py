"""Values as people read and write them: numbers and times in words, what a value must be, whether a host can be."""
