"""The tables of reports: of products, and of channels, campaigns, themes, alerts and actions."""
