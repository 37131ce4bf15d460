"""The model card of a status classifier."""

from medalign.core.analysis import DISCLAIMER
from medalign.models.status_classifier import ACTIONS, STATUSES, WORDS_AFTER, WORDS_BEFORE

CARD = """---
language: en
license: apache-2.0
library_name: medalign
pipeline_tag: text-classification
tags: [medical, assertion-status, research-only]
---

# Status classifier

{disclaimer}

Reads in which sense a medical mention was said ({statuses}),
whether it is the patient's or another person's, what is done with a medicine ({actions}),
and whether it tells anything of a person at all. `medalign.pipeline.assertion` uses it beside the rules.

- **Input**: at most {before} words before the mention and {after} after it, who speaks, and the mention between two marks.
- **Network**: the first {n_layers} layers of all-MiniLM-L6-v2 (Apache-2.0), tuned, and four linear heads; half precision. The
  embeddings of words are not part of these files: they are read from the teacher, whose revision `config.json` names.
- **Training data**: {n_drawn} examples from a grammar of {n_templates} constructions of English
  (`medalign/training/status/templates.txt`), filled with the concept bank's names{labelled}.
- **How**: `medalign train-status`{tutor}; `training.json` has the recipe, the seed, the commit and
  the hardware. {minutes} minutes.
- **Limits**: English. Probabilities are not calibrated on recordings. It can be wrong in any sentence; what it says is for a
  person to review.
"""
LABELLED = """, and {n_labelled} mentions in the training parts of
  PriMock57, ACI-Bench and MTS-Dialog (CC BY 4.0), labelled by language-model agents who read them (`assets/annotations/`)"""

TUTOR = """ with the tutor {tutor} (it learns the same heads first, and its logits are learnt from)"""


def model_card(figures: dict) -> str:
    """README.md of the folder; `figures` as `train_status` gives them."""
    sessions = figures["sessions"]
    last = sessions[-1]
    return CARD.format(
        disclaimer=DISCLAIMER,
        statuses=", ".join(STATUSES),
        actions=", ".join(ACTIONS).replace("_", " "),
        before=WORDS_BEFORE,
        after=WORDS_AFTER,
        n_layers=last["recipe"]["n_layers"],
        tutor=TUTOR.format(**last["recipe"]) if last["recipe"]["tutor"] else "",
        labelled=LABELLED.format(**last) if last["n_labelled"] else "",
        n_templates=last["n_templates"],
        n_drawn=sum(session["n_drawn"] for session in sessions),
        minutes=round(sum(session["minutes"] for session in sessions)),
    )
