"""What several commands share: options and how they are read, printing, the process, a session with the broker."""
