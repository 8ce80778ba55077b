"""What a message looks like in Slack, how one that is there is edited and found again, and what its errors mean."""
