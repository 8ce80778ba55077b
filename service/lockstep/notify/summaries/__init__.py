"""One message in place of many: in a storm, and after downtime."""
