"""The code under which all is stored that one reader says."""

from medalign.feedback.receipts import code_of
from medalign.feedback.store import FeedbackStore


class OwnCode:
    """Of one reader. Plain class on purpose: Gradio hashes states, and this one is hashed by identity."""

    def __init__(self, code: str | None = None):
        self.code = code
        self.has_voted = False

    def known(self, store: FeedbackStore) -> str | None:
        """The code, if anything is still stored under it."""
        if self.code is not None and not store.holds(self.code):
            self.code, self.has_voted = None, False
        return self.code

    def opened(self, address: str) -> None:
        """Something is stored there from now on."""
        self.code = code_of(address)

    def restore(self, code: str | None, store: FeedbackStore) -> None:
        """As the browser's tab kept it while the page was loaded anew."""
        if self.code is None and code and store.holds(code):
            self.code = code_of(code)
