"""Every fault of rule files, in the formats that people and build servers read; codes/ explains each."""
