"""segnet: train, segment, correct in rounds, and measure."""
