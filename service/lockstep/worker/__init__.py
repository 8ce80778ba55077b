"""The parts of one worker, each with its own task: stages, judging, reload, own alerts, metrics. app builds them."""
