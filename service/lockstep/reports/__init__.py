"""What both teams read: the daily report, the weekly agenda, the monthly summary and the hours of a launch."""
