"""The page: Gradio components wired to calls downwards; no model, no decoding, no arithmetic of its own."""
