"""Campaigns: both teams are told what each is answered."""
