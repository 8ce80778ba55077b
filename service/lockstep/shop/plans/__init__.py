"""Answers to campaigns: how they read, and when their numbers are told again."""
