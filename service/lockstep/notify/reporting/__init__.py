"""What reports need of notify: when they are due and who gets them, and what somebody is to do."""
