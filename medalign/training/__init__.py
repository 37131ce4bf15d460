"""From text to a trained student: voices, examples, manifests, synthesis, reports and the training loop."""
