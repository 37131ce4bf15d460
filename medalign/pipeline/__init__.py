"""From one recording to one `Analysis`."""
