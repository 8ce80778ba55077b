"""Business measures, a module for each thing that they are of."""
