"""From consultations, voices and sounds to audio-text pairs."""
