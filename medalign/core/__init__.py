"""Values, files and errors: nothing heavier than numpy, so that the page is up without torch."""
