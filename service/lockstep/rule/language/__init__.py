"""WRITTEN: rule files as people write them, read and compiled, with every fault in its place."""
