"""A clinical note checked against its recording; `check.check_note` is the way in. In the order of the work:

1. What is said and what is claimed: `passages` (sentences, questions with their answers), `scales` (values with units),
   `words`, `said` (facts, numbers and stretches of a text), `claims` (a statement, read the same way).
2. Their comparison: `amounts`, `details`, `supposed` and `places` by rules, `anchor` by the status classifier; `comparison`
   puts them together, `tally` holds what they find.
3. The sound: `counterfactuals` (what the statement would say if it were wrong), `evidence` (how well either fits the sound).
4. The decision: `held` has the features of all statements, `fits` the models that weigh them, `check` the verdicts with their
   reasons, `left_out` what the note lacks.
"""
