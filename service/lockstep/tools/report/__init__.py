"""What a backtest has to say, in numbers, in a terminal and on a page."""
