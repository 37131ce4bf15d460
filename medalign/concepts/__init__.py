"""Concepts: what a clinician would write down, found in what was said, each with a code, a status and its evidence."""

from medalign.concepts.bank import Concept, ConceptBank
from medalign.concepts.mentions import Mention, find_mentions, find_mentions_in_text, transcript_from_text

__all__ = ["Concept", "ConceptBank", "Mention", "find_mentions", "find_mentions_in_text", "transcript_from_text"]
